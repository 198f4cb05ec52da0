"""Filters, transforms, resolvers and clocks written in Python, and everything they can do wrong."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import calsync
import pytest
from calsync import (
    Choice,
    ConflictPolicy,
    ContestedEvent,
    EventBody,
    Field,
    HostError,
    ProviderKind,
    Surroundings,
    blocking,
)

from conftest import PASSWORD, USER, Server
from dict_store import DictStore
from scenes import BERLIN, joined, meeting, titles

STEPS = [
    {"name": "mine", "filter": {"type": "host", "rule": "no-lunches", "options": {"word": "Lunch"}}},
    {"name": "style", "transform": {"type": "host", "rule": "shout"}},
]
COPIES = {
    "pipeline": {"start": {"type": "everything"}, "steps": STEPS},
    "calendar_name": "Ada",
    "owner": ["ada@example.com"],
    "zone": "Europe/Berlin",
}


class NoLunches:
    version = "1"

    def lets_through(self, body: EventBody, options: dict[str, Any], around: Surroundings) -> bool:
        assert around == Surroundings(around.calendar, "Ada", ["ada@example.com"], BERLIN, False)
        assert isinstance(body.time.start, datetime) and body.time.start.tzinfo is BERLIN
        return options["word"] not in (body.title or "")


class Shout:
    version = "1"

    def change(
        self, copy: EventBody, event: EventBody, options: dict[str, Any], around: Surroundings
    ) -> EventBody:
        assert copy.title == event.title and options == {}
        copy.title = (copy.title or "").upper()
        return copy


class LaterNoLunches(NoLunches):
    async def lets_through(  # type: ignore[override]
        self, body: EventBody, options: dict[str, Any], around: Surroundings
    ) -> bool:
        await asyncio.sleep(0)
        return super().lets_through(body, options, around)


class LaterShout(Shout):
    async def change(  # type: ignore[override]
        self, copy: EventBody, event: EventBody, options: dict[str, Any], around: Surroundings
    ) -> EventBody:
        await asyncio.sleep(0)
        return super().change(copy, event, options, around)


class Instead:
    """A rule with something else for its method."""

    version = "1"

    def __init__(self, answer: Callable[..., Any]) -> None:
        self.lets_through = self.change = self.resolve = self.now = answer


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    events = [meeting("a", "Review"), meeting("b", "Lunch", day=6), meeting("c", "Walk", day=7)]
    file = tmp_path / "feed.ics"
    file.write_text(calsync.write(events, stamp=datetime(2026, 1, 1, tzinfo=timezone.utc)), newline="")
    return file


def linked(engine: blocking.Engine, feed: Path) -> None:
    engine.put_calendar(calsync.Calendar("family", "Family"))
    engine.connect("feed", provider=ProviderKind.ICS, url=str(feed), trust_address=True)
    engine.add_link(
        "feed", calendar="family", connection="feed", direction=calsync.Direction.IMPORT, copies=COPIES
    )


@pytest.mark.parametrize(("filter", "transform"), [(NoLunches, Shout), (LaterNoLunches, LaterShout)])
def test_rules_say_what_is_copied_and_what_it_shows(filter: Any, transform: Any, feed: Path) -> None:
    rules: dict[str, Any] = {"filters": {"no-lunches": filter()}, "transforms": {"shout": transform()}}
    with blocking.Engine(**rules) as engine:
        linked(engine, feed)
        engine.sync("feed")
        assert titles(engine) == {"a": "REVIEW", "c": "WALK"}


def test_rules_in_asyncio(feed: Path) -> None:
    async def story() -> None:
        rules: dict[str, Any] = {"filters": {"no-lunches": LaterNoLunches()}, "transforms": {"shout": Shout()}}
        async with calsync.Engine(**rules) as engine:
            await engine.put_calendar(calsync.Calendar("family", "Family"))
            await engine.connect("feed", provider=ProviderKind.ICS, url=str(feed), trust_address=True)
            importing = calsync.Direction.IMPORT
            await engine.add_link("feed", calendar="family", connection="feed", direction=importing, copies=COPIES)
            await engine.sync("feed")
            assert [stored.event.title for stored in await engine.events("family")] == ["REVIEW", "WALK"]

    asyncio.run(story())


def test_a_name_nobody_gave_is_refused(feed: Path) -> None:
    with blocking.Engine(filters={"no-lunches": NoLunches()}) as engine:
        with pytest.raises(calsync.CallError, match="no such rule"):
            linked(engine, feed)


@pytest.mark.parametrize("wrong", [object(), type("NoVersion", (), {"lets_through": print})()])
def test_what_is_no_rule_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(TypeError, match="no-lunches"):
        blocking.Engine(filters={"no-lunches": wrong})
    with pytest.raises(TypeError, match="resolve"):
        blocking.Engine(resolver=wrong)


def raises(*_: Any) -> Any:
    raise LookupError("the text may hold anything")


def gives(value: Any) -> Callable[..., Any]:
    return lambda *_: value


async def raises_later(*_: Any) -> Any:
    await asyncio.sleep(0)
    raise LookupError("the text may hold anything")


@pytest.mark.parametrize("answer", [raises, raises_later])
def test_what_a_rule_raises_is_the_cause_and_all_else_is_copied(answer: Any, feed: Path) -> None:
    def only_one(copy: EventBody, *_: Any) -> Any:
        return answer() if copy.title == "Walk" else copy

    rules: dict[str, Any] = {"filters": {"no-lunches": NoLunches()}, "transforms": {"shout": Instead(only_one)}}
    with blocking.Engine(**rules) as engine:
        linked(engine, feed)
        with pytest.raises(HostError) as caught:
            engine.sync("feed")
        assert (caught.value.code, caught.value.item) == ("host-failed", "transform.change")
        assert isinstance(caught.value.__cause__, LookupError)
        assert "LookupError" in str(caught.value) and "anything" not in str(caught.value)
        assert titles(engine) == {"a": "Review"}


@pytest.mark.parametrize("value", [None, 1, "yes", object(), {}])
@pytest.mark.parametrize(("part", "method"), [("filters", "filter.lets_through"), ("transforms", "transform.change")])
def test_a_wrong_type_names_the_method(value: Any, part: str, method: str, feed: Path) -> None:
    rules: dict[str, Any] = {"filters": {"no-lunches": NoLunches()}, "transforms": {"shout": Shout()}}
    (name,) = rules[part]
    rules[part] = {name: Instead(lambda *_: value)}
    with blocking.Engine(**rules) as engine:
        linked(engine, feed)
        with pytest.raises(HostError) as caught:
            engine.sync("feed")
        assert (caught.value.code, caught.value.item) == ("host-type", method)
        assert titles(engine) == {}


def test_a_rule_that_never_answers_is_silent_once_and_ends_with_its_task(feed: Path) -> None:
    asked: list[str] = []

    async def never(body: EventBody, *_: Any) -> bool:
        asked.append(body.title or "")
        await asyncio.Event().wait()
        return True

    async def story(patience: float) -> None:
        rules: dict[str, Any] = {"filters": {"no-lunches": Instead(never)}, "transforms": {"shout": Shout()}}
        engine = calsync.Engine(**rules, patience=patience)
        await engine.put_calendar(calsync.Calendar("family", "Family"))
        await engine.connect("feed", provider=ProviderKind.ICS, url=str(feed), trust_address=True)
        importing = calsync.Direction.IMPORT
        await engine.add_link("feed", calendar="family", connection="feed", direction=importing, copies=COPIES)
        if patience > 1:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(engine.sync("feed"), 0.2)
        else:
            with pytest.raises(HostError) as caught:
                await engine.sync("feed")
            assert (caught.value.code, caught.value.item) == ("host-silent", "filter.lets_through")
        assert len(await engine.calendars()) == 1

    asyncio.run(story(0.05))
    assert len(asked) == 1
    asyncio.run(story(600))


async def never(*_: Any, **__: Any) -> Any:
    await asyncio.Event().wait()


async def never_whatever_it_is_told(*_: Any, **__: Any) -> Any:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


class Silent(DictStore):
    """A store one of whose methods never answers."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.silent = method

    def __getattribute__(self, name: str) -> Any:
        return never if name != "silent" and name == self.silent else super().__getattribute__(name)


@pytest.mark.parametrize("answer", [never, never_whatever_it_is_told])
@pytest.mark.parametrize(("part", "method"), [("filters", "filter.lets_through"), ("transforms", "transform.change")])
def test_a_rule_that_never_answers_does_not_keep_its_thread(answer: Any, part: str, method: str, feed: Path) -> None:
    rules: dict[str, Any] = {"filters": {"no-lunches": NoLunches()}, "transforms": {"shout": Shout()}}
    (name,) = rules[part]
    rules[part] = {name: Instead(answer)}
    # Over a store of the host: what the run does after the silence needs the thread.
    with blocking.Engine(DictStore(), **rules, patience=0.05) as engine:
        linked(engine, feed)
        with pytest.raises(HostError) as caught:
            engine.sync("feed")
        assert (caught.value.code, caught.value.item) == ("host-silent", method)
        assert titles(engine) == {}


def test_a_resolver_and_a_clock_that_never_answer_are_silent(server: Server) -> None:
    with blocking.Engine(resolver=Instead(never), patience=0.05) as engine:
        contested(engine, server)
        with pytest.raises(HostError) as caught:
            engine.sync("home")
        assert (caught.value.code, caught.value.item) == ("host-silent", "resolver.resolve")
    with blocking.Engine(clock=Instead(never), patience=0.05) as engine:
        with pytest.raises(HostError) as caught:
            engine.calendars()
        assert (caught.value.code, caught.value.item) == ("host-silent", "clock.now")


@pytest.mark.parametrize("method", ["calendars", "commit", "acquire_lease"])
def test_a_method_of_a_store_that_never_answers_is_named(method: str, feed: Path) -> None:
    with blocking.Engine(store := Silent(""), store_patience=0.05) as engine:
        engine.put_calendar(calsync.Calendar("family", "Family"))
        engine.connect("feed", provider=ProviderKind.ICS, url=str(feed), trust_address=True)
        engine.add_link("feed", calendar="family", connection="feed", direction=calsync.Direction.IMPORT)
        store.silent = method
        with pytest.raises(HostError) as caught:
            engine.calendars() if method == "calendars" else engine.sync("feed")
        assert (caught.value.code, caught.value.item) == ("host-silent", f"store.{method}")


def test_in_asyncio_a_method_that_was_given_up_is_ended() -> None:
    ended: list[str] = []

    async def never(*_: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("clock.now")

    async def story() -> None:
        engine = calsync.Engine(clock=Instead(never), patience=0.05)
        with pytest.raises(HostError) as caught:
            await engine.calendars()
        assert (caught.value.code, caught.value.item) == ("host-silent", "clock.now")
        await asyncio.sleep(0)
        assert ended == ["clock.now"]
        silent = calsync.Engine(Silent("calendars"), store_patience=0.05)
        with pytest.raises(HostError) as caught:
            await silent.calendars()
        assert (caught.value.code, caught.value.item) == ("host-silent", "store.calendars")

    asyncio.run(story())


def test_a_rule_may_ask_the_engine(feed: Path) -> None:
    seen: list[int] = []
    engines: list[blocking.Engine] = []

    def asks(*_: Any) -> bool:
        seen.append(len(engines[0].calendars()))
        with pytest.raises(calsync.CalsyncError) as caught:
            engines[0].sync("feed")
        assert caught.value.code == "busy"
        return True

    rules: dict[str, Any] = {"filters": {"no-lunches": Instead(asks)}, "transforms": {"shout": Shout()}}
    with blocking.Engine(**rules) as engine:
        engines.append(engine)
        linked(engine, feed)
        engine.sync("feed")
        assert set(seen) == {1} and len(titles(engine)) == 3


def test_rules_nobody_else_holds_live_as_long_as_their_engine(feed: Path) -> None:
    engine = blocking.Engine(filters={"no-lunches": NoLunches()}, transforms={"shout": Shout()})
    gc.collect()
    linked(engine, feed)
    engine.sync("feed")
    assert len(titles(engine)) == 2


def contested(one: blocking.Engine, server: Server) -> None:
    """The title is changed on both sides of a link that asks the resolver."""
    with blocking.Engine() as two:
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
        "home", calendar="family", connection="account", remote=remote, conflicts=ConflictPolicy.RESOLVER
    )


def ours(conflict: ContestedEvent) -> list[tuple[Field, Choice]]:
    assert (conflict.link, conflict.base is not None and conflict.base.title) == ("home", "Breakfast")
    assert (conflict.local.title, conflict.remote.title) == ("Brunch", "Lunch")
    return [(field, Choice.LOCAL) for field in conflict.fields if field.part == "title"]


async def ours_later(conflict: ContestedEvent) -> list[tuple[Field, Choice]]:
    await asyncio.sleep(0)
    return ours(conflict)


@pytest.mark.parametrize("answer", [ours, ours_later])
def test_a_resolver_decides(answer: Any, server: Server) -> None:
    with blocking.Engine(resolver=Instead(answer)) as engine:
        contested(engine, server)
        engine.sync("home")
        assert titles(engine) == {"a": "Brunch"}
        assert not any(conflict.open for conflict in engine.conflicts("home"))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (raises, "host-failed"),
        (raises_later, "host-failed"),
        (gives(None), "host-type"),
        (gives([("title", "local")]), "host-type"),
        (gives([(Field("no such field"), Choice.LOCAL)]), "host-type"),
    ],
)
def test_a_resolver_that_fails_leaves_it_to_a_person(answer: Any, code: str, server: Server) -> None:
    with blocking.Engine(resolver=Instead(answer)) as engine:
        contested(engine, server)
        with pytest.raises(HostError) as caught:
            engine.sync("home")
        assert (caught.value.code, caught.value.item) == (code, "resolver.resolve")
        assert [conflict.open for conflict in engine.conflicts("home")] == [True]


def test_a_clock_tells_the_time_of_a_call(feed: Path) -> None:
    now = datetime(2030, 1, 1, 12, tzinfo=BERLIN)
    with blocking.Engine(clock=Instead(lambda: now)) as engine:
        engine.put_calendar(calsync.Calendar("family", "Family"))
        engine.add_event("family", meeting("a", "Review"))
        (stored,) = engine.events("family")
        assert timedelta(0) <= stored.modified - now < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (raises, "host-failed"),
        (raises_later, "host-failed"),
        (lambda: datetime(2030, 1, 1), "host-type"),
        (lambda: 7, "host-type"),
    ],
)
def test_a_clock_that_fails_fails_the_call_before_it_begins(answer: Any, code: str) -> None:
    with blocking.Engine(clock=Instead(answer)) as engine:
        with pytest.raises(HostError) as caught:
            engine.calendars()
        assert (caught.value.code, caught.value.item) == (code, "clock.now")


class Observing:
    """What a host may pass for ``progress``, and what it was told."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def at_once(self, step: calsync.Progress) -> None:
        self.steps.append(step.step)

    async def later(self, step: calsync.Progress) -> None:
        await asyncio.sleep(0)
        self.steps.append(step.step)


def in_asyncio(feed: Path, progress: Any, patience: float = 10) -> None:
    async def story() -> None:
        async with calsync.Engine(patience=patience) as engine:
            await engine.put_calendar(calsync.Calendar("family", "Family"))
            await engine.connect("feed", provider=ProviderKind.ICS, url=str(feed), trust_address=True)
            await engine.add_link("feed", calendar="family", connection="feed", direction=calsync.Direction.IMPORT)
            await engine.sync("feed", progress=progress)

    asyncio.run(story())


def in_a_thread(feed: Path, progress: Any, patience: float = 10) -> None:
    with blocking.Engine(patience=patience) as engine:
        engine.put_calendar(calsync.Calendar("family", "Family"))
        engine.connect("feed", provider=ProviderKind.ICS, url=str(feed), trust_address=True)
        engine.add_link("feed", calendar="family", connection="feed", direction=calsync.Direction.IMPORT)
        engine.sync("feed", progress=progress)


@pytest.mark.parametrize("run", [in_asyncio, in_a_thread])
def test_an_observer_is_def_or_async_def(run: Callable[..., None], feed: Path) -> None:
    seen = Observing()
    run(feed, seen.at_once)
    assert seen.steps
    later = Observing()
    run(feed, later.later)
    assert later.steps == seen.steps


@pytest.mark.parametrize("run", [in_asyncio, in_a_thread])
@pytest.mark.parametrize("answer", [raises, raises_later])
def test_an_observer_that_raises_ends_the_run_and_is_named(run: Callable[..., None], answer: Any, feed: Path) -> None:
    with pytest.raises(HostError) as failed:
        run(feed, answer)
    assert (failed.value.code, failed.value.item) == ("host-failed", "observer.progress")
    assert isinstance(failed.value.__cause__, LookupError) and "anything" not in str(failed.value)


@pytest.mark.parametrize("run", [in_asyncio, in_a_thread])
def test_an_observer_that_never_returns_is_silent(run: Callable[..., None], feed: Path) -> None:
    with pytest.raises(HostError) as failed:
        run(feed, never, patience=0.05)
    assert (failed.value.code, failed.value.item) == ("host-silent", "observer.progress")


@pytest.mark.parametrize("odd", ["a text", -1, 2**70, None])
def test_an_odd_number_of_an_expectation_is_none(odd: Any, feed: Path) -> None:
    class Odd(DictStore):
        def calendars(self) -> Any:
            conflict = calsync.StoreConflict(0)
            conflict.expectation = odd
            raise conflict

    with blocking.Engine(Odd()) as engine, pytest.raises(calsync.CalsyncError) as failed:
        engine.calendars()
    assert failed.value.code == "store-conflict"


def test_a_question_about_an_event_fails_when_a_rule_does(server: Server) -> None:
    class Fickle(NoLunches):
        broken = False

        def lets_through(self, body: EventBody, options: dict[str, Any], around: Surroundings) -> bool:
            if self.broken:
                raise ValueError("the text may hold anything")
            return super().lets_through(body, options, around)

    rule = Fickle()
    with blocking.Engine(filters={"no-lunches": rule}, transforms={"shout": Shout()}) as engine:
        joined(engine, server, direction=calsync.Direction.EXPORT, copies=COPIES)
        event = engine.add_event("family", meeting("a", "Review"))
        engine.explain("family", event)
        rule.broken = True
        with pytest.raises(HostError) as failed:
            engine.explain("family", event)
    assert failed.value.item == "filter.lets_through"


def test_threads_share_a_store_of_async_defs() -> None:
    class Later(DictStore):
        async def calendars(self) -> Any:  # type: ignore[override]
            await asyncio.sleep(0.001)
            return super().calendars()

    with blocking.Engine(Later()) as engine, ThreadPoolExecutor(4) as threads:
        engine.put_calendar(calsync.Calendar("family", "Family"))
        found = [threads.submit(engine.calendars) for _ in range(40)]
        assert all(len(one.result()) == 1 for one in found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_makes_its_own_engine() -> None:
    script = """
import os, calsync
from calsync import blocking
used, unused = blocking.Engine(), blocking.Engine()
used.calendars()
child = os.fork()
if child == 0:
    assert unused.calendars() == blocking.Engine().calendars() == []
    try:
        used.calendars()
    except calsync.CallError as error:
        os._exit(0 if error.code == "closed" else 2)
    os._exit(1)
assert used.calendars() == []
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)


def test_another_secret_reaches_the_links_there_are(server: Server) -> None:
    with blocking.Engine() as engine:
        joined(engine, server)
        account: dict[str, Any] = {"provider": ProviderKind.CALDAV, "url": server.url, "username": USER}
        engine.connect("account", **account, secret="old", trust_address=True)
        with pytest.raises(calsync.CredentialsError):
            engine.sync("home")
        engine.connect("account", **account, secret=PASSWORD, trust_address=True)
        assert engine.sync("home").in_step
