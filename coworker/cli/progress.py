"""What is being done right now, in one line that is written over and over.

It knows signs of life and the clock, nothing of replies.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from types import TracebackType

from coworker.cli import words
from coworker.cli.events import Progress

_CLEAR = "\r\x1b[K"


class Doing:
    """What is being done and for how long: `reads cart.py · 12 s`; "" when nothing is."""

    def __init__(self) -> None:
        self._what = ""
        self._since = 0.0

    @property
    def busy(self) -> bool:
        """Whether a run is known to be under way."""
        return bool(self._what)

    def begin(self) -> None:
        """A message was handed over."""
        if not self._what:
            self._what, self._since = "working", time.monotonic()

    def hear(self, progress: Progress) -> None:
        """Take in a sign of life."""
        self.begin()
        spoken = {"text": "writing", "thinking": "thinking"}.get(progress.what)
        self._what = spoken or words.one_line(progress.text) or self._what

    def end(self) -> None:
        """The run is over or waits."""
        self._what = ""

    def line(self) -> str:
        """The line, as wide as it wants to be."""
        if not self._what:
            return ""
        seconds = int(time.monotonic() - self._since)
        return f"{self._what} · {words.duration(seconds)}" if seconds else self._what


class LiveLine:
    """Shows what is being done on the last line of stderr, if that is a terminal."""

    def __init__(self, doing: Doing) -> None:
        self._doing = doing
        self._shown = ""
        self._ticking: asyncio.Task[None] | None = None

    def hear(self, progress: Progress) -> None:
        """Take in a sign of life and show it."""
        self._doing.hear(progress)
        self._draw()

    async def __aenter__(self) -> LiveLine:
        self._doing.begin()
        if words.is_terminal(sys.stderr):
            self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._doing.end()
        if self._ticking:
            self._ticking.cancel()
            self._draw()

    async def _tick(self) -> None:
        while True:
            self._draw()
            await asyncio.sleep(1)

    def _draw(self) -> None:
        if not self._ticking:
            return
        line = words.fit(self._doing.line(), shutil.get_terminal_size().columns - 1)
        if line != self._shown:
            self._shown = line
            print(f"{_CLEAR}{line}", end="", file=sys.stderr, flush=True)
