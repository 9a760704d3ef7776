"""A living team for each story, and the places in which it talks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from coworker.settings import RepoConfig, Slack, Telegram
from tests.conftest import git
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.slack import FakeSlack
from tests.fakes.telegram import FakeTelegram
from tests.stories.platforms.team import (
    Crowd,
    Team,
    bound_rooms,
    invited,
    known,
    people_of,
    rooms_of,
)

KINDS = ("slack", "slack-direct", "telegram-private", "telegram-group", "telegram-topic")


@pytest.fixture
def origin(shop, tmp_path):
    """Where pushes go."""
    made = tmp_path / "origin.git"
    git(tmp_path, "init", "-q", "--bare", str(made))
    git(shop, "remote", "add", "origin", str(made))
    return made


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
    """`async with team(script, "slack") as t:` lives with that platform, by default with both.

    `absent` is one more that is configured and cannot be reached.
    """

    @asynccontextmanager
    async def team(script=(), *names: str, absent: str = "", **more: Any) -> AsyncIterator[Team]:
        slack, telegram = FakeSlack(ack_deadline=1.0, retries=(0, 0.2, 0.2)), FakeTelegram()
        crowd = Crowd()
        crowd.watches(slack.app, telegram.app)
        async with slack, telegram, FakeAnthropic(script, strict=True) as model:
            invited(slack)
            people = people_of(telegram)
            rooms = rooms_of(telegram, people)
            given = {
                "people": known(people),
                "repos": {"shop": RepoConfig(path=str(shop), rooms=bound_rooms(rooms))},
                "slack": Slack(base_url=slack.base_url),
                "telegram": Telegram(
                    base_url=telegram.base_url, base_file_url=telegram.base_file_url
                ),
            }
            names = names or ("slack", "telegram")
            tokens(*names, *([absent] if absent else []))
            settings = configured(model, **(given | more))
            made = Team(slack, telegram, model, settings, people, rooms, crowd)
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
