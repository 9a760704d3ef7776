"""Standing work: what ten thousand schedules cost while nothing is due, and all due at once."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from benchmarks.rig import Bot, Rig
from benchmarks.table import Figure
from benchmarks.talk import task
from coworker.store.log import Log
from coworker.store.schedules import Schedule
from coworker.types import ConversationId, Place

_MONTH_MS = 30 * 86_400_000
_LEAD_S = 10
"""A start is over before they are due."""
_POLL_S = 0.05
_DEADLINE_S = 600
_FIRED = "SELECT received_at FROM inbox WHERE source = 'schedule'"
_OPEN = f"{_FIRED} AND outcome IS NULL LIMIT 1"


async def idle(rig: Rig) -> list[Figure]:
    """A daemon with that many schedules beside one with none, left alone for the same seconds."""
    number, seconds = rig.n(10_000, 500), rig.n(60, 5)
    state = await _prepared(rig, number, _now() + _MONTH_MS)
    async with rig.daemon() as empty, rig.daemon(state) as full:
        bots = {"no schedules": empty, f"{number:,} schedules": full}
        await asyncio.sleep(2)
        before = {name: _spent(bot) for name, bot in bots.items()}
        await asyncio.sleep(seconds)
        return [
            figure
            for name, bot in bots.items()
            for figure in _costs(name, bot, before[name], seconds)
        ]


async def due(rig: Rig) -> list[Figure]:
    """All due at the same instant: until each is an inbox row, and until each run has ended."""
    number = rig.n(10_000, 200)
    state = await _prepared(rig, number, _now() + _MONTH_MS)
    at = _now() + _LEAD_S * 1000
    with closing(sqlite3.connect(state / "coworker.db")) as db, db:
        db.execute("UPDATE schedule SET next_at = ?", (at,))
    async with rig.daemon(state) as daemon, rig.probed(daemon) as waits:
        await asyncio.sleep(max(0.0, at / 1000 - time.time()))
        cpu_s = daemon.program.cpu_s
        rows = await _until(state, lambda db: len(db.execute(_FIRED).fetchall()) >= number)
        late = [row[0] - at for row in rows.execute(_FIRED)]
        rows.close()
        (await _until(state, lambda db: not db.execute(_OPEN).fetchall())).close()
        ended_s = time.time() - at / 1000
        spent_s = daemon.program.cpu_s - cpu_s
        rss = daemon.program.memory_mb("Rss")
    name = f"{number:,} due at once"
    return [
        Figure(f"{name}: until it is an inbox row", "ms", late),
        Figure(f"{name}: until all runs have ended", "s", [ended_s]),
        Figure(f"{name}: processor until then", "s", [spent_s]),
        Figure(f"{name}: hello answered after", "ms", waits),
        Figure(f"{name}: resident", "MB", [rss]),
    ]


async def schedules(rig: Rig) -> list[Figure]:
    """Both."""
    return [*await idle(rig), *await due(rig)]


async def _prepared(rig: Rig, number: int, at: int) -> Path:
    """A state directory with that many daily schedules, first due then."""
    state = rig.state()
    log = Log(state, lambda _: None)
    clock = time.strftime("%H:%M", time.gmtime(at / 1000))
    made = [_schedule(each, f"every day at {clock}", at) for each in range(number)]
    await asyncio.gather(*map(log.schedules.add, made))
    await log.close()
    return state


def _schedule(number: int, spec: str, at: int) -> Schedule:
    name = ConversationId(f"t-{number:05}")
    return Schedule(
        id=f"{number:08x}",
        name=f"job {number}",
        repo=None,
        place=Place("terminal", name),
        conversation=name,
        creator="terminal:somebody",
        prompt=msgspec.json.encode(task()).decode(),
        spec=spec,
        tz="UTC",
        next_at=at,
        created_at=at,
    )


async def _until(state: Path, condition) -> sqlite3.Connection:
    """Wait until another connection to the database sees that; the connection."""
    db = sqlite3.connect(f"file:{state}/coworker.db?mode=ro", uri=True)
    deadline = time.monotonic() + _DEADLINE_S
    while not condition(db):
        if time.monotonic() > deadline:
            with closing(db):
                raise TimeoutError("the schedules did not fire")
        await asyncio.sleep(_POLL_S)
    return db


def _now() -> int:
    return round(time.time() * 1000)


def _spent(bot: Bot) -> tuple[float, int]:
    return bot.program.running_s, bot.program.wakeups


def _costs(name: str, bot: Bot, before: tuple[float, int], seconds: float) -> Sequence[Figure]:
    running_s, wakeups = _spent(bot)
    return [
        Figure(f"{name}: of a core", "%", [100 * (running_s - before[0]) / seconds]),
        Figure(f"{name}: wake-ups a second", "", [(wakeups - before[1]) / seconds]),
        Figure(f"{name}: resident", "MB", [bot.program.memory_mb("Rss")]),
    ]
