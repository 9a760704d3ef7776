"""Telegram at work: the real client, a fake platform, a real log, and a recording core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from coworker.adapters.telegram import Telegram
from coworker.errors import CoworkerError
from coworker.protocols import Intake
from coworker.settings import Telegram as Settings
from coworker.store.log import Log
from coworker.types import Heard, Inbound, Json, Outbound, Place
from tests.fakes.telegram import FakeTelegram, Person

RECEIPT = {"seconds": 12, "steps": 3, "cost_usd": 0.04, "model": "claude-opus-5-5"}


class Office:
    """The core as the adapter sees it. `faults` are raised by hear, one each, before it hears."""

    def __init__(self, telegram: FakeTelegram, log: Log, settings: Settings) -> None:
        self.telegram = telegram
        self.log = log
        self.settings = settings
        self.adapter = Telegram(settings, telegram.token)
        self.heard: list[Inbound] = []
        self.again: list[Inbound] = []
        self.strangers: set[str] = set()
        self.over: set[str] = set()
        self.forbidden: set[str] = set()
        self.faults: list[Exception] = []
        self.cursors: dict[tuple[str, str], str] = {}
        self.connections = 0
        self._running: asyncio.Task[None] | None = None

    @property
    def intake(self) -> Intake:
        return Intake(
            hear=self._hear,
            command=self._command,
            follows=lambda c: any(inbound.conversation == c for inbound in self.heard),
            overview=lambda sender: None,
            connected=self._connected,
            cursor=lambda source, key: self.cursors.get((source, key)),
            keep=self._keep,
        )

    def words(self) -> list[str]:
        """What people said to us, as the core hears it."""
        return [each.body["text"] for each in self.heard if each.kind == "message"]

    async def hears(self, *, kind: str = "message", count: int = 1) -> Inbound:
        """Wait until the core has heard so many of a kind; the newest."""

        def found() -> list[Inbound]:
            return [each for each in self.heard if each.kind == kind]

        await self.telegram.until(lambda: len(found()) >= count)
        return found()[-1]

    async def hears_no_more(self, user: Person) -> None:
        """Wait until all that was sent has been taken, by sending one thing more."""
        before = len(self.words())
        await self.telegram.says(user, text="that is all")
        await self.telegram.until(lambda: "that is all" in self.words()[before:])

    async def says(self, place: Place, text: str, **more: Any) -> str:
        """Send a reply of a run."""
        return await self.adapter.send(reply(place, text, **more))

    def start(self) -> asyncio.Task[None]:
        """Run the adapter as the daemon does, once."""
        self._running = asyncio.create_task(self.adapter.run(self.intake))
        return self._running

    async def connects(self) -> None:
        """Start, and wait until we are connected."""
        running, before = self.start(), self.connections
        await self.telegram.until(lambda: running.done() or self.connections > before)
        if running.done():
            running.result()

    async def stop(self) -> None:
        if self._running:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _hear(self, inbound: Inbound) -> Heard:
        if self.faults:
            raise self.faults.pop(0)
        if inbound.body["sender"] in self.strangers:
            return "refused"
        if inbound.body["sender"] in self.forbidden:
            return "forbidden"
        if inbound.body["sender"] in self.over:
            return "ignored"
        if not await self.log.ingest(inbound, 0):
            self.again.append(inbound)
            return "known"
        self.heard.append(inbound)
        return "new"

    async def _command(self, inbound: Inbound) -> str:
        raise AssertionError("Telegram has no commands that only their sender sees")

    def _connected(self, name: str) -> None:
        assert name == "telegram"
        self.connections += 1

    async def _keep(self, source: str, key: str, value: str) -> None:
        self.cursors[source, key] = value


def reply(place: Place, text: str, *, key: str = "r1", over: str = "", **more: Any) -> Outbound:
    """What the core says at the end of a run."""
    repeat = more.pop("maybe_duplicate", False)
    body: Json = {"text": text, "outcome": "answered", "run": 1, "receipt": RECEIPT, **more}
    return Outbound(key, place.conversation, "reply", body, place, repeat, over)


def progress(place: Place, text: str = "👀") -> Outbound:
    """What the core says at the beginning of a run."""
    body = {"run": 1, "text": text}
    return Outbound(f"{place.conversation}:p", place.conversation, "progress", body, place)


def ask(place: Place, question: str, **more: Any) -> Outbound:
    """A question of the core's."""
    body: Json = {
        "ask": 3,
        "question": question,
        "options": ["Allow once", "Deny"],
        "approval": True,
        "run": 1,
        **more,
    }
    return Outbound(f"{place.conversation}:a3", place.conversation, "ask", body, place)


def decided(place: Place, card: str, question: str = "Push?") -> Outbound:
    """Word that the question of that card was answered."""
    body: Json = {"ask": 3, "run": 1, "question": question, "word": "Allow once", "who": "ann"}
    key = f"{place.conversation}:a3:decided"
    return Outbound(key, place.conversation, "decided", body, place, over=card)


def place(chat: Any, topic: int | None = None) -> Place:
    """The place of a chat or a person."""
    return Place("telegram", str(chat.id), str(topic or ""))


def settings(telegram: FakeTelegram, **more: Any) -> Settings:
    """The configuration that points at the fake."""
    urls = {"base_url": telegram.base_url, "base_file_url": telegram.base_file_url}
    return Settings(**{**urls, **more})


@asynccontextmanager
async def opened(
    folder: Path, *, connect: bool = True, real_limits: bool = False, **more: Any
) -> AsyncIterator[Office]:
    """An office with Telegram, connected."""
    log = Log(folder / "state", _never)
    async with FakeTelegram(real_limits=real_limits) as telegram:
        office = Office(telegram, log, settings(telegram, **more))
        try:
            if connect:
                await office.connects()
            yield office
        finally:
            await office.stop()
            await log.close()


def _never(error: BaseException) -> None:
    raise CoworkerError(str(error))
