"""For tests of a host: the cases the stores of calsync are checked with, and providers on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypedDict, TypeVar, cast

from .. import _calsync
from .._calls import Answers, Caller, Patience, outside_asyncio
from .._calsync import check_store as _check_store
from .._calsync import store_cases
from .._codec import decoder
from ..errors import error_of
from ..hosts import Hosts
from ..model import OAuthClient
from ..store import Store, checked
from ..words import ProviderKind

__all__ = [
    "STORE_CASES",
    "Account",
    "CalDavEmulator",
    "CoziEmulator",
    "Emulator",
    "GoogleEmulator",
    "IcsEmulator",
    "MicrosoftEmulator",
    "check_store",
]

E = TypeVar("E", bound="Emulator")

_client: Callable[[Any], OAuthClient] = decoder(OAuthClient)

STORE_CASES: tuple[str, ...] = tuple(store_cases())
"""The names of the cases. ``calsync.testing.pytest`` makes a test of each."""


def check_store(factory: Callable[[], Store], case: str | None = None, *, store_patience: float = 60) -> None:
    """Runs one case, or all of them, each on a fresh and empty store that ``factory`` makes.

    Raises ``CheckError``, whose ``item`` is the case, for the first one that fails. ``async def`` methods run on an event loop
    of their own. Each has ``store_patience`` seconds: one that takes longer fails the case. A ``def`` that never returns cannot be
    given up.
    """
    outside_asyncio()
    for name in STORE_CASES if case is None else (case,):
        caller = Caller(Patience(store=store_patience))
        try:
            hosts = Hosts(checked(factory()))
            opening = json.dumps(hosts.opening("host", of_store=store_patience))
            caller.call(lambda done, call, _: _check_store(name, opening, done, call), Answers(hosts, None))
        finally:
            caller.close()


class Account(TypedDict):
    """What ``connect`` takes: ``engine.connect("account", **emulator.account)``."""

    provider: ProviderKind
    url: str
    username: str
    secret: str
    trust_address: bool
    unofficial: bool


class Emulator:
    """A provider on a free port of 127.0.0.1, with one account and one empty calendar, in memory. Nothing leaves the machine.

    It serves on a thread of its own until ``close``, or the end of a ``with``. ``secret`` is the password, or the access token,
    that is accepted. ``OSError`` when no port is free.

    ``items``, ``put``, ``delete`` and ``tell`` happen at the service itself, as if somebody else did it there. They raise
    ``CallError`` for an id nothing has, a line that is not understood, an item that is no calendar text (CalDAV and feeds) or no JSON
    object (the others), and once it is closed. In the object, Microsoft refuses what Graph does; Cozi and Google look at nothing.
    """

    _provider: ProviderKind

    def __init__(self, *, username: str = "ann@example.com", secret: str = "secret") -> None:
        settings = {"provider": self._provider, "username": username, "secret": secret}
        self._native = _calsync.Emulator(json.dumps(settings))
        account = json.loads(self._native.account() or "{}")
        self.account: Account = {
            "provider": self._provider,
            "url": account["url"],
            "username": account["username"],
            "secret": account["secret"],
            "trust_address": account["trust_address"],
            "unofficial": account["unofficial"],
        }

    def __enter__(self: E) -> E:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def items(self) -> dict[str, str]:
        """What is in the calendar, by its id. A text has the form of the service: iCalendar, or the JSON of its interface. A feed is
        one item, ``calendar.ics``."""
        return cast("dict[str, str]", self._ask("items"))

    def put(self, item: str, id: str | None = None) -> str:
        """Adds an item, or replaces the one with this id; gives its id. Only a CalDAV server takes an id that is new."""
        return cast(str, self._ask("put", item=item, id=id))

    def delete(self, id: str) -> None:
        """Deletes an item. A feed cannot be: replace it with an empty calendar."""
        self._ask("delete", id=id)

    def tell(self, line: str) -> None:
        """Turns a switch of the service, or lets something happen there, such as ``fault status=503 times=3``:
        ``docs/emulators.md`` lists them all. A feed has none."""
        self._ask("tell", line=line)

    def client(self) -> OAuthClient:
        """Your application at the authorization server of the emulator, Google's or Microsoft's: for ``begin_oauth``.

        A ``GET`` of the URL that gives is answered with the redirect a browser would follow: the person allows everything at once, unless
        ``tell`` says otherwise, such as ``oauth consent=deny``. ``connect`` takes it with the ``provider``, ``url`` and ``trust_address`` of ``account``.
        """
        return _client(self._ask("client"))

    def _ask(self, method: str, **args: str | None) -> Any:
        worked, text = self._native.ask(method, json.dumps(args))
        answer = json.loads(text)
        if not worked:
            raise error_of(answer)
        return answer

    def close(self) -> None:
        """Ends it, with everything in it."""
        self._native.close()


class CalDavEmulator(Emulator):
    """A CalDAV server with the calendar ``Personal``."""

    _provider = ProviderKind.CALDAV


class CoziEmulator(Emulator):
    """A household at Cozi, in Berlin. ``account`` opts in to its interface, which nobody offers."""

    _provider = ProviderKind.COZI


class GoogleEmulator(Emulator):
    """Google Calendar with the account's own calendar, which has its address as its name."""

    _provider = ProviderKind.GOOGLE


class IcsEmulator(Emulator):
    """A feed, empty until something is ``put``. Its user and password are asked for."""

    _provider = ProviderKind.ICS


class MicrosoftEmulator(Emulator):
    """Microsoft Graph with the default calendar ``Calendar``."""

    _provider = ProviderKind.MICROSOFT
