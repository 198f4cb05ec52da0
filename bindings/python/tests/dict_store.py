"""A store in dictionaries: what a host writes over its own tables, without the tables."""

from __future__ import annotations

import copy
import re
from typing import Any, Literal

from calsync import StoreConflict, StoreFenced, StoreInvalidInput
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


When = tuple[int, str, str]


def _when(text: str) -> When:
    """An instant to compare: the fraction has any number of digits, and a lease may end in the year 10000."""
    found = re.fullmatch(r"([+-]?\d+)-([^.Z]*)(?:\.(\d+))?Z", text)
    assert found is not None
    return int(found[1]), found[2], (found[3] or "").ljust(9, "0")


class DictStore:
    """Every method is a plain ``def``."""

    def __init__(self) -> None:
        self._calendars: dict[str, Row] = {}
        self._events: dict[tuple[str, str], Row] = {}
        self._revisions: dict[str, int] = {}
        self._links: dict[str, Row] = {}
        self._bases: dict[tuple[str, str], Row] = {}
        self._outbox: dict[tuple[str, str], Row] = {}
        self._records: dict[tuple[str, str, str], Row] = {}
        self._docs: dict[tuple[str, str], Row] = {}
        self._doc_version = 0
        self._leases: dict[str, tuple[str | None, int, str]] = {}

    def calendars(self) -> list[Row]:
        return [self._calendars[key] for key in sorted(self._calendars)]

    def events(self, calendar: str, ids: list[str]) -> list[Row]:
        return [self._events[calendar, id] for id in set(ids) if (calendar, id) in self._events]

    def events_by_uid(self, calendar: str, uids: list[str]) -> list[Row]:
        return [row for row in self._of(calendar) if row["event"]["uid"] in uids]

    def events_since(self, calendar: str, after: int, limit: int) -> list[Row]:
        rows = [row for row in self._of(calendar) if row["revision"] > after]
        return sorted(rows, key=lambda row: int(row["revision"]))[:limit]

    def _of(self, calendar: str) -> list[Row]:
        return [row for (of, _), row in self._events.items() if of == calendar]

    def link(self, link: str) -> Row | None:
        return self._links.get(link)

    def bases(self, link: str, by: Literal["remote", "event"], ids: list[str]) -> list[Row]:
        column = "remote_id" if by == "remote" else "event_id"
        return [row for (of, _), row in self._bases.items() if of == link and row[column] in ids]

    def base_summaries(self, link: str, after: str | None, limit: int) -> list[BaseSummary]:
        return [
            {"remote_id": row["remote_id"], "event_id": row["event_id"], "version": row["version"]}
            for row in self._page(self._bases, link, after, limit)
        ]

    def outbox(self, link: str, after: str | None, limit: int) -> list[Row]:
        return self._page(self._outbox, link, after, limit)

    @staticmethod
    def _page(
        rows: dict[tuple[str, str], Row], of: str, after: str | None, limit: int
    ) -> list[Row]:
        keys = sorted(key for key in rows if key[0] == of and (after is None or key[1] > after))
        return [rows[key] for key in keys[:limit]]

    def records(
        self,
        kind: Literal["conflict", "quarantine", "run", "journal"],
        link: str,
        event: str | None,
        run: str | None,
        after: str | None,
        limit: int,
    ) -> list[Row]:
        narrow = kind in ("conflict", "journal")
        keys = sorted(key for key in self._records if key[:2] == (kind, link))
        rows = [self._records[key] for key in keys if after is None or key[2] > after]
        if narrow and event is not None:
            rows = [row for row in rows if row["event_id"] == event]
        if narrow and run is not None:
            rows = [row for row in rows if row["run"] == run]
        return rows[:limit]

    def docs(
        self,
        space: str,
        keys: list[str] | None,
        after: str | None,
        due: str | None,
        limit: int | None,
    ) -> list[Row]:
        if keys is not None:
            return [self._docs[space, key] for key in set(keys) if (space, key) in self._docs]
        if due is None:
            return self._page(self._docs, space, after, limit or 0)
        rows = [row for (of, _), row in self._docs.items() if of == space and row["due"]]
        rows = [row for row in rows if _when(row["due"]) <= _when(due)]
        return sorted(rows, key=lambda row: (_when(row["due"]), row["key"]))[:limit]

    def commit(self, batch: Batch) -> Receipt:
        lease = batch["lease"]
        if lease is not None:
            holder, epoch, _ = self._leases.get(lease["name"], (None, 0, ""))
            if holder is None or epoch != lease["epoch"]:
                raise StoreFenced
        for place, expected in enumerate(batch["expect"]):
            if not self._holds(expected):
                raise StoreConflict(place)
        receipt: Receipt = {"revisions": [], "doc_versions": [], "purged": []}
        before = {name: copy.copy(value) for name, value in vars(self).items() if name[0] == "_"}
        try:
            for write in copy.deepcopy(batch["writes"]):
                self._write(write, receipt)
        except BaseException:
            vars(self).update(before)
            raise
        if lease is not None and batch.get("lease_end") == "given-back":
            _, epoch, until = self._leases[lease["name"]]
            self._leases[lease["name"]] = (None, epoch, until)
            receipt["lease_end"] = "given-back"
        return receipt

    def _holds(self, expected: Row) -> bool:
        if expected["of"] == "event":
            row = self._events.get((expected["calendar"], expected["id"]))
            return bool((row["revision"] if row else None) == expected["revision"])
        if expected["of"] == "link":
            state = self._links.get(expected["id"])
            return bool((state["generation"] if state else None) == expected["generation"])
        if expected["of"] == "uid":
            found = [
                row for row in self._of(expected["calendar"]) if row["event"]["uid"] == expected["uid"]
            ]
            return {row["id"] for row in found} == set(expected["events"])
        doc = self._docs.get((expected["space"], expected["key"]))
        return bool((doc["version"] if doc else None) == expected["version"])

    def _revise(self, write: Row, receipt: Receipt) -> int:
        revision = self._revisions.get(write["calendar"], 0) + 1
        self._revisions[write["calendar"]] = revision
        receipt["revisions"].append((write["calendar"], write["id"], revision))
        return revision

    def _write(self, write: Row, receipt: Receipt) -> None:
        op: str = write["op"]
        row: Row = write.get("row", {})
        if op == "put-calendar":
            self._calendars[row["id"]] = row
        elif op == "put-event":
            self._events[write["calendar"], write["id"]] = {
                "id": write["id"],
                "revision": self._revise(write, receipt),
                "event": write["event"],
                "modified": write["at"],
                "deleted": None,
            }
        elif op == "delete-event":
            known = self._events.get((write["calendar"], write["id"]))
            if known is not None and known["deleted"] is None:
                revision = self._revise(write, receipt)
                gone = {**known, "deleted": write["at"], "revision": revision}
                self._events[write["calendar"], write["id"]] = gone
        elif op == "purge-deleted":
            before = _when(write["before"])
            for key, known in list(self._events.items()):
                old = known["deleted"] is not None and _when(known["deleted"]) < before
                if key[0] == write["calendar"] and old:
                    del self._events[key]
        elif op == "put-link":
            known = self._links.get(row["id"])
            row["generation"] = (known["generation"] if known else 0) + 1
            self._links[row["id"]] = row
        elif op == "put-base":
            self._only(self._bases, row, "remote_id")
            self._bases[row["link"], row["remote_id"]] = row
        elif op == "delete-base":
            self._bases.pop((write["link"], write["remote_id"]), None)
        elif op == "put-outbox":
            self._only(self._outbox, row, "id")
            self._outbox[row["link"], row["id"]] = row
        elif op == "delete-outbox":
            self._outbox.pop((write["link"], write["id"]), None)
        elif op == "put-quarantine":
            self._records["quarantine", row["link"], row["remote_id"]] = row
        elif op == "delete-quarantine":
            self._records.pop(("quarantine", write["link"], write["remote_id"]), None)
        elif op in ("put-conflict", "put-run", "put-journal"):
            self._records[op.removeprefix("put-"), row["link"], row["id"]] = row
        elif op == "purge-log":
            receipt["purged"].append(self._purge(write))
        elif op == "put-doc":
            self._doc_version += 1
            row["version"] = self._doc_version
            receipt["doc_versions"].append(self._doc_version)
            self._docs[row["space"], row["key"]] = row
        elif op == "delete-doc":
            self._docs.pop((write["space"], write["key"]), None)
        else:
            raise ValueError(f"a write this store does not know: {op}")

    @staticmethod
    def _only(rows: dict[tuple[str, str], Row], row: Row, key: str) -> None:
        for (link, other), known in rows.items():
            if link == row["link"] and other != row[key] and known["event_id"] == row["event_id"]:
                raise StoreInvalidInput

    def _purge(self, write: Row) -> int:
        kind, column = {
            "runs": ("run", "started"),
            "journal": ("journal", "at"),
            "resolved-conflicts": ("conflict", "settled"),
        }[write["log"]]
        aged: list[tuple[When, tuple[str, str, str]]] = []
        for key, row in self._records.items():
            if key[:2] != (kind, write["link"]):
                continue
            at: Any = row.get(column)
            if kind == "conflict":
                at = None if row["state"] == "open" else (at or {"at": row["at"]})["at"]
            if at is not None and _when(at) < _when(write["before"]):
                aged.append((_when(at), key))
        gone = sorted(aged)[: write["limit"]]
        for _, key in gone:
            del self._records[key]
        return len(gone)

    def acquire_lease(self, name: str, holder: str, now: str, until: str) -> LeaseGrant:
        held, epoch, end = self._leases.get(name, (None, 0, now))
        over = _when(end) <= _when(now)
        if held is not None and held != holder and not over:
            return {"held_until": end}
        if held != holder or over:
            epoch += 1
        self._leases[name] = (holder, epoch, until)
        return {"token": {"name": name, "epoch": epoch}}

    def release_lease(self, token: LeaseToken) -> None:
        held = self._leases.get(token["name"])
        if held is not None and held[1] == token["epoch"]:
            self._leases[token["name"]] = (None, held[1], held[2])


class OneCallStore(DictStore):
    """The same, which answers together what is asked together."""

    def open_link(
        self, lease: LeaseRequest | None, link: str, calendar: str, limit: int
    ) -> OpenLink | LinkHeld:
        token = None
        if lease is not None:
            grant = self.acquire_lease(**lease)
            held = grant.get("held_until")
            if held is not None:
                return {"held_until": held}
            token = grant.get("token")
        state = self.link(link)
        seen = state["seen"] if state else 0
        return {
            "token": token,
            "state": state,
            "edits": self.events_since(calendar, seen - 1, limit + 1) if seen else [],
            "quarantine": self.records("quarantine", link, None, None, None, limit),
            "outbox": self.outbox(link, None, limit),
        }

    def pairs(self, link: str, calendar: str, items: list[str]) -> Pairs:
        bases = self.bases(link, "remote", items)
        return {"bases": bases, "events": self.events(calendar, [base["event_id"] for base in bases])}

    def waiting(self, link: str, after: str | None, limit: int) -> Waiting:
        entries = self.outbox(link, after, limit)
        return {"entries": entries, "bases": self.bases(link, "event", [row["event_id"] for row in entries])}


class AsyncDictStore:
    """The same with ``async def``: what is asked of it waits once."""

    def __init__(self) -> None:
        self.inner: DictStore = OneCallStore()

    def __getattr__(self, name: str) -> Any:
        import asyncio

        method = getattr(self.inner, name)

        async def waits(**arguments: Any) -> Any:
            await asyncio.sleep(0)
            return method(**arguments)

        return waits


class Noted:
    """Notes what a store is asked."""

    def __init__(self, inner: object) -> None:
        self.inner = inner
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        def noted(**arguments: Any) -> Any:
            self.calls.append(name)
            return method(**arguments)

        return noted

    def taken(self) -> list[str]:
        """What it was asked since it was looked at last."""
        calls, self.calls = self.calls, []
        return calls
