"""A store written in Python: your own tables.

Rows are JSON-friendly mappings with text, numbers and lists; ids are text, instants RFC 3339 text in UTC. A store keeps what
it is given and decides nothing. Columns it needs for its indexes are named by the arguments of its methods.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Literal, Protocol, TypedDict, TypeVar, Union

__all__ = [
    "Batch",
    "BaseSummary",
    "LeaseGrant",
    "LeaseRequest",
    "LeaseToken",
    "LinkHeld",
    "OpenLink",
    "Pairs",
    "Receipt",
    "Row",
    "Store",
    "StoreConflict",
    "StoreCorrupt",
    "StoreFenced",
    "StoreFull",
    "StoreInOneCall",
    "StoreInvalidInput",
    "StoreUnavailable",
    "Waiting",
]

T = TypeVar("T")
MaybeAwaitable = Union[T, Awaitable[T]]

Row = dict[str, Any]
"""A row as it was written in a commit: kept whole, given back whole."""


class LeaseToken(TypedDict):
    """Proof of holding a lease; a commit with an older epoch is refused with ``StoreFenced``."""

    name: str
    epoch: int


class LeaseGrant(TypedDict, total=False):
    """``token`` when it was granted, ``held_until`` when somebody else has it."""

    token: LeaseToken
    held_until: str


class LeaseRequest(TypedDict):
    """The arguments of ``acquire_lease``."""

    name: str
    holder: str
    now: str
    until: str


class LinkHeld(TypedDict):
    """Somebody else has the lease of a link until then."""

    held_until: str


class OpenLink(TypedDict):
    """A link as a run finds it: each as the read of its name answers it."""

    token: LeaseToken | None
    """The lease; ``None`` when none was asked for."""
    state: Row | None
    """``link``."""
    edits: list[Row]
    """``events_since(calendar, state["seen"] - 1, limit + 1)``; nothing without a state, or where ``seen`` is 0."""
    quarantine: list[Row]
    """``records`` of that kind, the first ``limit``."""
    outbox: list[Row]
    """``outbox``, the first ``limit``."""


class Pairs(TypedDict):
    """Bases with the events they join, deleted ones included."""

    bases: list[Row]
    events: list[Row]


class Waiting(TypedDict):
    """A page of the outbox with the bases of its events, where they have one."""

    entries: list[Row]
    bases: list[Row]


class BaseSummary(TypedDict):
    """The short form of a base."""

    remote_id: str
    event_id: str
    version: str | None


class _Ended(TypedDict, total=False):
    lease_end: Literal["kept", "given-back"]


class _Told(_Ended, total=False):
    forgotten: list[int]


class Batch(_Ended):
    """Writes that belong together: all of them, or none.

    ``expect`` holds what must be true first (``of``: ``event``, ``link``, ``uid`` or ``doc``), ``writes`` what is written in
    this order (``op``: ``put-event``, ``delete-event``, ``put-link``, ...). With the ``lease_end`` ``given-back`` the writer is
    done with its lease: a store that frees it in the same transaction says so in its receipt, and is spared a call.
    """

    lease: LeaseToken | None
    expect: list[Row]
    writes: list[Row]


class Receipt(_Told):
    """What a commit did, each in the order of the batch: ``(calendar, event id, revision)`` of events that were written,
    versions of documents that were put, rows each ``purge-log`` removed. ``forgotten``, events each ``purge-deleted``
    removed, is left out by a store that forgets all of them whatever the ``limit`` says. ``lease_end`` is that of the batch,
    where the store followed it."""

    revisions: list[tuple[str, str, int]]
    doc_versions: list[int]
    purged: list[int]


class StoreConflict(Exception):
    """An expectation of the batch does not hold; nothing was written."""

    def __init__(self, expectation: int = 0) -> None:
        super().__init__(f"expectation {expectation} does not hold")
        self.expectation = expectation


class StoreFenced(Exception):
    """The lease of the batch is not the current one; nothing was written."""


class StoreUnavailable(Exception):
    """The database is busy or not reachable: try again later."""


class StoreFull(Exception):
    """The database has no room."""


class StoreCorrupt(Exception):
    """A row does not hold what was written."""


class StoreInvalidInput(Exception):
    """The call makes no sense: a pair would not be unique, a key is too long. Nothing was written."""


class Store(Protocol):
    """The host's database. Each method may be ``def`` or ``async def``.

    In asyncio code a ``def`` method holds up the event loop while it works; with ``calsync.blocking`` every method is called
    in the thread of the caller.
    """

    def calendars(self) -> MaybeAwaitable[list[Row]]:
        """All calendars, by id."""
        ...

    def events(self, calendar: str, ids: list[str]) -> MaybeAwaitable[list[Row]]:
        """Events by id, deleted ones included: ``id``, ``revision``, ``event``, ``modified``, ``deleted``."""
        ...

    def events_by_uid(self, calendar: str, uids: list[str]) -> MaybeAwaitable[list[Row]]:
        """Events with one of these UIDs, deleted ones included."""
        ...

    def events_since(self, calendar: str, after: int, limit: int) -> MaybeAwaitable[list[Row]]:
        """Events whose revision is greater than ``after``, by revision, deleted ones included."""
        ...

    def link(self, link: str) -> MaybeAwaitable[Row | None]:
        """The state of a link."""
        ...

    def bases(
        self, link: str, by: Literal["remote", "event"], ids: list[str]
    ) -> MaybeAwaitable[list[Row]]:
        """What both sides last agreed on, by remote id or by event id."""
        ...

    def base_summaries(
        self, link: str, after: str | None, limit: int
    ) -> MaybeAwaitable[list[BaseSummary]]:
        """Names and versions of the items of a link, by remote id, starting after ``after``."""
        ...

    def outbox(self, link: str, after: str | None, limit: int) -> MaybeAwaitable[list[Row]]:
        """Outbox entries of a link by id, starting after ``after``."""
        ...

    def records(
        self,
        kind: Literal["conflict", "quarantine", "run", "journal"],
        link: str,
        event: str | None,
        run: str | None,
        after: str | None,
        limit: int,
    ) -> MaybeAwaitable[list[Row]]:
        """Rows of a log by their id (the remote id for quarantine), starting after ``after``."""
        ...

    def docs(
        self,
        space: str,
        keys: list[str] | None,
        after: str | None,
        due: str | None,
        limit: int | None,
    ) -> MaybeAwaitable[list[Row]]:
        """Documents of a space: those with ``keys``, else those due at ``due`` longest overdue first, else a page by key."""
        ...

    def commit(self, batch: Batch) -> MaybeAwaitable[Receipt]:
        """Writes a batch. Checks the lease first, then the expectations, then writes.

        A link has one base per item and one per event, and one outbox entry per event: a batch that would make a second one is
        ``StoreInvalidInput``. With it, ``StoreFenced`` and ``StoreConflict`` nothing was written.
        """
        ...

    def acquire_lease(
        self, name: str, holder: str, now: str, until: str
    ) -> MaybeAwaitable[LeaseGrant]:
        """Takes a lease until then, or says until when somebody else has it. At that moment it is free.

        The same holder gets its lease renewed, with the same epoch while it has not run out; else the epoch grows.
        """
        ...

    def release_lease(self, token: LeaseToken) -> MaybeAwaitable[None]:
        """Gives a lease back. A token that is not current any more is ignored."""
        ...


class StoreInOneCall(Store, Protocol):
    """A store that answers together what is always asked together: a run without changes calls two methods and not six.

    Each of the three methods is called when the store has it, which is looked at once, when the store is given to an engine or to
    ``check_store``; the cases compare it with the single reads.
    """

    def open_link(
        self, lease: LeaseRequest | None, link: str, calendar: str, limit: int
    ) -> MaybeAwaitable[OpenLink | LinkHeld]:
        """What a run begins with: takes the lease, then reads. Where the lease is not granted nothing is read."""
        ...

    def pairs(self, link: str, calendar: str, items: list[str]) -> MaybeAwaitable[Pairs]:
        """``bases`` of these remote ids, and the ``events`` with their event ids."""
        ...

    def waiting(self, link: str, after: str | None, limit: int) -> MaybeAwaitable[Waiting]:
        """``outbox``, and the ``bases`` of the events in it."""
        ...


METHODS = (
    "calendars",
    "events",
    "events_by_uid",
    "events_since",
    "link",
    "bases",
    "base_summaries",
    "outbox",
    "records",
    "docs",
    "commit",
    "acquire_lease",
    "release_lease",
)
"""The methods of a store."""

IN_ONE_CALL = ("open_link", "pairs", "waiting")
"""Those it may have beside them."""


def in_one_call(store: object) -> list[str]:
    """Which of them it has."""
    return [method for method in IN_ONE_CALL if callable(getattr(store, method, None))]


def checked(store: object) -> object:
    """The store, if it has all methods; else a ``TypeError`` that names the first missing one."""
    for method in METHODS:
        if not callable(getattr(store, method, None)):
            raise TypeError(f"{type(store).__name__} is no calsync store: it has no method {method}")
    return store
