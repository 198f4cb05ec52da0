"""A store written in Python, and everything such a store can do wrong."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import calsync
import pytest
from calsync import Calendar, HostError, ProviderKind, StoreUnavailable, blocking
from calsync.testing import STORE_CASES, check_store
from calsync.testing.pytest import StoreConformance

from conftest import PASSWORD, USER, Server
from dict_store import AsyncDictStore, DictStore, Noted, OneCallStore
from scenes import joined, meeting, titles


class TestConformance(StoreConformance):
    @pytest.fixture(params=[DictStore, OneCallStore, AsyncDictStore])
    def store(self, request: pytest.FixtureRequest) -> Any:
        return request.param()


def test_the_conformance_suite_finds_a_store_that_forgets() -> None:
    class Forgets(DictStore):
        def release_lease(self, token: Any) -> None:
            pass

    with pytest.raises(calsync.CheckError) as caught:
        check_store(Forgets)
    assert caught.value.item in STORE_CASES
    with pytest.raises(calsync.CallError):
        check_store(DictStore, "no such case")


def test_a_store_that_never_answers_fails_the_case() -> None:
    async def never(**_: Any) -> None:
        await asyncio.Event().wait()

    def silent() -> DictStore:
        return wrong("acquire_lease", never)

    class TestHasty(StoreConformance):
        store_patience = 0.05

    case = "lease_needs_a_duration"
    checks: list[Callable[[], None]] = [
        lambda: check_store(silent, case, store_patience=0.05),
        lambda: TestHasty().test_case(case, silent()),
    ]
    for check in checks:
        with pytest.raises(calsync.CheckError, match=r"store\.acquire_lease never answered") as caught:
            check()
        assert caught.value.item == case


@pytest.mark.parametrize("kind", [DictStore, AsyncDictStore])
def test_a_store_of_the_host_does_what_ours_does(kind: Any, server: Server) -> None:
    with blocking.Engine(kind()) as one, blocking.Engine() as two:
        joined(one, server)
        joined(two, server)
        two.add_event("family", meeting("a", "Breakfast"))
        two.sync("home")
        assert one.sync("home").counts.created == 1
        stored = one.events("family")[0]
        one.update_event("family", stored.id, stored.revision, meeting("a", "Brunch"))
        assert one.sync("home").counts.pushed == 1
        two.sync("home")
        assert titles(one) == titles(two) == {"a": "Brunch"}
        stored = one.events("family")[0]
        with pytest.raises(calsync.StoreConflictError):
            one.delete_event("family", stored.id, stored.revision + 1)
        one.delete_event("family", stored.id, stored.revision)
        one.sync("home")
        two.sync("home")
        assert titles(two) == {}
        (undone, *_) = one.undo_last("home", 1)
        assert undone.run


@pytest.mark.parametrize("kind", [DictStore, AsyncDictStore])
def test_in_asyncio_over_two_event_loops(kind: Any, server: Server) -> None:
    store = kind()
    engine = calsync.Engine(store)

    async def first() -> None:
        await engine.put_calendar(Calendar("family", "Family"))
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
        await engine.add_event("family", meeting("a", "Breakfast"))

    async def second() -> None:
        assert (await engine.sync("home")).counts.pushed == 1

    asyncio.run(first())
    asyncio.run(second())


def wrong(method: str, instead: Any) -> DictStore:
    """A store with something else in the place of a method."""
    store = DictStore()
    setattr(store, method, instead)
    return store


class Odd:
    """No JSON."""


def raises(**_: Any) -> None:
    raise LookupError("the text may hold anything")


async def raises_later(**_: Any) -> None:
    await asyncio.sleep(0)
    raise LookupError("the text may hold anything")


@pytest.mark.parametrize("instead", [raises, raises_later])
def test_what_it_raises_is_the_cause(instead: Any) -> None:
    with blocking.Engine(wrong("calendars", instead)) as engine:
        with pytest.raises(HostError) as caught:
            engine.calendars()
        assert (caught.value.code, caught.value.item) == ("host-failed", "store.calendars")
        assert isinstance(caught.value.__cause__, LookupError)
        assert "LookupError" in str(caught.value) and "anything" not in str(caught.value)
        engine.put_calendar(Calendar("family", "Family"))


@pytest.mark.parametrize("value", [None, 7, "text", [{"id": 1}], Odd(), [Odd()], {"a": {1, 2}}])
def test_a_wrong_type_names_the_method(value: Any) -> None:
    with blocking.Engine(wrong("calendars", lambda: value)) as engine:
        with pytest.raises(HostError) as caught:
            engine.calendars()
        assert (caught.value.code, caught.value.item) == ("host-type", "store.calendars")


@pytest.mark.parametrize(
    ("raised", "code", "retryable"),
    [
        (StoreUnavailable, "store-unavailable", True),
        (calsync.StoreFull, "store-full", False),
        (calsync.StoreCorrupt, "store-corrupt", False),
    ],
)
def test_what_a_store_says_of_its_database_is_passed_on(raised: type[Exception], code: str, retryable: bool) -> None:
    def failing(**_: Any) -> None:
        raise raised

    with blocking.Engine(wrong("commit", failing)) as engine:
        with pytest.raises(calsync.StoreError) as caught:
            engine.put_calendar(Calendar("family", "Family"))
        assert (caught.value.code, caught.value.retryable) == (code, retryable)


def test_a_store_without_a_method_is_refused_at_once() -> None:
    class Half(DictStore):
        commit: Any = None

    with pytest.raises(TypeError, match="commit"):
        calsync.Engine(Half())


def test_a_method_that_never_answers_ends_with_its_task() -> None:
    async def forever(**_: Any) -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        engine = calsync.Engine(wrong("calendars", forever))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(engine.calendars(), 0.05)
        await engine.put_calendar(Calendar("family", "Family"))

    asyncio.run(story())


def test_a_method_may_call_the_engine_again() -> None:
    inner = DictStore()
    engine: calsync.Engine

    class Again(DictStore):
        async def calendars(self) -> Any:  # type: ignore[override]
            return [{"id": str(len(await engine.events("family"))), "name": "again"}]

        def events_since(self, calendar: str, after: int, limit: int) -> Any:
            return inner.events_since(calendar, after, limit)

    async def story() -> None:
        nonlocal engine
        engine = calsync.Engine(Again())
        assert await engine.calendars() == [Calendar("0", "again")]

    asyncio.run(story())


def test_a_store_nobody_else_holds_lives_as_long_as_its_engine() -> None:
    engine = blocking.Engine(DictStore())
    engine.put_calendar(Calendar("family", "Family"))
    gc.collect()
    assert [calendar.name for calendar in engine.calendars()] == ["Family"]


def test_an_interrupt_in_a_method_ends_the_call_and_not_the_process() -> None:
    def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    with blocking.Engine(wrong("calendars", interrupted)) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.calendars()
        engine.put_calendar(Calendar("family", "Family"))


def test_the_conformance_suite_compares_what_is_answered_in_one_call() -> None:
    class Forgets(OneCallStore):
        def waiting(self, link: str, after: str | None, limit: int) -> Any:
            return {**super().waiting(link, after, limit), "bases": []}

    with pytest.raises(calsync.CheckError) as caught:
        check_store(Forgets)
    assert caught.value.item == "waiting_answers_what_the_reads_answer"


SINGLE = ["acquire_lease", "link", "events_since", "records", "outbox"]


@pytest.mark.parametrize(
    ("kind", "begin", "pairs"),
    [
        (DictStore, SINGLE, ["bases", "events"]),
        (OneCallStore, ["open_link"], ["pairs"]),
    ],
)
def test_what_a_run_asks(kind: Any, begin: list[str], pairs: list[str], server: Server) -> None:
    store: Any = Noted(kind())
    with blocking.Engine(store) as engine, blocking.Engine() as elsewhere:
        joined(engine, server)
        joined(elsewhere, server)

        def edit(where: blocking.Engine, title: str, count: int) -> None:
            for stored in where.events("family")[:count]:
                assert stored.event.master is not None
                stored.event.master.title = title
                where.update_event("family", stored.id, stored.revision, stored.event)

        def asked() -> Any:
            store.taken()
            engine.sync("home")
            return store.taken()

        for number in range(200):
            elsewhere.add_event("family", meeting(f"e{number}", f"Event {number}"))
        elsewhere.sync("home")
        engine.sync("home")
        engine.sync("home")
        assert asked() == [*begin, "commit"], "nothing to do"

        edit(elsewhere, "there", 10)
        elsewhere.sync("home")
        assert asked() == [*begin, *pairs, "commit", "commit"], "ten there"
        asked()

        edit(engine, "here", 10)
        assert asked() == [*begin, "bases", "commit", "commit", "commit"], "ten here"
        elsewhere.sync("home")


@pytest.mark.parametrize("count", [200, 1000])
def test_many_changes_are_few_calls(count: int, server: Server) -> None:
    store: Any = Noted(OneCallStore())
    with blocking.Engine(store) as engine, blocking.Engine() as elsewhere:
        joined(engine, server)
        joined(elsewhere, server)

        def edit(where: blocking.Engine, title: str) -> None:
            for stored in where.events("family"):
                assert stored.event.master is not None
                stored.event.master.title = title
                where.update_event("family", stored.id, stored.revision, stored.event)

        def few(what: str) -> None:
            store.taken()
            report = engine.sync("home")
            calls = store.taken()
            assert report.in_step and len(calls) <= 6 + count / 100, (what, calls)

        # Both sides have met.
        engine.sync("home")
        for number in range(count):
            elsewhere.add_event("family", meeting(f"e{number}", f"Event {number}"))
        elsewhere.sync("home")
        few("new there")
        edit(elsewhere, "there")
        elsewhere.sync("home")
        few("edited there")
        edit(engine, "here")
        few("edited here")
