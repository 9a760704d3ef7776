"""An office on Slack and Telegram whose daemon is a process that can be killed at any call.

The platforms live in the test's process and survive it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.crash.rig import DEADLINE_S, NEVER, ROOT, kill
from tests.fakes import until
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.slack import FakeSlack
from tests.fakes.telegram import FakeTelegram
from tests.stories.platforms.chats import Chat, GroupChat, PrivateChat, SlackChat
from tests.stories.platforms.team import bound_rooms, invited, known, people_of, rooms_of

REPEAT = "possibly a repeat"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Reaper:
    """Kills the daemon at one of its calls: `before` it has an effect or `after`, unanswered."""

    moment: str = ""
    number: int = NEVER
    pid: int = 0
    calls: int = 0

    def armed(self, moment: str, number: int) -> None:
        """From now on count calls."""
        self.moment, self.number, self.calls = moment, number, 0

    @web.middleware
    async def passing(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Stand in front of a fake."""
        if request.path == "/link":
            return await handler(request)
        self.calls += 1
        is_last = self.calls == self.number
        if is_last and self.moment == "before":
            os.kill(self.pid, signal.SIGKILL)
            return web.Response()  # nobody reads it
        response = await handler(request)
        if is_last and self.moment == "after":
            os.kill(self.pid, signal.SIGKILL)
        return response


@dataclass
class Office:
    """The platforms, the model and the lives of one daemon."""

    folder: Path
    slack: FakeSlack
    telegram: FakeTelegram
    people: dict[str, Any]
    rooms: dict[str, Any]
    chats: dict[str, Chat]
    environment: dict[str, str]
    reaper: Reaper = field(default_factory=Reaper)
    lives: int = 0
    deaths: int = 0
    process: Any = None

    async def starts(self, moment: str = "never", number: int = NEVER) -> None:
        """Another life; it may end itself around its n-th commit."""
        self.lives += 1
        with (self.folder / f"life{self.lives}.log").open("w") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.crash.victim", moment, str(number), str(self.effects)),
                *("run", "--config", str(self.folder / "config.toml")),
                cwd=ROOT,
                env=self.environment,
                stderr=log,
            )
        self.reaper.pid = self.process.pid

    async def listens(self) -> None:
        """Wait until both platforms have heard of it."""
        polls = len(self.telegram.updates.offsets)
        await until(
            lambda: (
                self.is_dead
                or (self.slack.connections and len(self.telegram.updates.offsets) > polls)
            ),
            DEADLINE_S,
        )

    async def has_a_past(self) -> None:
        """Wait until it has listened and remembers that."""
        await self.listens()
        await until(lambda: _cursors(self.folder / "state" / "coworker.db"), DEADLINE_S)

    @property
    def is_dead(self) -> bool:
        """Whether the present life is over."""
        return self.process.returncode is not None

    @property
    def effects(self) -> Path:
        """Where the tool `note` writes."""
        return self.folder / "effects"

    def is_done(self) -> bool:
        """Whether everybody has an answer and Telegram need not deliver anything again."""
        answered = all(chat.saying(f"Done {name}.") for name, chat in self.chats.items())
        return answered and not self.telegram.updates.waiting

    async def lives_or_dies(self) -> None:
        """Wait until it is dead, or everybody is answered."""
        await until(lambda: self.is_dead or self.is_done(), DEADLINE_S)
        self.deaths += self.is_dead

    async def ends(self) -> None:
        """The last life ends in order."""
        if self.process and not self.is_dead:
            self.process.terminate()
            async with asyncio.timeout(DEADLINE_S):
                await self.process.wait()

    async def dies(self) -> None:
        """End the present life from outside."""
        kill(self.process)
        await self.process.wait()


@asynccontextmanager
async def office(
    folder: Path, shop: Path, model: FakeAnthropic, *fronts: Any
) -> AsyncIterator[Office]:
    """An office in a folder of its own; nobody has said anything and no daemon lives.

    `fronts` are middlewares that stand in front of both platforms.
    """
    folder.mkdir()
    reaper = Reaper()
    slack, telegram = FakeSlack(ack_deadline=1.0, retries=(0, 0.5, 1)), FakeTelegram()
    for app in (slack.app, telegram.app):
        app.middlewares.extend([reaper.passing, *fronts])
    async with slack, telegram:
        invited(slack)
        people = people_of(telegram)
        rooms = rooms_of(telegram, people)
        chats = {
            "slack": SlackChat(slack),
            "private": PrivateChat(telegram, people),
            "group": GroupChat(telegram, rooms["group"], people),
        }
        (folder / "config.toml").write_text(_config(folder, shop, people, rooms))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ANTHROPIC_BASE_URL": model.url,
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "COWORKER_SLACK__BASE_URL": slack.base_url,
            "COWORKER_TELEGRAM__BASE_URL": telegram.base_url,
            "COWORKER_TELEGRAM__BASE_FILE_URL": telegram.base_file_url,
        }
        made = Office(folder, slack, telegram, people, rooms, chats, environment, reaper)
        try:
            yield made
        finally:
            if made.process:
                await made.dies()


def _config(folder: Path, shop: Path, people: dict[str, Any], rooms: dict[str, Any]) -> str:
    lines = [f'state_dir = "{folder}/state"', "[models.large]", 'model = "claude-opus-5-5"']
    lines += [
        "[budget]",
        "day_usd = 0",
        "[repos.shop]",
        f'path = "{shop}"',
        f"rooms = {bound_rooms(rooms)}",
    ]
    for name, person in known(people).items():
        lines += [f"[people.{name}]", f'role = "{person.role}"', f"ids = {person.ids}"]
    return "\n".join(lines).replace("'", '"')


def _cursors(file: Path) -> list[Any]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return database.execute("SELECT value FROM cursor WHERE key = 'alive'").fetchall()
