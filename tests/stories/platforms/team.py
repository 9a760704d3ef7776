"""A team on Slack and Telegram, and the whole daemon that they talk to."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import pytest
from aiohttp import web

from coworker import daemon
from coworker.cli.link import Link
from coworker.settings import Config, PersonConfig
from coworker.store.log import Log
from tests.fakes import until
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.slack import ALICE, BOB, GENERAL, FakeSlack
from tests.fakes.slack.faults import ratelimited
from tests.fakes.telegram import FakeTelegram, Person
from tests.fakes.telegram.faults import answer
from tests.fakes.telegram.wire import flooded
from tests.stories.platforms.chats import (
    Chat,
    DirectChat,
    GroupChat,
    PrivateChat,
    SlackChat,
    TopicChat,
)

_SPEAKING = re.compile("chat.|send|edit")


@dataclass
class Crowd:
    """Stands in front of the fakes and lets nobody post in these rooms: 429, wait a second."""

    rooms: set[str] = field(default_factory=set)
    turned_away: int = 0

    def watches(self, *apps: web.Application) -> None:
        """Begin, before they serve."""
        for app in apps:
            app.middlewares.append(self._pass)

    @web.middleware
    async def _pass(self, request: web.Request, handler: Any) -> web.StreamResponse:
        method = request.path.rpartition("/")[2].lower()
        if not self.rooms or not _SPEAKING.match(method):
            return await handler(request)
        body = unquote_plus((await request.read()).decode())
        if not any(room in body for room in self.rooms):
            return await handler(request)
        self.turned_away += 1
        return answer(429, flooded(1).answer()) if "bot" in request.path else ratelimited(1)


@dataclass
class Team:
    """Both platforms, a scripted model, and a daemon that can be started and ended."""

    slack: FakeSlack
    telegram: FakeTelegram
    model: FakeAnthropic
    settings: Config
    people: dict[str, Person]
    rooms: dict[str, Any]
    crowd: Crowd
    living: AsyncExitStack = field(default_factory=AsyncExitStack)
    link: Any = None

    def chat(self, kind: str, who: str = "alice") -> Chat:
        """A conversation that nobody has opened yet; a private one is that person's."""
        match kind:
            case "slack":
                return SlackChat(self.slack)
            case "slack-direct":
                return DirectChat(self.slack, who)
            case "telegram-private":
                return PrivateChat(self.telegram, self.people, who)
            case "telegram-group":
                return GroupChat(self.telegram, self.rooms["group"], self.people)
        return TopicChat(self.telegram, self.rooms["forum"], self.people, topic="Shop")

    async def forwards(self, chat: Chat, text: str) -> None:
        """Alice passes mallory's words on, in the conversation."""
        if isinstance(chat, SlackChat):
            shared = {"is_share": True, "author_id": "U0MALLORY", "text": text}
            thread = {"channel": chat.channel, "thread_ts": chat.root.ts}
            message = {"type": "message", "user": ALICE, "text": "", "attachments": [shared]}
            assert self.slack.event({**message, **thread, "ts": self.slack.world.tick()})
            return
        alice, mallory = self.people["alice"], self.people["mallory"]
        where = {"reply_to": chat.shown()[-1].raw, "forward_from": mallory}
        await self.telegram.says(alice, self.rooms["group"], text, **where)

    async def starts(self) -> None:
        """Start the daemon and wait until its platforms can be reached."""
        path = await self.living.enter_async_context(daemon.owned(self.settings, connecting=True))
        self.link = await self.living.enter_async_context(Link.connect(path))

    async def ends(self) -> None:
        """End it in order."""
        await self.living.aclose()
        self.living = AsyncExitStack()

    async def restarts(self, *, forgetting: bool = False) -> None:
        """End it and start it again, perhaps without its database; return when it listens."""
        await self.ends()
        for file in self.settings.state.glob("coworker.db*") if forgetting else ():
            file.unlink()
        polls = len(self.telegram.updates.offsets)
        await self.starts()
        if self.slack.calls:
            await self.slack.connected()
        if polls:
            await until(lambda: len(self.telegram.updates.offsets) > polls, 30)

    async def delivered(self, within: float = 30) -> None:
        """Wait until nothing is left to be said, nor to be done about what was."""
        quiet = 0
        async with asyncio.timeout(within):
            while quiet < 2:  # between a message's arrival and what it wakes nothing runs
                now = await self.status()
                quiet = 0 if now["undelivered"] or now["running"] else quiet + 1
                await asyncio.sleep(0.03)

    async def was_away(self, hours: float) -> None:
        """Let the ended daemon have listened for the last time so long ago."""
        log = Log(self.settings.state, pytest.fail)
        await log.keep("slack", "alive", str(time.time() - hours * 3600))
        await log.close()

    async def becomes(self, name: str, state: str, within: float = 30) -> dict[str, Any]:
        """Wait until status says so of that platform."""
        async with asyncio.timeout(within):
            while (found := await self.adapter(name))["state"] != state:
                await asyncio.sleep(0.05)
        return found

    async def adapter(self, name: str) -> dict[str, Any]:
        """How status describes that platform."""
        return next(each for each in (await self.status())["adapters"] if each["name"] == name)

    async def status(self) -> dict[str, Any]:
        """What `coworker status` knows."""
        return await self.link.call("status")

    async def connected(self, *names: str) -> None:
        """Wait until these platforms are connected."""
        if "slack" in names:
            await self.slack.connected()
        if "telegram" in names:
            await until(lambda: self.telegram.updates.offsets, 30)


def people_of(telegram: FakeTelegram) -> dict[str, Person]:
    """Everybody's accounts; mallory is known to nobody."""
    names = ("alice", "bob", "gus", "mallory")
    people = {name: telegram.person(name, started=True) for name in names}
    for person in people.values():
        person.username += "_shop"
    return {**people, "robot": telegram.other_bot("robot")}


def known(people: dict[str, Person]) -> dict[str, PersonConfig]:
    """The configuration's people."""
    ids = {"alice": ALICE, "bob": BOB, "gus": "U0GUS"}
    roles = {"alice": "owner", "bob": "member", "gus": "guest"}
    return {
        name: PersonConfig(role=role, ids=[f"slack:{ids[name]}", f"telegram:{people[name].id}"])
        for name, role in roles.items()
    }


def rooms_of(telegram: FakeTelegram, people: dict[str, Person]) -> dict[str, Any]:
    """Two groups and a forum."""
    everybody = tuple(people.values())
    telegram.world.privacy = False
    return {
        "group": telegram.group("Team", *everybody),
        "other": telegram.group("Another", *everybody),
        "forum": telegram.supergroup("Forum", *everybody, forum=True),
    }


def invited(slack: FakeSlack) -> None:
    """Everybody else is in #general as well."""
    for name in ("gus", "mallory"):
        slack.join(slack.user(name), GENERAL)


def bound_rooms(rooms: dict[str, Any]) -> list[str]:
    """All rooms as the configuration names them."""
    return [f"slack:{GENERAL}", *(f"telegram:{room.id}" for room in rooms.values())]
