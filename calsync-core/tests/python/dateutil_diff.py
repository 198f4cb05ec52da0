"""Compares calsync's recurrence expansion with python-dateutil.

    cargo run -p calsync-testkit --bin recurrence-cases -- 2000 | python3 dateutil_diff.py

Reads one case a line from standard input and expands its rule with dateutil. Exit status: 0 when all compared cases agree,
1 when one does not, 2 when too few could be compared. Needs python-dateutil; installs nothing.

dateutil is an independent reading of RFC 5545, not the measure. Where it is known to read it differently the case is left
out and counted; `REASONS` says why. Two differences are bridged instead, because they touch every rule:
 - dateutil drops a DTSTART that does not match the rule. Here it is put in front, and counts.
 - dateutil wants UNTIL in the form of DTSTART. The case brings it so, as `peer_rule`.
"""

import json
import signal
import sys
from collections import Counter
from datetime import datetime
from multiprocessing import Pool

from dateutil import rrule

FORMAT = "%Y%m%dT%H%M%S"
SECONDS_PER_CASE = 0.5
LEAST_COMPARED = 0.7

REASONS = {
    "mixed BYDAY": "dateutil takes the intersection of ordinal and plain weekdays; RFC 5545 lists alternatives",
    "WEEKLY with BYSETPOS": "dateutil starts the first week at DTSTART, so positions count from there",
    "BYWEEKNO without a day": "dateutil gives all seven days; RFC 5545 3.3.10 takes what is missing from DTSTART",
    "ordinal BYDAY with BYWEEKNO": "RFC 5545 forbids it; calsync ignores the ordinal and reports it",
    "negative BYWEEKNO": "dateutil counts the weeks of a neighbouring year from the end only for -1",
    "BYWEEKNO=53": "dateutil calls the first days of 2011 and 2022 week 53; ISO 8601 has them in week 52",
    "BYWEEKNO with INTERVAL or BYSETPOS": "dateutil counts calendar years and so halves week 1; ISO 8601 years have whole weeks",
    "time parts of an all-day rule": "RFC 5545 has them ignored; dateutil applies them",
    "dateutil too slow": f"it steps through every period and did not end within {SECONDS_PER_CASE} s",
}


class TooSlow(Exception):
    pass


def parts(rule):
    return dict(part.split("=", 1) for part in rule.split(";"))


def left_out(case, rule):
    days = rule.get("BYDAY", "").split(",") if "BYDAY" in rule else []
    ordinal = [day for day in days if len(day) > 2]
    weeks = rule.get("BYWEEKNO", "")
    if ordinal and len(ordinal) != len(days):
        return "mixed BYDAY"
    if ordinal and weeks:
        return "ordinal BYDAY with BYWEEKNO"
    if rule["FREQ"] == "WEEKLY" and "BYSETPOS" in rule:
        return "WEEKLY with BYSETPOS"
    if weeks and not (days or "BYMONTHDAY" in rule or "BYYEARDAY" in rule):
        return "BYWEEKNO without a day"
    if "-" in weeks:
        return "negative BYWEEKNO"
    if "53" in weeks.split(","):
        return "BYWEEKNO=53"
    if weeks and ("INTERVAL" in rule or "BYSETPOS" in rule):
        return "BYWEEKNO with INTERVAL or BYSETPOS"
    if case["all_day"] and any(part in rule for part in ("BYHOUR", "BYMINUTE", "BYSECOND")):
        return "time parts of an all-day rule"
    return None


def expand(case, rule):
    """The instances by dateutil, DTSTART in front, COUNT applied to the whole."""
    start = datetime.strptime(case["dtstart"], FORMAT)
    begin = datetime.strptime(case["from"], FORMAT)
    end = datetime.strptime(case["end"], FORMAT)
    count = int(rule.pop("COUNT", 0)) or None
    text = ";".join(f"{name}={value}" for name, value in rule.items())
    found = [start]
    try:
        for instance in rrule.rrulestr(text, dtstart=start):
            if instance >= end or (count and len(found) >= count):
                break
            if instance > start:
                found.append(instance)
    except ValueError as error:
        # dateutil refuses a sub-daily rule, at once or later, when it can prove that nothing (more) matches.
        if "empty" not in str(error):
            raise
    return [at.strftime(FORMAT) for at in found if begin <= at < end]


def too_slow(_signal, _frame):
    raise TooSlow


def judge(line):
    """A case, why it is left out, and what dateutil makes of it."""
    case = json.loads(line)
    rule = parts(case["peer_rule"])
    reason, right = left_out(case, rule), None
    if reason is None:
        # Time of this process, not of the machine: what is compared is the same on a busy one.
        signal.signal(signal.SIGVTALRM, too_slow)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_PER_CASE)
        try:
            right = expand(case, rule)
        except TooSlow:
            reason = "dateutil too slow"
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return case, reason, right


def main():
    skipped, wrong, compared, instances = Counter(), [], 0, 0
    with Pool() as pool:
        for case, reason, right in pool.imap(judge, sys.stdin, chunksize=8):
            if reason is not None:
                skipped[reason] += 1
                continue
            compared += 1
            found = case["instances"]
            if case["cut"]:
                right = right[: len(found)]
            instances += len(right)
            if found != right or not case["complete"]:
                wrong.append((case, found, right))

    for case, found, right in wrong[:20]:
        missing = sorted(set(right) - set(found))[:3]
        extra = sorted(set(found) - set(right))[:3]
        print(
            f"seed {case['seed']}: DTSTART {case['dtstart']} {case['rule']} from {case['from']}: "
            f"{len(found)} instances, dateutil {len(right)}; missing {missing} extra {extra}"
        )
    total = compared + sum(skipped.values())
    print(f"{total} cases, {compared} compared ({instances} instances), {len(wrong)} differ")
    for reason, number in skipped.most_common():
        print(f"  left out {number}: {reason} ({REASONS[reason]})")
    if wrong:
        return 1
    return 0 if total and compared >= LEAST_COMPARED * total else 2


if __name__ == "__main__":
    sys.exit(main())
