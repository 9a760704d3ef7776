"""A bot that nobody speaks to: what it costs, empty and with questions open, and its memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from benchmarks.arrival import one_by_one
from benchmarks.rig import Bot, Rig
from benchmarks.table import Figure
from benchmarks.talk import task

_AT_ONCE = 20


async def idle(rig: Rig) -> list[Figure]:
    """Three bots left alone for the same seconds."""
    questions, seconds = rig.n(500, 40), rig.n(30, 5)
    async with rig.floor() as floor, rig.daemon() as empty, rig.daemon() as waiting:
        await one_by_one(floor, 1)
        await one_by_one(empty, 1)
        await _ask(waiting, questions)
        bots = {"floor": floor, "nothing open": empty, f"{questions} questions open": waiting}
        await asyncio.sleep(1)
        before = {name: _spent(bot) for name, bot in bots.items()}
        began = time.monotonic()
        await asyncio.sleep(seconds)
        elapsed = time.monotonic() - began
        figures = []
        for name, bot in bots.items():
            figures += _costs(name, bot, before[name], elapsed)
    return figures


async def memory(rig: Rig) -> list[Figure]:
    """Before and after the first runs."""
    figures = []
    async with rig.floor() as floor, rig.daemon() as daemon:
        figures += _memory("when ready", daemon, floor)
        await asyncio.gather(_one(floor), _one(daemon))
        figures += _memory("after the first reply", daemon, floor)
        for bot in (floor, daemon):
            await one_by_one(bot, rig.n(100, 10), calls=1)
        figures += _memory("after 100 with a tool call", daemon, floor)
    return figures


async def _one(bot: Bot) -> None:
    async with bot.talker() as talker:
        await talker.ask(task())


async def _ask(bot: Bot, number: int) -> None:
    """Leave that many conversations waiting for an answer, with nobody there any more."""
    async with bot.talker() as talker:
        for _ in range(number):
            talker.forget()
            await talker.ask(task(calls=1, tool="ask"))


def _spent(bot: Bot) -> tuple[float, int]:
    return bot.program.running_s, bot.program.wakeups


def _costs(name: str, bot: Bot, before: tuple[float, int], elapsed: float) -> Sequence[Figure]:
    running_s, wakeups = _spent(bot)
    return [
        Figure(f"{name}: of a core", "%", [100 * (running_s - before[0]) / elapsed]),
        Figure(f"{name}: wake-ups a second", "", [(wakeups - before[1]) / elapsed]),
        Figure(f"{name}: resident", "MB", [bot.program.memory_mb("Rss")]),
        Figure(f"{name}: proportional", "MB", [bot.program.memory_mb("Pss")]),
    ]


def _memory(when: str, daemon: Bot, floor: Bot) -> Sequence[Figure]:
    return [
        Figure(
            f"{when}, {kind.lower()}",
            "MB",
            [daemon.program.memory_mb(kind)],
            [floor.program.memory_mb(kind)],
        )
        for kind in ("Rss", "Pss")
    ]
