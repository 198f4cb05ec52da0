"""The parts without engine: reading, writing, expanding, comparing, merging."""

from __future__ import annotations

import copy
from datetime import date, datetime, timezone
from zoneinfo import ZoneInfo

import calsync
import pytest
from calsync import Added, Alarm, CalsyncError, Changed, Event, EventBody, Excluded, Offset, TimeSpan

SERIES = "\r\n".join(
    [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//test//test//EN",
        "BEGIN:VEVENT",
        "UID:series",
        "DTSTAMP:20260101T000000Z",
        "DTSTART;TZID=Europe/Berlin:20260327T090000",
        "DURATION:PT1H",
        "RRULE:FREQ=DAILY;COUNT=4",
        "EXDATE;TZID=Europe/Berlin:20260328T090000",
        "SUMMARY:Stand-up",
        "X-OURS:kept",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
)
YEAR = (datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2027, 1, 1, tzinfo=timezone.utc))


def series() -> Event:
    return calsync.parse(SERIES).events[0]


def test_times_are_those_of_the_standard_library() -> None:
    event = series()
    assert event.start == datetime(2026, 3, 27, 9, tzinfo=ZoneInfo("Europe/Berlin"))
    assert event.rules == ["FREQ=DAILY;COUNT=4"]
    assert event.overrides == {"20260328T080000Z": Excluded()}


def test_a_series_keeps_its_hour_through_the_change_of_the_clock() -> None:
    expansion = calsync.expand(series(), *YEAR)
    starts = [instance.time.start.isoformat() for instance in expansion.instances]
    assert starts == [
        "2026-03-27T09:00:00+01:00",
        "2026-03-29T09:00:00+02:00",
        "2026-03-30T09:00:00+02:00",
    ]
    assert expansion.stopped is None


def test_an_expansion_says_that_it_was_cut() -> None:
    assert calsync.expand(series(), *YEAR, limit=1).stopped is calsync.LimitReached.INSTANCES


def test_a_patch_changes_one_line() -> None:
    event = series()
    assert event.master is not None
    event.master.title = "Daily"
    assert calsync.patch(SERIES, event) == SERIES.replace("SUMMARY:Stand-up", "SUMMARY:Daily")


def test_all_there_is_comes_back_as_it_was() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    span = TimeSpan(datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=1), datetime(2026, 10, 25, 4, tzinfo=berlin))
    body = EventBody(
        span,
        title="A",
        categories={"x", "y"},
        virtual_locations=[calsync.VirtualLocation("https://example.com/")],
        organizer=calsync.Person("ada@example.com"),
        participants=[calsync.Participant("bob@example.com", role=calsync.Role.CHAIR)],
        alarms=[Alarm(Offset(-600)), Alarm(datetime(2026, 1, 1, tzinfo=timezone.utc))],
        privacy=calsync.Privacy.PRIVATE,
        updated=datetime(2026, 1, 1, 1, 2, 3, 456789, tzinfo=timezone.utc),
    )
    floating = EventBody(TimeSpan(datetime(2026, 1, 2, 3), datetime(2026, 1, 2, 4)))
    event = Event(
        "u",
        body,
        rules=["FREQ=DAILY"],
        overrides={
            "20261026T013000Z": Changed(floating),
            "20261027": Excluded(),
            "20261028": Added(date(2026, 10, 29)),
        },
        lineage=calsync.Lineage("v", calsync.Descent.COPY),
    )
    merged = calsync.merge(event, event, event)
    assert merged.local == event
    assert merged.local.master is not None
    start = merged.local.master.time.start
    assert isinstance(start, datetime) and start.fold == 1


def test_a_zone_of_a_file_is_a_tzinfo() -> None:
    text = SERIES.replace("TZID=Europe/Berlin", "TZID=Ours").replace(
        "BEGIN:VEVENT",
        "BEGIN:VTIMEZONE\r\nTZID:Ours\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
        "TZOFFSETFROM:+0123\r\nTZOFFSETTO:+0123\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT",
    )
    event = calsync.parse(text).events[0]
    assert isinstance(event.start, datetime)
    assert event.start.isoformat() == "2026-03-27T09:00:00+01:23"
    assert isinstance(event.start.tzinfo, calsync.DefinedZone)
    assert calsync.diff(event, copy.deepcopy(event)) == []


def test_different_fields_merge_and_the_policy_decides_the_same_field() -> None:
    base, local, remote = series(), series(), series()
    assert local.master is not None and remote.master is not None
    local.master.title, local.master.location = "Mine", "Here"
    remote.master.title = "Theirs"
    merged = calsync.merge(base, local, remote, policy=calsync.ConflictPolicy.LOCAL_WINS)
    assert [field.part for field in merged.to_remote] == ["title", "location"]
    assert [(c.field.part, c.choice.value) for c in merged.contested] == [("title", "local")]
    assert merged.local == merged.remote


def test_one_bad_text_of_many_stops_no_other() -> None:
    parsed = calsync.parse_many([SERIES, "<html>", SERIES])
    assert [isinstance(one, CalsyncError) for one in parsed] == [False, True, False]
    with pytest.raises(calsync.ReadError) as caught:
        calsync.parse("<html>")
    assert caught.value.code == "not-i-calendar" and not caught.value.retryable


def test_a_thousand_at_once() -> None:
    events = [series() for _ in range(1000)]
    assert {len(each.instances) for each in calsync.expand_many(events, *YEAR)} == {3}
    assert calsync.diff_many([(event, event) for event in events]) == [[]] * 1000


def test_what_cannot_be_an_argument_says_so() -> None:
    with pytest.raises(calsync.CallError, match="tzinfo"):
        calsync.expand(series(), datetime(2026, 1, 1), YEAR[1])
    with pytest.raises(calsync.CallError, match="ends before"):
        calsync.expand(series(), YEAR[1], YEAR[0])
    with pytest.raises(calsync.CallError):
        calsync.write([series()], stamp="yesterday")  # type: ignore[arg-type]


def test_no_text_of_an_event_is_in_an_error() -> None:
    event = series()
    assert event.master is not None
    event.master.title = "very secret"
    event.master.status = "no status"  # type: ignore[assignment]
    with pytest.raises(CalsyncError) as caught:
        calsync.diff(event, event)
    assert "secret" not in str(caught.value) and "no status" not in str(caught.value)
