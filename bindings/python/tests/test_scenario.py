"""The scenario of ``bindings/scenario.json``, through the methods and values of this language: the results are those of Rust."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest
from calsync import Calendar, CalsyncError, Event, blocking
from calsync._codec import decoder, encode

from conftest import PASSWORD, USER, Server
from dict_store import DictStore

FOLDER = os.environ.get("CALSYNC_SCENARIO")

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


@pytest.mark.skipif(FOLDER is None, reason="CALSYNC_SCENARIO does not say where it is")
def test_it_gives_what_is_written(server: Server) -> None:
    def read(name: str) -> Any:
        return json.loads(Path(FOLDER or "", name).read_text(encoding="utf-8"))

    kept: dict[str, Any] = {"url": server.url, "user": USER, "password": PASSWORD}
    engines = {"one": blocking.Engine(DictStore()), "two": blocking.Engine()}
    shown: dict[str, list[Any]] = {}
    for step in read("scenario.json")["steps"]:
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
    assert shown == read("scenario.expected.json")
    engines["two"].close()
