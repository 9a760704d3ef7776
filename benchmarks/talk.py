"""A person at a bot's socket: one connection that gives tasks and notes when they are answered."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from benchmarks.model import Stamp, Task

_LINE_BYTES = 64 * 2**20
_DEADLINE_S = 120
_ids = itertools.count(1)


@dataclass(frozen=True)
class Heard:
    """One task: when it was said and answered (ns), and what the model saw of it."""

    said: int
    heard: int
    stamps: list[Stamp] = field(default_factory=list)

    @property
    def arrival_ms(self) -> float:
        """From the message to the first model request."""
        return (self.stamps[0][0] - self.said) / 1e6

    @property
    def own_ms(self) -> float:
        """From the message to the reply, without the time that was the model's."""
        model = sum(answered - asked for asked, answered, _ in self.stamps)
        return (self.heard - self.said - model) / 1e6

    @property
    def size(self) -> int:
        """Bytes of the last model request."""
        return self.stamps[-1][2]


class Talker(Protocol):
    """A connection to a bot."""

    def forget(self) -> None:
        """Let the next task begin a new conversation."""

    async def ask(self, task: Task, padding: int = 0) -> Heard:
        """Give a task and wait for its answer."""


class Coworker:
    """A screen attached to one conversation, which begins with the first task."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        conversation: str = "",
        repo: str | None = "shop",
    ) -> None:
        self.conversation = conversation
        self._repo = repo
        self._attached = False
        self._numbers = itertools.count(1)
        self._reader = reader
        self._writer = writer

    def forget(self) -> None:
        """Let the next task begin a new conversation."""
        self.conversation, self._attached = "", False

    async def call(self, verb: str, **params: object) -> Any:
        """The result of a verb; events that come meanwhile are passed over."""
        return await self._result(self._send(verb, params))

    async def ask(self, task: Task, padding: int = 0) -> Heard:
        """Say it and wait for the reply or the question, which is then shown."""
        if self.conversation and not self._attached:
            await self._attach()
        where = {"conversation": self.conversation} if self._attached else {"repo": self._repo}
        said = time.monotonic_ns()
        number = self._send("say", {"text": task.words(padding), **where})
        if not self._attached:
            self.conversation = (await self._result(number))["conversation"]
            await self._attach()
        event = await self._event()
        heard = time.monotonic_ns()
        self._send("shown", {"key": event["key"]})
        if event["kind"] == "ask":
            return Heard(said, heard)
        return Heard(said, heard, _stamps(event["text"]))

    async def _attach(self) -> None:
        await self.call("attach", conversation=self.conversation)
        self._attached = True

    def _send(self, verb: str, params: dict[str, Any]) -> int:
        number = next(self._numbers)
        request = {"id": number, "verb": verb, "params": params}
        self._writer.write(msgspec.json.encode(request) + b"\n")
        return number

    async def _result(self, number: int) -> Any:
        while (message := await self._line()).get("id") != number:
            pass
        return message["result"]

    async def _event(self) -> dict[str, Any]:
        while (event := (await self._line()).get("event", {})).get("kind") not in ("reply", "ask"):
            pass
        return event

    async def _line(self) -> dict[str, Any]:
        message = await _line(self._reader)
        if "error" in message:
            raise RuntimeError(message["error"]["message"])
        return message


class Floor:
    """The same at the bare bot, which has no tools: a call is one more message to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.filler = 0
        self._reader = reader
        self._writer = writer

    def forget(self) -> None:
        """It remembers nothing anyway."""

    async def ask(self, task: Task, padding: int = 0) -> Heard:
        """One request for each call of the task, then one for its text."""
        said, stamps = time.monotonic_ns(), []
        for _ in range(task.calls + 1):
            words = msgspec.structs.replace(task, calls=0).words(padding)
            self._writer.write(msgspec.json.encode({"text": words, "filler": self.filler}) + b"\n")
            stamps += _stamps((await _line(self._reader))["text"])
        return Heard(said, time.monotonic_ns(), stamps)


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a bot's socket."""
    reader, writer = await asyncio.open_unix_connection(path, limit=_LINE_BYTES)
    try:
        yield reader, writer
    finally:
        writer.close()


def task(**what: Any) -> Task:
    """A task with an id of its own."""
    return Task(id=str(next(_ids)), **what)


def _stamps(text: str) -> list[Stamp]:
    try:
        return msgspec.json.decode(text.partition("\n")[0], type=list[Stamp])
    except msgspec.DecodeError:
        raise RuntimeError(f"the bot said something else than the model: {text[:300]}") from None


async def _line(reader: asyncio.StreamReader) -> dict[str, Any]:
    async with asyncio.timeout(_DEADLINE_S):
        line = await reader.readline()
    if not line:
        raise RuntimeError("the bot hung up")
    message: dict[str, Any] = msgspec.json.decode(line)
    return message
