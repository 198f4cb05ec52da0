"""Reads published feeds with the Python `icalendar` library and compares what it finds with what was published.

Usage: feed_check.py < cases, as `feed-cases` of calsync-testkit prints them.
"""

import json
import sys
from datetime import datetime, timezone

from icalendar import Calendar, Event


def shown(prop, zones):
    """A date, a floating time or an instant, as the cases have them. A zone is what the feed says it is: what this system knows of it
    may be newer than what calsync was built with."""
    value = prop.dt
    if prop.params.get("TZID") in zones:
        value = value.replace(tzinfo=zones[prop.params["TZID"]])
    if not isinstance(value, datetime):
        return value.isoformat()
    if value.tzinfo is None:
        return value.strftime("%Y-%m-%dT%H:%M:%S")
    return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def components(calendar):
    yield calendar
    for part in calendar.subcomponents:
        yield from components(part)


def check_text(text):
    calendar = Calendar.from_ical(text)
    for part in components(calendar):
        assert not part.errors, part.errors
    assert text.endswith("END:VCALENDAR\r\n") and "\n" not in text.replace("\r\n", "")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    return calendar


def check_feed(case):
    calendar = check_text(case["feed"])
    assert str(calendar["NAME"]).startswith("Team")
    assert calendar.subcomponents, "no component"
    missing = calendar.get_missing_tzids() - {"UTC"}
    assert not missing, f"zones without a definition: {missing}"
    zones = {str(zone["TZID"]): zone.to_tz(lookup_tzid=False) for zone in calendar.walk("VTIMEZONE")}
    published = {}
    for event in calendar.walk("VEVENT"):
        assert isinstance(event, Event)
        for name in ("UID", "DTSTAMP", "DTSTART", "DTEND"):
            assert name in event, name
        for name in ("ORGANIZER", "ATTENDEE"):
            assert name not in event, name
        assert not event.walk("VALARM")
        published.setdefault(str(event["UID"]), []).append(event)
    known = {event["uid"]: event for event in case["events"]}
    for uid, found in published.items():
        masters = [event for event in found if "RECURRENCE-ID" not in event]
        assert len(masters) <= 1, f"{uid} twice"
        assert not uid.endswith("@example.org") or case["detail"] == "details", uid
        if case["detail"] == "busy-only":
            assert all(event["SUMMARY"] == "Busy" and "DESCRIPTION" not in event for event in found)
        if not masters:
            continue
        event = known[uid]
        (master,) = masters
        assert master["SUMMARY"] == event["title"], uid
        assert master.get("DESCRIPTION") == event["description"], uid
        assert shown(master["DTSTART"], zones) == event["start"], uid
        assert shown(master["DTEND"], zones) == event["end"], uid
        assert len(found) - 1 == event["changed"], uid
        assert ("RRULE" in master) == event["rule"], uid
    return len(published)


def check_free_busy(case):
    (busy,) = check_text(case["free_busy"]).walk("VFREEBUSY")
    periods = busy.get("FREEBUSY", [])
    periods = periods if isinstance(periods, list) else [periods]
    times = [period.dt for period in periods]
    assert all(start < end for start, end in times)
    assert all(before[1] <= after[0] for before, after in zip(times, times[1:]))
    # Where one kind of busy follows another there are two periods of one time.
    found = []
    for start, end in [[int(at.timestamp()) for at in period] for period in times]:
        if found and found[-1][1] == start:
            found[-1][1] = end
        else:
            found.append([start, end])
    assert found == case["busy"], f"{found} and not {case['busy']}"
    return len(times)


def main():
    events = times = 0
    for line in sys.stdin:
        case = json.loads(line)
        try:
            events += check_feed(case)
            times += check_free_busy(case)
        except Exception as error:
            sys.exit(f"seed {case['seed']}, {case['detail']}: {error!r}\n{case['feed']}")
    if events < 500 or times < 500:
        sys.exit(f"too thin: {events} events, {times} busy times")
    print(f"{events} events and {times} busy times read alike")


if __name__ == "__main__":
    main()
