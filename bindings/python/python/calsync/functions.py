"""The parts that need no engine, no store and no network.

Those that end in ``_many`` take thousands at once and cost one call into the native part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from . import _calsync
from ._calsync import pure
from ._codec import arguments, decoder
from .errors import CalsyncError, error_of
from .model import (
    CalendarEvents,
    Copied,
    Event,
    Expansion,
    Field,
    FreeAnswer,
    Merged,
    ParsedCalendar,
    Plan,
    PlanPair,
    SlotTerms,
    Surroundings,
)
from .words import (
    ConflictPolicy,
    DeletionPolicy,
    Direction,
    PeoplePolicy,
)

__all__ = [
    "availability",
    "diff",
    "diff_many",
    "expand",
    "expand_many",
    "merge",
    "merge_many",
    "parse",
    "parse_many",
    "patch",
    "patch_many",
    "plan",
    "public_addresses",
    "transform",
    "transform_many",
    "write",
]

T = TypeVar("T")

_field: Callable[[Any], Field] = decoder(Field)
_merged: Callable[[Any], Merged] = decoder(Merged)
_plan: Callable[[Any], Plan] = decoder(Plan)
_copied: Callable[[Any], Copied] = decoder(Copied)
_free: Callable[[Any], FreeAnswer] = decoder(FreeAnswer)


def _call(method: str, **values: Any) -> Any:
    ok, text = pure(method, arguments(**values))
    value = json.loads(text)
    if not ok:
        raise error_of(value)
    return value


def _made(answer: list[T] | str) -> list[T]:
    if isinstance(answer, str):
        raise error_of(json.loads(answer))
    return answer


def _outcome(value: dict[str, Any], read: Callable[[Any], T]) -> T | CalsyncError:
    return read(value["ok"]) if "ok" in value else error_of(value["failure"])


def _or_raise(outcome: T | CalsyncError) -> T:
    if isinstance(outcome, CalsyncError):
        raise outcome
    return outcome


def _text(value: Any) -> str:
    return str(value)


def parse_many(
    texts: Iterable[str], *, default_zone: ZoneInfo | None = None
) -> list[ParsedCalendar | CalsyncError]:
    """Reads calendar texts. One that is none is an exception in its place, and stops no other."""
    outcomes = _made(_calsync.parse(list(texts), arguments(default_zone=default_zone)))
    return [error_of(json.loads(each)) if isinstance(each, str) else each for each in outcomes]


def parse(text: str, *, default_zone: ZoneInfo | None = None) -> ParsedCalendar:
    """Reads a calendar text. ``default_zone`` stands in for names of zones nothing is known of.

    Raises ``ReadError`` when the text is no calendar. A single item that cannot be read is in ``unreadable``.
    """
    return _or_raise(parse_many([text], default_zone=default_zone)[0])


def write(
    events: Iterable[Event], *, stamp: datetime, people: PeoplePolicy = PeoplePolicy.WITHHOLD
) -> str:
    """Writes events as one calendar text. ``stamp`` is its ``DTSTAMP``."""
    return _text(_call("write", events=list(events), stamp=stamp, people=people))


def patch_many(
    edits: Iterable[tuple[str, Event]],
    *,
    stamp: datetime | None = None,
    people: PeoplePolicy = PeoplePolicy.WITHHOLD,
) -> list[str | CalsyncError]:
    """Changes each text so that it reads as its event, and nothing else in it."""
    pairs = [{"original": original, "event": event} for original, event in edits]
    outcomes = _call("patch", edits=pairs, stamp=stamp, people=people)
    return [_outcome(outcome, _text) for outcome in outcomes]


def patch(
    original: str,
    event: Event,
    *,
    stamp: datetime | None = None,
    people: PeoplePolicy = PeoplePolicy.WITHHOLD,
) -> str:
    """Changes a text so that it reads as the event. Every line that need not change keeps its bytes."""
    return _or_raise(patch_many([(original, event)], stamp=stamp, people=people)[0])


def expand_many(
    events: Iterable[Event],
    start: datetime,
    end: datetime,
    *,
    zone: ZoneInfo | None = None,
    limit: int | None = None,
) -> list[Expansion]:
    """When each event takes place between two instants. Dates and floating times are read in ``zone`` (UTC)."""
    args = arguments(events=list(events), start=start, end=end, zone=zone, limit=limit)
    return _made(_calsync.expand(args))


def expand(
    event: Event,
    start: datetime,
    end: datetime,
    *,
    zone: ZoneInfo | None = None,
    limit: int | None = None,
) -> Expansion:
    """When an event takes place between two instants."""
    return expand_many([event], start, end, zone=zone, limit=limit)[0]


def diff_many(pairs: Iterable[tuple[Event, Event]]) -> list[list[Field]]:
    """The fields in which the second of each pair differs from the first."""
    values = [{"before": before, "after": after} for before, after in pairs]
    return [[_field(field) for field in fields] for fields in _call("diff", pairs=values)]


def diff(before: Event, after: Event) -> list[Field]:
    """The fields in which one version of an event differs from another."""
    return diff_many([(before, after)])[0]


def merge_many(
    items: Iterable[tuple[Event | None, Event, Event]],
    *,
    policy: ConflictPolicy = ConflictPolicy.REMOTE_WINS,
) -> list[Merged]:
    """Merges base, local and remote of each. A base of ``None``: the two never agreed."""
    values = [{"base": base, "local": local, "remote": remote} for base, local, remote in items]
    return [_merged(merged) for merged in _call("merge", items=values, policy=policy)]


def merge(
    base: Event | None,
    local: Event,
    remote: Event,
    *,
    policy: ConflictPolicy = ConflictPolicy.REMOTE_WINS,
) -> Merged:
    """Merges two versions of an event that were made from one."""
    return merge_many([(base, local, remote)], policy=policy)[0]


def plan(
    pairs: Iterable[PlanPair],
    *,
    direction: Direction = Direction.TWO_WAY,
    conflicts: ConflictPolicy = ConflictPolicy.REMOTE_WINS,
    deletions: DeletionPolicy = DeletionPolicy.KEEP_EDIT,
    guard_count: int | None = None,
    guard_percent: int | None = None,
    joined: int | None = None,
    recent_deletions: int = 0,
) -> Plan:
    """Decides about pairs as a link with these rules would: one decision for each, in their order. Writes nothing anywhere.

    All go in one call, for the brake judges their deletions together: they are ``held`` when they are more than ``guard_count`` (10)
    and more than ``guard_percent`` percent (20) of the ``joined`` pairs, or all of several. ``joined`` counts the pairs with a base
    that are not given, too; without it those given are all there are. ``recent_deletions`` are those of the last days nobody was
    asked about.

    The base of the next time is what both sides hold once it is carried out, deletions last. While a field is contested and
    ``Choice.OPEN``, the base stays; and of a link that goes one way it is what the source holds.

    Raises ``CallError`` for a side that is deleted and holds something.
    """
    return _plan(
        _call(
            "plan",
            pairs=list(pairs),
            direction=direction,
            conflicts=conflicts,
            deletions=deletions,
            guard_count=guard_count,
            guard_percent=guard_percent,
            joined=joined,
            recent_deletions=recent_deletions,
        )
    )


def transform_many(
    events: Iterable[Event],
    pipeline: dict[str, Any],
    *,
    around: Surroundings | None = None,
    link: str = "",
    uid_salt: str | None = None,
) -> list[Copied]:
    """What copies of events show, by a pipeline as ``docs/schema/pipeline.json`` describes it. ``around`` is of all events.

    Where copies do not show the UIDs of their events, ``uid_salt`` is needed: with the ``uid_salt`` and the name of a ``link`` the
    copies have the UIDs that link gives them.

    Raises ``CallError`` for a pipeline that cannot be used. Rules of the host are asked by an engine only.
    """
    copies = _call(
        "transform",
        events=list(events),
        pipeline=json.dumps(pipeline),
        around=around,
        link=link,
        uid_salt=uid_salt,
    )
    return [_copied(copied) for copied in copies]


def transform(
    event: Event,
    pipeline: dict[str, Any],
    *,
    around: Surroundings | None = None,
    link: str = "",
    uid_salt: str | None = None,
) -> Copied:
    """What the copy of an event shows: see ``transform_many``."""
    return transform_many([event], pipeline, around=around, link=link, uid_salt=uid_salt)[0]


def availability(
    calendars: Iterable[CalendarEvents],
    start: datetime,
    end: datetime,
    *,
    now: datetime,
    terms: SlotTerms | None = None,
) -> FreeAnswer:
    """When all calendars are free between two instants, 400 days apart at most, and how far each can be trusted.

    All calendars with all their events are one call. Nothing before ``now`` is open, and ages are told from it.
    """
    return _free(_call("availability", calendars=list(calendars), start=start, end=end, now=now, terms=terms))


def public_addresses(addresses: Iterable[str]) -> list[str]:
    """Those of some addresses that belong to the public internet: what a transport may connect to for a request whose ``addresses``
    are ``Addresses.PUBLIC``.

    ``addresses`` are IPv4 and IPv6 addresses as text, without brackets and ports. What is no address is left out.
    """
    return cast("list[str]", _call("public_addresses", addresses=list(addresses)))
