"""A transport over the standard library, for the tests."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import time
from urllib.parse import urlsplit

import calsync
from calsync import Addresses, HttpRequest, HttpResponse, TransportError, TransportFault


class Network:
    """Sends in the thread that asks, a connection for each request. ``sent`` is what it was asked."""

    def __init__(self) -> None:
        self.sent: list[HttpRequest] = []

    def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        deadline = time.monotonic() + request.total_ms / 1000
        connection = _connected(request)
        try:
            return _exchanged(connection, request, deadline)
        except TimeoutError:
            raise TransportError(TransportFault.TIMEOUT) from None
        except (OSError, http.client.HTTPException):
            raise TransportError(TransportFault.INTERRUPTED) from None
        finally:
            connection.close()


class ThreadedNetwork(Network):
    """The same in a thread of its own: the event loop has other things to do."""

    async def send(self, request: HttpRequest) -> HttpResponse:  # type: ignore[override]
        return await asyncio.to_thread(super().send, request)


def _connected(request: HttpRequest) -> http.client.HTTPConnection:
    url = urlsplit(request.url)
    assert url.hostname is not None
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(url.hostname, port, type=socket.SOCK_STREAM)
        addresses = [str(address[0]) for *_, address in found]
        if request.addresses is Addresses.PUBLIC:
            addresses = calsync.public_addresses(addresses)
        if not addresses:
            raise TransportError(TransportFault.BLOCKED)
        # The address that was looked at is the one that is connected to.
        connected = socket.create_connection((addresses[0], port), timeout=request.connect_ms / 1000)
        if url.scheme == "https":
            connected = ssl.create_default_context().wrap_socket(connected, server_hostname=url.hostname)
    except OSError:
        raise TransportError(TransportFault.CONNECT) from None
    connection = http.client.HTTPConnection(url.hostname, port)
    connection.sock = connected
    connected.settimeout(request.stall_ms / 1000)
    return connection


def _exchanged(connection: http.client.HTTPConnection, request: HttpRequest, deadline: float) -> HttpResponse:
    url = urlsplit(request.url)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    connection.putrequest(request.method, target, skip_accept_encoding=True)
    for name, value in request.headers:
        connection.putheader(name, value)
    if request.body:
        connection.putheader("Content-Length", str(len(request.body)))
    connection.endheaders(request.body or None)
    answer = connection.getresponse()
    body = b""
    while chunk := answer.read1(65_536):
        body += chunk
        if len(body) > request.body_max:
            raise TransportError(TransportFault.TOO_LARGE)
        if time.monotonic() > deadline:
            raise TransportError(TransportFault.TIMEOUT)
    return HttpResponse(answer.status, answer.getheaders(), body)
