"""Providers on this machine, for the tests of hosts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import calsync
import pytest
from calsync import Calendar, Event, EventBody, TimeSpan, blocking
from calsync.testing import CalDavEmulator, CoziEmulator, Emulator, GoogleEmulator, IcsEmulator, MicrosoftEmulator

from scenes import meeting, titles

WRITABLE = [CalDavEmulator, GoogleEmulator, MicrosoftEmulator]


def joined(engine: blocking.Engine, emulator: Emulator) -> None:
    engine.put_calendar(Calendar("family", "Family"))
    engine.connect("account", **emulator.account)
    (remote,) = engine.remote_calendars("account")
    engine.add_link("home", calendar="family", connection="account", remote=remote.id)


@pytest.mark.parametrize("kind", WRITABLE)
def test_two_hosts_meet_at_an_emulator(kind: type[Emulator]) -> None:
    with kind() as emulator, blocking.Engine() as one, blocking.Engine() as two:
        joined(one, emulator)
        joined(two, emulator)
        one.add_event("family", meeting("a@example.com", "Breakfast"))
        assert one.sync("home").counts.pushed == 1
        assert two.sync("home").counts.created == 1
        assert set(titles(two).values()) == {"Breakfast"}
        (stored,) = two.events("family")
        two.delete_event("family", stored.id, stored.revision)
        two.sync("home")
        assert one.sync("home").counts.deleted == 1
        assert titles(one) == {}


@pytest.mark.parametrize("kind", WRITABLE)
def test_somebody_else_acts_at_an_emulator(kind: type[Emulator]) -> None:
    with kind() as emulator, blocking.Engine() as engine:
        joined(engine, emulator)
        for uid, title in (("a@example.com", "Breakfast"), ("b@example.com", "Dentist")):
            engine.add_event("family", meeting(uid, title))
        engine.sync("home")
        items = emulator.items()
        breakfast = next(id for id, item in items.items() if "Breakfast" in item)
        dentist = next(id for id, item in items.items() if "Dentist" in item)
        assert emulator.put(items[breakfast].replace("Breakfast", "Brunch"), breakfast) == breakfast
        emulator.delete(dentist)
        counts = engine.sync("home").counts
        assert (counts.updated, counts.deleted) == (1, 1)
        assert titles(engine) == {"a@example.com": "Brunch"}
        copy = emulator.items()[breakfast].replace("Brunch", "Lunch").replace("a@example.com", "c@example.com")
        assert emulator.put(copy) != breakfast and len(emulator.items()) == 2
        emulator.tell("fault status=503")
        with pytest.raises(calsync.CalsyncError) as down:
            engine.sync("home")
        assert down.value.code == "unavailable"
        with pytest.raises(calsync.CallError):
            emulator.delete(dentist)
        with pytest.raises(calsync.CallError):
            emulator.tell("fault teapot")


FEED = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//tests//feed//EN\r
BEGIN:VEVENT\r
UID:a@example.com\r
DTSTAMP:20260105T120000Z\r
DTSTART:20260301T090000Z\r
DTEND:20260301T100000Z\r
SUMMARY:Breakfast\r
END:VEVENT\r
END:VCALENDAR\r
"""


def test_a_feed_is_read() -> None:
    with IcsEmulator() as emulator, blocking.Engine() as engine:
        engine.put_calendar(Calendar("family", "Family"))
        engine.connect("feed", **emulator.account)
        engine.add_link("feed", calendar="family", connection="feed", direction=calsync.Direction.IMPORT)
        assert engine.sync("feed").counts.created == 0
        assert emulator.put(FEED) == "calendar.ics"
        assert engine.sync("feed").counts.created == 1
        emulator.put(emulator.items()["calendar.ics"].replace("Breakfast", "Brunch"))
        assert engine.sync("feed").counts.updated == 1
        assert titles(engine) == {"a@example.com": "Brunch"}
        with pytest.raises(calsync.CallError):
            emulator.put(FEED, "another.ics")
        with pytest.raises(calsync.CallError):
            emulator.delete("calendar.ics")
        with pytest.raises(calsync.CallError):
            emulator.tell("fault status=503")


def test_a_household_at_cozi() -> None:
    with CoziEmulator() as emulator, blocking.Engine() as engine:
        joined(engine, emulator)
        # Only the months around the current one are read there.
        start = datetime.now(timezone.utc).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=2)
        body = EventBody(TimeSpan(start, start + timedelta(hours=1)), title="Breakfast")
        engine.add_event("family", Event("a@example.com", body))
        assert engine.sync("home").counts.pushed == 1
        ((id, item),) = emulator.items().items()
        emulator.put(item.replace("Breakfast", "Brunch"), id)
        assert engine.sync("home").counts.updated == 1
        assert set(titles(engine).values()) == {"Brunch"}
        emulator.delete(id)
        assert engine.sync("home").counts.deleted == 1


@pytest.mark.parametrize("kind", [*WRITABLE, CoziEmulator, IcsEmulator])
def test_it_wants_its_secret_and_ends(kind: type[Emulator]) -> None:
    with blocking.Engine() as engine:
        with kind(secret="never shown") as emulator:
            wrong = emulator.account.copy()
            wrong["secret"] = "another"
            engine.connect("stranger", **wrong)
            with pytest.raises(calsync.CredentialsError) as refused:
                engine.remote_calendars("stranger")
            assert "never shown" not in str(refused.value)
            engine.connect("account", **emulator.account)
            assert len(engine.remote_calendars("account")) == 1
            engine.put_calendar(Calendar("family", "Family"))
            remote = engine.remote_calendars("account")[0].id
            engine.add_link("home", calendar="family", connection="account", remote=remote, direction=calsync.Direction.IMPORT)
        with pytest.raises(calsync.CalsyncError) as gone:
            engine.sync("home")
        assert gone.value.retryable
        with pytest.raises(calsync.CalsyncError) as closed:
            emulator.items()
        assert closed.value.code == "closed"
