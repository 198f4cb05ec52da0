"""A calendar on a real server, edited and read with the `caldav` client: a hand that is not calsync's."""

import caldav
import icalendar
import requests

# What a server or client may set on every write without the event having changed (RFC 5545, 3.8.7).
BOOKKEEPING = {"DTSTAMP", "LAST-MODIFIED", "CREATED", "SEQUENCE"}


def text(*lines):
    """Content lines as an iCalendar stream (RFC 5545, 3.1)."""
    return "".join(line + "\r\n" for line in lines)


def event(uid, summary, *more, start="DTSTART:20260810T090000Z", end="DTEND:20260810T100000Z"):
    """A calendar object with one event."""
    return text(
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//calsync//end to end//EN",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        "DTSTAMP:20260801T000000Z",
        start,
        end,
        f"SUMMARY:{summary}",
        *more,
        "END:VEVENT",
        "END:VCALENDAR",
    )


def components(ics):
    """The event and its overrides, by recurrence id (None for the master), with what they say.

    Properties are compared as sets of (name, parameters, value), components inside them likewise: their order means
    nothing, and servers change it. A parameter that says only what is the default anyway is left out.
    """
    return {recurrence_id(part): saying(part) for part in icalendar.Calendar.from_ical(ics).walk("VEVENT")}


def recurrence_id(part):
    value = part.get("RECURRENCE-ID")
    return value and value.to_ical().decode()


def saying(part):
    said = set()
    for name, value in part.property_items(recursive=False, sorted=False):
        if name in BOOKKEEPING or name in ("BEGIN", "END"):
            continue
        values = value.dts if hasattr(value, "dts") else [value]
        if name == "CATEGORIES":
            # A set: servers and clients put it in any order, and on one line or several.
            said |= {(name, frozenset(), str(one)) for one in value.cats}
            continue
        for one in values:
            parameters = getattr(value, "params", {})
            kept = {(key.upper(), str(given)) for key, given in parameters.items() if key.upper() != "VALUE"}
            raw = one.to_ical()
            said.add((name, frozenset(kept), raw.decode() if isinstance(raw, bytes) else str(raw)))
    for inner in part.subcomponents:
        said.add((inner.name, frozenset(saying(inner))))
    return frozenset(said)


def property_of(ics, name, instance=None):
    """The text of a property of the event, or of the override with that recurrence id; None when it has none."""
    for part in icalendar.Calendar.from_ical(ics).walk("VEVENT"):
        if recurrence_id(part) == instance:
            value = part.get(name)
            return None if value is None else str(value)
    raise AssertionError(f"no instance {instance} in the object")


class Remote:
    """One calendar, by the server's own URL: never through the proxy, whose count is of calsync alone."""

    def __init__(self, home, user, password, name):
        self._credentials = (user, password)
        self._client = caldav.DAVClient(url=home, username=user, password=password)
        self.name = name
        self._calendar = self._client.principal().make_calendar(name=name, cal_id=name.lower().replace(" ", "-"))

    @property
    def path(self):
        return self._calendar.url.path

    @property
    def collection(self):
        """The last segment of its URL, the name vdirsyncer knows it by."""
        return self.path.rstrip("/").rpartition("/")[2]

    def add(self, ics):
        self._calendar.add_event(ics)

    def store_as_it_is(self, name, body):
        """Stores what a client with any respect would not."""
        url = str(self._calendar.url.join(name))
        headers = {"Content-Type": "text/calendar; charset=utf-8"}
        answer = requests.put(url, data=body.encode(), auth=self._credentials, headers=headers, timeout=20)
        assert answer.status_code == 201, f"{url}: {answer.status_code}\n{answer.text[:500]}"

    def edit(self, uid, change):
        """Reads the event, lets `change` alter its `icalendar` components, and stores it."""
        found = self._calendar.get_event_by_uid(uid)
        with found.edit_icalendar_instance() as calendar:
            change(calendar)
        found.save()

    def set(self, uid, name, value, instance=None):
        """Replaces one property of the event or of one override."""

        def change(calendar):
            for part in calendar.walk("VEVENT"):
                if recurrence_id(part) == instance:
                    part.pop(name, None)
                    part.add(name, value)

        self.edit(uid, change)

    def delete(self, uid):
        self._calendar.get_event_by_uid(uid).delete()

    def read(self, uid):
        return self.all()[uid]

    def all(self):
        """Every object's text, by UID. Two objects with one UID are a duplicate, and an error."""
        found = {}
        for item in self._calendar.get_events():
            data = item.get_data()
            uids = {str(part["UID"]) for part in icalendar.Calendar.from_ical(data).walk("VEVENT")}
            assert len(uids) == 1, f"{self.name}: one object with the UIDs {uids}"
            (uid,) = uids
            assert uid not in found, f"{self.name}: two objects with the UID {uid}"
            found[uid] = data
        return found
