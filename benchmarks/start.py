"""How long a person waits for a process: the command line's help, and a bot's start."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

from benchmarks.rig import COWORKER, Rig
from benchmarks.table import Figure
from benchmarks.talk import task


async def start(rig: Rig) -> list[Figure]:
    """Whole processes, each time anew."""
    bare = await _whole(rig.n(20, 5), sys.executable, "-c", "pass")
    helped = await _whole(rig.n(20, 5), str(COWORKER), "--help")
    floor_ready, floor_first = await _starts(rig, is_floor=True)
    ready, first = await _starts(rig, is_floor=False)
    return [
        Figure("python -c pass, whole process", "s", bare),
        Figure("coworker --help, whole process", "s", helped, bare, "<= 0.15"),
        Figure("floor: start to ready", "s", floor_ready),
        Figure("start to ready", "s", ready, floor_ready, "<= 0.7"),
        Figure("floor: start to first reply", "s", floor_first),
        Figure("start to first reply", "s", first, floor_first),
    ]


async def _whole(number: int, *argv: str) -> list[float]:
    seconds = []
    for _ in range(number):
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.DEVNULL)
        await process.wait()
        seconds.append(time.perf_counter() - began)
    return seconds


async def _starts(rig: Rig, *, is_floor: bool) -> tuple[list[float], list[float]]:
    """Seconds to the first answer of any kind, and to the first reply; on the same state."""
    ready, first, state = [], [], rig.state()
    for _ in range(rig.n(10, 2)):
        async with rig.floor() if is_floor else rig.daemon(state) as bot:
            ready.append(bot.ready_s)
            async with bot.talker() as talker:
                await talker.ask(task())
            first.append(time.perf_counter() - bot.program.began)
    return ready, first
