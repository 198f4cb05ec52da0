"""What the native part makes as objects is what the codec makes of its JSON, class by class."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import date, datetime, timezone
from enum import Enum
from typing import Any, cast

import calsync
import pytest
from calsync import _calsync, _codec
from calsync.zones import DefinedZone

ZONE = """BEGIN:VTIMEZONE
TZID:Ours
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0123
TZOFFSETTO:+0123
END:STANDARD
END:VTIMEZONE"""

BODIES = {
    "nothing but when": "DTSTART:20260105T180000Z",
    "a day": "DTSTART;VALUE=DATE:20260105",
    "floating": "DTSTART:20260105T180000\nDTEND:20260105T190000",
    "a zone of the database": "DTSTART;TZID=Europe/Berlin:20260105T180000\nDURATION:PT1H",
    "a zone of the file": "DTSTART;TZID=Ours:20260105T180000\nDURATION:PT1H",
    "before the first year of Python": "DTSTART;VALUE=DATE:00000105",
    "all texts": "DTSTART:20260105T180000Z\nSUMMARY:A\nDESCRIPTION:B\\nC\nLOCATION:D\nGEO:1.5;2.5\nURL:https://e.example/\n"
    "COLOR:red\nCATEGORIES:ONE\nPRIORITY:5\nSEQUENCE:7\nCREATED:20260101T000000Z\nLAST-MODIFIED:20260102T030405Z",
    "many categories": "DTSTART:20260105T180000Z\nCATEGORIES:ONE,TWO,THREE",
    "meeting online": "DTSTART:20260105T180000Z\nCONFERENCE;VALUE=URI;LABEL=Here:https://meet.example/\n"
    "CONFERENCE;VALUE=URI:https://other.example/",
    **{f"status {word}": f"DTSTART:20260105T180000Z\nSTATUS:{word}" for word in ("CONFIRMED", "TENTATIVE", "CANCELLED")},
    **{f"transp {word}": f"DTSTART:20260105T180000Z\nTRANSP:{word}" for word in ("OPAQUE", "TRANSPARENT")},
    **{f"class {word}": f"DTSTART:20260105T180000Z\nCLASS:{word}" for word in ("PUBLIC", "PRIVATE", "CONFIDENTIAL")},
    **{
        f"partstat {word}": f"DTSTART:20260105T180000Z\nORGANIZER;CN=Ann:mailto:ann@e.example\n"
        f"ATTENDEE;PARTSTAT={word};RSVP=TRUE:mailto:bob@e.example"
        for word in ("NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED")
    },
    **{
        f"role {word}": f"DTSTART:20260105T180000Z\nORGANIZER:mailto:ann@e.example\n"
        f"ATTENDEE;ROLE={word};CN=Bob:mailto:bob@e.example"
        for word in ("REQ-PARTICIPANT", "OPT-PARTICIPANT", "CHAIR", "NON-PARTICIPANT")
    },
    **{
        f"alarm {word} {trigger}": f"DTSTART:20260105T180000Z\nDURATION:PT1H\nBEGIN:VALARM\nACTION:{word}\n{trigger}\n"
        "DESCRIPTION:Soon\nSUMMARY:Soon\nATTENDEE:mailto:ann@e.example\nEND:VALARM"
        for word in ("DISPLAY", "AUDIO", "EMAIL")
        for trigger in ("TRIGGER:-PT15M", "TRIGGER;RELATED=END:PT5M", "TRIGGER;VALUE=DATE-TIME:20260105T170000Z")
    },
    "a series": "DTSTART;TZID=Europe/Berlin:20260105T180000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=9\n"
    "EXRULE:FREQ=WEEKLY;COUNT=2\nEXDATE;TZID=Europe/Berlin:20260107T180000\nRDATE:20260301T000000Z\n"
    "RDATE;VALUE=PERIOD:20260401T000000Z/PT2H",
}


def text(*bodies: str) -> str:
    events = [f"BEGIN:VEVENT\nUID:{n}\nDTSTAMP:20260101T000000Z\n{body}\nEND:VEVENT" for n, body in enumerate(bodies)]
    head = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//t//EN\nX-WR-CALNAME:Name\n" + ZONE
    return "\n".join([head, *events, "END:VCALENDAR", ""]).replace("\n", "\r\n")


CHANGED = text("DTSTART:20260105T180000Z\nRRULE:FREQ=DAILY\nSUMMARY:All").replace(
    "END:VCALENDAR",
    "\r\n".join(
        [
            "BEGIN:VEVENT\r\nUID:0\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID:20260106T180000Z",
            "DTSTART:20260106T190000Z\r\nSUMMARY:One\r\nEND:VEVENT",
            "BEGIN:VEVENT\r\nUID:0\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260109T180000Z",
            "DTSTART:20260109T190000Z\r\nSUMMARY:Rest\r\nEND:VEVENT",
            "END:VCALENDAR",
        ]
    ),
)

TEXTS = {
    **{name: text(body) for name, body in BODIES.items()},
    "instances of their own": CHANGED,
    "without a UID": text("DTSTART:20260105T180000Z").replace("UID:0\r\n", ""),
    "an item that cannot be read": text("DTSTART:20260105T180000Z", "DTSTART:soon"),
    "cut off": text("DTSTART:20260105T180000Z").replace("END:VCALENDAR\r\n", ""),
    "no calendar": "<html>",
}


def of_json(method: str, args: str, kind: type) -> list[Any]:
    ok, answer = _calsync.pure(method, args)
    assert ok, answer
    read = _codec.decoder(kind)
    values = json.loads(answer)
    if method != "parse":
        return [read(value) for value in values]
    return [read(value["ok"]) if "ok" in value else value["failure"] for value in values]


def same(ours: Any, theirs: Any) -> None:
    """Equal down to the classes: a text equals a member of an enum."""
    assert type(ours) is type(theirs)
    if dataclasses.is_dataclass(ours):
        for field in dataclasses.fields(ours):
            same(getattr(ours, field.name), getattr(theirs, field.name))
    elif isinstance(ours, list):
        values = cast("Sequence[Any]", ours)
        assert len(values) == len(theirs)
        for one, other in zip(values, theirs):
            same(one, other)
    elif isinstance(ours, dict):
        named = cast("dict[str, Any]", ours)
        assert list(named) == list(theirs)
        for key in named:
            same(named[key], theirs[key])
    elif isinstance(ours, datetime):
        assert (ours.replace(tzinfo=None), ours.fold) == (theirs.replace(tzinfo=None), theirs.fold)
        assert isinstance(ours.tzinfo, DefinedZone) or ours.tzinfo is theirs.tzinfo
        assert ours.tzinfo == theirs.tzinfo
    else:
        assert ours == theirs
        assert not isinstance(ours, Enum) or ours is theirs


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_reads_as_its_json(name: str) -> None:
    (theirs,) = of_json("parse", json.dumps({"texts": [TEXTS[name]]}), calsync.ParsedCalendar)
    (ours,) = calsync.parse_many([TEXTS[name]])
    if isinstance(ours, calsync.CalsyncError):
        assert ours.code == theirs["code"]
    else:
        same(ours, theirs)


def test_the_cases_have_every_word() -> None:
    found: set[Enum] = set()

    def look(value: Any) -> None:
        if isinstance(value, Enum):
            found.add(value)
        elif dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                look(getattr(value, field.name))
        elif isinstance(value, (list, dict)):
            for each in value.values() if isinstance(value, dict) else value:  # pyright: ignore
                look(each)

    look([parsed for parsed in calsync.parse_many(TEXTS.values())])
    kinds: list[type[Enum]] = [
        *(calsync.UidOrigin, calsync.Status, calsync.FreeBusyStatus, calsync.Privacy, calsync.OverrideScope),
        *(calsync.ParticipationStatus, calsync.Role, calsync.AlarmAction, calsync.RelativeTo),
    ]
    assert {word for kind in kinds for word in kind} <= found


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "no calendar"])
def test_an_expansion_is_its_json(name: str) -> None:
    events = calsync.parse(TEXTS[name]).events
    start, end = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2027, 1, 1, tzinfo=timezone.utc)
    for limit in (None, 2):
        args = _codec.arguments(events=events, start=start, end=end, limit=limit)
        theirs = of_json("expand", args, calsync.Expansion)
        same(calsync.expand_many(events, start, end, limit=limit), theirs)


def test_years_python_has_not_are_its_first_and_last() -> None:
    first, last = calsync.parse(text("DTSTART;VALUE=DATE:00000105", "DTSTART;VALUE=DATE:99991231")).events
    assert (first.start, last.end) == (date.min, date.max)


def test_a_second_hour_and_the_parts_of_a_second_come_back() -> None:
    span = calsync.TimeSpan(
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=calsync.parse(TEXTS["a series"]).events[0].start.tzinfo),  # type: ignore[union-attr]
        datetime(2026, 10, 25, 4, tzinfo=timezone.utc),
    )
    event = calsync.Event("u", calsync.EventBody(span))
    window = datetime(2026, 10, 24, tzinfo=timezone.utc), datetime(2026, 10, 27, tzinfo=timezone.utc)
    (instance,) = calsync.expand(event, *window).instances
    assert isinstance(instance.time.start, datetime)
    assert (instance.time.start.fold, instance.id) == (1, "20261025T013000Z")


def test_texts_that_are_none_are_refused() -> None:
    for wrong in ([1], ["\ud800"], [b"BEGIN:VCALENDAR"]):
        with pytest.raises(calsync.CallError) as caught:
            calsync.parse_many(wrong)  # type: ignore[arg-type]
        assert caught.value.item == "parse"
