"""One message at a time: how soon the model is asked, and what the bot itself takes for a reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from benchmarks.rig import Bot, Rig
from benchmarks.table import Figure
from benchmarks.talk import Heard, Talker, task

_WARM_UP = 5
_PAUSE_S = 0.03
"""Long enough for a bot to finish what it does after a reply: it is idle when spoken to."""
_BUSY = {"calls": 4, "delay_s": 1.0}


async def ground(rig: Rig) -> list[Figure]:
    """What an fsync, the scripted model and the floor take: nothing measured here can be less."""
    number = rig.n(200, 50)
    async with rig.floor() as floor:
        await one_by_one(floor, 1)
        model, bot = rig.model.running_s, floor.program.running_s
        bare = await one_by_one(floor, number)
        each = (1e3 * (rig.model.running_s - model), 1e3 * (floor.program.running_s - bot))
    requests = number + _WARM_UP
    return [
        Figure("fsync on the state directory", "ms", rig.disk.fsync_ms()),
        Figure("scripted model: processor for a request", "ms", [each[0] / requests]),
        Figure("floor: processor for a message", "ms", [each[1] / requests]),
        _owns("floor: own time of a reply", bare, []),
    ]


async def arrival(rig: Rig) -> list[Figure]:
    """From a message to the model's request, idle and beside busy conversations."""
    number, busy = rig.n(200, 30), rig.n(200, 20)
    async with rig.floor() as floor:
        bare = await one_by_one(floor, number)
        async with working(floor, busy):
            bare_busy = await one_by_one(floor, number)
    async with rig.daemon() as daemon:
        same = await one_by_one(daemon, number)
        fresh = await one_by_one(daemon, number, fresh=True, repo=None)
        bound = await one_by_one(daemon, number, fresh=True)
        async with working(daemon, busy):
            beside = await one_by_one(daemon, number)
            fresh_beside = await one_by_one(daemon, number, fresh=True, repo=None)
    aim = "p50 <= 5, p99 <= 20"
    return [
        _arrivals("floor, idle", bare, []),
        _arrivals("idle, same conversation", same, bare, aim),
        _arrivals("idle, new conversation", fresh, bare, aim),
        _arrivals("idle, new, bound to a repository", bound, bare, aim),
        _arrivals(f"floor, beside {busy} busy", bare_busy, []),
        _arrivals(f"beside {busy} busy, same conversation", beside, bare_busy, aim),
        _arrivals(f"beside {busy} busy, new conversation", fresh_beside, bare_busy, aim),
    ]


async def reply(rig: Rig) -> list[Figure]:
    """From a message to its reply without the model's time."""
    number = rig.n(200, 30)
    async with rig.floor() as floor:
        bare = await one_by_one(floor, number)
        bare_tool = await one_by_one(floor, number, calls=1)
    async with rig.daemon() as daemon:
        plain = await one_by_one(daemon, number)
        tool = await one_by_one(daemon, number, calls=1)
    return [
        _owns("floor, one request", bare, []),
        _owns("plain reply", plain, bare, "p50 <= 10"),
        _owns("floor, two requests", bare_tool, []),
        _owns("reply with one tool call", tool, bare_tool),
    ]


async def one_by_one(
    bot: Bot, number: int, *, fresh: bool = False, repo: str | None = "shop", calls: int = 0
) -> list[Heard]:
    """Tasks given after each other with a little pause, after some that do not count."""
    heard = []
    async with bot.talker(repo=repo) as talker:
        for _ in range(_WARM_UP + number):
            await asyncio.sleep(_PAUSE_S)
            if fresh:
                talker.forget()
            heard.append(await talker.ask(task(calls=calls)))
    return heard[_WARM_UP:]


@asynccontextmanager
async def working(bot: Bot, number: int) -> AsyncIterator[None]:
    """That many conversations at work meanwhile, with a model that takes a second."""
    async with AsyncExitStack() as stack:
        talkers = [await stack.enter_async_context(bot.talker()) for _ in range(number)]
        begun = [asyncio.Event() for _ in talkers]
        tasks = [
            asyncio.create_task(_work(talker, place / number, event))
            for place, (talker, event) in enumerate(zip(talkers, begun, strict=True))
        ]
        try:
            await asyncio.gather(*(event.wait() for event in begun))
            yield
        finally:
            for running in tasks:
                running.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks)


async def _work(talker: Talker, after_s: float, begun: asyncio.Event) -> None:
    await asyncio.sleep(after_s)
    while True:
        await talker.ask(task(**_BUSY))
        begun.set()


def _arrivals(what: str, heard: list[Heard], floor: list[Heard], aim: str = "") -> Figure:
    below = [each.arrival_ms for each in floor]
    return Figure(what, "ms", [each.arrival_ms for each in heard], below, aim)


def _owns(what: str, heard: list[Heard], floor: list[Heard], aim: str = "") -> Figure:
    below = [each.own_ms for each in floor]
    return Figure(what, "ms", [each.own_ms for each in heard], below, aim)
