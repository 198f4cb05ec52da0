"""The table of ``bindings/parts.json``, through the functions and values of this language: the results are those of Rust."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import calsync
import pytest
from calsync import CalendarEvents, CalsyncError, Event, PlanPair, SlotTerms, Surroundings
from calsync._codec import decoder, encode, instant

from test_scenario import at, filled

FOLDER = os.environ.get("CALSYNC_SCENARIO")
LUNCH = {
    "uid": "a",
    "master": {"time": {"start": {"utc": "2026-03-05T12:00:00Z"}, "end": {"utc": "2026-03-05T13:00:00Z"}}, "title": "Lunch"},
}

READ: dict[str, Callable[[Any], Any]] = {
    "pairs": decoder(list[PlanPair]),
    "events": decoder(list[Event]),
    "calendars": decoder(list[CalendarEvents]),
    "around": decoder(Surroundings),
    "terms": decoder(SlotTerms),
    "start": instant,
    "end": instant,
    "now": instant,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "plan": calsync.plan,
    "transform": calsync.transform_many,
    "availability": calsync.availability,
}


@pytest.mark.skipif(FOLDER is None, reason="CALSYNC_SCENARIO does not say where it is")
def test_every_case_gives_what_is_written() -> None:
    table = json.loads(Path(FOLDER or "", "parts.json").read_text(encoding="utf-8"))
    for case in table["cases"]:
        # Each event anew: a decoder takes apart what it is given.
        args: dict[str, Any] = json.loads(json.dumps(filled(case["args"], table["events"])))
        values: dict[str, Any] = {name: READ.get(name, lambda value: value)(value) for name, value in args.items()}
        try:
            answer = encode(FUNCTIONS[case["call"]](**values))
        except CalsyncError as error:
            assert case.get("fails"), case["name"]
            answer = {"code": error.code, "item": error.item}
        assert [at(answer, path) for path in case["at"]] == case["gives"], case["name"]


def lunch() -> Event:
    event: Event = decoder(Event)(json.loads(json.dumps(LUNCH)))
    return event


def test_values_are_typed() -> None:
    plan = calsync.plan([PlanPair(base=lunch(), remote_gone=calsync.Evidence.REPORTED)])
    assert plan == calsync.Plan(
        [
            calsync.Decision(
                calsync.Action.DELETE_LOCAL,
                "it was deleted on the remote side",
                None,
                None,
                [],
                [],
                [],
                False,
                calsync.Evidence.REPORTED,
            )
        ],
        False,
    )
    assert plan.decisions[0].action is calsync.Action.DELETE_LOCAL
    copied = calsync.transform(lunch(), {"start": {"type": "everything"}})
    assert copied == calsync.Copied(lunch(), None)
    day = (instant("2026-03-05T00:00:00Z"), instant("2026-03-06T00:00:00Z"))
    free = calsync.availability([CalendarEvents("own", [lunch()])], *day, now=day[0])
    noon, one = instant("2026-03-05T12:00:00Z"), instant("2026-03-05T13:00:00Z")
    assert free.busy == [calsync.BusyTime(noon, one)]
    assert free.open == [calsync.Period(day[0], noon), calsync.Period(one, day[1])]
    assert free.calendars[0].state is calsync.CalendarState.CURRENT and free.calendars[0].covers_window


def test_a_thousand_at_once() -> None:
    assert len(calsync.plan([PlanPair(local=lunch())] * 1000).decisions) == 1000
    copies = calsync.transform_many([lunch()] * 1000, {"start": {"type": "bare"}}, link="mirror", uid_salt="pepper")
    assert {copied.event.title for copied in copies if copied.event is not None} == {"Busy"} and len(copies) == 1000


def test_what_cannot_be_an_argument_says_so_without_its_text() -> None:
    with pytest.raises(calsync.CallError) as caught:
        calsync.transform(lunch(), {"steps": [{"name": "x", "filter": {"type": "very secret"}}]}, uid_salt="pepper")
    assert "secret" not in str(caught.value) and caught.value.code == "invalid-input"
    with pytest.raises(calsync.CallError, match="holds nothing"):
        calsync.plan([PlanPair(remote=lunch(), remote_gone=calsync.Evidence.REPORTED)])
