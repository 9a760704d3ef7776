"""A client's end of the control protocol: one JSON object per line over a unix socket.

It knows lines, verbs and numbers, not what the verbs are for.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from coworker import errors
from coworker.cli.events import Event, Failure, Line, read_event, read_line
from coworker.settings import Config
from coworker.types import Json

LINE_LIMIT = 16 * 2**20
_GONE = (
    "The daemon went away while we were talking to it. What it had accepted is kept and goes on "
    "when it is back: start it with `coworker run`, or continue with --conversation."
)
_BY_STATUS = {
    kind.exit_status: kind
    for kind in (
        errors.UsageError,
        errors.NotFound,
        errors.Unavailable,
        errors.TryLater,
        errors.Denied,
        errors.ConfigError,
    )
}


class Lost(errors.Unavailable):
    """The owner went away; what it had accepted is kept, and the next owner goes on with it."""


@asynccontextmanager
async def linked(config: Config, *, working: bool = True) -> AsyncIterator[Link]:
    """A link to the owner of the state directory, which this process becomes when nobody is."""
    from coworker import daemon

    async with (
        daemon.opened(config, working=working) as socket_path,
        Link.connect(socket_path) as link,
    ):
        yield link


class Link:
    """One connection. After it is `lost` every call and event raises Unavailable."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lost: errors.Unavailable | None = None
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def connect(cls, socket_path: Path) -> AsyncIterator[Link]:
        """Raises Unavailable when nobody listens there."""
        try:
            reader, writer = await asyncio.open_unix_connection(socket_path, limit=LINE_LIMIT)
        except OSError as error:
            raise errors.Unavailable(
                f"{socket_path}: no daemon answers there ({error.strerror or error}). "
                "Start it with `coworker run`."
            ) from None
        link = cls(reader, writer)
        receiving = asyncio.create_task(link._receive())
        try:
            yield link
        finally:
            receiving.cancel()
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await receiving
            with suppress(OSError):
                await writer.wait_closed()

    async def call(self, verb: str, **params: object) -> Any:
        """The result of a verb; parameters that are None are left out.

        Raises the owner's error with its exit status, or Unavailable when it vanishes.
        """
        if self.lost:
            raise self.lost
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        given = {name: value for name, value in params.items() if value is not None}
        try:
            await self._send({"id": number, "verb": verb, "params": given})
            return await answer
        finally:
            del self._answers[number]

    async def next_event(self) -> Event:
        """The next event of the conversations that were attached."""
        event = await self._events.get()
        if event is None:
            self._events.put_nowait(None)
            raise self.lost or errors.Unavailable(_GONE)
        return event

    async def events(self) -> AsyncIterator[Event]:
        """Every event, until the link is lost."""
        while True:
            yield await self.next_event()

    async def _send(self, request: Json) -> None:
        self._writer.write(json.dumps(request).encode() + b"\n")
        # A broken pipe is noticed by the reader too, which fails the answer we wait for.
        with suppress(ConnectionError):
            await self._writer.drain()

    async def _receive(self) -> None:
        lost: errors.Unavailable = Lost(_GONE)
        try:
            while (line := await self._reader.readline()).endswith(b"\n"):
                self._take(read_line(line))
        except errors.Unavailable as error:
            lost = error
        except ValueError:
            lost = errors.Unavailable(
                f"The daemon sent a line that is no JSON or longer than {LINE_LIMIT >> 20} MB. "
                "Look at `coworker log` for what was said."
            )
        except OSError:
            pass
        finally:
            self._lose(lost)

    def _take(self, line: Line) -> None:
        if line.event is not None:
            if event := read_event(line.event):
                self._events.put_nowait(event)
            return
        answer = self._answers.get(line.id or 0)
        if answer is None or answer.done():
            return
        if line.error:
            answer.set_exception(_as_error(line.error))
        else:
            answer.set_result(line.result)

    def _lose(self, lost: errors.Unavailable) -> None:
        self.lost = lost
        self._events.put_nowait(None)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(lost)


def _as_error(failure: Failure) -> errors.CoworkerError:
    error = _BY_STATUS.get(failure.exit_status, errors.CoworkerError)(failure.message)
    error.exit_status = failure.exit_status
    return error
