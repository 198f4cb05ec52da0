"""Nothing the native part has is missing in Python."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from enum import Enum
from typing import Any

import calsync
import pytest
from calsync import _calsync, blocking, errors
from calsync import store as store_module

SURFACE: dict[str, Any] = json.loads(_calsync.surface())
INTERNAL = {"zone_offset"}


def test_every_function() -> None:
    for name in set(SURFACE["functions"]) - INTERNAL:
        assert callable(getattr(calsync, name)), name


@pytest.mark.parametrize("engine", [calsync.Engine, blocking.Engine])
def test_every_method_and_argument(engine: type) -> None:
    for name, arguments in SURFACE["methods"].items():
        taken = set(inspect.signature(getattr(engine, name)).parameters)
        # Told through the argument `progress` of sync; a plan is quick.
        wanted = set(arguments) - ({"progress"} if name == "plan" else set())
        assert wanted <= taken, name


def test_every_field_of_every_value() -> None:
    for name, fields in SURFACE["values"].items():
        kind = getattr(calsync, name)
        if name == "CalsyncError":
            known = set(kind.__annotations__)
        else:
            known = {field.name for field in dataclasses.fields(kind)}
        assert set(fields) == known, name


# Given as dictionaries: the method that does says which keys there are.
DOCUMENTS = {
    "CopyRules": "add_link",
    "CopyWindow": "add_link",
}


@pytest.mark.parametrize("engine", [calsync.Engine, blocking.Engine])
def test_every_key_of_every_document(engine: type) -> None:
    assert set(DOCUMENTS) == set(SURFACE["documents"])
    for name, keys in SURFACE["documents"].items():
        said = set(re.findall(r"\w+", inspect.getdoc(getattr(engine, DOCUMENTS[name])) or ""))
        assert set(keys) <= said, name


def test_every_word_of_every_enum() -> None:
    for name, words in SURFACE["words"].items():
        if name == "Fold":
            continue  # datetime.fold
        kind = getattr(calsync, name)
        assert issubclass(kind, Enum)
        assert {member.value for member in kind} == set(words), name


def test_every_code_has_a_class() -> None:
    assert set(errors.CLASSES) == set(SURFACE["codes"])
    assert all(issubclass(kind, calsync.CalsyncError) for kind in errors.CLASSES.values())


def test_every_method_of_a_store() -> None:
    assert set(store_module.METHODS) == set(SURFACE["store"])
    for name in SURFACE["store"]:
        assert hasattr(calsync.Store, name), name
    assert set(store_module.IN_ONE_CALL) == set(SURFACE["store_in_one_call"])
    for name in SURFACE["store_in_one_call"]:
        assert hasattr(store_module.StoreInOneCall, name), name


def test_every_method_of_what_else_is_asked() -> None:
    for name, methods in SURFACE["hosts"].items():
        for method in methods:
            assert callable(getattr(getattr(calsync, name), method)), (name, method)


def test_everything_public_is_exported() -> None:
    for name in calsync.__all__:
        assert getattr(calsync, name) is not None
