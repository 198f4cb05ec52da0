"""The store does what calsync asks of one."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from calsync import StoreConflict, StoreUnavailable
from calsync.testing.pytest import StoreConformance

from conftest import Fresh
from store import SqlStore, appointments, connect


class TestConformance(StoreConformance):
    @pytest.fixture
    def store(self, fresh: Fresh) -> SqlStore:
        return SqlStore(fresh())


def put(title: str, *expect: Any) -> Any:
    """A batch that writes the event `a`."""
    time = {"start": {"date": "2026-05-01"}, "end": {"date": "2026-05-02"}}
    event = {"uid": "a", "master": {"time": time, "title": title}}
    write = {"op": "put-event", "calendar": "shop", "id": "a", "event": event, "at": "2026-04-01T00:00:00Z"}
    return {"lease": None, "expect": list(expect), "writes": [write]}


# The suite asks one thing after another. What two threads do at the same moment, only threads can show.
def test_of_two_threads_with_one_expectation_one_writes(fresh: Fresh, tmp_path: Path) -> None:
    engine = fresh()
    if engine.dialect.name == "sqlite":
        engine = connect(f"sqlite:///{tmp_path / 'shop.db'}")
    store = SqlStore(engine)
    nothing_there = {"of": "event", "calendar": "shop", "id": "a", "revision": None}

    def write(number: int) -> bool:
        try:
            store.commit(put(str(number), nothing_there))
        except StoreConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(write, range(8))) == 1


def test_the_applications_own_column_outlives_a_change(fresh: Fresh) -> None:
    engine = fresh()
    store = SqlStore(engine)
    store.commit(put("Haircut"))
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(sql.update(appointments).values(price=4500))
    store.commit(put("Haircut, long"))
    with engine.begin() as connection:
        row = connection.execute(sql.select(appointments)).one()
    assert (row.title, row.day, row.price, row.revision) == ("Haircut, long", "2026-05-01", 4500, 2)


def test_a_read_from_a_database_that_is_gone_may_be_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    engine = connect(f"sqlite:///{folder / 'shop.db'}")
    engine.dispose()
    shutil.rmtree(folder)
    store = SqlStore(engine)
    with pytest.raises(StoreUnavailable):
        store.calendars()
    with pytest.raises(StoreUnavailable):
        store.events("shop", ["a"])
