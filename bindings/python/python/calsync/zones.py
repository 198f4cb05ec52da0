"""Zones that only a file defines."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, tzinfo
from typing import Any

from ._calsync import pure

__all__ = ["DefinedZone"]


class DefinedZone(tzinfo):
    """A zone no database knows, with the rules a VTIMEZONE gave."""

    definition: dict[str, Any]
    """The rules, as the native part has them."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self.definition = definition

    def __getinitargs__(self) -> tuple[dict[str, Any]]:
        # What copy and pickle make another one with.
        return (self.definition,)

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """The offset in force at a wall-clock time; of a time that happens twice, at the first."""
        if dt is None:
            return None
        local = dt.replace(tzinfo=None, fold=0).isoformat()
        ok, text = pure("zone_offset", json.dumps({"zone": self.definition, "local": local}))
        return timedelta(seconds=json.loads(text)) if ok else None

    def dst(self, dt: datetime | None) -> timedelta | None:
        """Not known: a file only gives offsets."""
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        """The name the file gives it."""
        return str(self.definition["tzid"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DefinedZone) and self.definition == other.definition

    def __hash__(self) -> int:
        return hash(json.dumps(self.definition, sort_keys=True))

    def __repr__(self) -> str:
        return f"DefinedZone({self.definition['tzid']!r})"
