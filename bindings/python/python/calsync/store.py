"""A store written in Python: your own tables.

Rows are JSON-friendly mappings with text, numbers and lists; ids are text, instants RFC 3339 text in UTC. A store keeps what
it is given and decides nothing. Columns it needs for its indexes are named by the arguments of its methods.

What ``commit`` is given and what a store makes of it, op by op:
https://github.com/calsync/calsync/blob/main/docs/store-contract.md#what-a-batch-holds-in-python-and-node. Instants cannot be compared
as text: fractions have any number of digits, and years may have a sign.
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

    With the ``lease_end`` ``given-back`` the writer is done with its lease: a store that frees it in the same transaction says so
    in its receipt, and is spared a call. The fields of each ``of`` and ``op``:
    https://github.com/calsync/calsync/blob/main/docs/store-contract.md#what-a-batch-holds-in-python-and-node
    """

    lease: LeaseToken | None
    """Who writes; ``None`` when no lease is needed."""
    expect: list[Row]
    """What has to hold before the first write, by ``of``: the ``revision`` of an ``event``, the ``generation`` of a ``link``, the
    ``version`` of a ``doc``, where ``None`` says that there is no such row; or of a ``uid``, that ``events`` are all that have it."""
    writes: list[Row]
    """What is written, in this order, by ``op``: ``put-calendar``, ``put-event``, ``delete-event``, ``purge-deleted``, ``put-link``,
    ``put-base``, ``delete-base``, ``put-outbox``, ``delete-outbox``, ``put-conflict``, ``put-quarantine``, ``delete-quarantine``,
    ``put-run``, ``put-journal``, ``purge-log``, ``put-doc`` and ``delete-doc``. The store counts revisions of events, generations of
    links and versions of documents itself, and sets ``modified`` and ``deleted``."""


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
    in the thread of the caller. Lists are ordered by the bytes (UTF-8) of their key, unless something else is said, and ``after`` goes
    by that order.
    """

    def calendars(self) -> MaybeAwaitable[list[Row]]:
        """All calendars, by id."""
        ...

    def events(self, calendar: str, ids: list[str]) -> MaybeAwaitable[list[Row]]:
        """The rows of these events, deleted ones included, in any order: ``id``, ``revision``, ``event``, ``modified``, ``deleted``.

        Ids that are not there are left out; one that is asked for twice is answered once.
        """
        ...

    def events_by_uid(self, calendar: str, uids: list[str]) -> MaybeAwaitable[list[Row]]:
        """The rows of the events with one of these UIDs (``event["uid"]``), deleted ones included, in any order."""
        ...

    def events_since(self, calendar: str, after: int, limit: int) -> MaybeAwaitable[list[Row]]:
        """The first ``limit`` rows with a revision above ``after``, deleted ones included, in the order of their revisions."""
        ...

    def link(self, link: str) -> MaybeAwaitable[Row | None]:
        """The row of a link; ``None`` before its first ``put-link``."""
        ...

    def bases(
        self, link: str, by: Literal["remote", "event"], ids: list[str]
    ) -> MaybeAwaitable[list[Row]]:
        """The bases of a link whose ``remote_id`` or ``event_id``, as ``by`` says, is one of ``ids``, in any order."""
        ...

    def base_summaries(
        self, link: str, after: str | None, limit: int
    ) -> MaybeAwaitable[list[BaseSummary]]:
        """The first ``limit`` bases of a link with a ``remote_id`` above ``after``, by that; three of their fields are enough."""
        ...

    def outbox(self, link: str, after: str | None, limit: int) -> MaybeAwaitable[list[Row]]:
        """The first ``limit`` writes of a link that wait, with an ``id`` above ``after``, by that."""
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
        """The first ``limit`` rows of a kind and link that match, with an ``id`` (``remote_id`` for quarantine) above ``after``, by that.

        ``event`` and ``run`` narrow conflicts and journal entries to one ``event_id`` and one ``run``; for the others they are ignored.
        """
        ...

    def docs(
        self,
        space: str,
        keys: list[str] | None,
        after: str | None,
        due: str | None,
        limit: int | None,
    ) -> MaybeAwaitable[list[Row]]:
        """Documents of a space: one of three questions, and what belongs to the others is ``None``.

        Those with these ``keys``, in any order; the first ``limit`` whose ``due`` is at most that instant, by ``due``, then by key; or the
        first ``limit`` with a key above ``after``, by key.
        """
        ...

    def commit(self, batch: Batch) -> MaybeAwaitable[Receipt]:
        """Writes a batch: checks the lease first, then the expectations, then writes, in one transaction.

        A lease that is not the current one is ``StoreFenced``; the first expectation that does not hold is ``StoreConflict`` with its place.

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
