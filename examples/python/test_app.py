"""A day of the shop, against a CalDAV server. The phone is another calsync on the same account."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import calsync
import pytest
import sqlalchemy as sql
from calsync import Calendar, ProviderKind, blocking
from calsync.testing import CalDavEmulator
from fastapi.testclient import TestClient

from app import application
from store import SqlStore, accounts, connect

ACCOUNT = {"url": os.environ["CALDAV_URL"], "username": os.environ["CALDAV_USER"]}
PASSWORD = os.environ["CALDAV_PASSWORD"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[TestClient]:
    app = application(f"sqlite:///{tmp_path / 'shop.db'}", push_token="given", trust_address=True)
    with TestClient(app) as client:
        yield client


@pytest.fixture
def phone() -> Iterator[blocking.Engine]:
    with blocking.Engine() as engine:
        engine.put_calendar(Calendar("phone", "Phone"))
        engine.connect(
            "account",
            provider=ProviderKind.CALDAV,
            url=ACCOUNT["url"],
            username=ACCOUNT["username"],
            secret=PASSWORD,
            trust_address=True,
        )
        (remote, *_) = engine.remote_calendars("account")
        engine.add_link("phone", calendar="phone", connection="account", remote=remote.id)
        yield engine


def rename_on(phone: blocking.Engine, title: str, new: str) -> None:
    stored = next(each for each in phone.events("phone") if each.event.title == title)
    assert stored.event.master is not None
    stored.event.master.title = new
    phone.update_event("phone", stored.id, stored.revision, stored.event)
    phone.sync("phone")


def test_a_day(shop: TestClient, phone: blocking.Engine) -> None:
    def post(path: str, **body: Any) -> Any:
        answer = shop.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def titled(title: str) -> dict[str, Any]:
        return next(each for each in shop.get("/appointments").json() if each["title"] == title)

    for hour, title in [(9, "Haircut"), (10, "Shave"), (11, "Colour")]:
        post("/appointments", title=title, start=f"2026-05-04T{hour:02}:00")
    assert post("/account", password=PASSWORD, **ACCOUNT)["went"] == 3
    assert phone.sync("phone").counts.created == 3
    shop.put(f"/appointments/{titled('Haircut')['id']}/price", params={"cents": 4500})

    rename_on(phone, "Shave", "Shave and oil")
    assert shop.post("/notifications").status_code == 403
    assert shop.post("/notifications", headers={"X-Push-Token": "given"}).status_code == 204
    assert shop.get("/appointments?day=2026-05-04").json()[2]["title"] == "Shave and oil"
    assert shop.get("/appointments?day=2026-05-05").json() == []

    haircut = titled("Haircut")
    change = {"title": "Haircut, short", "revision": haircut["revision"]}
    assert shop.put(f"/appointments/{haircut['id']}/title", params=change).status_code == 204
    assert shop.put(f"/appointments/{haircut['id']}/title", params=change).status_code == 409
    rename_on(phone, "Haircut", "Haircut, long")
    assert post("/sync")["conflicts"] == 1
    (conflict,) = shop.get("/conflicts").json()
    assert conflict["fields"] == [{"field": "title", "here": "Haircut, short", "there": "Haircut, long"}]
    assert post(f"/conflicts/{conflict['id']}", take="local", by="the keeper")["went"] == 1
    phone.sync("phone")
    assert "Haircut, short" in {each.event.title for each in phone.events("phone")}
    assert titled("Haircut, short")["price"] == 4500

    for stored in phone.events("phone"):
        phone.delete_event("phone", stored.id, stored.revision)
    phone.sync("phone", approve=phone.sync("phone").plan_id)
    held = post("/sync")
    assert held["held"] == 3 and len(shop.get("/appointments").json()) == 3
    assert shop.post("/sync", params={"approve": held["plan"]}).json()["came"] == 3
    assert shop.get("/appointments").json() == []
    undone = post("/undo")
    assert (undone["restored"], undone["went"]) == (3, 3)
    assert phone.sync("phone").counts.created == 3


def test_what_it_says_of_an_error_is_typed(shop: TestClient) -> None:
    answer = shop.post("/sync")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown-link")


def account_of(server: CalDavEmulator) -> dict[str, Any]:
    of = server.account
    return {"url": of["url"], "username": of["username"], "password": of["secret"]}


def test_who_types_an_address_in_cannot_have_it_trusted(tmp_path: Path) -> None:
    with CalDavEmulator() as server, TestClient(application(f"sqlite:///{tmp_path / 'shop.db'}")) as shop:
        answer = shop.post("/account", json={**account_of(server), "trust_address": True})
        assert answer.is_client_error, answer.text


def test_a_calendar_that_was_chosen_is_not_chosen_anew(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'shop.db'}"
    with CalDavEmulator() as server:
        for _ in range(2):
            with TestClient(application(database, trust_address=True)) as shop:
                answer = shop.post("/account", json=account_of(server))
                assert (answer.status_code, answer.json()["calendar"]) == (200, "Personal")
        rows = connect(database)
        with rows.execution_options(writes=True).begin() as connection:
            connection.execute(sql.update(accounts).values(remote="/another/"))
        rows.dispose()
        with TestClient(application(database, trust_address=True)) as shop:
            answer = shop.post("/account", json=account_of(server))
            assert (answer.status_code, "not there any more" in answer.text) == (422, True)


def test_an_event_without_a_master_is_not_renamed(shop: TestClient, tmp_path: Path) -> None:
    event = {"uid": "a", "overrides": {"20260501": "excluded"}}
    put = {"op": "put-event", "calendar": "shop", "id": "a", "event": event, "at": "2026-04-01T00:00:00Z"}
    rows = connect(f"sqlite:///{tmp_path / 'shop.db'}")
    SqlStore(rows).commit({"lease": None, "expect": [], "writes": [put]})
    rows.dispose()
    (before,) = shop.get("/appointments").json()
    change = {"title": "Shave", "revision": before["revision"]}
    answer = shop.put("/appointments/a/title", params=change)
    assert (answer.status_code, "titles of their own" in answer.text) == (422, True)
    assert shop.get("/appointments").json() == [before]


def test_a_run_of_the_schedule_that_fails_is_logged_and_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = itertools.count(1)
    ran = threading.Event()

    # The first run of all is that of the new account, or the schedule was quicker.
    def sync(*_: Any, **__: Any) -> Any:
        call = next(calls)
        if call == 5:
            ran.set()
        raise calsync.CalsyncError("never shown", code="offline") if call < 3 else ValueError("Haircut")

    monkeypatch.setattr(blocking.Engine, "sync", sync)
    app = application(f"sqlite:///{tmp_path / 'shop.db'}", interval=0.01, trust_address=True)
    with CalDavEmulator() as server, TestClient(app, raise_server_exceptions=False) as shop:
        shop.post("/account", json=account_of(server))
        assert ran.wait(30)
    said = {each.getMessage() for each in caplog.records if each.name == "shop"}
    assert said == {f"the run of the schedule failed: {what}" for what in ("offline", "ValueError")}
