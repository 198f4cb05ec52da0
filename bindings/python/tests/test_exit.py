"""Short scripts that sync and end at once: none crashes, none hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conftest import PASSWORD, USER, Server

SCRIPTS = int(os.environ.get("CALSYNC_SCRIPTS", "100"))

COMMON = f"""
import asyncio, sys
import calsync
from calsync import Calendar, Direction, ProviderKind, blocking
sys.path.insert(0, sys.argv[2])
account = dict(provider=ProviderKind.CALDAV, url=sys.argv[1], username={USER!r}, secret={PASSWORD!r}, trust_address=True)
"""

ASYNC = COMMON + """
from dict_store import AsyncDictStore

async def main():
    engine = calsync.Engine(AsyncDictStore() if HOST else ":memory:")
    await engine.put_calendar(Calendar("family", "Family"))
    await engine.connect("account", **account)
    remote = (await engine.remote_calendars("account"))[0].id
    await engine.add_link("home", calendar="family", connection="account", remote=remote, direction=Direction.IMPORT)
    run = asyncio.ensure_future(engine.sync("home"))
    if HURRY:
        await asyncio.sleep(HURRY / 1000)
    else:
        await run

try:
    asyncio.run(main())
except asyncio.CancelledError:
    pass
"""

BLOCKING = COMMON + """
from dict_store import DictStore
engine = blocking.Engine(DictStore() if HOST else ":memory:")
engine.put_calendar(Calendar("family", "Family"))
engine.connect("account", **account)
remote = engine.remote_calendars("account")[0].id
engine.add_link("home", calendar="family", connection="account", remote=remote, direction=Direction.IMPORT)
if HURRY:
    import threading, time
    threading.Thread(target=engine.sync, args=("home",), daemon=True).start()
    time.sleep(HURRY / 1000)
else:
    engine.sync("home")
"""


def test_scripts_that_end_at_once(server: Server) -> None:
    def run(number: int) -> tuple[int, str]:
        host, hurry = number // 2 % 2 == 1, (0, 0, 0, 1, 3, 6)[number // 4 % 6]
        script = f"HOST, HURRY = {host}, {hurry}\n" + (ASYNC if number % 2 else BLOCKING)
        ended = subprocess.run(
            [sys.executable, "-c", script, server.url, str(Path(__file__).parent)],
            capture_output=True,
            text=True,
            timeout=120,
        )
        return ended.returncode, ended.stderr

    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(run, range(SCRIPTS)))
    assert [failed for failed in ended if failed[0] != 0] == []
    assert [text for _, text in ended if "Fatal" in text or "panicked" in text] == []
