"""The engine for code without asyncio: Django, scripts, worker processes."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from . import _requests as requests
from ._calls import Answers, Caller, OnProgress, outside_asyncio, starting
from ._requests import Request, Target, T
from .model import (
    Calendar,
    Conflict,
    ConflictPolicy,
    CopyEdits,
    DeletionPolicy,
    Direction,
    Event,
    Field,
    PeoplePolicy,
    ProviderKind,
    Question,
    RemoteCalendar,
    Report,
    Run,
    StoredEvent,
    Take,
    Undone,
)

__all__ = ["Engine"]


class Engine:
    """Keeps calendars in a store in step with remote ones; every call waits for its result.

    ``store`` is a path of a SQLite file, ``":memory:"``, or a store of your own, whose methods are called in the thread of the
    caller. Use ``calsync.Engine`` where an event loop runs.
    """

    def __init__(self, store: Target = ":memory:") -> None:
        self._native, self._store = requests.open_store(store)
        self._caller = Caller()

    def _run(self, request: Request[T], on_progress: OnProgress | None = None) -> T:
        outside_asyncio()
        answers = Answers(self._store, on_progress)
        start = starting(self._native, request.method, request.args)
        value = self._caller.call(start, answers)
        return request.read(value)

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def explain(self, calendar: str, id: str) -> dict[str, Any]:
        """What each link makes of an event, which step leaves it out, and what was done about it, why, and by whom."""
        return self._run(requests.explain(calendar=calendar, id=id))

    def free(self, terms: dict[str, Any]) -> dict[str, Any]:
        """When all calendars of ``terms`` are free: ``busy``, ``open``, ``slots``, and how far each calendar can be trusted.

        ``terms`` has ``calendars`` (each ``{"calendar": ..., "zone": ..., "owner": [...]}``), ``from`` and ``to`` as ISO texts,
        and where they are not the default ``zone``, ``slot_minutes``, ``granularity_minutes``, ``buffer_before_minutes``,
        ``buffer_after_minutes``, ``notice_minutes``, ``tentative``, ``uncovered`` and ``hours``.
        """
        return self._run(requests.free(terms=terms))

    def close(self) -> None:
        """Lets go of connections and links. Later calls fail with the code ``closed``."""
        self._run(requests.close())
        self._caller.close()

    def connect(
        self,
        connection: str,
        *,
        provider: ProviderKind,
        url: str = "",
        username: str | None = None,
        secret: str = "",
        trust_address: bool = False,
    ) -> None:
        """Names an account. ``secret`` is the password, or the access token for Google and Microsoft.

        ``trust_address`` allows private and local addresses, and files as feeds: only for addresses that whoever runs the
        application wrote.
        """
        request = requests.connect(
            connection=connection,
            provider=provider,
            url=url,
            username=username,
            secret=secret,
            trust_address=trust_address,
        )
        self._run(request)

    def remote_calendars(self, connection: str) -> list[RemoteCalendar]:
        """The calendars of an account."""
        return self._run(requests.remote_calendars(connection=connection))

    def put_calendar(self, calendar: Calendar) -> None:
        """Makes a calendar, or changes its name or colour."""
        self._run(requests.put_calendar(calendar=calendar))

    def calendars(self) -> list[Calendar]:
        """The calendars in the store."""
        return self._run(requests.calendars())

    def events(self, calendar: str) -> list[StoredEvent]:
        """The events of a calendar, in the order of their last change."""
        return self._run(requests.events(calendar=calendar))

    def add_event(self, calendar: str, event: Event) -> str:
        """Adds an event and gives its id in the store."""
        return self._run(requests.add_event(calendar=calendar, event=event))

    def update_event(self, calendar: str, id: str, revision: int, event: Event) -> None:
        """Replaces an event; raises ``StoreConflictError`` when it was changed since ``revision``."""
        self._run(requests.update_event(calendar=calendar, id=id, revision=revision, event=event))

    def delete_event(self, calendar: str, id: str, revision: int) -> None:
        """Deletes an event; raises ``StoreConflictError`` when it was changed since ``revision``."""
        self._run(requests.delete_event(calendar=calendar, id=id, revision=revision))

    def add_link(
        self,
        link: str,
        *,
        calendar: str,
        connection: str,
        remote: str = "",
        direction: Direction = Direction.TWO_WAY,
        conflicts: ConflictPolicy = ConflictPolicy.REMOTE_WINS,
        deletions: DeletionPolicy = DeletionPolicy.BY_CONFLICTS,
        people: PeoplePolicy = PeoplePolicy.WITHHOLD,
        guard_count: int | None = None,
        guard_percent: int | None = None,
        copies: dict[str, Any] | None = None,
        check_copies_every: int = 0,
        edits: CopyEdits = CopyEdits.LEAVE,
    ) -> None:
        """Joins a calendar to a remote one, by its id; a feed has only one. The store keeps the state under the link's name.

        More than ``guard_count`` deletions (10) that are also more than ``guard_percent`` of the events (20) wait for a person.
        ``copies`` says what a link that imports or exports copies: ``{"pipeline": ..., "calendar_name": ..., "owner": [...]}``, the
        pipeline as ``docs/schema/pipeline.json`` describes it. Without it a link that exports shows when somebody is busy, and
        nothing else; ``{"pipeline": {"start": {"type": "everything"}}}`` shows all. While there is nothing to write, a link that
        exports may leave its copies unlooked at for ``check_copies_every`` seconds.
        """
        request = requests.add_link(
            link=link,
            calendar=calendar,
            connection=connection,
            remote=remote,
            direction=direction,
            conflicts=conflicts,
            deletions=deletions,
            people=people,
            guard_count=guard_count,
            guard_percent=guard_percent,
            copies=copies,
            check_copies_every=check_copies_every,
            edits=edits,
        )
        self._run(request)

    def plan(
        self,
        link: str,
        *,
        approve: str | None = None,
        refuse: str | None = None,
        audit: bool = False,
        withhold_people: bool = False,
    ) -> Report:
        """What ``sync`` would do now. Writes nothing anywhere."""
        request = requests.plan(
            link=link,
            approve=approve,
            refuse=refuse,
            audit=audit,
            withhold_people=withhold_people,
        )
        return self._run(request)

    def sync(
        self,
        link: str,
        *,
        approve: str | None = None,
        refuse: str | None = None,
        audit: bool = False,
        withhold_people: bool = False,
        progress: OnProgress | None = None,
    ) -> Report:
        """Brings a link in step: pulls, merges, commits and pushes.

        ``approve`` and ``refuse`` answer a held plan by its ``plan_id``; ``audit`` compares everything with the remote listing;
        ``progress`` is told how far it is.
        """
        request = requests.sync(
            link=link,
            approve=approve,
            refuse=refuse,
            audit=audit,
            withhold_people=withhold_people,
            progress=progress is not None,
        )
        return self._run(request, progress)

    def conflicts(self, link: str) -> list[Conflict]:
        """The conflicts of a link: those that wait, and the history."""
        return self._run(requests.conflicts(link=link))

    def answer_conflict(
        self,
        link: str,
        conflict: str,
        *,
        by: str,
        take: Take | None = None,
        fields: list[tuple[Field, Take]] | None = None,
    ) -> Conflict:
        """Answers an open conflict, whole or field by field; the next ``sync`` carries it out.

        ``take`` holds for every field that ``fields`` does not name.
        """
        request = requests.answer_conflict(
            link=link,
            conflict=conflict,
            by=by,
            take=take,
            fields=fields,
        )
        return self._run(request)

    def runs(self, link: str) -> list[Run]:
        """The runs of a link, oldest first."""
        return self._run(requests.runs(link=link))

    def undo(self, link: str, run: str) -> Undone:
        """Takes back what a run did here; the next ``sync`` carries it to the remote side."""
        return self._run(requests.undo(link=link, run=run))

    def undo_last(self, link: str, count: int) -> list[Undone]:
        """Takes back what the last runs that did something did, the last one first."""
        return self._run(requests.undo_last(link=link, count=count))

    def questions(self, link: str) -> list[Question]:
        """Items that may be events here, and wait for a person to say so."""
        return self._run(requests.questions(link=link))

    def answer_question(self, link: str, remote_id: str, event: str | None = None) -> None:
        """Says which event an item is; ``None``: none of them."""
        self._run(requests.answer_question(link=link, remote_id=remote_id, event=event))
