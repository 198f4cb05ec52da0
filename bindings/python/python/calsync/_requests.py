"""What each method of an engine asks of the native part, for both engines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, Union

from . import _calsync
from ._calls import Patience
from ._codec import arguments, decoder
from .hosts import Hosts
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
from .store import Store, checked
from .words import (
    ConflictPolicy,
    CopyEdits,
    DeletionPolicy,
    Direction,
    PeoplePolicy,
    ProviderKind,
    Take,
)

T = TypeVar("T")

Target = Union[str, "os.PathLike[str]", Store]
"""Where an engine keeps its rows: a path, ``":memory:"`` or a store."""


@dataclass
class Request(Generic[T]):
    """A call, and how its result is read."""

    method: str
    args: str
    read: Callable[[Any], T]


def open_engine(store: Target, hosts: Hosts, patience: Patience) -> _calsync.Engine:
    """The native engine over a store; ``hosts`` then has the store where it is one of the host."""
    choice: Any = "host"
    if isinstance(store, (str, os.PathLike)):
        path = os.fspath(store)
        choice = "memory" if path == ":memory:" else {"sqlite": {"path": path}}
    else:
        hosts.store = checked(store)
    return _calsync.Engine(json.dumps(hosts.opening(choice, patience.soon, patience.store)))


def _nothing(_: Any) -> None:
    return None


def _text(value: Any) -> str:
    return str(value)


def _flag(value: Any) -> bool:
    return bool(value)


def _list(kind: type[T]) -> Callable[[Any], list[T]]:
    each = decoder(kind)
    return lambda value: [each(item) for item in value]


_remotecalendars: Callable[[Any], list[RemoteCalendar]] = _list(RemoteCalendar)
_calendars: Callable[[Any], list[Calendar]] = _list(Calendar)
_storedevents: Callable[[Any], list[StoredEvent]] = _list(StoredEvent)
_report: Callable[[Any], Report] = decoder(Report)
_cleaned: Callable[[Any], Cleaned] = decoder(Cleaned)
_free: Callable[[Any], FreeAnswer] = decoder(FreeAnswer)
_explanation: Callable[[Any], Explanation] = decoder(Explanation)
_seen: Callable[[Any], list[SeenItem]] = _list(SeenItem)
_sources: Callable[[Any], list[Source]] = _list(Source)
_history: Callable[[Any], list[HistoryEntry]] = _list(HistoryEntry)
_hold: Callable[[Any], Hold] = decoder(Hold)
_booking: Callable[[Any], Booking] = decoder(Booking)
_conflicts: Callable[[Any], list[Conflict]] = _list(Conflict)
_conflict: Callable[[Any], Conflict] = decoder(Conflict)
_runs: Callable[[Any], list[Run]] = _list(Run)
_undone: Callable[[Any], Undone] = decoder(Undone)
_undones: Callable[[Any], list[Undone]] = _list(Undone)
_questions: Callable[[Any], list[Question]] = _list(Question)
_waitingwrites: Callable[[Any], list[WaitingWrite]] = _list(WaitingWrite)
_oauthgrant: Callable[[Any], OAuthGrant] = decoder(OAuthGrant)


def connect(
    connection: str,
    provider: ProviderKind,
    url: str,
    username: str | None,
    secret: str,
    client: OAuthClient | None,
    trust_address: bool,
    unofficial: bool,
    ahead_days: int | None,
) -> Request[None]:
    return Request("connect", arguments(
        connection=connection,
        provider=provider,
        url=url,
        username=username,
        secret=secret,
        client=client,
        trust_address=trust_address,
        unofficial=unofficial,
        ahead_days=ahead_days,
    ), _nothing)


def begin_oauth(
    connection: str,
    client: OAuthClient,
    session: str,
    redirect: str,
    login_hint: str | None,
) -> Request[str]:
    return Request("begin_oauth", arguments(
        connection=connection,
        client=client,
        session=session,
        redirect=redirect,
        login_hint=login_hint,
    ), _text)


def finish_oauth(client: OAuthClient, session: str, query: str) -> Request[OAuthGrant]:
    return Request("finish_oauth", arguments(client=client, session=session, query=query), _oauthgrant)


def disconnect(connection: str) -> Request[bool]:
    return Request("disconnect", arguments(connection=connection), _flag)


def remote_calendars(connection: str) -> Request[list[RemoteCalendar]]:
    return Request("remote_calendars", arguments(connection=connection), _remotecalendars)


def put_calendar(calendar: Calendar) -> Request[None]:
    return Request("put_calendar", arguments(calendar=calendar), _nothing)


def calendars() -> Request[list[Calendar]]:
    return Request("calendars", arguments(), _calendars)


def events(calendar: str) -> Request[list[StoredEvent]]:
    return Request("events", arguments(calendar=calendar), _storedevents)


def add_event(calendar: str, event: Event) -> Request[str]:
    return Request("add_event", arguments(calendar=calendar, event=event), _text)


def update_event(calendar: str, id: str, revision: int, event: Event) -> Request[None]:
    return Request("update_event", arguments(calendar=calendar, id=id, revision=revision, event=event), _nothing)


def delete_event(calendar: str, id: str, revision: int) -> Request[None]:
    return Request("delete_event", arguments(calendar=calendar, id=id, revision=revision), _nothing)


def add_link(
    link: str,
    calendar: str,
    connection: str,
    remote: str,
    direction: Direction,
    conflicts: ConflictPolicy,
    deletions: DeletionPolicy,
    people: PeoplePolicy,
    guard_count: int | None,
    guard_percent: int | None,
    copies: dict[str, Any] | None,
    check_copies_every: int,
    edits: CopyEdits,
) -> Request[None]:
    return Request("add_link", arguments(
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
        copies=None if copies is None else json.dumps(copies),
        check_copies_every=check_copies_every,
        edits=edits,
    ), _nothing)


def plan(
    link: str,
    approve: str | None,
    refuse: str | None,
    audit: bool,
    withhold_people: bool,
) -> Request[Report]:
    return Request("plan", arguments(
        link=link,
        approve=approve,
        refuse=refuse,
        audit=audit,
        withhold_people=withhold_people,
    ), _report)


def sync(
    link: str,
    approve: str | None,
    refuse: str | None,
    audit: bool,
    withhold_people: bool,
    progress: bool,
) -> Request[Report]:
    return Request("sync", arguments(
        link=link,
        approve=approve,
        refuse=refuse,
        audit=audit,
        withhold_people=withhold_people,
        progress=progress,
    ), _report)


def conflicts(link: str) -> Request[list[Conflict]]:
    return Request("conflicts", arguments(link=link), _conflicts)


def answer_conflict(
    link: str,
    conflict: str,
    by: str,
    take: Take | None,
    fields: list[tuple[Field, Take]] | None,
) -> Request[Conflict]:
    return Request("answer_conflict", arguments(
        link=link,
        conflict=conflict,
        by=by,
        take=take,
        fields=[{"field": field, "take": side} for field, side in fields or ()],
    ), _conflict)


def runs(link: str) -> Request[list[Run]]:
    return Request("runs", arguments(link=link), _runs)


def undo(link: str, run: str) -> Request[Undone]:
    return Request("undo", arguments(link=link, run=run), _undone)


def undo_last(link: str, count: int) -> Request[list[Undone]]:
    return Request("undo_last", arguments(link=link, count=count), _undones)


def questions(link: str) -> Request[list[Question]]:
    return Request("questions", arguments(link=link), _questions)


def answer_question(link: str, remote_id: str, event: str | None) -> Request[None]:
    return Request("answer_question", arguments(link=link, remote_id=remote_id, event=event), _nothing)


def outbox(link: str) -> Request[list[WaitingWrite]]:
    return Request("outbox", arguments(link=link), _waitingwrites)


def retry_write(link: str, event: str) -> Request[None]:
    return Request("retry_write", arguments(link=link, event=event), _nothing)


def drop_write(link: str, event: str) -> Request[None]:
    return Request("drop_write", arguments(link=link, event=event), _nothing)


def explain(calendar: str, id: str) -> Request[Explanation]:
    return Request("explain", arguments(calendar=calendar, id=id), _explanation)


def explain_item(item: str) -> Request[list[SeenItem]]:
    return Request("explain_item", arguments(item=item), _seen)


def sources(events: list[str]) -> Request[list[Source]]:
    return Request("sources", arguments(events=events), _sources)


def events_of(link: str, after: str | None, limit: int) -> Request[list[Source]]:
    return Request("events_of", arguments(link=link, after=after, limit=limit), _sources)


def history(link: str) -> Request[list[HistoryEntry]]:
    return Request("history", arguments(link=link), _history)


def clean(link: str, approve: str | None, preview: bool) -> Request[Cleaned]:
    return Request("clean", arguments(link=link, approve=approve, preview=preview), _cleaned)


def forget(link: str) -> Request[None]:
    return Request("forget", arguments(link=link), _nothing)


def hold(terms: FreeTerms, start: datetime, end: datetime, minutes: int) -> Request[Hold]:
    return Request("hold", arguments(
        terms=terms,
        start=start,
        end=end,
        minutes=minutes,
    ), _hold)


def release(hold: Hold) -> Request[None]:
    return Request("release", arguments(hold=hold), _nothing)


def book(
    terms: FreeTerms,
    calendar: str,
    event: Event,
    id: str | None,
    hold: str | None,
    replaces: str | None,
) -> Request[Booking]:
    return Request("book", arguments(
        terms=terms,
        calendar=calendar,
        event=event,
        id=id,
        hold=hold,
        replaces=replaces,
    ), _booking)


def cancel_booking(calendar: str, id: str) -> Request[None]:
    return Request("cancel_booking", arguments(calendar=calendar, id=id), _nothing)


def free(terms: FreeTerms) -> Request[FreeAnswer]:
    return Request("free", arguments(terms=terms), _free)


def close() -> Request[None]:
    return Request("close", arguments(), _nothing)
