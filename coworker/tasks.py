"""At most one task for each conversation, however often it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from coworker.types import ConversationId

_GRACE_S = 0.5
_PATIENCE_S = 8.0
"""Long enough to hang up in order."""
_AT_ONCE = 4_000
"""Each busy conversation holds a connection to its model; more of them wait for their turn."""


async def ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel until all are over: one cancellation can get lost where it meets the end of a wait."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_PATIENCE_S)


class Tasks:
    """At most one task per conversation; a request while it runs means once more.

    `queue` is where this conversation's work waits for its turn, if not with all others.
    """

    def __init__(
        self,
        work: Callable[[ConversationId], Awaitable[None]],
        name: str,
        queue: Callable[[ConversationId], asyncio.Semaphore | None] = lambda _: None,
    ) -> None:
        self._work = work
        self._name = name
        self._queue = queue
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._again: set[ConversationId] = set()
        self._stopped = False
        self.running: dict[ConversationId, asyncio.Task[None]] = {}

    def request(self, conversation: ConversationId) -> asyncio.Task[None] | None:
        """Make sure the work is done after now."""
        if conversation in self.running:
            self._again.add(conversation)
        elif not self._stopped:
            loop = self._loop(conversation)
            task = asyncio.create_task(loop, name=f"{self._name} {conversation}")
            self.running[conversation] = task
        return self.running.get(conversation)

    async def _loop(self, conversation: ConversationId) -> None:
        try:
            while True:
                self._again.discard(conversation)
                async with self._queue(conversation) or self._turns:
                    await self._work(conversation)
                if conversation not in self._again or self._stopped:
                    return
        finally:
            del self.running[conversation]

    async def stop(self) -> None:
        """Let what is nearly done finish; cancel the rest: it is rows and goes on next time."""
        self._stopped = True
        tasks = list(self.running.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=_GRACE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
