"""What several tests begin with."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from calsync import Calendar, Direction, Event, EventBody, ProviderKind, TimeSpan, blocking

from conftest import PASSWORD, USER, Server

BERLIN = ZoneInfo("Europe/Berlin")


def meeting(uid: str, title: str, day: int = 5) -> Event:
    """An hour in Berlin."""
    start, end = datetime(2026, 3, day, 9, tzinfo=BERLIN), datetime(2026, 3, day, 10, tzinfo=BERLIN)
    return Event(uid, EventBody(TimeSpan(start, end), title=title))


def holiday(uid: str, title: str) -> Event:
    """A whole day."""
    return Event(uid, EventBody(TimeSpan(date(2026, 5, 1), date(2026, 5, 2)), title=title))


def joined(
    engine: blocking.Engine,
    server: Server,
    *,
    direction: Direction = Direction.TWO_WAY,
    copies: dict[str, Any] | None = None,
) -> None:
    """Joins the calendar ``family`` to ``Personal`` on the server, as link ``home``."""
    engine.put_calendar(Calendar("family", "Family"))
    engine.connect(
        "account",
        provider=ProviderKind.CALDAV,
        url=server.url,
        username=USER,
        secret=PASSWORD,
        trust_address=True,
    )
    remotes = engine.remote_calendars("account")
    remote = next(calendar.id for calendar in remotes if calendar.name == "Personal")
    engine.add_link("home", calendar="family", connection="account", remote=remote, direction=direction, copies=copies)


def titles(engine: blocking.Engine) -> dict[str, str | None]:
    """The titles of the events by UID."""
    return {stored.event.uid: stored.event.title for stored in engine.events("family")}
