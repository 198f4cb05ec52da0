"""HTTP of your own: your proxies, your certificates, your connections.

Redirects, credentials, pacing and what is tried again stay with calsync, whoever sends.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from .store import MaybeAwaitable

__all__ = ["Addresses", "HttpRequest", "HttpResponse", "Transport", "TransportError", "TransportFault"]

SEND = "transport.send"
"""The method, as it is named in errors."""

_GRACE = 6.0
"""How many seconds longer than a request may take its thread is waited for: a little longer than by the native part, which is to say
first that the time is over."""


class Addresses(str, Enum):
    """Which addresses a request may go to."""

    PUBLIC = "public"
    """Those of the public internet: see ``public_addresses``."""
    ALL = "all"
    """All: whoever runs the application wrote the URL."""


class TransportFault(str, Enum):
    """Why there is no answer."""

    CONNECT = "connect"
    """No connection: name, network or TLS. The request never left."""
    TIMEOUT = "timeout"
    """A deadline passed. The server may have acted."""
    INTERRUPTED = "interrupted"
    """The connection broke. The server may have acted."""
    TOO_LARGE = "too-large"
    """The body is larger than ``body_max``. The server may have acted."""
    BLOCKED = "blocked"
    """The address is none the request may go to. The request never left."""


class TransportError(Exception):
    """Raise it in a transport when there is no answer. Anything else that is raised there counts as a mistake in it."""

    fault: TransportFault
    """Why."""

    def __init__(self, fault: TransportFault) -> None:
        self.fault = TransportFault(fault)
        super().__init__(self.fault.value)


@dataclass
class HttpRequest:
    """What is to be sent. Its ``repr`` shows no URL, no header and no body: they hold secrets and events."""

    method: str
    """The method; those of WebDAV and CalDAV, such as ``PROPFIND`` and ``REPORT``, are among them."""
    url: str = field(repr=False)
    """The absolute URL, ``http`` or ``https``."""
    headers: list[tuple[str, str]] = field(repr=False)
    """Names and values. ``Content-Length`` is the transport's affair, and so is ``User-Agent`` where there is none."""
    body: bytes = field(repr=False)
    """The body, empty for none."""
    addresses: Addresses
    """Which addresses may be connected to: that of the connection is meant, not one that was looked up before."""
    body_max: int
    """Bytes of the answer's body at most, decompressed."""
    connect_ms: int
    """Milliseconds until a connection stands."""
    stall_ms: int
    """Milliseconds the server may be silent."""
    total_ms: int
    """Milliseconds from the beginning to the last byte."""


@dataclass
class HttpResponse:
    """What came back. Its ``repr`` shows the status only."""

    status: int
    """The status, whatever it is: 404 is an answer."""
    headers: list[tuple[str, str]] = field(repr=False)
    """Names and values; one that comes twice is there twice."""
    body: bytes = field(repr=False)
    """The body, whole and decompressed."""


class Transport(Protocol):
    """Sends requests and reads the answers.

    It follows no redirects, keeps no cookies and tries nothing again. It sends ``Content-Length`` with every body, never chunks, and
    never ``Expect``. The deadlines, ``body_max`` and ``addresses`` of the request hold.
    """

    def send(self, request: HttpRequest) -> MaybeAwaitable[HttpResponse]:
        """Sends a request and reads the whole answer. Raises ``TransportError`` when there is none.

        ``patience`` does not count here: calsync gives a request up five seconds after its ``total_ms``. An ``async def`` is ended with
        its call. A ``def`` has the thread until it returns: in ``calsync.Engine`` that is the event loop's, so only an ``async def``
        should wait for a network there, where several requests may be on their way at once. In ``calsync.blocking`` one is sent after
        the other, and while one is, methods of your store wait, with their patience running.
        """
        ...


def request_of(value: dict[str, Any]) -> HttpRequest:
    """A request of the native part."""
    return HttpRequest(
        method=value["method"],
        url=value["url"],
        headers=[(name, text) for name, text in value["headers"]],
        body=base64.b64decode(value["body"]),
        addresses=Addresses(value["addresses"]),
        body_max=value["body_max"],
        connect_ms=value["connect_ms"],
        stall_ms=value["stall_ms"],
        total_ms=value["total_ms"],
    )


def response_value(value: Any) -> dict[str, Any]:
    """What a transport gave, for the native part."""
    if not isinstance(value, HttpResponse):
        raise TypeError
    body: Any = value.body
    if not isinstance(body, bytes):
        raise TypeError
    headers = [(name, text) for name, text in value.headers]
    return {"status": value.status, "headers": headers, "body": base64.b64encode(body).decode("ascii")}


def fault_of(error: BaseException) -> TransportFault | None:
    """Why there is no answer, where what was raised says it."""
    said = getattr(error, "fault", None) if isinstance(error, TransportError) else None
    return said if isinstance(said, TransportFault) else None


def patience_of(args: dict[str, Any]) -> float:
    """How many seconds ``send`` is waited for, with these arguments."""
    return float(args["request"]["total_ms"]) / 1000 + _GRACE
