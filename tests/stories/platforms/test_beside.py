"""Standing work that waits beside its chat is in its lists, and a stop asks which is meant."""

from __future__ import annotations

import dataclasses
import re
import time

import pytest

from coworker.settings import Rule
from coworker.store.log import Log
from coworker.types import Place
from tests.fakes.anthropic import call, say
from tests.stories.platforms.test_standing_work import missed

ASKING = {"rules": [Rule(then="ask", tool="git_log")]}
QUESTION = call("ask", question="Shall I mend it?", options=["Mend it", "Leave it"])


NAMES = ("daily", "red tests")


async def three_wait(t, chat):
    """A card in the chat, and the questions of two firings beside it."""
    alice = t.people["alice"].id
    room = Place("telegram", str(alice if "private" in chat.kind else t.rooms["group"].id))
    given = {"place": room, "conversation": room.conversation, "creator": f"telegram:{alice}"}
    tomorrow = round(time.time() * 1000) + 86_400_000
    await t.ends()
    log = Log(t.settings.state, pytest.fail)
    for name in NAMES:
        work = dataclasses.replace(missed(name, "late", 0), next_at=tomorrow, **given)
        await log.schedules.add(work)
    await log.close()
    await t.starts()
    await chat.opens("what changed?")
    await chat.hears("May I do this")
    for number, name in enumerate(NAMES, 1):
        await t.link.call("schedule", action="run", name=name)
        await chat.until(lambda n=number: len(chat.saying("Shall I mend it?")) == n)
    await t.delivered()


@pytest.mark.parametrize("kind", ["telegram-private", "telegram-group"])
async def test_lists_of_a_chat_name_what_its_standing_work_asks(talk):
    script = [call("git_log"), QUESTION, QUESTION]
    async with talk(script, **ASKING) as (t, chat):
        await three_wait(t, chat)
        await chat.opens("/queue")
        listed = (await chat.hears("Open questions")).text
        numbers = re.findall(r"(?m)^(\d+)\\?\. ", listed)
        assert len(numbers) == 3
        assert [listed.count(f"“{name}”: Shall I mend") for name in ("daily", "red tests")] == [
            1,
            1,
        ]
        await chat.opens("/status")
        told = (await chat.hears("Spent today")).text
        assert f"Open here: question {', '.join(numbers)}." in told
        assert "“daily”" in told
        assert "“red tests”" in told
        assert "due-" not in told
        await chat.opens("/approve")
        await chat.hears(
            f"Say the number of the question as well. Open here: {', '.join(numbers)}."
        )


async def test_a_stop_that_may_mean_several_asks_which(team):
    script = [call("git_log"), QUESTION, QUESTION, say("Not looked.")]
    async with team(script, "telegram", **ASKING) as t:
        chat = t.chat("telegram-group")
        await three_wait(t, chat)
        await chat.opens("/deny 1")
        await chat.hears("Not looked.")
        await t.delivered()
        await chat.opens("/stop")
        told = (await chat.hears("2 are at work or wait here: ")).text
        assert "“daily”" in told
        assert "“red tests”" in told
        assert "as a reply to its message" in told
        for left, question in enumerate(reversed(chat.saying("Shall I mend it?"))):
            await chat._post("/stop", "alice", reply_to=question.raw)
            await chat.until(lambda n=left: len(chat.saying("Stopped.")) > n)
        await t.delivered()
        assert (await t.status())["waiting"] == []
