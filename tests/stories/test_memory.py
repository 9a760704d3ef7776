"""What the team decided is known next week in the right repository, and nowhere else."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from coworker import daemon
from coworker.config import PersonConfig, RepoConfig
from coworker.config import Slack as Settings
from tests.conftest import git
from tests.fakes.anthropic import FakeAnthropic, call, say
from tests.fakes.slack import ALICE, BOB, BOT, GENERAL, FakeSlack

DEADLINE_S = 15
DECIDED = "We decided to drop Python 3.9"


@pytest.fixture
def till(tmp_path):
    """Another repository."""
    folder = tmp_path / "till"
    folder.mkdir()
    (folder / "README.md").write_text("# Till\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "Begin")
    return folder


@pytest.fixture
def team(configured, shop, till, monkeypatch):
    """`async with team(script, slack) as model:` has a repository for each of two rooms."""

    @asynccontextmanager
    async def team(script, slack: FakeSlack, rooms=(), **more):
        monkeypatch.setenv("SLACK_BOT_TOKEN", slack.bot_token)
        monkeypatch.setenv("SLACK_APP_TOKEN", slack.app_token)
        bound = [f"slack:{room}" for room in (GENERAL, *rooms)]
        people = {
            "alice": PersonConfig(role="owner", ids=[f"slack:{ALICE}"]),
            "bob": PersonConfig(ids=[f"slack:{BOB}"]),
            "carol": PersonConfig(role="guest", ids=["slack:U0CAROL"]),
        }
        async with FakeAnthropic(script, strict=True) as model:
            config = configured(
                model,
                slack=Settings(base_url=slack.base_url),
                people=people,
                repos={
                    "shop": RepoConfig(path=str(shop), rooms=bound, **more),
                    "till": RepoConfig(path=str(till), rooms=["slack:C0TILL"]),
                },
            )
            async with daemon.owned(config, connecting=True):
                await slack.connected()
                yield model

    return team


@pytest.fixture
async def slack():
    """The workspace, with a room for each repository and one that not everybody can read."""
    async with FakeSlack() as slack:
        slack.channel("till", ALICE, BOB)
        slack.channel("board", ALICE, private=True)
        slack.channel("shopdev", ALICE, BOB)
        yield slack


async def asked(slack, who, room, text):
    """Ask in a new thread and wait for the answer's end."""
    said = await slack.says(who, room, f"<@{BOT}> {text}")
    await slack.until(lambda: said.reactions == {"white_check_mark": [BOT]}, DEADLINE_S)
    return said


def told(model) -> str:
    """What the model was shown in its last request."""
    return str(model.requests[-1])


async def test_a_decision_is_known_in_another_thread_with_its_link(team, slack):
    async with team([say("Noted."), say("3.10 and later.")], slack) as model:
        first = await asked(slack, ALICE, GENERAL, DECIDED)
        await asked(slack, BOB, GENERAL, "Which Python versions do we drop?")
        assert DECIDED in told(model)
        assert f"/archives/{GENERAL}/p{first.ts.replace('.', '')}" in told(model)
        assert "memory of shop" in told(model)


async def test_another_repository_does_not_hear_of_it(team, slack):
    async with team([say("Noted."), say("No idea.")], slack) as model:
        await asked(slack, ALICE, GENERAL, DECIDED)
        await asked(slack, ALICE, "C0TILL", "Did we decide to drop Python 3.9?")
        assert DECIDED not in told(model)


async def test_a_private_room_is_quoted_only_where_all_readers_are_its_members(team, slack):
    script = [say("Noted."), say("No idea."), say("No idea."), say("No idea."), say("Yes.")]
    async with team(script, slack, rooms=["C0BOARD"]) as model:
        await asked(slack, ALICE, "C0BOARD", DECIDED)
        question = "Did we decide to drop Python 3.9?"
        await asked(slack, ALICE, GENERAL, question)
        assert DECIDED not in told(model)
        await asked(slack, BOB, slack.dm(BOB), f"!repo shop")
        await asked(slack, BOB, slack.dm(BOB), question)
        assert DECIDED not in told(model)
        await asked(slack, ALICE, slack.dm(ALICE), "!repo shop")
        await asked(slack, ALICE, slack.dm(ALICE), question)
        assert DECIDED in told(model)
