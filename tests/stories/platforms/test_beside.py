"""Standing work beside its chat: it is answered, stopped and listed there, apart from the chat."""

from __future__ import annotations

import dataclasses
import re
import time

import pytest

from coworker.settings import Rule
from coworker.store.log import Log
from coworker.types import Place
from tests.fakes.anthropic import call, say
from tests.stories.platforms.test_standing_work import ASKED, missed, standing

ASKING = {"rules": [Rule(then="ask", tool="git_log")]}
QUESTION = call("ask", question="Shall I mend it?", options=["Mend it", "Leave it"])


async def beside_a_card(t, chat):
    """The card of another schedule, and the question of one that fires meanwhile."""
    room = Place("telegram", str(t.rooms["group"].id))
    alice, tomorrow = f"telegram:{t.people['alice'].id}", round(time.time() * 1000) + 86_400_000
    given = {"place": room, "conversation": room.conversation, "creator": alice}
    await t.ends()
    log = Log(t.settings.state, pytest.fail)
    daily = dataclasses.replace(missed("daily", "late", 0), next_at=tomorrow, **given)
    await log.schedules.add(daily)
    await log.close()
    await t.starts()
    await chat.opens("tell us every weekday at 9 what changed")
    card = await chat.hears("every weekday at 09:00")
    await standing(t, "run", name="daily")
    question = await chat.until(lambda: [each for each in chat.shown() if "I mend" in each.text])
    await t.delivered()
    return card, question[-1]


async def test_a_question_of_standing_work_is_answered_beside_another_card(team):
    asks = call("ask", question="Shall I mend it?", options=["Mend it", "Leave it"])
    script = [*ASKED[:1], asks, say("I leave it."), say("I will.")]
    async with team(script, "telegram") as t:
        chat = t.chat("telegram-group")
        card, question = await beside_a_card(t, chat)
        await chat.clicks(question, "Leave it")
        await chat.hears("I leave it.")
        await chat.clicks(card, "Save")
        await chat.hears("I will.")


async def test_a_stop_by_reaction_on_its_message_stops_standing_work_alone(team):
    asks = call("ask", question="Shall I mend it?", options=["Mend it", "Leave it"])
    async with team([*ASKED[:1], asks, say("I will.")], "telegram") as t:
        t.telegram.promotes(t.rooms["group"])
        chat = t.chat("telegram-group")
        card, question = await beside_a_card(t, chat)
        await t.telegram.reacts(t.people["alice"], question.raw, "😴")
        await chat.hears("Stopped")
        await chat.clicks(card, "Save")
        await chat.hears("I will.")


async def test_what_was_said_to_standing_work_is_remembered_and_forgotten_by_reaction(team):
    script = [*ASKED[:1], say("I mend red tests."), say("I leave it.")]
    async with team(script, "telegram") as t:
        t.telegram.promotes(t.rooms["group"])
        chat, alice = t.chat("telegram-group"), t.people["alice"]
        _, posted = await beside_a_card(t, chat)
        said = await chat._post("Leave red tests to bob", "alice", reply_to=posted.raw)
        await chat.hears("I leave it.")
        await t.telegram.reacts(alice, said, "✍")
        await chat.hears("Remembered as f1")
        await chat.says("/memory")
        await chat.hears("Leave red tests to bob")
        await t.telegram.reacts(alice, said, "🙈")
        await chat.hears("Forgotten")


async def test_a_number_names_one_question_of_a_chat(team):
    keeps = call("remember", text="What I mend on Mondays", kind="finding")
    script = [*ASKED[:1], keeps, say("Not kept."), say("I will.")]
    async with team(script, "telegram") as t:
        chat = t.chat("telegram-group")
        card, question = await beside_a_card(t, chat)
        (first,), (second,) = (re.findall(r"/deny (\d+)", each.text) for each in (card, question))
        assert first != second
        await chat.says("/deny 999")
        await chat.hears(f"There is no open question 999. Open here: {first}, {second}.")
        await chat.says(f"/deny {second}")
        await chat.hears("Not kept.")
        await chat.says(f"/approve {first}")
        await chat.hears("I will.")


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
        numbers = re.findall(r"(?m)^· question (\d+): ", listed)
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
