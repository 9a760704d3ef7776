"""A team on Slack and our platform in it, with an intake that keeps what it hears in SQLite."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from coworker.adapters.slack.platform import Slack
from coworker.errors import CoworkerError
from coworker.protocols import Intake
from coworker.settings import Slack as Settings
from coworker.store.log import Log
from coworker.types import Inbound, Json, Outbound, Place
from tests.fakes import QuickClock
from tests.fakes.slack import FakeSlack, Message

DEADLINE_S = 30


@dataclass
class Desk:
    """Hears for the core: known people only, each event once, for ever."""

    log: Log
    heard: list[Inbound] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    cursors: dict[tuple[str, str], str] = field(default_factory=dict)
    strangers: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    connections: int = 0
    broken: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    answer_after: asyncio.Event = field(default_factory=asyncio.Event)
    overview: Json = field(
        default_factory=lambda: {"running": [], "waiting": [], "spend_today_usd": 0.0}
    )

    def __post_init__(self) -> None:
        self.answer_after.set()

    async def hear(self, inbound: Inbound) -> Any:
        """Commit, then say what became of it."""
        if self.broken:
            self.broken -= 1
            raise OSError("the disk is full")
        result = await self._result(inbound)
        self.results.append(result)
        return result

    async def _result(self, inbound: Inbound) -> str:
        if inbound.body["sender"] in self.strangers:
            return "refused"
        if inbound.body["sender"] in self.forbidden:
            return "forbidden"
        if inbound.body.get("ask") in self.closed:
            return "ignored"
        if not await self.log.ingest(inbound, 1):
            return "known"
        self.heard.append(inbound)
        self.followed.add(inbound.conversation)
        return "new"

    async def command(self, inbound: Inbound) -> str:
        """Answer a verb."""
        await self.answer_after.wait()
        answer = self.answers[inbound.body["text"]]
        if answer.startswith("error: "):
            raise CoworkerError(answer.removeprefix("error: "))
        return answer

    async def keep(self, source: str, key: str, value: str) -> None:
        """Remember a cursor."""
        self.cursors[source, key] = value

    def connected(self, name: str) -> None:
        """Count."""
        self.connections += 1

    @property
    def intake(self) -> Intake:
        """What the platform is given."""
        return Intake(
            hear=self.hear,
            command=self.command,
            follows=lambda conversation: conversation in self.followed,
            overview=lambda sender: None if sender in self.strangers else self.overview,
            connected=self.connected,
            cursor=lambda source, key: self.cursors.get((source, key)),
            keep=self.keep,
        )

    @property
    def texts(self) -> list[str]:
        """The words of all messages that were taken."""
        return [each.body["text"] for each in self.heard if each.kind == "message"]


@dataclass
class Office:
    """Slack, our platform in it, and what it passed on."""

    slack: FakeSlack
    platform: Slack
    desk: Desk
    clock: QuickClock

    async def until(self, condition: Any) -> Any:
        """Wait for something to become true."""
        return await self.slack.until(condition, DEADLINE_S)

    async def hears(self, count: int = 1) -> Inbound:
        """The inbound of that number, counted from one."""
        await self.until(lambda: len(self.desk.heard) >= count)
        return self.desk.heard[count - 1]

    async def asked(self, text: str = "what changed?") -> tuple[Message, Place]:
        """A mention that was heard, and the place where it is answered."""
        before = len(self.desk.heard)
        message = await self.slack.says("U0ALICE", "C0GENERAL", f"<@U0COWORKER> {text}")
        return message, (await self.hears(before + 1)).place

    async def asked_alone(self, text: str = "what changed?") -> tuple[Message, Place]:
        """The same in direct messages."""
        before = len(self.desk.heard)
        message = await self.slack.says("U0ALICE", self.slack.dm("U0ALICE"), text)
        return message, (await self.hears(before + 1)).place

    def shown(self, said: Message) -> Message:
        """The only message that we wrote below that one."""
        [shown] = self.slack.thread(said.channel, said.ts)[1:]
        return shown

    async def says(self, place: Place, op: str, key: str = "k1", **more: Any) -> str:
        """Send an outbound that has nothing special."""
        return await self.platform.send(outbound(place, op, key, **more))


def outbound(place: Place, op: str, key: str = "k1", **more: Any) -> Outbound:
    """An outbound with the body that the core would give it."""
    extra = {name: more.pop(name) for name in ("over", "maybe_duplicate") if name in more}
    told: Json = {"run": 1, "asker": "slack:U0ALICE"}
    if op == "reply":
        told |= {"text": "Done.", "outcome": "answered", "receipt": {"seconds": 2.0, "steps": 1}}
    return Outbound(key, place.conversation, op, {**told, **more}, place, **extra)


@asynccontextmanager
async def working(platform: Slack, desk: Desk):
    """The platform runs as long as the context"""
    running = asyncio.create_task(platform.run(desk.intake))
    try:
        yield running
    finally:
        if running.cancel():
            with suppress(asyncio.CancelledError):
                await running


def made(slack: FakeSlack, clock: QuickClock, **more: Any) -> Slack:
    """A platform for that workspace."""
    own = {"bot_token": slack.bot_token, "app_token": slack.app_token, **more}
    return Slack(Settings(base_url=slack.base_url), clock=clock, ping_s=0.1, **own)


@pytest.fixture
async def desk(tmp_path):
    """An intake on a real database."""
    log = Log(tmp_path / "state", lambda error: None)
    yield Desk(log)
    await log.close()


@pytest.fixture
def clock():
    """A clock that starts now and does not wait."""
    return QuickClock(time.time_ns() // 1_000_000)


@pytest.fixture
async def slack():
    """The workspace; what is not acknowledged within a moment comes again."""
    async with FakeSlack(ack_deadline=0.3, retries=(0, 0.05, 0.05)) as slack:
        yield slack


@pytest.fixture
async def office(slack, desk, clock):
    """All of it, connected."""
    platform = made(slack, clock)
    async with working(platform, desk):
        office = Office(slack, platform, desk, clock)
        await office.until(lambda: desk.connections)
        yield office
