"""Expands a zoned rule with python-dateutil; prints the seconds of one expansion, the fastest of five.

recur.py RULE DTSTART ZONE FROM TO (Unix seconds, to is exclusive)
"""

import sys
import time
from datetime import datetime, timezone

from dateutil import rrule, tz

rule, start, zone, begin, end = sys.argv[1:]
zone = tz.gettz(zone)
start = datetime.strptime(start, "%Y%m%dT%H%M%S").replace(tzinfo=zone)
begin = datetime.fromtimestamp(int(begin), timezone.utc)
end = datetime.fromtimestamp(int(end) - 1, timezone.utc)
least = float("inf")
for _ in range(5):
    began = time.perf_counter()
    found = rrule.rrulestr(rule, dtstart=start).between(begin, end, inc=True)
    found = [instance.astimezone(timezone.utc) for instance in found]
    least = min(least, time.perf_counter() - began)
print(f"seconds={least:.9f} instances={len(found)}")
