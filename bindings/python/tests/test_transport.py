"""HTTP written in Python, and everything it can do wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import calsync
import pytest
from calsync import (
    Addresses,
    Calendar,
    CalsyncError,
    CallError,
    CredentialsError,
    Direction,
    HostError,
    HttpRequest,
    HttpResponse,
    ProviderError,
    ProviderKind,
    TransportError,
    TransportFault,
    UnavailableError,
    blocking,
    transport,
)
from calsync._calls import Answers, Caller, Patience
from calsync.hosts import Hosts
from calsync.testing import CalDavEmulator, Emulator, GoogleEmulator

from network import Network, ThreadedNetwork
from scenes import meeting, titles

FEED = calsync.write([meeting("a", "Review")], stamp=datetime(2026, 1, 1, tzinfo=timezone.utc)).encode()
URL = "https://feeds.example.com/never-shown.ics"
KINDS = [CalDavEmulator, GoogleEmulator]


class Instead:
    """A transport with something else for its method."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        self.send = answer


def served(status: int = 200, body: bytes = FEED) -> HttpResponse:
    return HttpResponse(status, [("Content-Type", "text/calendar"), ("not a name", "x")], body)


def linked(engine: blocking.Engine) -> None:
    engine.put_calendar(Calendar("family", "Family"))
    engine.connect("feed", provider=ProviderKind.ICS, url=URL)
    engine.add_link("feed", calendar="family", connection="feed", direction=Direction.IMPORT)


async def in_asyncio(network: Any) -> None:
    async with calsync.Engine(transport=network) as engine:
        await engine.put_calendar(Calendar("family", "Family"))
        await engine.connect("feed", provider=ProviderKind.ICS, url=URL)
        await engine.add_link("feed", calendar="family", connection="feed", direction=Direction.IMPORT)
        await engine.sync("feed")


def in_a_loop(network: Any) -> None:
    asyncio.run(in_asyncio(network))


def in_a_thread(network: Any) -> None:
    with blocking.Engine(transport=network) as engine:
        linked(engine)
        engine.sync("feed")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", [Network, ThreadedNetwork])
def test_an_emulator_is_synced_over_it(kind: type[Emulator], network: type[Network]) -> None:
    with kind() as emulator, blocking.Engine(transport=(asked := network())) as one, blocking.Engine() as two:
        for engine in (one, two):
            engine.put_calendar(Calendar("family", "Family"))
            engine.connect("account", **emulator.account)
            (remote,) = engine.remote_calendars("account")
            engine.add_link("home", calendar="family", connection="account", remote=remote.id)
        one.add_event("family", meeting("a@example.com", "Frühstück"))
        assert one.sync("home").counts.pushed == 1
        assert two.sync("home").counts.created == 1
        assert titles(two) == titles(one) and set(titles(one).values()) == {"Frühstück"}
        (stored,) = two.events("family")
        two.delete_event("family", stored.id, stored.revision)
        two.sync("home")
        assert one.sync("home").counts.deleted == 1
        assert all(request.addresses is Addresses.ALL for request in asked.sent)
        methods = {request.method for request in asked.sent}
        assert methods >= ({"PROPFIND", "REPORT", "PUT"} if kind is CalDavEmulator else {"GET"})


@pytest.mark.parametrize("kind", KINDS)
def test_an_emulator_is_synced_over_it_in_asyncio(kind: type[Emulator]) -> None:
    async def story() -> None:
        with kind() as emulator:
            async with calsync.Engine(transport=(asked := ThreadedNetwork())) as engine:
                await engine.put_calendar(Calendar("family", "Family"))
                await engine.connect("account", **emulator.account)
                (remote,) = await engine.remote_calendars("account")
                await engine.add_link("home", calendar="family", connection="account", remote=remote.id)
                await engine.add_event("family", meeting("a@example.com", "Breakfast"))
                assert (await engine.sync("home")).counts.pushed == 1
                ((id, item),) = emulator.items().items()
                emulator.put(item.replace("Breakfast", "Brunch"), id)
                assert (await engine.sync("home")).counts.updated == 1
                (stored,) = await engine.events("family")
                assert stored.event.title == "Brunch"
                assert asked.sent

    asyncio.run(story())


def test_what_is_asked_is_what_is_sent() -> None:
    asked: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpResponse:
        asked.append(request)
        return served()

    with blocking.Engine(transport=Instead(answer)) as engine:
        linked(engine)
        assert engine.sync("feed").counts.created == 1
        assert titles(engine) == {"a": "Review"}
    request = asked[0]
    assert (request.method, request.url, request.body) == ("GET", URL, b"")
    assert request.addresses is Addresses.PUBLIC
    assert all(isinstance(pair, tuple) for pair in request.headers)
    assert request.body_max > 1 << 20 and min(request.connect_ms, request.stall_ms, request.total_ms) > 1000
    shown = f"{request!r} {served(body=b'never-shown')!r}"
    assert "never-shown" not in shown and "text/calendar" not in shown


FAULTS: dict[TransportFault, tuple[type[CalsyncError], str, bool]] = {
    TransportFault.CONNECT: (UnavailableError, "unavailable", True),
    TransportFault.TIMEOUT: (UnavailableError, "unavailable", True),
    TransportFault.INTERRUPTED: (UnavailableError, "unavailable", True),
    TransportFault.TOO_LARGE: (ProviderError, "too-large", False),
    TransportFault.BLOCKED: (CallError, "blocked", False),
}


@pytest.mark.parametrize("run", [in_a_loop, in_a_thread])
@pytest.mark.parametrize("fault", list(TransportFault))
def test_no_answer_is_an_error_of_the_provider(run: Callable[[Any], None], fault: TransportFault) -> None:
    def answer(_: HttpRequest) -> HttpResponse:
        raise TransportError(fault)

    with pytest.raises(CalsyncError) as caught:
        run(Instead(answer))
    kind, code, retryable = FAULTS[fault]
    assert (type(caught.value), caught.value.code, caught.value.retryable) == (kind, code, retryable)


def test_an_answer_of_any_status_is_one() -> None:
    with pytest.raises(CredentialsError):
        in_a_thread(Instead(gives(served(401))))


class Bare(TransportError):
    """Says nothing of what is wrong."""

    def __init__(self) -> None:
        pass


def raises(error: BaseException) -> Callable[[HttpRequest], Any]:
    def answer(_: HttpRequest) -> Any:
        raise error

    return answer


def gives(value: Any) -> Callable[[HttpRequest], Any]:
    def answer(_: HttpRequest) -> Any:
        return value

    return answer


def odd(status: Any, headers: Any, body: Any) -> Callable[[HttpRequest], Any]:
    return gives(HttpResponse(status, headers, body))


async def raises_later(_: HttpRequest) -> Any:
    await asyncio.sleep(0)
    raise LookupError("the text may hold anything")


def no_such_fault(_: HttpRequest) -> Any:
    raise TransportError("teapot")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("run", [in_a_loop, in_a_thread])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (raises(LookupError("the text may hold anything")), "host-failed"),
        (raises(OSError("the text may hold anything")), "host-failed"),
        (raises(calsync.StoreUnavailable()), "host-failed"),
        (raises(Bare()), "host-failed"),
        (raises_later, "host-failed"),
        (no_such_fault, "host-failed"),
        (gives(None), "host-type"),
        (gives({"status": 200, "headers": [], "body": ""}), "host-type"),
        (odd(200, [], FEED.decode()), "host-type"),
        (odd(200, [], bytearray(FEED)), "host-type"),
        (odd(200, ["Content-Type"], FEED), "host-type"),
        (odd(200, [("Content-Length", 7)], FEED), "host-type"),
        (odd(200, None, FEED), "host-type"),
        (odd(20, [], FEED), "host-type"),
        (odd("200", [], FEED), "host-type"),
    ],
)
def test_what_it_does_wrong_is_its_own_fault(run: Callable[[Any], None], answer: Any, code: str) -> None:
    with pytest.raises(HostError) as caught:
        run(Instead(answer))
    assert (caught.value.code, caught.value.item) == (code, "transport.send")
    assert "anything" not in str(caught.value) and "never-shown" not in str(caught.value)
    if code == "host-failed":
        assert caught.value.__cause__ is not None


def test_what_is_no_transport_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="send"):
        blocking.Engine(transport=object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_one_that_never_answers_ends_with_its_call() -> None:
    ended: list[str] = []
    waiting = asyncio.Event()

    async def never(_: HttpRequest) -> HttpResponse:
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("transport.send")
        return served()

    async def story() -> None:
        call = asyncio.ensure_future(in_asyncio(Instead(never)))
        await waiting.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0)
        assert ended == ["transport.send"]

    asyncio.run(story())


def test_one_that_is_cancelled_by_somebody_else_is_silent() -> None:
    async def cancelled(_: HttpRequest) -> HttpResponse:
        raise asyncio.CancelledError

    with pytest.raises(HostError) as caught:
        in_a_loop(Instead(cancelled))
    assert (caught.value.code, caught.value.item) == ("host-silent", "transport.send")


def test_one_that_never_answers_does_not_keep_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_GRACE", 0.01)
    given: dict[str, Any] = {
        **{"method": "GET", "url": URL, "headers": [], "body": "", "addresses": "public", "body_max": 1},
        **{"connect_ms": 10, "stall_ms": 10, "total_ms": 10},
    }
    said: list[str] = []

    class Reply:
        def fail(self, kind: str, detail: str, expectation: int) -> None:
            said.append(kind)

    def start(done: Any, call: Any, progress: Any) -> None:
        call("transport.send", json.dumps({"request": given}), Reply())
        done(True, "null")

    async def never(_: HttpRequest) -> HttpResponse:
        await asyncio.Event().wait()
        return served()

    caller = Caller(Patience())
    caller.call(start, Answers(Hosts(transport=Instead(never)), None))
    caller.close()
    assert said == ["silent"]


def test_a_network_is_waited_for_longer_than_a_rule() -> None:
    async def slow(_: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return served()

    with blocking.Engine(transport=Instead(slow), patience=0, store_patience=0) as engine:
        linked(engine)
        assert engine.sync("feed").counts.created == 1


def test_an_address_at_home_is_not_even_asked_for() -> None:
    asked: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpResponse:
        asked.append(request)
        return served()

    with blocking.Engine(transport=Instead(answer)) as engine:
        engine.put_calendar(Calendar("family", "Family"))
        with pytest.raises(CallError) as caught:
            engine.connect("feed", provider=ProviderKind.ICS, url="http://10.0.0.1/a.ics")
            engine.add_link("feed", calendar="family", connection="feed", direction=Direction.IMPORT)
            engine.sync("feed")
        assert (caught.value.code, asked) == ("blocked", [])


def test_addresses_of_the_public_internet() -> None:
    given = ["8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "2606:4700::1111", "fe80::1%eth0", "example.com", ""]
    assert calsync.public_addresses(given) == ["8.8.8.8", "2606:4700::1111"]
    assert calsync.public_addresses(address for address in given[1:3]) == []


def test_a_name_that_leads_home_is_not_connected_to() -> None:
    limits: dict[str, int] = {"body_max": 1 << 20, "connect_ms": 1000, "stall_ms": 1000, "total_ms": 1000}
    with CalDavEmulator() as emulator:
        for addresses, fault in ((Addresses.PUBLIC, TransportFault.BLOCKED), (Addresses.ALL, None)):
            request = HttpRequest("GET", emulator.account["url"], [], b"", addresses, **limits)
            if fault is None:
                assert Network().send(request).status > 0
                continue
            with pytest.raises(TransportError) as caught:
                Network().send(request)
            assert caught.value.fault is fault
