"""Memory on Telegram: what was said in a group is known to its members, and to nobody else."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from coworker import daemon
from coworker.settings import PersonConfig, RepoConfig
from coworker.settings import Telegram as Settings
from tests.fakes.anthropic import FakeAnthropic, say
from tests.fakes.telegram import FakeTelegram

ANN, BOB = 4711, 4712
DECIDED = "We decided to drop Python 3.9"
QUESTION = "Did we decide to drop Python 3.9?"


@pytest.fixture
def colleague(configured, shop, monkeypatch):
    """A daemon on Telegram that knows Ann and Bob."""

    @asynccontextmanager
    async def colleague(telegram, script, rooms):
        monkeypatch.setenv("TELEGRAM_BOT_TOKEN", telegram.token)
        urls = {"base_url": telegram.base_url, "base_file_url": telegram.base_file_url}
        people = {
            "ann": PersonConfig(role="owner", ids=[f"telegram:{ANN}"]),
            "bob": PersonConfig(ids=[f"telegram:{BOB}"]),
        }
        repos = {"shop": RepoConfig(path=str(shop), rooms=[f"telegram:{r.id}" for r in rooms])}
        async with FakeAnthropic(script, strict=True) as model:
            settings = configured(model, telegram=Settings(**urls), people=people, repos=repos)
            async with daemon.owned(settings, connecting=True):
                yield model

    return colleague


async def test_a_groups_words_are_known_in_private_to_its_members_only(colleague):
    async with FakeTelegram() as telegram:
        ann = telegram.person("Ann", user_id=ANN)
        bob = telegram.person("Bob", user_id=BOB)
        group, other = telegram.supergroup("shop", ann), telegram.supergroup("other", ann, bob)
        script = [say("Noted."), say("Yes."), say("No idea."), say("No clue.")]
        async with colleague(telegram, script, [group, other]) as model:
            said = await telegram.says(ann, group, f"@coworker_bot {DECIDED}")
            await telegram.hears(group, "Noted.")
            await telegram.says(ann, text=QUESTION)
            await telegram.hears(ann, "Yes.")
            assert DECIDED in str(model.requests[-1])
            chat = str(group.id).removeprefix("-100")
            link = f"https://t.me/c/{chat}/{said['message_id']}"
            assert link in str(model.requests[-1])
            await telegram.says(bob, text=QUESTION)
            await telegram.hears(bob, "No idea.")
            assert DECIDED not in str(model.requests[-1])
            await telegram.says(ann, other, f"@coworker_bot {QUESTION}")
            await telegram.hears(other, "No clue.")
            assert DECIDED not in str(model.requests[-1])


@pytest.mark.parametrize("quietly", [False, True])
async def test_who_leaves_a_group_is_told_nothing_of_it_from_then_on(colleague, quietly):
    async with FakeTelegram() as telegram:
        ann = telegram.person("Ann", user_id=ANN)
        bob = telegram.person("Bob", user_id=BOB)
        group = telegram.supergroup("shop", ann, bob)
        script = [say("Noted."), say("Yes."), say("No idea.")]
        async with colleague(telegram, script, [group]) as model:
            await telegram.says(ann, group, f"@coworker_bot {DECIDED}")
            await telegram.hears(group, "Noted.")
            await telegram.says(bob, text=QUESTION)
            await telegram.hears(bob, "Yes.")
            assert DECIDED in str(model.requests[-1])
            await telegram.leaves(bob, group, quietly=quietly)
            await telegram.says(bob, text="/new")
            await telegram.hears(bob, "A fresh start")
            await telegram.says(bob, text=QUESTION)
            await telegram.hears(bob, "No idea.")
            assert DECIDED not in str(model.requests[-1])


async def test_commands_and_reactions_remember_and_forget(colleague):
    async with FakeTelegram() as telegram:
        ann = telegram.person("Ann", user_id=ANN)
        async with colleague(telegram, [say("Noted.")], []):
            said = await telegram.says(ann, text=DECIDED)
            await telegram.hears(ann, "Noted.")
            await telegram.says(ann, text="/remember rule: we deploy on Mondays")
            await telegram.hears(ann, "Remembered as f1")
            await telegram.reacts(ann, said, "✍")
            await telegram.hears(ann, "Remembered as f2")
            await telegram.says(ann, text="/memory")
            assert DECIDED in (await telegram.hears(ann, "f2, decision")).text
            await telegram.reacts(ann, said, "🙈")
            await telegram.hears(ann, "Forgotten")
            await telegram.says(ann, text="/memory python")
            await telegram.hears(ann, "Nothing is known of that")


async def test_a_reaction_on_an_answer_of_ours_forgets_it(colleague):
    async with FakeTelegram() as telegram:
        ann = telegram.person("Ann", user_id=ANN)
        async with colleague(telegram, [say("The quartz moon is round.")], []):
            await telegram.says(ann, text="what shape is it?")
            answer = await telegram.hears(ann, "quartz moon")
            await telegram.reacts(ann, answer, "🙈")
            await telegram.hears(ann, "Forgotten")
            await telegram.says(ann, text="/memory quartz")
            await telegram.hears(ann, "Nothing is known of that")
