"""The engine for code without asyncio: Django, scripts, worker processes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any

from . import _requests as requests
from ._calls import Answers, Caller, OnProgress, Patience, Process, outside_asyncio, starting
from ._requests import Request, Target, T
from .hosts import Clock, Filter, Hosts, Resolver, Transform, Transport
from .model import (
    Booking,
    Calendar,
    Cleaned,
    Conflict,
    Event,
    Explanation,
    Field,
    FreeAnswer,
    FreeTerms,
    HistoryEntry,
    Hold,
    MasterKeys,
    OAuthClient,
    OAuthGrant,
    Question,
    RemoteCalendar,
    Report,
    Run,
    SeenItem,
    Source,
    StoredEvent,
    Undone,
    WaitingWrite,
)
from .words import (
    ConflictPolicy,
    CopyEdits,
    DeletionPolicy,
    Direction,
    PeoplePolicy,
    ProviderKind,
    Take,
)

__all__ = ["Engine"]


class Engine:
    """Keeps calendars in a store in step with remote ones; every call waits for its result.

    ``store`` is a path of a SQLite file, ``":memory:"``, or a store of your own, whose methods are called in the thread of the
    caller. Use ``calsync.Engine`` where an event loop runs.

    ``filters`` and ``transforms`` are rules of your own by the names pipelines have for them; ``resolver`` decides contested fields,
    ``clock`` tells the time. Each has ``patience`` seconds to answer, and each method of a store ``store_patience``: an ``async def`` that
    takes longer ends the call with a ``HostError`` that names it (``host-silent``). A ``def`` has the thread until it returns. See
    ``calsync.hosts``.

    ``transport`` sends what goes to providers, in the place of calsync's own HTTP: where proxies, certificates or connections are to be
    those of the application. A request says how long it may take; one is sent after the other. See ``calsync.transport``.

    ``master_keys`` seal the tokens of accounts that are connected by OAuth, in the store: see ``begin_oauth``. Keys that are none are a
    ``ValueError``, and a store or rule that lacks a method a ``TypeError``; all other errors are ``CalsyncError``.
    """

    def __init__(
        self,
        store: Target = ":memory:",
        *,
        filters: Mapping[str, Filter] | None = None,
        transforms: Mapping[str, Transform] | None = None,
        resolver: Resolver | None = None,
        clock: Clock | None = None,
        transport: Transport | None = None,
        master_keys: MasterKeys | None = None,
        patience: float = 10,
        store_patience: float = 60,
    ) -> None:
        self._process = Process()
        self._hosts = Hosts(None, filters or {}, transforms or {}, resolver, clock, transport, master_keys)
        allowed = Patience(patience, store_patience)
        self._native = requests.open_engine(store, self._hosts, allowed)
        self._caller = Caller(allowed)

    def _run(self, request: Request[T], on_progress: OnProgress | None = None) -> T:
        outside_asyncio()
        self._process.check()
        answers = Answers(self._hosts, on_progress)
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

    def explain(self, calendar: str, id: str) -> Explanation:
        """What each link makes of an event, which step leaves it out, and what was done about it, why, and by whom."""
        return self._run(requests.explain(calendar=calendar, id=id))

    def explain_item(self, item: str) -> list[SeenItem]:
        """What is known of items that are no events here, by their name there or their UID: what keeps them out, and since when."""
        return self._run(requests.explain_item(item=item))

    def sources(self, events: list[str]) -> list[Source]:
        """From where events came, and where they went."""
        return self._run(requests.sources(events=events))

    def events_of(self, link: str, *, after: str | None = None, limit: int = 1000) -> list[Source]:
        """The events joined over a link, as ``sources`` tells of them, by the name of their ``item`` and starting after ``after``."""
        return self._run(requests.events_of(link=link, after=after, limit=limit))

    def history(self, link: str) -> list[HistoryEntry]:
        """Runs of a link, what they did, and conflicts, the oldest first. It holds no text of events."""
        return self._run(requests.history(link=link))

    def clean(self, link: str, *, approve: str | None = None, preview: bool = False) -> Cleaned:
        """Deletes what a link wrote: the items it made there, or the events it brought in here. What people made or edited stays.

        More than one deletion waits for a person, who approves ``plan_id``; ``preview`` deletes nothing.
        """
        return self._run(requests.clean(link=link, approve=approve, preview=preview))

    def forget(self, link: str) -> None:
        """Forgets a link: which events it joined, what waits to be sent, and what was set aside. Both sides stay as they are.

        What it did stays in its history; ``clean`` before it deletes what it wrote. A link that is added again under the name
        meets both sides anew.
        """
        self._run(requests.forget(link=link))

    def hold(self, terms: FreeTerms, start: datetime, end: datetime, *, minutes: int) -> Hold:
        """Keeps a slot for somebody who has not decided yet, for so many minutes. ``terms`` are those of ``free``.

        Raises ``BookingError`` when somebody has the slot, or the terms offer no such slot.
        """
        return self._run(requests.hold(terms=terms, start=start, end=end, minutes=minutes))

    def release(self, hold: Hold) -> None:
        """Gives a held slot back before it runs out."""
        self._run(requests.release(hold=hold))

    def book(
        self,
        terms: FreeTerms,
        calendar: str,
        event: Event,
        *,
        id: str | None = None,
        hold: str | None = None,
        replaces: str | None = None,
    ) -> Booking:
        """Books the time of an event: writes the event when every calendar of ``terms`` is free then.

        Sent again under the same ``id`` it is the same booking. ``hold`` is the ``id`` of the hold that kept the slot, ``replaces`` that of the booking this one takes the place of.
        Raises as ``hold`` does.
        """
        request = requests.book(
            terms=terms, calendar=calendar, event=event, id=id, hold=hold, replaces=replaces
        )
        return self._run(request)

    def cancel_booking(self, calendar: str, id: str) -> None:
        """Gives a booked slot back: its event is deleted, and every link on the calendar carries that on."""
        self._run(requests.cancel_booking(calendar=calendar, id=id))

    def free(self, terms: FreeTerms) -> FreeAnswer:
        """When all calendars of ``terms`` are free, and how far each can be trusted."""
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
        client: OAuthClient | None = None,
        trust_address: bool = False,
        unofficial: bool = False,
        ahead_days: int | None = None,
    ) -> None:
        """Names an account. ``secret`` is the password, or the access token for Google and Microsoft. Done again under a name,
        with a new one, it is what the links of that connection use from then on. With a ``client`` in its place the tokens are those that
        ``finish_oauth`` kept under the name; they are renewed when they run out.

        ``trust_address`` allows private and local addresses, and files as feeds: only for addresses that whoever runs the
        application wrote. ``unofficial`` says that the owner of a Cozi account knows that its interface is undocumented, may end on
        any day, and that using it may be against Cozi's terms. ``ahead_days`` says how many days ahead a feed is published for:
        nothing later is known to be free. Without it a feed is taken to list all there is.
        """
        request = requests.connect(
            connection=connection,
            provider=provider,
            url=url,
            username=username,
            secret=secret,
            client=client,
            trust_address=trust_address,
            unofficial=unofficial,
            ahead_days=ahead_days,
        )
        self._run(request)

    def begin_oauth(
        self,
        connection: str,
        *,
        client: OAuthClient,
        session: str,
        redirect: str,
        login_hint: str | None = None,
    ) -> str:
        """Begins to connect an account at Google, Microsoft or any server with OAuth 2.0. Gives the URL to send the browser of the person to;
        it comes back to ``redirect``, as it is registered there, within 15 minutes.

        ``session`` is what your application knows the person's session by: only in the same one ``finish_oauth`` takes what comes back.
        ``login_hint`` is the address to offer for signing in. Under the name of a connection that has tokens the same account has to come back.
        """
        request = requests.begin_oauth(
            connection=connection,
            client=client,
            session=session,
            redirect=redirect,
            login_hint=login_hint,
        )
        return self._run(request)

    def finish_oauth(self, *, client: OAuthClient, session: str, query: str) -> OAuthGrant:
        """Takes what the browser brought back, the query of its URL, and keeps the tokens in the store, sealed with the ``master_keys``.
        Then ``connect`` the account with the same ``client``; one that is connected goes on with the new tokens.

        Raises ``CredentialsError`` when the person said no or another account came back, and ``CallError`` with the code ``oauth-state`` when
        nothing was begun in this session with what came back, or it was used before: then begin again.
        """
        return self._run(requests.finish_oauth(client=client, session=session, query=query))

    def disconnect(self, connection: str) -> bool:
        """Takes a connection out of the engine. Tokens it has are taken back at the provider and forgotten: ``False`` says that the provider
        could not be told (Microsoft never can), so that a person has to take the access away there."""
        return self._run(requests.disconnect(connection=connection))

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
        deletions: DeletionPolicy = DeletionPolicy.KEEP_EDIT,
        people: PeoplePolicy = PeoplePolicy.WITHHOLD,
        guard_count: int | None = None,
        guard_percent: int | None = None,
        copies: dict[str, Any] | None = None,
        check_copies_every: int = 0,
        edits: CopyEdits = CopyEdits.LEAVE,
    ) -> None:
        """Joins a calendar to a remote one, by its id; a feed has only one. The store keeps the state under the link's name.

        Deletions wait for a person when they are more than ``guard_count`` (10) and more than ``guard_percent`` of the events (20), or
        when they are all of at least two. Those of the last seven days that nobody was asked about count with them.
        ``copies`` says what a link that imports or exports copies: ``{"pipeline": ..., "calendar_name": ..., "owner": [...],
        "zone": ..., "window": {"from": ..., "to": ..., "leaving": ...}, "uid_salt": ...}``, the pipeline as
        ``docs/schema/pipeline.json`` describes it, all else where it is not the default. ``window`` is of a link that exports;
        its ends are ``{"days": -30}``, ``{"month-start": -1}`` or ``{"month-end": 1}`` from now, and ``leaving`` is ``"stay"`` or
        ``"go"``. ``uid_salt`` are random characters, such as ``secrets.token_hex(16)``, drawn once for each link and kept with
        what you say of it, with which nobody can tell from the UID of a copy which event it is of. Without ``copies`` a link that
        exports shows when somebody is busy, and nothing else; ``{"pipeline": {"start": {"type": "everything"}}}`` shows all.
        While there is nothing to write, a link that exports may leave its copies unlooked at for ``check_copies_every`` seconds.
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

    def outbox(self, link: str) -> list[WaitingWrite]:
        """The writes to the remote side that are decided and not confirmed, the most urgent first."""
        return self._run(requests.outbox(link=link))

    def retry_write(self, link: str, event: str) -> None:
        """Gives the write of an event, by its id, all its tries again; the next ``sync`` sends the event as it is by then.

        Raises ``CallError``: ``unknown-write`` when none waits, ``busy`` when a run is at the link.
        """
        self._run(requests.retry_write(link=link, event=event))

    def drop_write(self, link: str, event: str) -> None:
        """Gives the write of an event up: both sides stay as they are until either is edited again.

        A deletion that is given up leaves the item alone for good. Raises as ``retry_write`` does.
        """
        self._run(requests.drop_write(link=link, event=event))
