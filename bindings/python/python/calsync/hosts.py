"""What of yours an engine asks beside its store: filters, transforms, a resolver, a clock, a transport.

Their methods may be ``def`` or ``async def``, and run where those of a store do. One that raises, or answers something else than it
says, decides nothing: the run goes on without it, and its call raises ``HostError`` with the method's name at the end. A transport is
waited for as long as its requests may take; see ``calsync.transport``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ._codec import decoder, encode, utc_text
from .model import ContestedEvent, EventBody, Field, MasterKeys, Surroundings
from .store import MaybeAwaitable, in_one_call
from .transport import SEND, Transport, request_of, response_value
from .words import Choice

__all__ = ["Clock", "Filter", "Resolver", "Transform", "Transport"]


class Filter(Protocol):
    """Says which events a link copies. A pipeline names it: ``{"type": "host", "rule": NAME, "options": {...}}``."""

    @property
    def version(self) -> str:
        """Another one, and every link that uses it compares everything again."""
        ...

    def lets_through(
        self, body: EventBody, options: dict[str, Any], around: Surroundings
    ) -> MaybeAwaitable[bool]:
        """Whether content is copied. The same content gets the same answer until ``version`` changes."""
        ...


class Transform(Protocol):
    """Changes what copies show. A pipeline names it as it names a filter."""

    @property
    def version(self) -> str:
        """As that of a filter."""
        ...

    def change(
        self, copy: EventBody, event: EventBody, options: dict[str, Any], around: Surroundings
    ) -> MaybeAwaitable[EventBody]:
        """What the copy of ``event`` shows, which was ``copy`` so far. Its time stays, whatever is answered."""
        ...


class Resolver(Protocol):
    """Decides contested fields of links whose policy is ``ConflictPolicy.RESOLVER``."""

    def resolve(self, conflict: ContestedEvent) -> MaybeAwaitable[list[tuple[Field, Choice]]]:
        """Who wins which field. Fields it leaves out wait for a person."""
        ...


class Clock(Protocol):
    """Tells the time: once for each call, when it begins."""

    def now(self) -> MaybeAwaitable[datetime]:
        """Now, with a ``tzinfo``."""
        ...


def _decided(value: Any) -> Any:
    return [{"field": encode(_is(field, Field)), "choice": Choice(choice)} for field, choice in value]


def _is(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value


_ENCODE: dict[str, Callable[[Any], Any]] = {
    "transform.change": lambda value: encode(_is(value, EventBody)),
    "resolver.resolve": _decided,
    "clock.now": lambda value: utc_text(_is(value, datetime)),
    SEND: response_value,
}

_body: Callable[[Any], EventBody] = decoder(EventBody)
_around: Callable[[Any], Surroundings] = decoder(Surroundings)
_contested: Callable[[Any], ContestedEvent] = decoder(ContestedEvent)


@dataclass
class Hosts:
    """All that a call of an engine may be asked for."""

    store: object | None = None
    filters: Mapping[str, Filter] = field(default_factory=dict[str, Filter])
    transforms: Mapping[str, Transform] = field(default_factory=dict[str, Transform])
    resolver: Resolver | None = None
    clock: Clock | None = None
    transport: Transport | None = None
    master_keys: MasterKeys | None = None

    def opening(self, store: Any, soon: float = 10, of_store: float = 60) -> Any:
        """What the native part makes an engine with: how many seconds a rule and a method of the store have is part of it."""
        host: dict[str, Any] = {
            "filters": {name: _version(name, rule, "lets_through") for name, rule in self.filters.items()},
            "transforms": {name: _version(name, rule, "change") for name, rule in self.transforms.items()},
            "resolver": _has(self.resolver, "resolve"),
            "clock": _has(self.clock, "now"),
            "transport": _has(self.transport, "send"),
            "patience_ms": round(soon * 1000),
            "store_patience_ms": round(of_store * 1000),
            "in_one_call": [] if self.store is None else in_one_call(self.store),
        }
        if self.master_keys is not None:
            host["master_keys"] = encode(_is(self.master_keys, MasterKeys))
        return {"store": store, "host": host}

    def invoke(self, method: str, args: dict[str, Any]) -> Any:
        """Calls a method. What it gives may have to be awaited."""
        part, _, name = method.partition(".")
        if part == "store":
            return getattr(self.store, name)(**args)
        if part == "filter":
            rule = self.filters[args["rule"]]
            return rule.lets_through(_body(args["body"]), args["options"], _around(args["around"]))
        if part == "transform":
            change = self.transforms[args["rule"]].change
            return change(_body(args["copy"]), _body(args["event"]), args["options"], _around(args["around"]))
        if part == "resolver" and self.resolver is not None:
            return self.resolver.resolve(_contested(args["conflict"]))
        if part == "clock" and self.clock is not None:
            return self.clock.now()
        if part == "transport" and self.transport is not None:
            return self.transport.send(request_of(args["request"]))
        raise LookupError(method)


def encoded(method: str, value: Any) -> Any:
    """What a method gave, for ``json.dumps``."""
    encoder = _ENCODE.get(method)
    return value if encoder is None else encoder(value)


def _version(name: str, rule: Any, method: str) -> str:
    if not callable(getattr(rule, method, None)) or not isinstance(getattr(rule, "version", None), str):
        raise TypeError(f"{type(rule).__name__} is no rule {name!r} of calsync: it needs a text version and a method {method}")
    version: str = rule.version
    return version


def _has(part: Any, method: str) -> bool:
    if part is not None and not callable(getattr(part, method, None)):
        raise TypeError(f"{type(part).__name__} is of no use to calsync: it has no method {method}")
    return part is not None
