"""A calsync store over the tables of this application, with SQLAlchemy: SQLite and PostgreSQL.

``appointments`` is the application's own table. It holds the event that calsync keeps in step as JSON, beside the columns the
application searches and one calsync never writes. ``accounts`` is the application's too; the other tables are calsync's alone.

What a store must promise is in ``docs/store-contract.md``; ``test_store.py`` runs the cases that check it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import sqlalchemy as sql
from calsync import StoreConflict, StoreFenced, StoreInvalidInput, StoreUnavailable
from calsync.store import (
    BaseSummary,
    Batch,
    LeaseGrant,
    LeaseRequest,
    LeaseToken,
    LinkHeld,
    OpenLink,
    Pairs,
    Receipt,
    Row,
    Waiting,
)
from sqlalchemy import BigInteger, Column, Connection, Index, Table, Text, UniqueConstraint

metadata = sql.MetaData()

# Names are compared byte by byte: SQLite does so anyway, PostgreSQL when it is told.
Name = Text().with_variant(Text(collation="C"), "postgresql")

appointments = Table(
    "appointments",
    metadata,
    Column("calendar", Name, primary_key=True),
    Column("id", Name, primary_key=True),
    # What the application shows and searches.
    Column("title", Text),
    Column("day", Name),
    # The application's own: calsync never writes it.
    Column("price", BigInteger),
    # What calsync needs. A UID may be longer than an index takes, and hold any character: it is found by its hash.
    Column("uid_hash", Name, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("modified", Text, nullable=False),
    Column("deleted", Text),
    Column("event", Text, nullable=False),
    Index("appointments_by_uid", "calendar", "uid_hash"),
    Index("appointments_by_revision", "calendar", "revision", unique=True),
)
# Which calendar the appointments were joined to, for as long as it is that account.
accounts = Table(
    "accounts",
    metadata,
    Column("url", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("remote", Text, nullable=False),
)
calendars = Table(
    "calsync_calendars",
    metadata,
    Column("id", Name, primary_key=True),
    Column("row", Text, nullable=False),
)
# The last revision of each calendar, the last version of a document. They outlive the rows they counted, and their rows are
# what writers lock: a link's counts nothing.
counters = Table(
    "calsync_counters",
    metadata,
    Column("name", Name, primary_key=True),
    Column("last", BigInteger, nullable=False),
)
links = Table(
    "calsync_links",
    metadata,
    Column("id", Name, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("row", Text, nullable=False),
)
bases = Table(
    "calsync_bases",
    metadata,
    Column("link", Name, primary_key=True),
    Column("remote_id", Name, primary_key=True),
    Column("event_id", Name, nullable=False),
    Column("row", Text, nullable=False),
    UniqueConstraint("link", "event_id"),
)
outbox = Table(
    "calsync_outbox",
    metadata,
    Column("link", Name, primary_key=True),
    Column("id", Name, primary_key=True),
    Column("event_id", Name, nullable=False),
    Column("row", Text, nullable=False),
    UniqueConstraint("link", "event_id"),
)
# Conflicts, quarantined items, runs and the journal. `aged` is from when a row may be purged.
records = Table(
    "calsync_records",
    metadata,
    Column("kind", Name, primary_key=True),
    Column("link", Name, primary_key=True),
    Column("id", Name, primary_key=True),
    Column("event_id", Name),
    Column("run", Name),
    Column("aged", Name),
    Column("row", Text, nullable=False),
    Index("calsync_records_by_age", "kind", "link", "aged"),
)
docs = Table(
    "calsync_docs",
    metadata,
    Column("space", Name, primary_key=True),
    Column("key", Name, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("due", Name),
    Column("row", Text, nullable=False),
    Index("calsync_docs_by_due", "space", "due"),
)
leases = Table(
    "calsync_leases",
    metadata,
    Column("name", Name, primary_key=True),
    Column("holder", Name),
    Column("epoch", BigInteger, nullable=False),
    Column("until", Text, nullable=False),
)

_MOST = 2**31
"""More rows than any page has."""
_LAST = 2**63 - 1
"""The greatest number of a database: calsync's revisions and epochs have a bit more."""


def connect(url: str) -> sql.Engine:
    """The database at a SQLAlchemy URL, with its tables."""
    engine = sql.create_engine(url)
    if engine.dialect.name == "sqlite":
        _own_transactions(engine)
    metadata.create_all(engine)
    return engine


def _own_transactions(engine: sql.Engine) -> None:
    """SQLite's driver begins transactions at the first write, which is after the reads a commit rests on."""

    @sql.event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA busy_timeout = 5000")

    @sql.event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class SqlStore:
    """The store. Every method is a plain ``def``: it belongs to ``calsync.blocking``."""

    def __init__(self, engine: sql.Engine) -> None:
        self._reading = engine
        self._writing = engine.execution_options(writes=True)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with _typed(), self._reading.begin() as connection:
            yield connection

    def calendars(self) -> list[Row]:
        with self._read() as connection:
            return _rows(connection, sql.select(calendars.c.row).order_by(calendars.c.id))

    def events(self, calendar: str, ids: list[str]) -> list[Row]:
        with self._read() as connection:
            return _events(connection, appointments.c.calendar == calendar, appointments.c.id.in_(ids))

    def events_by_uid(self, calendar: str, uids: list[str]) -> list[Row]:
        wanted = appointments.c.uid_hash.in_([_hash(uid) for uid in uids])
        with self._read() as connection:
            return _events(connection, appointments.c.calendar == calendar, wanted)

    def events_since(self, calendar: str, after: int, limit: int) -> list[Row]:
        with self._read() as connection:
            return _events_since(connection, calendar, after, limit)

    def link(self, link: str) -> Row | None:
        with self._read() as connection:
            return _link(connection, link)

    def bases(self, link: str, by: Literal["remote", "event"], ids: list[str]) -> list[Row]:
        column = bases.c.remote_id if by == "remote" else bases.c.event_id
        with self._read() as connection:
            return _rows(connection, sql.select(bases.c.row).where(bases.c.link == link, column.in_(ids)))

    def base_summaries(self, link: str, after: str | None, limit: int) -> list[BaseSummary]:
        with self._read() as connection:
            page = _page(connection, bases, bases.c.remote_id, after, limit, bases.c.link == link)
        return [
            {"remote_id": row["remote_id"], "event_id": row["event_id"], "version": row["version"]}
            for row in page
        ]

    def outbox(self, link: str, after: str | None, limit: int) -> list[Row]:
        with self._read() as connection:
            return _page(connection, outbox, outbox.c.id, after, limit, outbox.c.link == link)

    def records(
        self,
        kind: Literal["conflict", "quarantine", "run", "journal"],
        link: str,
        event: str | None,
        run: str | None,
        after: str | None,
        limit: int,
    ) -> list[Row]:
        wanted = [records.c.kind == kind, records.c.link == link]
        if kind in ("conflict", "journal"):
            wanted += [records.c.event_id == event] if event is not None else []
            wanted += [records.c.run == run] if run is not None else []
        with self._read() as connection:
            return _page(connection, records, records.c.id, after, limit, *wanted)

    def docs(
        self,
        space: str,
        keys: list[str] | None,
        after: str | None,
        due: str | None,
        limit: int | None,
    ) -> list[Row]:
        wanted = docs.c.space == space
        with self._read() as connection:
            if keys is not None:
                return _rows(connection, sql.select(docs.c.row).where(wanted, docs.c.key.in_(keys)))
            if due is None:
                return _page(connection, docs, docs.c.key, after, limit or 0, wanted)
            overdue = sql.select(docs.c.row).where(wanted, docs.c.due <= _sortable(due))
            overdue = overdue.order_by(docs.c.due, docs.c.key).limit(min(limit or 0, _MOST))
            return _rows(connection, overdue)

    # What calsync always asks together, in one call and one transaction each. A store without these three is asked the reads above
    # one by one.

    def open_link(
        self, lease: LeaseRequest | None, link: str, calendar: str, limit: int
    ) -> OpenLink | LinkHeld:
        writes = self._writing if lease is not None else self._reading
        with _typed(), writes.begin() as connection:
            token = None
            if lease is not None:
                grant = _grant(connection, **lease)
                held = grant.get("held_until")
                if held is not None:
                    return {"held_until": held}
                token = grant.get("token")
            state = _link(connection, link)
            seen: int = state["seen"] if state else 0
            quarantine = records.c.kind == "quarantine", records.c.link == link
            return {
                "token": token,
                "state": state,
                "edits": _events_since(connection, calendar, seen - 1, limit + 1) if seen else [],
                "quarantine": _page(connection, records, records.c.id, None, limit, *quarantine),
                "outbox": _page(connection, outbox, outbox.c.id, None, limit, outbox.c.link == link),
            }

    def pairs(self, link: str, calendar: str, items: list[str]) -> Pairs:
        mine = bases.c.link == link, bases.c.remote_id.in_(items)
        joined = appointments.c.id.in_(sql.select(bases.c.event_id).where(*mine))
        with self._read() as connection:
            return {
                "bases": _rows(connection, sql.select(bases.c.row).where(*mine)),
                "events": _events(connection, appointments.c.calendar == calendar, joined),
            }

    def waiting(self, link: str, after: str | None, limit: int) -> Waiting:
        with self._read() as connection:
            entries = _page(connection, outbox, outbox.c.id, after, limit, outbox.c.link == link)
            of = bases.c.link == link, bases.c.event_id.in_([entry["event_id"] for entry in entries])
            return {"entries": entries, "bases": _rows(connection, sql.select(bases.c.row).where(*of))}

    def commit(self, batch: Batch) -> Receipt:
        with _typed(), self._writing.begin() as connection:
            _fence(connection, batch["lease"])
            # In one order, so that two commits never wait for each other; then what is expected stays so until the end.
            for name in sorted(set(_locks([*batch["expect"], *batch["writes"]]))):
                _lock(connection, name)
            for place, expected in enumerate(batch["expect"]):
                if not _holds(connection, expected):
                    raise StoreConflict(place)
            receipt: Receipt = {"revisions": [], "doc_versions": [], "purged": []}
            for write in batch["writes"]:
                _write(connection, write, receipt)
            if batch["lease"] is not None and batch.get("lease_end") == "given-back":
                _free(connection, batch["lease"])
                receipt["lease_end"] = "given-back"
            return receipt

    def acquire_lease(self, name: str, holder: str, now: str, until: str) -> LeaseGrant:
        with _typed(), self._writing.begin() as connection:
            return _grant(connection, name, holder, now, until)

    def release_lease(self, token: LeaseToken) -> None:
        with _typed(), self._writing.begin() as connection:
            _free(connection, token)


@contextmanager
def _typed() -> Iterator[None]:
    """What calsync has to know about an error of the database."""
    try:
        yield
    except (sql.exc.IntegrityError, sql.exc.DataError) as error:
        raise StoreInvalidInput from error
    except (sql.exc.OperationalError, sql.exc.InterfaceError, sql.exc.TimeoutError) as error:
        raise StoreUnavailable from error


def _hash(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()


def _sortable(instant: str) -> str:
    """An instant as text that sorts: fractions have any number of digits, and years more than four."""
    found = re.fullmatch(r"([+-]?\d+)-([^.Z]*)(?:\.(\d+))?Z", instant)
    if found is None:
        raise StoreInvalidInput
    year, rest, fraction = found.groups()
    return f"{int(year) + 300_000:06}-{rest}.{fraction or '':0<9}"


def _rows(connection: Connection, query: sql.Select[Any]) -> list[Row]:
    return [json.loads(row) for row in connection.scalars(query)]


def _page(
    connection: Connection, table: Table, by: Column[Any], after: str | None, limit: int, *wanted: Any
) -> list[Row]:
    query = sql.select(table.c.row).where(*wanted).order_by(by).limit(min(limit, _MOST))
    return _rows(connection, query if after is None else query.where(by > after))


def _events(
    connection: Connection, *wanted: sql.ColumnElement[bool], order: Any = None, limit: int = _MOST
) -> list[Row]:
    of = appointments.c
    query = sql.select(of.id, of.revision, of.event, of.modified, of.deleted).where(*wanted)
    found = connection.execute(query.order_by(order).limit(min(limit, _MOST))).mappings()
    return [{**row, "event": json.loads(row["event"])} for row in found]


def _events_since(connection: Connection, calendar: str, after: int, limit: int) -> list[Row]:
    wanted = appointments.c.calendar == calendar, appointments.c.revision > min(after, _LAST)
    return _events(connection, *wanted, order=appointments.c.revision, limit=limit)


def _link(connection: Connection, link: str) -> Row | None:
    found = _rows(connection, sql.select(links.c.row).where(links.c.id == link))
    return found[0] if found else None


def _grant(connection: Connection, name: str, holder: str, now: str, until: str) -> LeaseGrant:
    make = "INSERT INTO calsync_leases (name, epoch, until) VALUES (:name, 0, :now) ON CONFLICT DO NOTHING"
    connection.execute(sql.text(make), {"name": name, "now": now})
    query = sql.select(leases).where(leases.c.name == name).with_for_update()
    lease = connection.execute(query).one()
    over = _sortable(lease.until) <= _sortable(now)
    if lease.holder not in (None, holder) and not over:
        return {"held_until": lease.until}
    epoch = lease.epoch + (lease.holder != holder or over)
    change = sql.update(leases).where(leases.c.name == name)
    connection.execute(change.values(holder=holder, epoch=epoch, until=until))
    return {"token": {"name": name, "epoch": epoch}}


def _fence(connection: Connection, token: LeaseToken | None) -> None:
    if token is None:
        return
    query = sql.select(leases).where(leases.c.name == token["name"]).with_for_update(read=True)
    lease = connection.execute(query).first()
    if lease is None or lease.holder is None or lease.epoch != token["epoch"]:
        raise StoreFenced


def _free(connection: Connection, token: LeaseToken) -> None:
    current = leases.c.name == token["name"], leases.c.epoch == min(token["epoch"], _LAST)
    connection.execute(sql.update(leases).where(*current).values(holder=None))


def _locks(parts: Iterable[Row]) -> Iterator[str]:
    """What a batch reads and writes, by the names of the counters."""
    for part in parts:
        row = part.get("row", part)
        if part.get("of") == "link" or part.get("op") == "put-link":
            yield f"link {row['id']}"
        elif part.get("of") == "doc" or str(part.get("op")).endswith("-doc"):
            yield "docs"
        elif part.get("op") == "put-calendar":
            yield f"calendar {row['id']}"
        elif "calendar" in part:
            yield f"calendar {part['calendar']}"
        else:
            yield f"link {row['link']}"


def _lock(connection: Connection, name: str) -> None:
    make = "INSERT INTO calsync_counters (name, last) VALUES (:name, 0) ON CONFLICT DO NOTHING"
    connection.execute(sql.text(make), {"name": name})
    # SQLite has one writer at a time and knows no FOR UPDATE, which SQLAlchemy then leaves out.
    connection.execute(sql.select(counters).where(counters.c.name == name).with_for_update())


def _next(connection: Connection, name: str) -> int:
    count = sql.update(counters).where(counters.c.name == name).values(last=counters.c.last + 1)
    return int(connection.execute(count.returning(counters.c.last)).scalar_one())


def _holds(connection: Connection, expected: Row) -> bool:
    of = expected["of"]
    if of == "uid":
        mine = appointments.c.calendar == expected["calendar"]
        query = sql.select(appointments.c.id).where(mine, appointments.c.uid_hash == _hash(expected["uid"]))
        return set(connection.scalars(query)) == set(expected["events"])
    if of == "event":
        mine = appointments.c.calendar == expected["calendar"]
        query = sql.select(appointments.c.revision).where(mine, appointments.c.id == expected["id"])
        return bool(connection.scalar(query) == expected["revision"])
    if of == "link":
        query = sql.select(links.c.generation).where(links.c.id == expected["id"])
        return bool(connection.scalar(query) == expected["generation"])
    mine = docs.c.space == expected["space"]
    query = sql.select(docs.c.version).where(mine, docs.c.key == expected["key"])
    return bool(connection.scalar(query) == expected["version"])


def _write(connection: Connection, write: Row, receipt: Receipt) -> None:
    op: str = write["op"]
    row: Row = write.get("row", {})
    if op == "put-calendar":
        _put(connection, calendars, row, id=row["id"])
    elif op == "put-event":
        _put_event(connection, write, receipt)
    elif op == "delete-event":
        mine = appointments.c.calendar == write["calendar"], appointments.c.id == write["id"]
        query = sql.select(appointments.c.id).where(*mine, appointments.c.deleted.is_(None))
        if connection.execute(query).first() is not None:
            values = {"revision": _revise(connection, write, receipt), "deleted": write["at"]}
            connection.execute(sql.update(appointments).where(*mine).values(values))
    elif op == "purge-deleted":
        _purge_deleted(connection, write)
    elif op == "put-link":
        known = connection.scalar(sql.select(links.c.generation).where(links.c.id == row["id"]))
        row = {**row, "generation": (known or 0) + 1}
        _put(connection, links, row, id=row["id"], extra={"generation": row["generation"]})
    elif op == "put-base":
        keys = {"link": row["link"], "remote_id": row["remote_id"]}
        _put(connection, bases, row, **keys, extra={"event_id": row["event_id"]})
    elif op == "delete-base":
        _delete(connection, bases, link=write["link"], remote_id=write["remote_id"])
    elif op == "put-outbox":
        extra = {"event_id": row["event_id"]}
        _put(connection, outbox, row, link=row["link"], id=row["id"], extra=extra)
    elif op == "delete-outbox":
        _delete(connection, outbox, link=write["link"], id=write["id"])
    elif op == "put-quarantine":
        _put(connection, records, row, kind="quarantine", link=row["link"], id=row["remote_id"])
    elif op == "delete-quarantine":
        _delete(connection, records, kind="quarantine", link=write["link"], id=write["remote_id"])
    elif op in ("put-conflict", "put-run", "put-journal"):
        aged = {"put-conflict": write.get("resolved"), "put-run": row.get("started"), "put-journal": row.get("at")}[op]
        extra = {"event_id": row.get("event_id"), "run": row.get("run"), "aged": aged and _sortable(aged)}
        kind = op.removeprefix("put-")
        _put(connection, records, row, kind=kind, link=row["link"], id=row["id"], extra=extra)
    elif op == "purge-log":
        receipt["purged"].append(_purge_log(connection, write))
    elif op == "put-doc":
        row = {**row, "version": _next(connection, "docs")}
        receipt["doc_versions"].append(row["version"])
        extra = {"version": row["version"], "due": row["due"] and _sortable(row["due"])}
        _put(connection, docs, row, space=row["space"], key=row["key"], extra=extra)
    elif op == "delete-doc":
        _delete(connection, docs, space=write["space"], key=write["key"])
    else:
        raise ValueError(f"a write this store does not know: {op}")


def _put(connection: Connection, table: Table, row: Row, extra: Row | None = None, **key: str) -> None:
    """Replaces the whole row."""
    _delete(connection, table, **key)
    connection.execute(sql.insert(table).values({**key, **(extra or {}), "row": json.dumps(row)}))


def _delete(connection: Connection, table: Table, **key: str) -> None:
    connection.execute(sql.delete(table).where(*(table.c[name] == value for name, value in key.items())))


def _revise(connection: Connection, write: Row, receipt: Receipt) -> int:
    revision = _next(connection, f"calendar {write['calendar']}")
    receipt["revisions"].append((write["calendar"], write["id"], revision))
    return revision


def _put_event(connection: Connection, write: Row, receipt: Receipt) -> None:
    """Updates the row where there is one: columns of the application's own stay as they are."""
    event: Row = write["event"]
    master: Row = event.get("master") or {}
    values = {
        "title": _shown(master.get("title")),
        "day": _day(master),
        "uid_hash": _hash(event["uid"]),
        "revision": _revise(connection, write, receipt),
        "modified": write["at"],
        "deleted": None,
        "event": json.dumps(event),
    }
    mine = appointments.c.calendar == write["calendar"], appointments.c.id == write["id"]
    if connection.execute(sql.update(appointments).where(*mine).values(values)).rowcount == 0:
        values |= {"calendar": write["calendar"], "id": write["id"]}
        connection.execute(sql.insert(appointments).values(values))


def _shown(title: str | None) -> str | None:
    # The event keeps every character; PostgreSQL's text cannot hold this one.
    return None if title is None else title.replace("\0", "")


def _day(master: Row) -> str | None:
    """The day an event begins, in its own zone."""
    for start in master.get("time", {}).get("start", {}).values():
        return str(start["local"] if isinstance(start, dict) else start)[:10]
    return None


def _purge_deleted(connection: Connection, write: Row) -> None:
    mine = appointments.c.calendar == write["calendar"]
    query = sql.select(appointments.c.id, appointments.c.deleted)
    before = _sortable(write["before"])
    for id, deleted in connection.execute(query.where(mine, appointments.c.deleted.is_not(None))).all():
        if _sortable(deleted) < before:
            _delete(connection, appointments, calendar=write["calendar"], id=id)


def _purge_log(connection: Connection, write: Row) -> int:
    kind = {"runs": "run", "journal": "journal", "resolved-conflicts": "conflict"}[write["log"]]
    mine = records.c.kind == kind, records.c.link == write["link"]
    old = sql.select(records.c.id).where(*mine, records.c.aged < _sortable(write["before"]))
    oldest = old.order_by(records.c.aged, records.c.id).limit(min(write["limit"], _MOST))
    ids = connection.scalars(oldest).all()
    connection.execute(sql.delete(records).where(*mine, records.c.id.in_(ids)))
    return len(ids)
