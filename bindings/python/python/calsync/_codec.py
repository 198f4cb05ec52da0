"""Between the classes of this package and the JSON of the native part.

A decoder and an encoder are put together once for each class, out of its annotations.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from datetime import date, datetime, timezone
from enum import Enum
from typing import Any, Union
from zoneinfo import ZoneInfo

from . import model
from .errors import CallError
from .zones import DefinedZone

Decode = Callable[[Any], Any]
Encode = Callable[[Any], Any]

_UTC = timezone.utc
_ZONES: dict[str, ZoneInfo] = {}


def _zone(zone: Any) -> ZoneInfo | DefinedZone:
    if not isinstance(zone, str):
        return DefinedZone(zone)
    known = _ZONES.get(zone)
    if known is None:
        known = _ZONES[zone] = ZoneInfo(zone)
    return known


def zone_of(text: str) -> ZoneInfo | DefinedZone:
    """A zone of the native part, as JSON."""
    return _zone(json.loads(text))


def _local(text: str) -> datetime:
    # Python 3.10 reads three or six digits of a second, and no years beyond 9999.
    try:
        return datetime.fromisoformat(text if len(text) <= 26 else text[:26])
    except ValueError:
        return datetime.max.replace(microsecond=0) if text.startswith("+") else datetime.min


def instant(text: str) -> datetime:
    """An instant of the native part."""
    return _local(text[:-1]).replace(tzinfo=_UTC)


def _time(value: dict[str, Any]) -> date | datetime:
    ((kind, content),) = value.items()
    if kind == "zoned":
        fold = 1 if content.get("fold") == "second" else 0
        return _local(content["local"]).replace(tzinfo=_zone(content["zone"]), fold=fold)
    if kind == "date":
        try:
            return date.fromisoformat(content)
        except ValueError:
            return date.max if content.startswith("+") else date.min
    if kind == "floating":
        return _local(content)
    return instant(content)


def _iso(value: datetime) -> str:
    return value.replace(tzinfo=None, fold=0).isoformat()


def utc_text(value: datetime) -> str:
    """An instant for the native part."""
    if value.tzinfo is None:
        raise CallError("an instant needs a tzinfo, such as datetime.timezone.utc", code="invalid-input")
    return _iso(value.astimezone(_UTC)) + "Z"


def zone_value(zone: ZoneInfo | DefinedZone) -> Any:
    """A zone for the native part."""
    if isinstance(zone, DefinedZone):
        return zone.definition
    # The stubs say text, but one that was read from a file has no key.
    if not zone.key:
        raise CallError("a ZoneInfo without a key cannot be named", code="invalid-input")
    return zone.key


def _time_value(value: date | datetime) -> dict[str, Any]:
    if not isinstance(value, datetime):
        return {"date": value.isoformat()}
    zone = value.tzinfo
    if zone is None:
        return {"floating": _iso(value)}
    if isinstance(zone, (ZoneInfo, DefinedZone)):
        zoned: dict[str, Any] = {"local": _iso(value), "zone": zone_value(zone)}
        if value.fold and value.utcoffset() != value.replace(fold=0).utcoffset():
            zoned["fold"] = "second"
        return {"zoned": zoned}
    return {"utc": utc_text(value)}


def _override(value: Any) -> Any:
    if value == "excluded":
        return model.Excluded()
    ((kind, content),) = value.items()
    return (_ADDED if kind == "added" else _CHANGED)(content)


def _override_value(value: Any) -> Any:
    if isinstance(value, model.Excluded):
        return "excluded"
    if isinstance(value, model.Added):
        return {"added": {"end": None if value.end is None else _time_value(value.end)}}
    if isinstance(value, model.Changed):
        return {"changed": {"body": encode(value.body), "scope": value.scope}}
    raise CallError(f"an override is no {type(value).__name__}", code="invalid-input")


def _trigger(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    return instant(content) if kind == "absolute" else _OFFSET(content)


def _trigger_value(value: Any) -> Any:
    if isinstance(value, model.Offset):
        return {"offset": encode(value)}
    return {"absolute": utc_text(value)}


def _set(value: list[str]) -> set[str]:
    return set(value)


def _same(value: Any) -> Any:
    return value


def _parts(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) in (Union, types.UnionType):
        return typing.get_args(kind)
    return ()


def decoder(kind: Any) -> Decode:
    """How a value of an annotated type is read."""
    parts = _parts(kind)
    if type(None) in parts:
        rest = tuple(part for part in parts if part is not type(None))
        inner = decoder(Union[rest])
        return lambda value: None if value is None else inner(value)
    if set(parts) == {date, datetime}:
        return _time
    if model.Excluded in parts:
        return _override
    if model.Offset in parts:
        return _trigger
    if ZoneInfo in parts:
        return _zone
    if kind is datetime:
        return instant
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        item = decoder(args[0])
        return _same if item is _same else lambda value: [item(each) for each in value]
    if origin is set:
        return _set
    if origin is dict:
        of = decoder(args[1])
        return lambda value: {key: of(each) for key, each in value.items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    return _same


_DATACLASSES: dict[type, Decode] = {}


def _dataclass(kind: type) -> Decode:
    known = _DATACLASSES.get(kind)
    if known is None:
        hints = typing.get_type_hints(kind)
        made: dict[str, Decode] = {}
        for entry in dataclasses.fields(kind):
            each = decoder(hints[entry.name])
            if each is not _same:
                made[entry.name] = each

        def read(value: dict[str, Any]) -> Any:
            # The value is of nobody else: what json.loads made is used again.
            for name in value.keys() & made.keys():
                value[name] = made[name](value[name])
            return kind(**value)

        known = _DATACLASSES[kind] = read
    return known


def encode(value: Any) -> Any:
    """A value for ``json.dumps``."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (model.Excluded, model.Added, model.Changed)):
        return _override_value(value)
    if isinstance(value, model.TimeSpan):
        return {"start": _time_value(value.start), "end": _time_value(value.end)}
    if isinstance(value, model.Alarm):
        return {
            "trigger": _trigger_value(value.trigger),
            "action": value.action,
            "description": value.description,
        }
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, (ZoneInfo, DefinedZone)):
        return zone_value(value)
    if dataclasses.is_dataclass(value):
        return {name: encode(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, dict):
        return {key: encode(item) for key, item in typing.cast("dict[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in typing.cast("list[Any]", value)]
    if isinstance(value, (set, frozenset)):
        return sorted(encode(item) for item in typing.cast("set[Any]", value))
    raise CallError(f"a {type(value).__name__} is of no use here", code="invalid-input")


_NAMES: dict[type, list[str]] = {}


def _names(kind: type) -> list[str]:
    known = _NAMES.get(kind)
    if known is None:
        known = _NAMES[kind] = [entry.name for entry in dataclasses.fields(kind)]
    return known


def arguments(**values: Any) -> str:
    """The arguments of a call as JSON; those that are ``None`` are left out."""
    return json.dumps({name: encode(value) for name, value in values.items() if value is not None})


_ADDED = decoder(model.Added)
_CHANGED = decoder(model.Changed)
_OFFSET = decoder(model.Offset)
