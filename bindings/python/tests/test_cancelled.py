"""A run is cancelled at each call of its store: what is left is consistent, and the next run does the rest."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, cast

import calsync
import pytest
from calsync import Calendar
from calsync.testing import CalDavEmulator

from dict_store import DictStore, OneCallStore
from scenes import meeting


class Clock:
    """Stands still until it is turned: the lease of a cancelled run is over when a test says so."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, tzinfo=timezone.utc)

    def now(self) -> datetime:
        return self.time

    def pass_a_minute(self) -> None:
        self.time += timedelta(minutes=1)


class When(Enum):
    """When a run is cancelled whose store is asked something."""

    ASKED = "before it takes effect"
    DONE = "after that, and it is never answered"
    ANSWERED = "with the answer on its way"


class Cancelling:
    """Cancels the run that makes its call number ``at``."""

    def __init__(self, inner: DictStore, at: int, when: When) -> None:
        self.inner, self.at, self.when = inner, at, when
        self.calls = 0
        self.run: asyncio.Task[calsync.Report] | None = None
        self.cancelled = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        async def asked(**arguments: Any) -> Any:
            if self.run is None:
                return method(**arguments)
            self.calls += 1
            if self.calls != self.at:
                return method(**arguments)
            answer = None if self.when is When.ASKED else method(**arguments)
            self.cancelled = True
            self.run.cancel()
            return answer if self.when is When.ANSWERED else await asyncio.get_running_loop().create_future()

        return asked


def text(uid: str, title: str) -> str:
    """What somebody else puts on the server."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//EN", "BEGIN:VEVENT", f"UID:{uid}"]
    lines += ["DTSTAMP:20260105T120000Z", "DTSTART:20260301T090000Z", "DTEND:20260301T100000Z", f"SUMMARY:{title}"]
    return "".join(f"{line}\r\n" for line in [*lines, "END:VEVENT", "END:VCALENDAR"])


def of(item: str, name: str) -> str | None:
    found = re.search(rf"^{name}:(.*?)\r$", item, re.MULTILINE)
    return found[1] if found else None


Shown = list[tuple[str, str | None, str | None]]


async def here(engine: calsync.Engine) -> Shown:
    events = [stored.event for stored in await engine.events("family")]
    return sorted((event.uid, event.title, event.master.location if event.master else None) for event in events)


def there(emulator: CalDavEmulator) -> Shown:
    items = emulator.items().values()
    return sorted((of(item, "UID") or "", of(item, "SUMMARY"), of(item, "LOCATION")) for item in items)


async def joined(engine: calsync.Engine, emulator: CalDavEmulator) -> None:
    await engine.put_calendar(Calendar("family", "Family"))
    await engine.connect("account", **emulator.account)
    (remote,) = await engine.remote_calendars("account")
    await engine.add_link("home", calendar="family", connection="account", remote=remote.id)


@dataclass
class Seen:
    """Both sides at the end, and what the store still holds of the work."""

    here: Shown
    there: Shown
    elsewhere: Shown
    bases: int
    waiting: int
    set_aside: int
    contested: int


async def played(store: Cancelling) -> Seen:
    """A first sync, edits on both sides, one event edited on both, and a deletion on each side."""
    clock = Clock()
    engine = calsync.Engine(cast("DictStore", store), clock=clock)

    async def sync() -> None:
        """Runs until all is done, whoever cancels it; nobody else holds the link once its lease is over."""
        for _ in range(4):
            store.run = asyncio.ensure_future(engine.sync("home"))
            try:
                if (await store.run).in_step:
                    return
            except asyncio.CancelledError:
                assert store.cancelled
            finally:
                store.run = None
                clock.pass_a_minute()
        raise AssertionError("it never gets in step")

    async def edit(uid: str, title: str, location: str | None = None) -> None:
        (stored,) = [stored for stored in await engine.events("family") if stored.event.uid == uid]
        master = stored.event.master
        assert master is not None
        changed = replace(stored.event, master=replace(master, title=title, location=location))
        await engine.update_event("family", stored.id, stored.revision, changed)

    def edit_there(before: str, after: str) -> None:
        ((id, item),) = [(id, item) for id, item in emulator.items().items() if before in item]
        emulator.put(item.replace(before, after), id)

    with CalDavEmulator() as emulator:
        await joined(engine, emulator)
        for uid, title in (("a", "Breakfast"), ("b", "Dentist"), ("c", "Choir")):
            await engine.add_event("family", meeting(uid, title))
        for uid, title in (("x", "Market"), ("y", "Yoga"), ("z", "Zoo")):
            emulator.put(text(uid, title), f"{uid}.ics")
        await sync()
        await edit("a", "Brunch")
        await edit("z", "Zoo", "Main street")
        edit_there("SUMMARY:Market", "SUMMARY:Fair")
        edit_there("SUMMARY:Zoo", "SUMMARY:Zoo and ice")
        await sync()
        (gone,) = [stored for stored in await engine.events("family") if stored.event.uid == "b"]
        await engine.delete_event("family", gone.id, gone.revision)
        emulator.delete("y.ics")
        await sync()
        other = calsync.Engine(clock=clock)
        await joined(other, emulator)
        await other.sync("home")
        rows = store.inner
        return Seen(
            await here(engine),
            there(emulator),
            await here(other),
            len(rows.base_summaries("home", None, 100)),
            len(rows.outbox("home", None, 100)),
            len(rows.records("quarantine", "home", None, None, None, 100)),
            len(rows.records("conflict", "home", None, None, None, 100)),
        )


WANTED: Shown = [
    ("a", "Brunch", None),
    ("c", "Choir", None),
    ("x", "Fair", None),
    ("z", "Zoo and ice", "Main street"),
]


@pytest.mark.parametrize("kind", [DictStore, OneCallStore])
def test_a_run_cancelled_at_any_call_of_its_store_is_done_by_the_next(kind: type[DictStore]) -> None:
    whole = Cancelling(kind(), 0, When.DONE)
    wanted = asyncio.run(played(whole))
    assert wanted == Seen(WANTED, WANTED, WANTED, bases=4, waiting=0, set_aside=0, contested=0)
    assert whole.calls > 12
    # One way for each call, in turns. Node and Kotlin begin with another, so that each call is cancelled in each way.
    ways = list(When)
    for at in range(1, whole.calls + 1):
        when = ways[at % len(ways)]
        store = Cancelling(kind(), at, when)
        assert asyncio.run(played(store)) == wanted, f"cancelled at call {at} of {whole.calls}, {when.value}"
        assert store.cancelled


def test_a_link_is_busy_until_the_lease_of_its_cancelled_run_is_over() -> None:
    async def story() -> None:
        clock, store = Clock(), Cancelling(DictStore(), 8, When.DONE)
        engine = calsync.Engine(cast("DictStore", store), clock=clock)
        with CalDavEmulator() as emulator:
            await joined(engine, emulator)
            await engine.add_event("family", meeting("a", "Breakfast"))
            store.run = asyncio.ensure_future(engine.sync("home"))
            with pytest.raises(asyncio.CancelledError):
                await store.run
            store.run = None
            with pytest.raises(calsync.CallError) as busy:
                await engine.sync("home")
            assert (busy.value.code, busy.value.retryable) == ("busy", True)
            assert busy.value.retry_after_ms is not None and 0 < busy.value.retry_after_ms <= 10_000
            clock.pass_a_minute()
            assert (await engine.sync("home")).in_step
            assert there(emulator) == [("a", "Breakfast", None)]

    asyncio.run(story())
