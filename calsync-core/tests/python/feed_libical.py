"""Reads published feeds with libical, and has its validator look at them.

Usage: feed_libical.py < cases, as `feed-cases` of calsync-testkit prints them. It needs the library (on Debian: libical3).
"""

import ctypes
import ctypes.util
import json
import sys


# The one thing that is waived, and of feeds of events only: METHOD:PUBLISH asks for an organizer of each (RFC 5546 section 3.2.1). A
# feed shows no people, and keeps the method because Outlook looks for it. Without the line nothing may be left to complain about.
# Feeds of busy times have no method, and nothing is waived. See docs/adr/0023-feeds-are-answered-out-of-a-store.md.
ORGANIZER = "Failed iTIP restrictions for ORGANIZER property. Expected 1 instances"


def library():
    for name in ("libical.so.3", ctypes.util.find_library("ical")):
        try:
            found = ctypes.CDLL(name)
        except (OSError, TypeError):
            continue
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        for function, result, arguments in (
            ("icalparser_parse_string", pointer, [text]),
            ("icalcomponent_free", None, [pointer]),
            ("icalcomponent_count_errors", number, [pointer]),
            ("icalcomponent_count_components", number, [pointer, number]),
            ("icalcomponent_string_to_kind", number, [text]),
            ("icalcomponent_as_ical_string", text, [pointer]),
            ("icalrestriction_check", number, [pointer]),
        ):
            call = getattr(found, function)
            call.restype, call.argtypes = result, arguments
        return found
    sys.exit("libical is not installed")


def main():
    ical = library()
    kind = {name: ical.icalcomponent_string_to_kind(name.encode()) for name in ("VEVENT", "VFREEBUSY")}

    def problems(component):
        """What libical finds wrong: it writes that into the calendar, beside what it is about."""
        ical.icalrestriction_check(component)
        if not ical.icalcomponent_count_errors(component):
            return []
        text = ical.icalcomponent_as_ical_string(component).decode().replace("\r\n ", "")
        return [line for line in text.splitlines() if line.startswith("X-LIC-ERROR")]

    def check(text, name):
        """How many components of a name libical finds, once it has read the text and found nothing wrong with it."""
        component = ical.icalparser_parse_string(text.encode())
        assert component, "no calendar"
        wrong = problems(component)
        waived = name == "VEVENT" and "METHOD:PUBLISH\r\n" in text
        if waived:
            wrong = [line for line in wrong if ORGANIZER not in line]
        found = ical.icalcomponent_count_components(component, kind[name])
        ical.icalcomponent_free(component)
        if waived:
            component = ical.icalparser_parse_string(text.replace("METHOD:PUBLISH\r\n", "").encode())
            wrong += problems(component)
            ical.icalcomponent_free(component)
        if wrong:
            sys.exit("\n".join([*wrong, text]))
        return found

    # The validator has to be there: of an event without a UID it says so.
    broken = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:PUBLISH\r\nBEGIN:VEVENT\r\nSUMMARY:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    assert any("UID" in line for line in problems(ical.icalparser_parse_string(broken.encode())))
    events = feeds = 0
    for line in sys.stdin:
        case = json.loads(line)
        where = f"seed {case['seed']}, {case['detail']}"
        found = check(case["feed"], "VEVENT")
        assert found == case["feed"].count("BEGIN:VEVENT\r\n"), where
        assert check(case["free_busy"], "VFREEBUSY") == 1, where
        events, feeds = events + found, feeds + 1
    if events < 500:
        sys.exit(f"too thin: {events} events")
    print(f"{feeds} feeds with {events} events accepted")


if __name__ == "__main__":
    main()
