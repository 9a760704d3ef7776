"""A team on Slack and Telegram, and the whole daemon that they talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from coworker import config, daemon
from coworker.cli.link import Link
from coworker.config import PersonConfig, RepoConfig
from tests.fakes import until
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.slack import ALICE, BOB, GENERAL, FakeSlack
from tests.fakes.telegram import FakeTelegram, Person
from tests.stories.platforms.chats import (
    Chat,
    DirectChat,
    GroupChat,
    PrivateChat,
    SlackChat,
    TopicChat,
)

KINDS = ("slack", "slack-direct", "telegram-private", "telegram-group", "telegram-topic")


@dataclass
class Team:
    """Both platforms, a scripted model, and a daemon that can be started and ended."""

    slack: FakeSlack
    telegram: FakeTelegram
    model: FakeAnthropic
    settings: config.Config
    people: dict[str, Person]
    rooms: dict[str, Any]
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
            await until(lambda: len(self.telegram.updates.offsets) > polls, 10)

    async def status(self) -> dict[str, Any]:
        """What `coworker status` knows."""
        return await self.link.call("status")

    async def connected(self, *names: str) -> None:
        """Wait until these platforms are connected."""
        if "slack" in names:
            await self.slack.connected()
        if "telegram" in names:
            await until(lambda: self.telegram.updates.offsets, 10)


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


@pytest.fixture
def tokens(monkeypatch):
    """`tokens("slack")` puts the secrets of platforms into the environment."""
    secrets = {
        "slack": {"SLACK_BOT_TOKEN": "xoxb-fake", "SLACK_APP_TOKEN": "xapp-fake"},
        "telegram": {"TELEGRAM_BOT_TOKEN": "7000001:AAF0-fake_token_of_thirty_five_signs"},
    }

    def tokens(*names: str, **instead: str) -> None:
        for name in names:
            for key, value in (secrets[name] | instead).items():
                monkeypatch.setenv(key, value)

    return tokens


@pytest.fixture
def team(configured, shop: Path, tokens):
    """`async with team(script, "slack") as t:` lives with that platform, by default with both."""

    @asynccontextmanager
    async def team(script=(), *names: str, **more: Any) -> AsyncIterator[Team]:
        async with (
            FakeSlack(ack_deadline=1.0, retries=(0, 0.2, 0.2)) as slack,
            FakeTelegram() as telegram,
            FakeAnthropic(script, strict=True) as model,
        ):
            slack.user("gus")
            slack.user("mallory")
            slack.world.channels[GENERAL].members += ["U0GUS", "U0MALLORY"]
            people = people_of(telegram)
            rooms = rooms_of(telegram, people)
            bound = [f"slack:{GENERAL}", *(f"telegram:{room.id}" for room in rooms.values())]
            given = {
                "people": known(people),
                "repos": {"shop": RepoConfig(path=str(shop), rooms=bound)},
                "slack": config.Slack(base_url=slack.base_url),
                "telegram": config.Telegram(
                    base_url=telegram.base_url, base_file_url=telegram.base_file_url
                ),
            }
            names = names or ("slack", "telegram")
            tokens(*names)
            made = Team(slack, telegram, model, configured(model, **(given | more)), people, rooms)
            await made.starts()
            try:
                await made.connected(*names)
                yield made
            finally:
                await made.ends()

    return team


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    """Each place in which people talk to it."""
    return request.param


@pytest.fixture
def talk(team, kind):
    """`async with talk(script) as (t, chat):` is a team with one conversation of each kind."""

    @asynccontextmanager
    async def talk(script=(), **more: Any):
        async with team(script, kind.partition("-")[0], **more) as made:
            yield made, made.chat(kind)

    return talk
