"""Both platforms with their people and the scripted model, in this process; bots come and go.

Time is taken where the platform is: from a message's arrival there to the call that holds the
whole of its answer. It does not know what is measured.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.model import Task
from benchmarks.rig import COWORKER, Program, Rig, started
from tests.fakes.anthropic import FakeAnthropic, Step, call, say, slow
from tests.fakes.slack import ALICE, BOT, GENERAL, FakeSlack, Message
from tests.fakes.telegram import FakeTelegram

PEOPLE = 200
_DEADLINE_S = 120
_POLL_S = 0.001
_TASK = re.compile(r"Task (\d+)\.")
_ANSWER = re.compile(rb"end of (\d+)\.")
_MARKS = {"setMessageReaction": b"\xf0\x9f\x91\x8c", "reactions.add": b"white_check_mark"}
"""The last call for a message: 👌 or ✅ says that it is answered."""
_MARKED = re.compile(rb',?"cache_control":\{[^}]*\}')
_CONFIG = """
[models.large]
model = "claude-opus-5-5"
base_url = "{model}"

[models.large.price]
input = 0.0
output = 0.0

[budget]
run_tokens = 0

[people.ann]
role = "owner"
ids = {ids}

[repos.shop]
path = "{repo}"
rooms = ["slack:{room}"]

[slack]
base_url = "{slack}"

[telegram]
base_url = "{telegram}"
"""
Platform = str
PLATFORMS: tuple[Platform, ...] = ("telegram", "slack")


@dataclass(frozen=True)
class Ask:
    """One request to the model: monotonic seconds, and its size."""

    asked: float
    answered: float
    size: int


@dataclass(eq=False)
class Turn:
    """A task and what became of it; times are monotonic seconds."""

    task: Task
    said: float
    asks: list[Ask] = field(default_factory=list)
    sent: float = 0.0
    is_marked: bool = False

    @property
    def own_ms(self) -> float:
        """From the message to its whole answer, without the time that was the model's."""
        return 1e3 * (self.sent - self.said - sum(a.answered - a.asked for a in self.asks))

    @property
    def arrival_ms(self) -> float:
        """From the message to the model's first request."""
        return 1e3 * (self.asks[0].asked - self.said)


@dataclass
class Start:
    """Seconds from a bot's start to its first request for updates, and to its socket.

    `cpu_s` is what its processor did until it listened.
    """

    poll_s: float = 0.0
    socket_s: float = 0.0
    cpu_s: float = 0.0


Speak = Callable[[str], Awaitable[str]]
"""Says a text and returns the name under which the message is marked."""


class Office:
    """Slack, Telegram and the model. `calls` counts what the bots asked of the platforms."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.telegram = FakeTelegram(keep=1_000_000)
        self.telegram.updates.batch_s = 0.0
        self.slack = FakeSlack()
        self.model = FakeAnthropic(self._script, keep=2)
        self.people = [self.telegram.person(f"p{n}", started=True) for n in range(PEOPLE)]
        self.turns: dict[str, Turn] = {}
        self.calls = 0
        self.start = Start()
        self._polled = 0.0
        self._names: dict[str, Turn] = {}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Office]:
        """Everybody serves."""
        async with self.telegram, self.slack, self.model:
            yield self

    # Bots

    @asynccontextmanager
    async def coworker(self, state: Path | None = None) -> AsyncIterator[Program]:
        """`coworker run` on both platforms, from the moment when it listens to both."""
        state = state or self.rig.state()
        state.mkdir(exist_ok=True)
        config = state / "config.toml"
        config.write_text(self._config())
        argv = [str(COWORKER), "--config", str(config), "--state-dir", str(state), "run"]
        environment = self._tokens() | self.rig.disk.environment
        self._forget()
        async with started(*argv, environment=environment, log=state / "log") as bot:
            await self.until(lambda: self._listens(bot, PLATFORMS))
            yield bot

    @asynccontextmanager
    async def floor(self, platform: Platform) -> AsyncIterator[Program]:
        """The bare bot there, from the moment when it listens."""
        where = [self.telegram.base_url, self.model.url, self.telegram.token]
        if platform == "slack":
            where = [self.slack.base_url, self.model.url, self.slack.bot_token]
            where.append(self.slack.app_token)
        log = self.rig.disk.folder / f"{platform}.log"
        self._forget()
        async with started("-m", "benchmarks.bare", platform, *where, log=log) as bot:
            await self.until(lambda: self._listens(bot, [platform]))
            yield bot

    def _forget(self) -> None:
        """Forget what the bot before this one asked."""
        self._note()
        self.start, self._polled = Start(), 0.0

    def _listens(self, bot: Program, platforms: Iterable[Platform]) -> bool:
        start = self.start
        if self._polled and not start.poll_s:
            start.poll_s = self._polled - bot.began
        if self.slack.connections and not start.socket_s:
            start.socket_s = time.monotonic() - bot.began
        times = {"telegram": start.poll_s, "slack": start.socket_s}
        start.cpu_s = bot.running_s
        return all(times[platform] for platform in platforms)

    def _tokens(self) -> dict[str, str]:
        slack, telegram = self.slack, self.telegram
        return {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "TELEGRAM_BOT_TOKEN": telegram.token,
        }

    def _config(self) -> str:
        ids = [f"slack:{ALICE}", *(f"telegram:{person.id}" for person in self.people)]
        return _CONFIG.format(
            model=self.model.url,
            ids=msgspec.json.encode(ids).decode(),
            repo=self.rig.repo,
            room=GENERAL,
            slack=self.slack.base_url,
            telegram=self.telegram.base_url,
        )

    # People

    async def say(self, speak: Speak, task: Task, padding: int = 0) -> Turn:
        """Give somebody's task."""
        turn = self.turns[task.id] = Turn(task, time.monotonic())
        self._names[await speak(f"Task {task.id}. {'x' * padding}")] = turn
        return turn

    async def answered(self, turns: Iterable[Turn], *, marked: bool = True) -> None:
        """Wait until these tasks have their answers, and their marks, which come last."""
        open_turns = list(turns)

        def is_over() -> bool:
            open_turns[:] = [t for t in open_turns if not (t.is_marked if marked else t.sent)]
            return not open_turns

        await self.until(is_over)

    async def rest(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)
        self._note()

    def prefix_kept(self) -> float:
        """How much of the request before the last one begins the last one; 1 is all of it."""
        if len(self.model.requests) < 2:
            return 1.0
        before, last = map(_plain, self.model.requests)
        whole = last.startswith(before)
        return 1.0 if whole else len(os.path.commonprefix([before, last])) / len(before)  # noqa: RUF071

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait for something, taking note of what the bots ask. Raises TimeoutError."""
        async with asyncio.timeout(_DEADLINE_S):
            while not condition():
                await asyncio.sleep(_POLL_S)
                self._note()

    def private(self, number: int) -> Speak:
        """Somebody's private chat on Telegram."""
        person = self.people[number]

        async def speak(text: str) -> str:
            message = await self.telegram.says(person, text=text)
            return f"{person.id} {message['message_id']}"

        return speak

    def thread(self) -> Speak:
        """A thread of its own in a Slack channel, every message with a mention."""
        root: list[Message] = []

        async def speak(text: str) -> str:
            thread = root[0] if root else None
            message = await self.slack.says(ALICE, GENERAL, f"<@{BOT}> {text}", thread)
            root.append(message)
            return f"{message.channel} {message.ts}"

        return speak

    def places(self, platform: Platform) -> list[Speak]:
        """Places where nobody has spoken to this bot before, as many as there are people."""
        numbers = range(PEOPLE)
        return [self.thread() if platform == "slack" else self.private(n) for n in numbers]

    # What the bots do

    def _note(self) -> None:
        telegram, slack = self.telegram.calls, self.slack.calls
        while telegram:
            done = telegram.popleft()
            if done.method == "getUpdates":
                self._polled = self._polled or done.at
                continue
            message = f"{done.args.get('chat_id')} {done.args.get('message_id')}"
            self._called(done.method, done.args, done.at, message)
        for asked in slack:
            args = asked.arguments
            message = f"{args.get('channel')} {args.get('timestamp')}"
            self._called(asked.method, args, asked.at, message)
        slack.clear()

    def _called(self, method: str, args: dict[str, Any], at: float, message: str) -> None:
        """The last call with an answer's end is the one that counts: earlier ones are drafts."""
        self.calls += 1
        words = msgspec.json.encode(args, enc_hook=str)
        for number in _ANSWER.findall(words):
            self.turns[number.decode()].sent = at
        if method in _MARKS and _MARKS[method] in words and message in self._names:
            self._names.pop(message).is_marked = True

    def _script(self, request: dict[str, Any]) -> Step:
        asked = time.monotonic()
        turn = self.turns[_last_task(request["messages"])]
        task = turn.task
        size = len(msgspec.json.encode(request))
        turn.asks.append(Ask(asked, time.monotonic() + task.delay_s, size))
        if len(turn.asks) <= task.calls:
            return call("read_file", path="shop/part0.py") + slow(task.delay_s)
        return say(f"{'y' * task.chars} end of {task.id}.") + slow(task.delay_s)


def _plain(request: dict[str, Any]) -> bytes:
    """What a cache compares: tools, system and messages, without the marks that say how far."""
    parts = [request.get("tools", []), request["system"], *request["messages"]]
    return b"".join(_MARKED.sub(b"", msgspec.json.encode(part)) for part in parts)


def _last_task(messages: list[dict[str, Any]]) -> str:
    for message in reversed(messages):
        texts = [b.get("text", "") for b in message["content"] if isinstance(b, dict)]
        if message["role"] == "user" and (found := _TASK.findall("".join(texts))):
            return str(found[-1])
    raise RuntimeError("nobody gave a task")
