"""The whole daemon on Telegram and Slack at once, in the rows by which other bots are compared.

The floor of each row is the bare bot of `bare.py` on the same platform in the same run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.installed import installed
from benchmarks.office import PLATFORMS, Office, Platform, Start, Turn
from benchmarks.rig import Program, Rig
from benchmarks.table import Figure
from benchmarks.talk import task

_WARM_UP = 3
_PAUSE_S = 0.03
_QUESTION, _REPLY = 200, 400
_SETTLE_S = 2.0
"""Until a bot has done what it does after a start, and after a reply."""


async def turns(rig: Rig) -> list[Figure]:
    """A plain reply and one with a tool call, one after the other in one chat."""
    figures, first = [], 0
    for platform in PLATFORMS:
        async with Office(rig).opened() as office:
            async with office.floor(platform) as bot:
                bare = [await _in_turn(office, bot, platform, n, marked=False) for n in (0, 1)]
            async with office.coworker() as bot:
                await office.rest(_SETTLE_S)
                plain = await _in_turn(office, bot, platform, 0)
                tool = await _in_turn(office, bot, platform, 1)
        first = first or plain.heard[0].asks[0].size
        figures += _shown(f"{platform}: plain reply", plain, bare[0])
        figures += _shown(f"{platform}: with a tool call", tool, bare[1])
    return [*figures, Figure("first request", "KB", [first / 1e3], aim="<= 12")]


@dataclass
class _Series:
    """Turns after each other in one chat, what each cost, and what it asked of the platform."""

    heard: list[Turn]
    cpu_ms: float
    calls: float


async def _in_turn(
    office: Office, bot: Program, platform: Platform, calls: int, *, marked: bool = True
) -> _Series:
    number, speak = office.rig.n(100, 15), office.places(platform)[0]
    heard, asked, cpu = [], office.calls, bot.running_s
    for _ in range(number):
        await office.rest(_PAUSE_S)
        heard.append(await office.say(speak, task(calls=calls)))
        await office.answered(heard[-1:], marked=marked)
    spent_ms = 1e3 * (bot.running_s - cpu)
    return _Series(heard, spent_ms / number, (office.calls - asked) / number)


def _shown(what: str, series: _Series, bare: _Series) -> list[Figure]:
    heard, below = series.heard[_WARM_UP:], bare.heard[_WARM_UP:]
    own = [[t.own_ms for t in each] for each in (heard, below)]
    arrival = [[t.arrival_ms for t in each] for each in (heard, below)]
    return [
        Figure(f"{what}, own time", "ms", *own, aim="p50 <= 20"),
        Figure("  of that until the model is asked", "ms", *arrival),
        Figure("  processor", "ms", [series.cpu_ms], [bare.cpu_ms]),
        Figure("  calls of the platform", "", [series.calls], [bare.calls]),
    ]


async def rush(rig: Rig) -> list[Figure]:
    """Many chats at once that are new to the bot, with a model that takes a second."""
    figures = []
    for platform in PLATFORMS:
        for number in (50, 200) if not rig.quick else (20,):
            async with Office(rig).opened() as office:
                async with office.floor(platform) as bot:
                    bare, _ = await _rush(office, bot, platform, number, marked=False)
                async with office.coworker() as bot:
                    await office.rest(_SETTLE_S)
                    own, cpu_s = await _rush(office, bot, platform, number)
                    rss = bot.memory_mb("Rss")
            figures += [
                Figure(f"{platform}: {number} at once, answered", "s", own, bare, "max <= 1.4"),
                Figure("  processor", "s", [cpu_s]),
                Figure("  resident", "MB", [rss]),
            ]
    return figures


async def _rush(
    office: Office, bot: Program, platform: Platform, number: int, *, marked: bool = True
) -> tuple[list[float], float]:
    """Seconds until each has its answer, and processor seconds."""
    places, cpu = office.places(platform), bot.cpu_s
    await office.answered([await office.say(places.pop(), task())], marked=marked)
    began = time.monotonic()
    heard = [await office.say(speak, task(delay_s=1.0)) for speak in places[:number]]
    await office.answered(heard, marked=marked)
    return [turn.sent - began for turn in heard], bot.cpu_s - cpu


async def service(rig: Rig) -> list[Figure]:
    """Start on both platforms, memory, and what it costs when nobody speaks."""
    starts: list[Start] = []
    bare: list[Start] = []
    async with Office(rig).opened() as office:
        state = rig.state()
        for _ in range(rig.n(10, 2)):
            async with office.floor("telegram"):
                bare.append(office.start)
            async with office.coworker(state):
                starts.append(office.start)
        async with office.coworker(rig.state()) as bot:
            await office.rest(_SETTLE_S)
            idle = _memory("idle", bot, "<= 75")
            first = [await office.say(office.places(p)[0], task()) for p in PLATFORMS]
            await office.answered(first)
            after = _memory("after the first runs", bot, "<= 130")
            await office.rest(rig.n(10, 1))
            began, spent = time.monotonic(), bot.running_s
            await office.rest(rig.n(30, 5))
            share = 100 * (bot.running_s - spent) / (time.monotonic() - began)
    packages, megabytes = installed()
    return [
        *_starts(starts, bare),
        Figure("first replies after a start, own time", "ms", [turn.own_ms for turn in first]),
        *idle,
        *after,
        Figure("idle, of a core", "%", [share], aim="<= 0.02"),
        Figure("installed at run time", "MB", [megabytes], aim="<= 150"),
        Figure("  packages", "", [packages]),
    ]


def _starts(ours: list[Start], bare: list[Start]) -> list[Figure]:
    polls, cpu = ([[s.poll_s for s in each] for each in (ours, bare)]), [s.cpu_s for s in ours]
    return [
        Figure("start to first poll", "s", *polls, aim="p50 <= 0.7"),
        Figure("start to open Slack socket", "s", [s.socket_s for s in ours], aim="p50 <= 0.7"),
        Figure("  processor until both", "s", cpu, [s.cpu_s for s in bare]),
    ]


def _memory(when: str, bot: Program, aim: str) -> list[Figure]:
    return [
        Figure(f"resident, {when}", "MB", [bot.memory_mb("Rss")], aim=aim),
        Figure("  proportional", "MB", [bot.memory_mb("Pss")]),
    ]


async def growth(rig: Rig) -> list[Figure]:
    """One private chat from its first message on."""
    number, few = rig.n(2_000, 60), rig.n(100, 20)
    async with Office(rig).opened() as office, office.coworker() as bot:
        await office.rest(_SETTLE_S)
        speak, heard, kept = office.private(0), [], []
        for _ in range(number):
            heard.append(await office.say(speak, task(chars=_REPLY), _QUESTION))
            await office.answered(heard[-1:])
            kept.append(office.prefix_kept())
        rss = bot.memory_mb("Rss")
    own = [turn.own_ms for turn in heard]
    sizes = [turn.asks[0].size for turn in heard]
    grown = [after - before for before, after in pairwise(sizes)]
    return [
        Figure(f"own time, first {few} of {number:,}", "ms", own[:few]),
        Figure(f"own time, last {few}", "ms", own[-few:], own[:few], "flat"),
        Figure("growth of the request", "bytes", grown),
        Figure("request", "KB", [size / 1e3 for size in sizes]),
        Figure("  times it shrank", "", [sum(each < 0 for each in grown)]),
        Figure("previous request kept as prefix", "%", [100 * each for each in kept[1:]]),
        Figure("resident at the end", "MB", [rss]),
    ]


async def killed(rig: Rig) -> list[Figure]:
    """kill -9 while the model thinks, then a start; several other chats were lately used."""
    seconds, disturbed, delay_s = [], 0, float(rig.n(5, 1))
    for _ in range(rig.n(5, 1)):
        async with Office(rig).opened() as office:
            state = rig.state()
            async with office.coworker(state) as bot:
                others = [await office.say(office.private(n), task()) for n in range(1, 5)]
                await office.answered(others)
                turn = await office.say(office.private(0), task(delay_s=delay_s))
                await office.until(lambda turn=turn: turn.asks)
                await office.rest(delay_s / 3)
                bot.process.kill()
            office.calls, began = 0, time.monotonic()
            async with office.coworker(state):
                await office.answered([turn])
                seconds.append(turn.sent - began - delay_s)
                await office.rest(_SETTLE_S)
                disturbed += sum(len(other.asks) > 1 for other in others)
                disturbed += len(office.telegram.replies(office.people[1])) > 1
                asked = len(turn.asks)
                said = len(office.telegram.replies(office.people[0]))
    return [
        Figure("answered after the start, less the model", "s", seconds, aim="max <= 3"),
        Figure("other chats disturbed", "", [disturbed], aim="<= 0"),
        Figure("model calls for the message", "", [asked], aim="<= 2"),
        Figure("answers to it", "", [said], aim="<= 1"),
    ]
