"""Ctrl-C and other signals as a person means them: first stop the run, then leave.

It knows signals and tasks, not what a run is.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress

from coworker.errors import CoworkerError

INTERRUPTED = 128 + signal.SIGINT


class Interrupts:
    """What Ctrl-C means now: `pressed` does it, and tells whether the person wants to leave."""

    def __init__(self) -> None:
        self.pressed: Callable[[], bool] = _leave
        self._stopping: asyncio.Task[None] | None = None

    @property
    def happened(self) -> bool:
        """Whether a run was stopped by it."""
        return self._stopping is not None

    def stop_first(self, stop: Callable[[], Awaitable[object]]) -> None:
        """From now on the first Ctrl-C stops the run, and the next one leaves."""
        self.pressed = lambda: self._stop_once(stop)

    def leave_at_once(self) -> None:
        """From now on nothing runs that could be stopped."""
        self.pressed = _leave

    def _stop_once(self, stop: Callable[[], Awaitable[object]]) -> bool:
        if self._stopping:
            return True
        self._stopping = asyncio.get_running_loop().create_task(_quietly(stop))
        return False


def run(command: Coroutine[object, object, int], interrupts: Interrupts | None = None) -> int:
    """Run a command to its exit status; 128 + the signal's number when one ended it."""
    ended_by: list[int] = []
    interrupts = interrupts or Interrupts()

    async def under_signals() -> int:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def leave(number: int) -> None:
            ended_by.append(number)
            if task:
                task.cancel()

        def interrupted() -> None:
            if interrupts.pressed():
                leave(signal.SIGINT)

        loop.add_signal_handler(signal.SIGINT, interrupted)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, leave, number)
        return await command

    try:
        return asyncio.run(under_signals())
    except asyncio.CancelledError:
        return 128 + (ended_by[0] if ended_by else signal.SIGINT)


def _leave() -> bool:
    return True


async def _quietly(stop: Callable[[], Awaitable[object]]) -> None:
    # Whoever waits for the run's report meets the same error and tells it.
    with suppress(CoworkerError):
        await stop()
