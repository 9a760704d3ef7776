"""Signs of life of a run, shown at the pace that the platform allows. Best effort, no state."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from coworker.adapters import render
from coworker.errors import CoworkerError, Unavailable
from coworker.types import Progress

_log = logging.getLogger(__name__)
_FORGOTTEN_S = 900.0
Show = Callable[[str], Awaitable[None]]
"""Puts a text in front of the person, once."""


class Live:
    """What a run is doing: one task that shows the newest state and skips what came between.

    `spacing_s` lies between two showings at least; with `refresh_s` it is shown again after that
    long without news, until there has been none for a quarter of an hour.
    """

    def __init__(self, show: Show, spacing_s: float, refresh_s: float | None = None) -> None:
        self._show = show
        self._spacing_s = spacing_s
        self._refresh_s = refresh_s
        self._doing = render.Doing()
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._began = self._heard = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(self._keep_showing())

    @property
    def is_over(self) -> bool:
        """Whether nothing will be shown any more."""
        return self._task.done()

    def hear(self, progress: Progress) -> None:
        """Take in a sign of life; it is shown when its time comes."""
        self._doing.hear(progress)
        self._heard = asyncio.get_running_loop().time()
        self._news.set()

    async def end(self) -> None:
        """Show nothing more; what is on its way has arrived when this returns."""
        self._over.set()
        self._news.set()
        await asyncio.wait([self._task])

    def drop(self) -> None:
        """Show nothing more, without waiting."""
        self._task.cancel()

    async def _keep_showing(self) -> None:
        while await self._something_to_show():
            self._news.clear()
            pause = await self._show_once()
            await _happens(self._over, max(pause, self._spacing_s))

    async def _something_to_show(self) -> bool:
        await _happens(self._news, self._refresh_s)
        forgotten = self._since(self._heard) > _FORGOTTEN_S and self._refresh_s is not None
        return not (self._over.is_set() or forgotten)

    async def _show_once(self) -> float:
        """Returns how long the platform asks us to wait, in seconds."""
        try:
            await self._show(self._doing.shown(self._since(self._began)))
        except Unavailable as error:
            return error.retry_after_s or 0.0
        except CoworkerError:
            self._over.set()
        return 0.0

    def _since(self, then: float) -> float:
        return asyncio.get_running_loop().time() - then


async def _happens(event: asyncio.Event, within_s: float | None) -> None:
    """Wait for an event, at most that long."""
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return


class Errands:
    """Small things done on the side: nobody waits for them, and their failure changes nothing."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do it soon."""
        task = asyncio.create_task(_quietly(errand))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Drop what is not done yet."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.warning("left undone: %r", error)


async def _quietly(errand: Coroutine[Any, Any, None]) -> None:
    try:
        await errand
    except CoworkerError as error:
        _log.info("left undone: %s", error)
