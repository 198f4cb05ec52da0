"""A CalDAV server of the testkit for the tests: the program named by ``CALSYNC_DAV_SERVER``."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

USER = "ada"
PASSWORD = "never shown"


@dataclass
class Server:
    """A running server with two calendars, ``Personal`` and ``Other``."""

    url: str


@pytest.fixture
def server() -> Iterator[Server]:
    program = os.environ["CALSYNC_DAV_SERVER"]
    arguments = ["--user", USER, "--password", PASSWORD]
    arguments += ["--calendar", "personal=Personal", "--calendar", "other=Other"]
    with subprocess.Popen(
        [program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None and running.stdout is not None
        yield Server(running.stdout.readline().strip())
        running.stdin.close()
