"""Not run: what type checkers must know. A stub that lost its types would make ``assert_type`` fail."""

from __future__ import annotations

from datetime import date, datetime

import calsync
from calsync import blocking
from typing_extensions import assert_type

from dict_store import DictStore, OneCallStore


class Refusing:
    async def send(self, request: calsync.HttpRequest) -> calsync.HttpResponse:
        assert_type(request.headers, list[tuple[str, str]])
        raise calsync.TransportError(calsync.TransportFault.CONNECT)


async def in_asyncio(engine: calsync.Engine) -> None:
    assert_type(await engine.sync("home"), calsync.Report)
    assert_type(await engine.add_event("family", calsync.Event("u")), str)
    async for step in engine.progress("home"):
        assert_type(step, "calsync.Progress | calsync.Report")


def elsewhere(engine: blocking.Engine) -> None:
    assert_type(engine.events("family"), list[calsync.StoredEvent])
    assert_type(engine.events("family")[0].event.start, "date | datetime | None")
    assert_type(calsync.parse_many([]), "list[calsync.ParsedCalendar | calsync.CalsyncError]")
    blocking.Engine(DictStore())
    together: calsync.StoreInOneCall = OneCallStore()
    blocking.Engine(together)
    blocking.Engine(transport=Refusing())
    blocking.Engine(master_keys=calsync.MasterKeys("a", {"a": ""}))
    client = calsync.OAuthClient("google", "me", client_secret="x")
    assert_type(engine.begin_oauth("a", client=client, session="s", redirect="https://example.com/back"), str)
    assert_type(engine.finish_oauth(client=client, session="s", query="").missing_scopes, list[str])
    assert_type(engine.disconnect("a"), bool)
    blocking.Engine(object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    engine.sync("home", aprove="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
