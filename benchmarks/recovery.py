"""A start on a state directory with many open conversations: most wait, some have work to do."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from benchmarks.past import Past, record
from benchmarks.rig import Rig
from benchmarks.table import Figure

_POLL_S = 0.02
_DEADLINE_S = 300
_COUNT = "SELECT count(*) FROM conversation WHERE state = 'ready'"


async def recovery(rig: Rig) -> list[Figure]:
    """Seconds until it is ready, and until all that was under way is answered."""
    waiting, ready = rig.n(9_000, 450), rig.n(1_000, 50)
    state = await _prepared(rig, waiting, ready)
    async with rig.daemon(rig.state()) as daemon:
        empty_s = daemon.ready_s
    async with rig.daemon(state) as daemon, rig.probed(daemon) as waits:
        await _all_answered(state)
        answered_s = time.perf_counter() - daemon.program.began
        ready_s, cpu_s = daemon.ready_s, daemon.program.cpu_s
        rss = daemon.program.memory_mb("Rss")
    name = f"{waiting + ready:,} open"
    return [
        Figure("nothing open: start to ready", "s", [empty_s]),
        Figure(f"{name}: start to ready", "s", [ready_s], [empty_s]),
        Figure(f"{name}: start to {ready:,} answered", "s", [answered_s]),
        Figure(f"{name}: processor until then", "s", [cpu_s]),
        Figure(f"{name}: hello answered after", "ms", waits),
        Figure(f"{name}: resident", "MB", [rss]),
    ]


async def _prepared(rig: Rig, waiting: int, ready: int) -> Path:
    async with rig.daemon() as daemon:
        asked = await record(daemon, calls=1, tool="ask")
        plain = await record(daemon)
    state = rig.state()
    past = Past(state)
    until_asked = [entry for entry in asked if entry["kind"] != "reply_sent"]
    await past.write_many(until_asked, "waiting", waiting)
    heard = [entry for entry in plain if entry["kind"] in ("base", "context", "user")]
    await past.write_many(heard, "ready", ready)
    await past.close()
    return state


async def _all_answered(state: Path) -> None:
    """Wait until nothing is left to do; another connection to the database tells."""
    with closing(sqlite3.connect(f"file:{state}/coworker.db?mode=ro", uri=True)) as db:
        deadline = time.monotonic() + _DEADLINE_S
        while db.execute(_COUNT).fetchone()[0]:
            if time.monotonic() > deadline:
                raise TimeoutError("recovery did not end")
            await asyncio.sleep(_POLL_S)
