"""The databases the tests run on: SQLite, and PostgreSQL where ``CALSYNC_TEST_POSTGRES`` has the URL of a server."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sql

import store

POSTGRES = os.environ.get("CALSYNC_TEST_POSTGRES", "")
Fresh = Callable[[], sql.Engine]


@pytest.fixture(scope="session")
def postgres() -> sql.Engine:
    _, where = POSTGRES.split("://", 1)
    return store.connect(f"postgresql+psycopg://{where}")


@pytest.fixture(params=["sqlite", *(["postgres"] if POSTGRES else [])])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Fresh:
    """Gives an empty database each time."""
    if request.param == "sqlite":
        return lambda: store.connect("sqlite://")
    engine: sql.Engine = request.getfixturevalue("postgres")

    def emptied() -> sql.Engine:
        with engine.begin() as connection:
            for table in store.metadata.sorted_tables:
                connection.execute(sql.delete(table))
        return engine

    return emptied
