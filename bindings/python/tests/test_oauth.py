"""Accounts connected by OAuth, at the authorization servers of the emulators."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import calsync
import pytest
from calsync import (
    Calendar,
    CallError,
    CredentialsError,
    HostError,
    MasterKeys,
    OAuthClient,
    OAuthGrant,
    ProviderKind,
    UnavailableError,
    blocking,
)
from calsync.testing import CalDavEmulator, Emulator, GoogleEmulator, MicrosoftEmulator

from dict_store import DictStore
from network import Network, ThreadedNetwork
from scenes import meeting, titles

KEY = base64.b64encode(bytes(range(32))).decode()
KEYS = MasterKeys("2026", {"2026": KEY})
REDIRECT = "http://127.0.0.1:4711/back"
SESSION = "never shown"
KINDS = [GoogleEmulator, MicrosoftEmulator]


class Staying(urllib.request.HTTPRedirectHandler):
    """Follows nothing."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def followed(url: str) -> str:
    """The query a browser brings back that is sent to a URL."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Staying())
    try:
        opener.open(url)
    except urllib.error.HTTPError as answer:
        back, _, query = str(answer.headers["Location"]).partition("?")
        assert (answer.code, back) == (302, REDIRECT)
        return query
    raise AssertionError("the browser is sent back")


def allowed(engine: blocking.Engine, emulator: Emulator) -> str:
    url = engine.begin_oauth("account", client=emulator.client(), session=SESSION, redirect=REDIRECT)
    return followed(url)


def signed_in(engine: blocking.Engine, emulator: Emulator) -> OAuthGrant:
    return engine.finish_oauth(client=emulator.client(), session=SESSION, query=allowed(engine, emulator))


def connected(engine: blocking.Engine, emulator: Emulator) -> None:
    account = emulator.account
    engine.connect(
        "account", provider=account["provider"], url=account["url"], trust_address=True, client=emulator.client()
    )


def joined(engine: blocking.Engine, emulator: Emulator) -> None:
    signed_in(engine, emulator)
    connected(engine, emulator)
    engine.put_calendar(Calendar("family", "Family"))
    (remote,) = engine.remote_calendars("account")
    engine.add_link("home", calendar="family", connection="account", remote=remote.id)


@pytest.mark.parametrize("kind", KINDS)
def test_an_account_is_connected_and_its_tokens_last(kind: type[Emulator]) -> None:
    with kind() as emulator, blocking.Engine(master_keys=KEYS) as engine:
        emulator.tell("oauth grant=604800")
        grant = signed_in(engine, emulator)
        assert (grant.connection, grant.label, grant.missing_scopes) == ("account", "ann@example.com", [])
        assert grant.subject and grant.ends is not None and grant.ends.tzinfo is not None
        joined(engine, emulator)
        engine.add_event("family", meeting("a@example.com", "Breakfast"))
        assert engine.sync("home").counts.pushed == 1
        # Refused before its time, and over before it is used.
        emulator.tell("do end-access-tokens")
        engine.add_event("family", meeting("b@example.com", "Lunch"))
        assert engine.sync("home").counts.pushed == 1
        emulator.tell("oauth lifetime=0")
        signed_in(engine, emulator)
        emulator.tell("oauth lifetime=3600")
        connected(engine, emulator)
        engine.add_event("family", meeting("c@example.com", "Dinner"))
        assert engine.sync("home").counts.pushed == 1
        assert set(titles(engine).values()) == {"Breakfast", "Lunch", "Dinner"}


@pytest.mark.parametrize("kind", KINDS)
def test_over_a_store_and_a_network_of_the_host(kind: type[Emulator]) -> None:
    async def story() -> None:
        with kind() as emulator:
            network = ThreadedNetwork()
            async with calsync.Engine(DictStore(), master_keys=KEYS, transport=network) as engine:
                client = emulator.client()
                url = await engine.begin_oauth(
                    "account", client=client, session=SESSION, redirect=REDIRECT, login_hint="ann@example.com"
                )
                query = await asyncio.to_thread(followed, url)
                await engine.finish_oauth(client=client, session=SESSION, query=query)
                account = emulator.account
                await engine.connect(
                    "account", provider=account["provider"], url=account["url"], trust_address=True, client=client
                )
                emulator.tell("do end-access-tokens")
                assert len(await engine.remote_calendars("account")) == 1
                assert await engine.disconnect("account") is (kind is GoogleEmulator)
                renewed = [request for request in network.sent if request.url.endswith("/token")]
                assert len(renewed) == 2

    asyncio.run(story())


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_grant_is_a_persons_affair_until_it_is_given_again(kind: type[Emulator]) -> None:
    with kind() as emulator, blocking.Engine(master_keys=KEYS) as engine:
        joined(engine, emulator)
        emulator.tell("do revoke-all")
        engine.add_event("family", meeting("a@example.com", "Breakfast"))
        with pytest.raises(CredentialsError) as refused:
            engine.sync("home")
        assert (refused.value.code, refused.value.retryable) == ("unauthorized", False)
        signed_in(engine, emulator)
        assert engine.sync("home").counts.pushed == 1
        emulator.tell("do end-access-tokens")
        emulator.tell("oauth outage=503:busy")
        with pytest.raises(UnavailableError):
            engine.remote_calendars("account")


def test_what_comes_back_has_to_belong_to_what_was_begun() -> None:
    with GoogleEmulator() as emulator, blocking.Engine(master_keys=KEYS) as engine:

        def refused(query: str, session: str = SESSION) -> tuple[type, str]:
            with pytest.raises(calsync.CalsyncError) as raised:
                engine.finish_oauth(client=emulator.client(), session=session, query=query)
            assert not any(secret in str(raised.value) for secret in ("code-", "access-", "refresh-", SESSION))
            return type(raised.value), raised.value.code

        assert refused(allowed(engine, emulator), "another") == (CallError, "oauth-state")
        query = allowed(engine, emulator)
        engine.finish_oauth(client=emulator.client(), session=SESSION, query=query)
        assert refused(query) == (CallError, "oauth-state")
        emulator.tell("oauth person=bob@example.com")
        assert refused(allowed(engine, emulator)) == (CredentialsError, "wrong-account")
        emulator.tell("oauth consent=deny")
        assert refused(allowed(engine, emulator)) == (CredentialsError, "consent-denied")
        emulator.tell("oauth consent=allow")
        emulator.tell('oauth outage=400:{"error":"invalid_grant","error_codes":[90094]}')
        assert refused(allowed(engine, emulator)) == (CredentialsError, "needs-admin")


def test_what_is_disconnected_is_forgotten() -> None:
    with GoogleEmulator() as emulator, blocking.Engine(master_keys=KEYS) as engine:
        joined(engine, emulator)
        assert engine.disconnect("account") is True
        with pytest.raises(CallError) as gone:
            engine.sync("home")
        assert gone.value.code == "unknown-connection"
        connected(engine, emulator)
        with pytest.raises(CredentialsError):
            engine.sync("home")
        emulator.tell("oauth person=bob@example.com")
        assert signed_in(engine, emulator).label == "bob@example.com"


def test_no_token_and_no_key_is_shown(tmp_path: Path) -> None:
    client = OAuthClient("google", "me", "never shown")
    assert "never shown" not in repr(client) and KEY not in repr(KEYS)
    path = tmp_path / "calendar.db"
    with GoogleEmulator() as emulator:
        with blocking.Engine(path, master_keys=KEYS) as engine:
            joined(engine, emulator)
            assert KEY not in repr(vars(engine))
        store = DictStore()
        with blocking.Engine(store, master_keys=KEYS) as engine:
            signed_in(engine, emulator)
        rows = b"".join(file.read_bytes() for file in tmp_path.iterdir()) + repr(vars(store)).encode()
        assert b"secrets" in rows
        assert not any(secret in rows for secret in (b"access-", b"refresh-", b"access_token", KEY.encode()))
        # Another key, and no key.
        other = MasterKeys("2027", {"2027": base64.b64encode(bytes(range(1, 33))).decode()})
        with blocking.Engine(path, master_keys=other) as engine:
            connected(engine, emulator)
            with pytest.raises(CallError) as unknown:
                engine.remote_calendars("account")
            assert "2026" in str(unknown.value)
        both = MasterKeys("2027", {**KEYS.keys, **other.keys})
        with blocking.Engine(path, master_keys=both) as engine:
            connected(engine, emulator)
            assert len(engine.remote_calendars("account")) == 1
        with blocking.Engine(path) as engine, pytest.raises(CallError, match="master keys"):
            connected(engine, emulator)
    with pytest.raises(ValueError, match="master key") as weak:
        blocking.Engine(master_keys=MasterKeys("a", {"a": "never shown"}))
    assert "never shown" not in str(weak.value)


def test_what_cannot_be_used_is_said() -> None:
    with blocking.Engine(master_keys=KEYS) as engine, CalDavEmulator() as caldav, GoogleEmulator() as google:
        own = OAuthClient("mine", "me", authorize="https://id.example.com/a", token="https://id.example.com/t", scopes=["x"])

        def begin(client: OAuthClient) -> str:
            return engine.begin_oauth("account", client=client, session=SESSION, redirect=REDIRECT)

        assert begin(own).startswith("https://id.example.com/a?")
        assert "/contoso.com/" in begin(OAuthClient("microsoft", "me", tenant="contoso.com"))
        for wrong in (dataclasses.replace(own, token=None), dataclasses.replace(own, token="http://id.example.com/t")):
            with pytest.raises(CallError):
                begin(wrong)
        with pytest.raises(CallError):
            caldav.client()
        with pytest.raises(CallError) as unsupported:
            engine.connect("dav", provider=ProviderKind.CALDAV, url=caldav.account["url"], client=google.client())
        assert unsupported.value.code == "unsupported"
        with pytest.raises(CallError):
            engine.connect("both", provider=ProviderKind.GOOGLE, secret="token", client=own)


def test_a_store_that_fails_is_named() -> None:
    class Broken(DictStore):
        def docs(self, *_: Any, **__: Any) -> Any:
            raise LookupError("never shown")

    with GoogleEmulator() as emulator, blocking.Engine(Broken(), master_keys=KEYS, transport=Network()) as engine:
        with pytest.raises(HostError) as failed:
            engine.begin_oauth("account", client=emulator.client(), session=SESSION, redirect=REDIRECT)
        assert failed.value.item == "store.docs"
        assert "never shown" not in json.dumps(str(failed.value))
