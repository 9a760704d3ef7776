"""Fakes at the edges: servers that real clients talk to, and a clock that does not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class QuickClock:
    """A clock whose sleeps take no time and are remembered in `naps`, in seconds."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self.naps: list[float] = []
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Milliseconds UTC, moved on by every nap."""
        return self._now_ms

    async def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.naps.append(seconds)
        self._now_ms += round(seconds * 1000)
        await asyncio.sleep(0)


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until the condition holds. Raises TimeoutError at the deadline."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)
