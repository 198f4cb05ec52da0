"""The engine against a CalDAV server, blocking and in asyncio."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import calsync
import pytest
from calsync import Calendar, ConflictPolicy, Direction, ProviderKind, Take, blocking

from conftest import PASSWORD, USER, Server
from scenes import holiday, joined, meeting, titles


def test_events_go_out_and_come_into_another_store(server: Server, tmp_path: Path) -> None:
    with blocking.Engine(tmp_path / "one.db") as one, blocking.Engine(tmp_path / "two.db") as two:
        joined(one, server)
        joined(two, server)
        one.add_event("family", meeting("a", "Breakfast"))
        one.add_event("family", holiday("b", "May Day"))
        plan = one.plan("home")
        assert [operation.action for operation in plan.operations] == ["create-remote"] * 2
        report = one.sync("home")
        assert (report.counts.pushed, report.in_step) == (2, True)
        assert two.sync("home").counts.created == 2
        assert [stored.event for stored in two.events("family")] == [
            stored.event for stored in one.events("family")
        ]
        assert one.sync("home").operations == []


def test_a_contested_field_waits_and_is_answered(server: Server) -> None:
    with blocking.Engine() as one, blocking.Engine() as two:
        for engine in (one, two):
            joined(engine, server)
        one.add_event("family", meeting("a", "Breakfast"))
        one.sync("home")
        two.sync("home")
        for engine, title in ((one, "Brunch"), (two, "Lunch")):
            stored = engine.events("family")[0]
            engine.update_event("family", stored.id, stored.revision, meeting("a", title))
        two.sync("home")
        remote = next(c.id for c in one.remote_calendars("account") if c.name == "Personal")
        one.add_link(
            "home",
            calendar="family",
            connection="account",
            remote=remote,
            conflicts=ConflictPolicy.MANUAL,
        )
        one.sync("home")
        (conflict,) = one.conflicts("home")
        assert conflict.open
        assert [(f.field.part, f.base, f.local, f.remote) for f in conflict.fields] == [
            ("title", "Breakfast", "Brunch", "Lunch")
        ]
        contested = conflict.fields[0].field
        one.answer_conflict("home", conflict.id, by="test", fields=[(contested, Take.LOCAL)])
        one.sync("home")
        two.sync("home")
        assert titles(one) == titles(two) == {"a": "Brunch"}
        assert not one.conflicts("home")[0].open


def test_a_mass_deletion_is_held_approved_by_its_hash_and_taken_back(server: Server) -> None:
    with blocking.Engine() as one, blocking.Engine() as two:
        for engine in (one, two):
            joined(engine, server)
        for number in range(20):
            one.add_event("family", meeting(f"e{number}", f"Event {number}"))
        one.sync("home")
        two.sync("home")
        for stored in one.events("family"):
            one.delete_event("family", stored.id, stored.revision)
        held = one.sync("home")
        assert held.held and held.counts.held == 20 and not held.in_step
        assert one.sync("home", approve="0123456789abcdef").held
        done = one.sync("home", approve=held.plan_id)
        assert done.counts.pushed == 20 and done.answered == held.plan_id
        deletions = two.sync("home")
        assert deletions.held
        two.sync("home", approve=deletions.plan_id)
        assert titles(two) == {}
        (undone,) = two.undo_last("home", 1)
        assert undone.restored == 20 and two.runs("home")
        assert two.sync("home").counts.pushed == 20
        assert one.sync("home").counts.created == 20


def test_an_export_shows_when_somebody_is_busy_until_it_says_more(server: Server) -> None:
    with blocking.Engine() as one, blocking.Engine() as two:
        joined(one, server, direction=Direction.EXPORT)
        joined(two, server, direction=Direction.IMPORT)
        one.add_event("family", meeting("a", "Canary"))
        one.sync("home")
        two.sync("home")
        assert list(titles(two).values()) == ["Busy"]
    with blocking.Engine() as one, blocking.Engine() as two:
        joined(one, server, direction=Direction.EXPORT, copies={"pipeline": {"start": {"type": "everything"}}})
        joined(two, server, direction=Direction.IMPORT)
        one.add_event("family", meeting("b", "Canary", 6))
        one.sync("home")
        two.sync("home")
        assert titles(two)["b"] == "Canary"


def test_an_edit_of_an_older_revision_is_refused() -> None:
    with blocking.Engine() as engine:
        engine.put_calendar(Calendar("family", "Family", "#112233"))
        assert engine.calendars() == [Calendar("family", "Family", "#112233")]
        id = engine.add_event("family", meeting("a", "One"))
        engine.update_event("family", id, 1, meeting("a", "Two"))
        with pytest.raises(calsync.StoreConflictError) as caught:
            engine.update_event("family", id, 1, meeting("a", "Three"))
        assert caught.value.code == "store-conflict"


def test_errors_have_a_class_and_no_secret(server: Server) -> None:
    with blocking.Engine() as engine:
        joined(engine, server)
        with pytest.raises(calsync.CallError) as unknown:
            engine.sync("away")
        assert (unknown.value.code, unknown.value.item) == ("unknown-link", "away")
        engine.connect(
            "wrong",
            provider=ProviderKind.CALDAV,
            url=server.url,
            username=USER,
            secret="wrong " + PASSWORD,
            trust_address=True,
        )
        with pytest.raises(calsync.CredentialsError) as refused:
            engine.remote_calendars("wrong")
        assert PASSWORD not in repr(refused.value)
        engine.connect(
            "outside",
            provider=ProviderKind.CALDAV,
            url=server.url,
            username=USER,
            secret=PASSWORD,
        )
        with pytest.raises(calsync.CallError) as blocked:
            engine.remote_calendars("outside")
        assert blocked.value.code == "blocked"
    with pytest.raises(calsync.CallError) as closed:
        engine.calendars()
    assert closed.value.code == "closed"


def test_a_feed_comes_in(tmp_path: Path) -> None:
    text = calsync.write([holiday("b", "May Day")], stamp=datetime(2026, 1, 1, tzinfo=timezone.utc))
    feed = tmp_path / "feed.ics"
    feed.write_text(text, newline="")
    with blocking.Engine() as engine:
        engine.put_calendar(Calendar("family", "Family"))
        engine.connect("feed", provider=ProviderKind.ICS, url=str(feed), trust_address=True)
        engine.add_link(
            "holidays", calendar="family", connection="feed", direction=calsync.Direction.IMPORT
        )
        assert engine.sync("holidays").counts.created == 1
        assert titles(engine) == {"b": "May Day"}


def test_a_feed_comes_in_by_its_rules_and_takes_time(tmp_path: Path) -> None:
    events = [meeting("a", "Review"), meeting("b", "Lunch", day=6)]
    feed = tmp_path / "feed.ics"
    feed.write_text(calsync.write(events, stamp=datetime(2026, 1, 1, tzinfo=timezone.utc)), newline="")
    steps = [
        {"name": "no lunches", "filter": {"type": "title", "exclude": "(?i)lunch"}},
        {"name": "whose", "transform": {"type": "prefix-title", "prefix": "[{{calendar_name}}] "}},
    ]
    copies = {"pipeline": {"start": {"type": "everything"}, "steps": steps}, "calendar_name": "Ada"}
    terms = calsync.FreeTerms(
        [calsync.FreeCalendar("family", ZoneInfo("Europe/Berlin"))],
        datetime(2026, 3, 5, tzinfo=timezone.utc),
        datetime(2026, 3, 7, tzinfo=timezone.utc),
    )
    with blocking.Engine() as engine:
        engine.put_calendar(Calendar("family", "Family"))
        engine.connect("feed", provider=ProviderKind.ICS, url=str(feed), trust_address=True)

        def add(direction: calsync.Direction) -> None:
            engine.add_link("feed", calendar="family", connection="feed", direction=direction, copies=copies)

        with pytest.raises(calsync.CallError, match="one way"):
            add(calsync.Direction.TWO_WAY)
        add(calsync.Direction.IMPORT)
        assert engine.free(terms).calendars[0].state is calsync.CalendarState.UNKNOWN
        engine.sync("feed")
        assert titles(engine) == {"a": "[Ada] Review"}
        (stored,) = engine.events("family")
        explained = engine.explain("family", stored.id)
        assert explained.ways[0].transforms == ["whose"]
        assert [moment.what.value for moment in explained.timeline] == ["seen", "done", "mapped"]
        assert explained.timeline[1].op is calsync.JournalOp.LOCAL_CREATE
        found = engine.free(terms)
        assert [time.start for time in found.busy] == [datetime(2026, 3, 5, 8, tzinfo=timezone.utc)]
        assert found.calendars[0].state is calsync.CalendarState.CURRENT


def test_slots_are_held_booked_and_given_back() -> None:
    def at(hour: int) -> datetime:
        return datetime(2100, 1, 4, hour, tzinfo=timezone.utc)

    hourly = calsync.SlotTerms(slot_minutes=60, granularity_minutes=60)
    terms = calsync.FreeTerms([calsync.FreeCalendar("family")], at(9), at(12), slots=hourly)

    def visit(hour: int) -> calsync.Event:
        return calsync.Event("visit", calsync.EventBody(calsync.TimeSpan(at(hour), at(hour + 1)), title="Visit"))

    with blocking.Engine() as engine:
        engine.put_calendar(Calendar("family", "Family"))
        hold = engine.hold(terms, at(9), at(10), minutes=10)
        assert [slot.start for slot in engine.free(terms).slots] == [at(10), at(11)]
        with pytest.raises(calsync.BookingError) as caught:
            engine.book(terms, "family", visit(9))
        assert caught.value.code == "slot-taken"
        with pytest.raises(calsync.BookingError) as caught:
            engine.book(terms, "family", visit(15))
        assert caught.value.code == "slot-not-offered"
        booked = engine.book(terms, "family", visit(9), id="visit-1", hold=hold.id)
        assert booked == calsync.Booking("family", "visit-1", calsync.Period(at(9), at(10)))
        assert engine.book(terms, "family", visit(9), id="visit-1") == booked
        moved = engine.book(terms, "family", visit(10), replaces="visit-1")
        assert (moved.id, titles(engine)) == ("visit-1", {"visit": "Visit"})
        engine.cancel_booking("family", "visit-1")
        with pytest.raises(calsync.BookingError) as caught:
            engine.cancel_booking("family", "visit-1")
        assert caught.value.code == "unknown-booking"
        again = engine.hold(terms, at(11), at(12), minutes=10)
        engine.release(again)
        assert len(engine.free(terms).slots) == 3


def test_what_a_link_did_is_told_and_cleaned(server: Server) -> None:
    everything = {"pipeline": {"start": {"type": "everything"}}}
    with blocking.Engine() as engine:
        joined(engine, server, direction=calsync.Direction.EXPORT, copies=everything)
        ids = [engine.add_event("family", meeting(uid, uid)) for uid in ("a", "b", "c")]
        engine.sync("home")
        told = engine.sources(ids[:2])
        assert {(one.event, one.link, one.role) for one in told} == {(id, "home", calsync.SourceRole.COPY) for id in ids[:2]}
        everyone = engine.events_of("home")
        assert sorted(one.event for one in everyone) == sorted(ids)
        assert engine.events_of("home", after=everyone[0].item, limit=1) == everyone[1:2]
        assert [one.what for one in engine.history("home") if one.kind is calsync.HistoryKind.CHANGE] == ["remote-create"] * 3
        assert engine.explain_item("nothing") == []
        shown = engine.clean("home", preview=True)
        assert len(shown.operations) == 3 and shown.deleted == 0 and shown.complete
        held = engine.clean("home")
        assert held.held and held.deleted == 0 and held.plan_id == shown.plan_id
        assert engine.clean("home", approve=held.plan_id).deleted == 3
        assert len(titles(engine)) == 3
        engine.forget("home")
        with pytest.raises(calsync.CalsyncError) as forgotten:
            engine.sync("home")
        assert forgotten.value.code == "unknown-link"


def test_cozi_is_opted_in_to() -> None:
    with blocking.Engine() as engine:
        with pytest.raises(calsync.CallError, match="Cozi"):
            engine.connect("cozi", provider=ProviderKind.COZI, username="ann@example.com", secret=PASSWORD)
        engine.connect(
            "cozi", provider=ProviderKind.COZI, username="ann@example.com", secret=PASSWORD, unofficial=True
        )


def test_asyncio_with_progress(server: Server, tmp_path: Path) -> None:
    async def story() -> None:
        with pytest.raises(calsync.CallError, match="event loop"):
            blocking.Engine().calendars()
        async with calsync.Engine(tmp_path / "one.db") as engine:
            await engine.put_calendar(Calendar("family", "Family"))
            await engine.connect(
                "account",
                provider=ProviderKind.CALDAV,
                url=server.url,
                username=USER,
                secret=PASSWORD,
                trust_address=True,
            )
            (remote,) = [
                c for c in await engine.remote_calendars("account") if c.name == "Personal"
            ]
            await engine.add_link("home", calendar="family", connection="account", remote=remote.id)
            await asyncio.gather(
                *(engine.add_event("family", meeting(f"e{n}", f"Event {n}")) for n in range(10))
            )
            seen = [step async for step in engine.progress("home")]
            report = seen[-1]
            assert isinstance(report, calsync.Report) and report.counts.pushed == 10
            steps = [step for step in seen if isinstance(step, calsync.Progress)]
            assert steps and steps[-1].step == "pushed" and steps[-1].done == steps[-1].total == 10

    asyncio.run(story())


class Later:
    """A minute later with each call: the lease of a cancelled run is over by the next."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, tzinfo=timezone.utc)

    def now(self) -> datetime:
        self.time += timedelta(minutes=1)
        return self.time


def test_a_cancelled_run_leaves_nothing_broken(server: Server, tmp_path: Path) -> None:
    path, clock = tmp_path / "one.db", Later()
    wanted = {f"e{number}": f"Event {number}" for number in range(20)}
    with blocking.Engine(path, clock=clock) as engine:
        joined(engine, server)
        for uid, title in wanted.items():
            engine.add_event("family", meeting(uid, title))

    async def cancelled(after: int) -> None:
        engine = calsync.Engine(path, clock=clock)
        await engine.connect(
            "account",
            provider=ProviderKind.CALDAV,
            url=server.url,
            username=USER,
            secret=PASSWORD,
            trust_address=True,
        )
        remotes = await engine.remote_calendars("account")
        remote = next(c.id for c in remotes if c.name == "Personal")
        await engine.add_link("home", calendar="family", connection="account", remote=remote)
        run = asyncio.ensure_future(
            engine.sync("home", progress=lambda step: run.cancel() if step.done >= after else None)
        )
        with pytest.raises(asyncio.CancelledError):
            await run

    for after in (1, 3, 5):
        asyncio.run(cancelled(after))
    with blocking.Engine(path, clock=clock) as engine, blocking.Engine() as other:
        joined(engine, server)
        assert engine.sync("home").in_step
        assert titles(engine) == wanted
        joined(other, server)
        assert other.sync("home").counts.created == 20
        assert titles(other) == wanted
