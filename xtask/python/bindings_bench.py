"""How much faster the Python package is than icalendar and recurring-ical-events, side by side in one run.

Each number is the best of several turns, taken in turns, so that what else the machine does hits both. Both sides make objects of
their language, calsync's are dataclasses with ``datetime``, icalendar's components; and of every event the same fields are read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone

import calsync
import icalendar
import recurring_ical_events

EVENTS = 10_000
SERIES = 200
TURNS = 3


def event(number: int) -> str:
    day = f"{1 + number % 28:02}"
    return (
        "BEGIN:VEVENT\r\n"
        f"UID:{number}@example.com\r\nDTSTAMP:20260101T000000Z\r\n"
        f"DTSTART;TZID=Europe/Berlin:202603{day}T090000\r\nDTEND;TZID=Europe/Berlin:202603{day}T100000\r\n"
        f"SUMMARY:Meeting {number}\r\nLOCATION:Room {number % 40}\r\nDESCRIPTION:What it is about\\, in a line\r\n"
        "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nDESCRIPTION:Soon\r\nEND:VALARM\r\n"
        "END:VEVENT\r\n"
    )


def series(number: int) -> str:
    rule = ("FREQ=WEEKLY;BYDAY=MO,WE,FR", "FREQ=DAILY", "FREQ=MONTHLY;BYDAY=2TU")[number % 3]
    return event(number).replace("SUMMARY", f"RRULE:{rule}\r\nEXDATE;TZID=Europe/Berlin:20260518T090000\r\nSUMMARY", 1)


def calendar(parts: list[str]) -> str:
    head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//bench//EN\r\n"
    return head + "".join(parts) + "END:VCALENDAR\r\n"


def compare(what: str, other: str, wanted: float, ours: Callable[[], int], theirs: Callable[[], int]) -> bool:
    best = {ours: float("inf"), theirs: float("inf")}
    counts: dict[Callable[[], int], int] = {}
    for _ in range(TURNS):
        for side in (ours, theirs):
            began = time.perf_counter()
            counts[side] = side()
            best[side] = min(best[side], time.perf_counter() - began)
    if counts[ours] != counts[theirs]:
        sys.exit(f"{what}: {counts[ours]} and {counts[theirs]} are not the same work")
    ratio = best[theirs] / best[ours]
    print(
        f"python  {what:26} {best[ours] * 1000:9.1f} ms  {other:22} {best[theirs] * 1000:9.1f} ms  "
        f"{ratio:6.1f} times, wanted {wanted:g}"
    )
    return ratio >= wanted


def main() -> None:
    text = calendar([event(number) for number in range(EVENTS)])
    parsed = compare(
        f"parse {EVENTS} events",
        "icalendar",
        15,
        lambda: sum(
            bool(each.uid and each.start and each.end and each.title and body.location and body.description)
            for each in calsync.parse(text).events
            if (body := each.master) is not None
        ),
        lambda: sum(
            bool(each["UID"] and each.start and each.end and each["SUMMARY"] and each["LOCATION"] and each["DESCRIPTION"])
            for each in icalendar.Calendar.from_ical(text).events
        ),
    )
    text = calendar([series(number) for number in range(SERIES)])
    start, end = datetime(2026, 4, 1, tzinfo=timezone.utc), datetime(2027, 4, 1, tzinfo=timezone.utc)
    events, whole = calsync.parse(text).events, icalendar.Calendar.from_ical(text)
    expanded = compare(
        f"expand {SERIES} series, a year",
        "recurring-ical-events",
        20,
        lambda: sum(
            bool(each.time.start and each.time.end)
            for found in calsync.expand_many(events, start, end)
            for each in found.instances
        ),
        lambda: sum(bool(each.start and each.end) for each in recurring_ical_events.of(whole).between(start, end)),
    )
    sys.exit(0 if parsed and expanded else "slower than wanted")


if __name__ == "__main__":
    main()
