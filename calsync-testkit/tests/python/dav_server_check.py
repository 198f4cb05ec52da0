"""Drives the scripted CalDAV server with the Python caldav client.

usage: dav_server_check.py URL USER PASSWORD        (needs: pip install caldav)

Exits with 1 and a line per failed check when the server does not behave as that client expects.
"""

import sys
from datetime import datetime, timezone

import caldav
from caldav.lib import error

EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//calsync//check//EN
BEGIN:VEVENT
UID:{uid}
DTSTAMP:20260101T000000Z
DTSTART:20260310T090000Z
DTEND:20260310T100000Z
SUMMARY:{summary}
END:VEVENT
END:VCALENDAR
"""

failures = []


def check(what, good):
    if not good:
        failures.append(what)
        print("FAILED:", what)


def summaries(objects):
    return sorted(str(item.icalendar_component["SUMMARY"]) for item in objects)


def main(url, user, password):
    client = caldav.DAVClient(url=url, username=user, password=password)
    principal = client.principal()
    check("the principal lies below the server", str(principal.url).startswith(url))
    check("the principal has calendars", len(principal.calendars()) > 0)

    calendar = principal.make_calendar(name="Check & <verify>", cal_id="check")
    check("a new calendar is listed", "check" in [str(c.url).rstrip("/").split("/")[-1] for c in principal.calendars()])
    check("the display name survives", calendar.get_display_name() == "Check & <verify>")

    first = calendar.save_event(EVENT.format(uid="one@example.com", summary="First"))
    calendar.save_event(EVENT.format(uid="two@example.com", summary="Second"))
    check("two events are listed", summaries(calendar.events()) == ["First", "Second"])

    def window(start, end):
        return calendar.search(
            start=datetime(*start, tzinfo=timezone.utc), end=datetime(*end, tzinfo=timezone.utc), event=True
        )

    check("search in the window finds both", summaries(window((2026, 3, 1), (2026, 4, 1))) == ["First", "Second"])
    check("search elsewhere finds nothing", window((2027, 3, 1), (2027, 4, 1)) == [])
    found = calendar.event_by_uid("one@example.com")
    check("search by UID finds the event", summaries([found]) == ["First"])

    objects = calendar.objects_by_sync_token(load_objects=True)
    check("an initial sync lists both", len(list(objects)) == 2)
    check("a sync gives a real token", not str(objects.sync_token).startswith("fake"))
    first.icalendar_component["SUMMARY"] = "First, changed"
    first.save()
    changed = calendar.objects_by_sync_token(sync_token=objects.sync_token, load_objects=True)
    check("an incremental sync lists the change alone", summaries(changed) == ["First, changed"])
    again = calendar.objects_by_sync_token(sync_token=changed.sync_token)
    check("a sync without changes is empty", len(list(again)) == 0)

    updated, deleted = objects.sync()
    check("the collection object updates itself", len(list(updated)) == 1 and len(list(deleted)) == 0)
    found.delete()
    updated, deleted = objects.sync()
    check("a deletion is reported", len(list(updated)) == 0 and len(list(deleted)) == 1)
    check("one event is left", summaries(calendar.events()) == ["Second"])
    try:
        calendar.objects_by_sync_token(sync_token="http://example.com/ns/sync/9999", disable_fallback=True)
        check("an unknown token is refused", False)
    except error.DAVError:
        pass

    calendar.delete()
    check("the calendar is gone", "check" not in [str(c.url).rstrip("/").split("/")[-1] for c in principal.calendars()])
    wrong = caldav.DAVClient(url=url, username=user, password=password + "x")
    try:
        wrong.principal()
        check("a wrong password is refused", False)
    except error.AuthorizationError:
        pass


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
    sys.exit(1 if failures else 0)
