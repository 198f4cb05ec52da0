"""The scenario of ``bindings/scenario.json``, through the methods and values of this language: the results are those of Rust.

It is played against emulators, and against the Radicale at ``CALSYNC_SCENARIO_RADICALE``.
"""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from calsync import Calendar, CalsyncError, Event, blocking
from calsync._codec import decoder, encode
from calsync.testing import CalDavEmulator, Emulator, GoogleEmulator, MicrosoftEmulator

from dict_store import DictStore

FOLDER = os.environ.get("CALSYNC_SCENARIO")
RADICALE = os.environ.get("CALSYNC_SCENARIO_RADICALE")

READ = {"calendar": decoder(Calendar), "event": decoder(Event)}


def listed(value: Any) -> list[Any]:
    return [*value]


def at(value: Any, path: str) -> Any:
    """The value at a path: ``uid=a`` is the event with this UID, ``*`` is each of a list, sorted."""
    if not path:
        return value
    part, _, more = path[1:].partition("/")
    rest = more and f"/{more}"
    if part == "*":
        return sorted((at(item, rest) for item in value), key=json.dumps)
    if part.startswith("uid="):
        return at(next((item for item in value if item["event"]["uid"] == part[4:]), None), rest)
    found: Any = None
    if isinstance(value, list):
        found = listed(value)[int(part)]
    elif isinstance(value, dict):
        found = cast("dict[str, Any]", value).get(part)
    return None if found is None else at(found, rest)


def filled(value: Any, kept: dict[str, Any]) -> Any:
    if isinstance(value, str) and value.startswith("$"):
        return kept[value[1:]]
    if isinstance(value, list):
        return [filled(item, kept) for item in listed(value)]
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: filled(item, kept) for name, item in fields.items()}
    return value


def given(args: dict[str, Any]) -> dict[str, Any]:
    """The arguments as classes of this package; a calendar that is named is text."""
    return {
        name: READ[name](value) if name in READ and isinstance(value, dict) else value
        for name, value in args.items()
    }


class Server(Protocol):
    """Whom the engines speak to, and how somebody else does."""

    def items(self) -> dict[str, str]: ...
    def put(self, item: str, id: str) -> object: ...
    def delete(self, id: str) -> None: ...


class Radicale:
    """A calendar of a Radicale that runs elsewhere, spoken to in plain HTTP."""

    def __init__(self, address: str) -> None:
        at = urlsplit(address)
        self.calendar, self.root = at.path, f"{at.scheme}://{at.hostname}:{at.port}"
        self.account = {
            "provider": "caldav",
            "url": self.root + at.path,
            "username": at.username or "",
            "secret": at.password or "",
        }
        for id in self.items():
            self.delete(id)

    def ask(self, method: str, path: str, body: str | None = None) -> str:
        account = f"{self.account['username']}:{self.account['secret']}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(account).decode()}", "Depth": "1"}
        headers["Content-Type"] = "text/calendar; charset=utf-8"
        data = None if body is None else body.encode()
        with urlopen(Request(self.root + path, data, headers, method=method)) as answer:
            return cast(bytes, answer.read()).decode()

    def items(self) -> dict[str, str]:
        paths = re.findall(r"href>([^<]*\.ics)<", self.ask("PROPFIND", self.calendar))
        return {path: self.ask("GET", path) for path in paths}

    def put(self, item: str, id: str) -> None:
        self.ask("PUT", id, item)

    def delete(self, id: str) -> None:
        self.ask("DELETE", id)


def act(server: Server, step: dict[str, str], refuse: str | None) -> None:
    """What somebody else does at the server. The text is in one item."""
    if step["there"] == "refuse":
        # A server nobody can tell refuses what is too large.
        if isinstance(server, Emulator):
            server.tell(refuse or "")
        return
    ((id, item),) = [(id, item) for id, item in server.items().items() if step["find"] in item]
    if step["there"] == "change":
        server.put(item.replace(step["find"], step["into"]), id)
    else:
        assert step["there"] == "delete"
        server.delete(id)


def played(provider: str, server: Server, account: dict[str, Any]) -> None:
    def read(name: str) -> Any:
        return json.loads(Path(FOLDER or "", name).read_text(encoding="utf-8"))

    scenario = read("scenario.json")
    settings = scenario["providers"][provider]
    kept: dict[str, Any] = {
        "provider": account["provider"],
        "url": account["url"],
        "user": account["username"],
        "password": account["secret"],
        "notes": "n" * settings["notes"],
    }
    engines = {"one": blocking.Engine(DictStore()), "two": blocking.Engine()}
    shown: dict[str, list[Any]] = {}
    for step in scenario["steps"]:
        if "there" in step:
            act(server, step, settings.get("refuse"))
            continue
        method = getattr(engines[step["engine"]], step["call"])
        try:
            answer = encode(method(**given(filled(step["args"], kept))))
        except CalsyncError as error:
            if not step.get("fails"):
                raise
            answer = {"code": error.code, "item": error.item, "retryable": error.retryable}
        for name, path in step.get("keep", {}).items():
            kept[name] = at(answer, path)
        if "show" in step:
            shown[step["show"]] = [at(answer, path) for path in step["at"]]
    expected = read("scenario.expected.json")
    differently = expected["differently"].get(provider, {"results": {}})
    assert shown == {**expected["everywhere"], **differently["results"]}
    engines["two"].close()


@pytest.mark.skipif(FOLDER is None, reason="CALSYNC_SCENARIO does not say where it is")
@pytest.mark.parametrize("kind", [CalDavEmulator, GoogleEmulator, MicrosoftEmulator])
def test_it_gives_what_is_written(kind: type[Emulator]) -> None:
    with kind() as emulator:
        account = cast("dict[str, Any]", emulator.account)
        played(account["provider"].value, emulator, account)


@pytest.mark.skipif(FOLDER is None or RADICALE is None, reason="CALSYNC_SCENARIO_RADICALE does not say where one is")
def test_it_gives_what_is_written_at_radicale() -> None:
    server = Radicale(RADICALE or "")
    played("radicale", server, server.account)
