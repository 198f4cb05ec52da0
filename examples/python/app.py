"""A shop's appointments, kept in step with the calendar on somebody's phone: FastAPI, SQLAlchemy, calsync.

The appointments are read from the application's own table. They are written through calsync, so that each has a revision and
goes out with the next run. A run is started by the schedule, by ``POST /sync``, or by the hook ``POST /notifications``: for
whatever of the host's receives a provider's notifications, since calsync for Python does not subscribe to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import calsync
import sqlalchemy as sql
from calsync import Calendar, ConflictPolicy, Event, EventBody, ProviderKind, RemoteCalendar, Take, TimeSpan, blocking
from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from store import SqlStore, accounts, appointments, connect

CALENDAR, ACCOUNT, LINK = "shop", "account", "home"
log = logging.getLogger("shop")


class Account(BaseModel):
    """Where the calendar is. calsync keeps the password in memory only: after a restart it is given again."""

    url: str
    username: str
    password: str


class Appointment(BaseModel):
    title: str
    start: datetime
    minutes: int = 30
    zone: str = "Europe/Berlin"

    def event(self, uid: str) -> Event:
        start = self.start.replace(tzinfo=ZoneInfo(self.zone))
        span = TimeSpan(start, start + timedelta(minutes=self.minutes))
        return Event(uid, EventBody(span, title=self.title))


class Answer(BaseModel):
    take: Take
    by: str


def application(
    database: str, *, interval: float = 300, push_token: str | None = None, trust_address: bool = False
) -> FastAPI:
    """The application over a SQLAlchemy URL, with a run every ``interval`` seconds.

    ``push_token`` is what a call of the hook must carry: whoever can call without it could keep the server busy.
    ``trust_address`` allows accounts on this machine and network, as tests have them. It is not for whoever types the address in
    to decide: that would be a way to whatever else answers there.
    """
    rows = connect(database)
    engine = blocking.Engine(SqlStore(rows))
    engine.put_calendar(Calendar(CALENDAR, "Appointments"))
    connected = False

    async def schedule() -> None:
        while True:
            await asyncio.sleep(interval)
            if not connected:
                continue
            # Whatever it was, the next run tries again; one that goes on elsewhere is not disturbed.
            try:
                await asyncio.to_thread(engine.sync, LINK)
            except calsync.CalsyncError as error:
                log.warning("the run of the schedule failed: %s", error.code)
            except Exception as error:
                # Its class alone: what a database says of an error may hold an appointment.
                log.error("the run of the schedule failed: %s", type(error).__name__)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        runs = asyncio.create_task(schedule())
        yield
        runs.cancel()
        await asyncio.to_thread(engine.close)
        rows.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.exception_handler(calsync.CalsyncError)
    def failed(_: Request, error: calsync.CalsyncError) -> JSONResponse:
        # The message holds no event text and no password.
        status = 409 if isinstance(error, calsync.StoreConflictError) else 503 if error.retryable else 400
        return JSONResponse({"code": error.code, "message": error.message, "item": error.item}, status)

    # Each of these is a plain `def`: FastAPI runs it in a thread, where `calsync.blocking` may wait.

    @app.post("/account")
    def use_account(account: Account) -> dict[str, Any]:
        """Joins the appointments to the first calendar of the account that can be written, and to the same one ever after."""
        nonlocal connected
        engine.connect(
            ACCOUNT,
            provider=ProviderKind.CALDAV,
            url=account.url,
            username=account.username,
            secret=account.password,
            trust_address=trust_address,
        )
        remote = chosen(account)
        engine.add_link(
            LINK,
            calendar=CALENDAR,
            connection=ACCOUNT,
            remote=remote.id,
            # Whoever keeps the appointments answers conflicts, and is asked before more than two of them go.
            conflicts=ConflictPolicy.MANUAL,
            guard_count=2,
        )
        connected = True
        return {"calendar": remote.name, **run()}

    @app.post("/sync")
    def run(approve: str | None = None, refuse: str | None = None) -> dict[str, Any]:
        """Runs at once. Deletions that are `held` wait until a person approves or refuses the `plan`."""
        report = engine.sync(LINK, approve=approve, refuse=refuse)
        counts = report.counts
        return {
            "in_step": report.in_step,
            "came": counts.created + counts.updated + counts.deleted,
            "went": counts.pushed,
            "conflicts": counts.conflicts,
            "held": counts.held if report.held else 0,
            "plan": report.plan_id if report.held else None,
        }

    @app.post("/notifications", status_code=204)
    def notified(token: Annotated[str, Header(alias="X-Push-Token")] = "") -> None:
        """A hook: something may have changed at the provider. What is sent is not believed: the run asks for itself."""
        if push_token is None or not secrets.compare_digest(token.encode(), push_token.encode()):
            raise HTTPException(403, "the token is not that of the hook")
        engine.sync(LINK)

    @app.get("/appointments")
    def listed(day: date | None = None) -> list[dict[str, Any]]:
        """From the application's own table, without calsync."""
        of = appointments.c
        query = sql.select(of.id, of.revision, of.title, of.day, of.price)
        query = query.where(of.calendar == CALENDAR, of.deleted.is_(None))
        if day is not None:
            query = query.where(of.day == day.isoformat())
        with rows.begin() as connection:
            return [dict(row) for row in connection.execute(query.order_by(of.day, of.title)).mappings()]

    @app.post("/appointments", status_code=201)
    def add(appointment: Appointment) -> dict[str, str]:
        return {"id": engine.add_event(CALENDAR, appointment.event(str(uuid4())))}

    @app.put("/appointments/{id}/title", status_code=204)
    def rename(id: str, title: str, revision: int) -> None:
        """Changes what was read with this revision; 409 when it was changed meanwhile."""
        event = stored(id).event
        if event.master is None:
            raise HTTPException(422, "only single days of the series are known, which have titles of their own")
        event.master.title = title
        engine.update_event(CALENDAR, id, revision, event)

    @app.put("/appointments/{id}/price", status_code=204)
    def price(id: str, cents: int) -> None:
        """The application's own: no revision, nothing goes out."""
        change = sql.update(appointments).where(appointments.c.calendar == CALENDAR, appointments.c.id == id)
        with rows.execution_options(writes=True).begin() as connection:
            connection.execute(change.values(price=cents))

    @app.delete("/appointments/{id}")
    def delete(id: str, revision: int) -> Response:
        engine.delete_event(CALENDAR, id, revision)
        return Response(status_code=204)

    @app.get("/conflicts")
    def conflicts() -> list[dict[str, Any]]:
        """What both sides changed, and waits for an answer."""
        return [
            {
                "id": conflict.id,
                "fields": [
                    {"field": each.field.part, "here": each.local, "there": each.remote} for each in conflict.fields
                ],
            }
            for conflict in engine.conflicts(LINK)
            if conflict.open
        ]

    @app.post("/conflicts/{id}")
    def answer(id: str, answer: Answer) -> dict[str, Any]:
        """Takes one side's values and carries that out."""
        engine.answer_conflict(LINK, id, by=answer.by, take=answer.take)
        return run()

    @app.post("/undo")
    def undo() -> dict[str, Any]:
        """Takes back what the last run that did something did here."""
        (undone,) = engine.undo_last(LINK, 1)
        return {"restored": undone.restored, "removed": undone.removed, **run()}

    def chosen(account: Account) -> RemoteCalendar:
        """What was chosen once is kept: the first of tomorrow may be another one."""
        mine = accounts.c.url == account.url, accounts.c.username == account.username
        with rows.begin() as connection:
            kept = connection.scalar(sql.select(accounts.c.remote).where(*mine))
        remotes = engine.remote_calendars(ACCOUNT)
        if kept is not None:
            remote = next((each for each in remotes if each.id == kept), None)
            if remote is None:
                raise HTTPException(422, "the calendar that the appointments were joined to is not there any more")
            return remote
        remote = next((each for each in remotes if not each.read_only), None)
        if remote is None:
            raise HTTPException(422, "the account has no calendar that can be written")
        with rows.execution_options(writes=True).begin() as connection:
            connection.execute(sql.delete(accounts))
            values = {"url": account.url, "username": account.username, "remote": remote.id}
            connection.execute(sql.insert(accounts).values(values))
        return remote

    def stored(id: str) -> calsync.StoredEvent:
        found = next((each for each in engine.events(CALENDAR) if each.id == id), None)
        if found is None:
            raise HTTPException(404, "there is no such appointment")
        return found

    return app
