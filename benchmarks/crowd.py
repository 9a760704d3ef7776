"""Many conversations at once: five steps each, with a model that takes a second a step."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.rig import Bot, Rig
from benchmarks.table import Figure
from benchmarks.talk import task

_STEPS = 5


@dataclass
class Rush:
    """What happened: seconds until each conversation had its answer, and what that cost."""

    seconds: list[float]
    ideal_s: float
    cpu_s: float
    model_cpu_s: float
    rss_mb: float
    waits: list[float]


async def crowd(rig: Rig) -> list[Figure]:
    """How close to the model's own time it stays, and what callers notice meanwhile."""
    figures = []
    for number in (1, 100, 500, 2_000) if not rig.quick else (1, 50):
        async with rig.floor() as floor:
            bare = await _rush(rig, floor, number)
        async with rig.daemon() as daemon:
            opened = await _rush(rig, daemon, number, opened=True)
            figures += _shown(f"{number}", opened, bare, rig.n(500, 50) == number)
        if number == rig.n(500, 50):
            async with rig.daemon() as daemon:
                figures += _shown(f"{number} new", await _rush(rig, daemon, number), bare, True)
    return figures


async def _rush(rig: Rig, bot: Bot, number: int, *, opened: bool = False) -> Rush:
    """Everybody speaks at the same moment; `opened` conversations have been spoken to before."""
    delay_s = rig.n(10, 2) / 10
    async with AsyncExitStack() as stack:
        talkers = [await stack.enter_async_context(bot.talker()) for _ in range(number)]
        first = talkers if opened else talkers[:1]
        for start in range(0, len(first), 20):
            await asyncio.gather(*(talker.ask(task()) for talker in first[start : start + 20]))
        if not opened:
            talkers[0].forget()
        cpu, model_cpu = bot.program.cpu_s, rig.model.cpu_s
        waits = [] if bot.is_floor else await stack.enter_async_context(rig.probed(bot))
        began = time.monotonic_ns()
        told = (talker.ask(task(calls=_STEPS - 1, delay_s=delay_s)) for talker in talkers)
        heard = await asyncio.gather(*told)
        spent = bot.program.cpu_s - cpu, rig.model.cpu_s - model_cpu
        seconds, rss = [(h.heard - began) / 1e9 for h in heard], bot.program.memory_mb("Rss")
        return Rush(seconds, _STEPS * delay_s, *spent, rss, waits)


def _shown(name: str, rush: Rush, floor: Rush, aimed: bool) -> list[Figure]:
    last, floor_last = (max(r.seconds) / r.ideal_s for r in (rush, floor))
    return [
        Figure(f"{name}: answered after", "s", rush.seconds, floor.seconds),
        Figure(f"{name}: last answer", "x ideal", [last], [floor_last], "<= 1.1" * aimed),
        Figure(f"{name}: processor", "s", [rush.cpu_s], [floor.cpu_s]),
        Figure(f"{name}: the model's processor", "s", [rush.model_cpu_s], [floor.model_cpu_s]),
        Figure(f"{name}: resident", "MB", [rush.rss_mb], [floor.rss_mb]),
        Figure(f"{name}: hello answered after", "ms", rush.waits),
    ]
