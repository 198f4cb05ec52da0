"""Asks when a calendar is busy with recurring-ical-events; prints the seconds of an answer, the fastest of three.

availability.py FROM TO FILE... (Unix seconds, to is exclusive)

Reading the files is not counted. `whole` is `of` and `between`, as its documentation shows it; in `seconds` only `between` is counted,
with what `of` makes kept from the question before. Both include the merging.
"""

import sys
import time
from datetime import datetime, timezone

import icalendar
import recurring_ical_events

begin = datetime.fromtimestamp(int(sys.argv[1]), timezone.utc)
end = datetime.fromtimestamp(int(sys.argv[2]), timezone.utc)


def busy(query):
    spans = []
    for event in query.between(begin, end):
        spans.append((max(event["DTSTART"].dt, begin), min(event.end, end)))
    spans.sort()
    merged = []
    for start, stop in spans:
        if start >= stop:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], stop)
        else:
            merged.append([start, stop])
    return merged


seconds = whole = 0.0
count = 0
for name in sys.argv[3:]:
    with open(name, "rb") as file:
        calendar = icalendar.Calendar.from_ical(file.read())
    least = least_whole = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        query = recurring_ical_events.of(calendar)
        found = busy(query)
        least_whole = min(least_whole, time.perf_counter() - began)
        # The first question of a query makes what later ones use.
        prepared = time.perf_counter()
        found = busy(query)
        least = min(least, time.perf_counter() - prepared)
    seconds += least
    whole += least_whole
    count += len(found)
print(f"seconds={seconds:.6f} whole={whole:.6f} spans={count}")
