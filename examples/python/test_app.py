"""A day of the shop, against a CalDAV server. The phone is another calsync on the same account."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calsync import Calendar, ProviderKind, blocking
from fastapi.testclient import TestClient

from app import application

ACCOUNT = {"url": os.environ["CALDAV_URL"], "username": os.environ["CALDAV_USER"]}
PASSWORD = os.environ["CALDAV_PASSWORD"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(application(f"sqlite:///{tmp_path / 'shop.db'}", push_token="given")) as client:
        yield client


@pytest.fixture
def phone() -> Iterator[blocking.Engine]:
    with blocking.Engine() as engine:
        engine.put_calendar(Calendar("phone", "Phone"))
        engine.connect(
            "account", provider=ProviderKind.CALDAV, secret=PASSWORD, trust_address=True, **ACCOUNT
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
    assert post("/account", password=PASSWORD, trust_address=True, **ACCOUNT)["went"] == 3
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
