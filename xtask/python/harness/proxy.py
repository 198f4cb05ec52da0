"""A reverse proxy in front of a server: counts what passes, and can be taken down.

The number of requests a sync reports is checked against what was on the wire, and "the server is unreachable" is a
closed port rather than a made-up address.
"""

import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# RFC 9110, section 7.6.1, and what this proxy sets itself.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"}
READING = {"GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"}


@dataclass(frozen=True)
class Exchange:
    """One request with its answer; sizes are of the bodies, in bytes."""

    method: str
    path: str
    status: int
    sent: int
    received: int

    @property
    def writes(self):
        return self.method not in READING


class Proxy:
    """Listens on a free port of 127.0.0.1 while it is up, and passes everything on to `url`."""

    def __init__(self, url):
        self.target = urlsplit(url)
        self.exchanges = []
        self.lost = None
        self._port = 0
        self._server = None
        self.up()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}{self.target.path}"

    def up(self):
        """Listens, on the same port as before."""
        assert self._server is None
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def down(self):
        """Closes the port: whoever connects is refused."""
        self._server.shutdown()
        self._server.server_close()
        self._server = None

    def lose_next_reply(self, method):
        """The next request with that method reaches the server; its answer does not come back."""
        self.lost = method

    def take(self):
        """The exchanges since the last call."""
        taken, self.exchanges = self.exchanges, []
        return taken

    def _handler(self):
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def __getattr__(self, name):
                # The base class looks up do_METHOD; every method is handled the same way.
                if name.startswith("do_"):
                    return self.pass_on
                raise AttributeError(name)

            def log_message(self, *_):
                pass

            def pass_on(self):
                body = self.body()
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                upstream = http.client.HTTPConnection(proxy.target.hostname, proxy.target.port, timeout=30)
                try:
                    upstream.request(self.command, self.path, body=body, headers=headers)
                    answer = upstream.getresponse()
                    payload = answer.read()
                finally:
                    upstream.close()
                proxy.exchanges.append(
                    Exchange(self.command, self.path, answer.status, len(body or b""), len(payload))
                )
                if proxy.lost == self.command:
                    proxy.lost = None
                    self.close_connection = True
                    return
                self.send_response_only(answer.status, answer.reason)
                for name, value in answer.getheaders():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                if answer.status not in (204, 304):
                    self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(payload)

            def body(self):
                if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
                    length = self.headers.get("Content-Length")
                    return None if length is None else self.rfile.read(int(length))
                chunks = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    chunks.append(self.rfile.read(size))
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return b"".join(chunks)

        return Handler
