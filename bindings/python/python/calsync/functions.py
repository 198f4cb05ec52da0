"""The parts that need no engine, no store and no network.

Those that end in ``_many`` take thousands at once and cost one call into the native part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from . import _calsync
from ._calsync import pure
from ._codec import arguments, decoder
from .errors import CalsyncError, error_of
from .model import ConflictPolicy, Event, Expansion, Field, Merged, ParsedCalendar, PeoplePolicy

__all__ = [
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
    "write",
]

T = TypeVar("T")

_field: Callable[[Any], Field] = decoder(Field)
_merged: Callable[[Any], Merged] = decoder(Merged)


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
    values = {"from": start, "to": end}
    return _made(_calsync.expand(arguments(events=list(events), zone=zone, limit=limit, **values)))


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


