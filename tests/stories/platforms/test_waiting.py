"""A conversation in which a question is open is not mute: it says so, and can be begun afresh."""

from __future__ import annotations

from coworker.settings import Rule
from tests.fakes.anthropic import call, say

ASKING = {"rules": [Rule(then="ask", tool="git_log")]}


async def card_of(chat):
    """The card that asks, once it is there."""
    await chat.opens("what changed?")
    return await chat.hears("May I do this")


async def test_a_fresh_start_ends_what_waits_for_an_answer(talk):
    async with talk([call("git_log"), say("Hello.")], **ASKING) as (_, chat):
        card = await card_of(chat)
        await chat.says("!new")
        await chat.hears("Stopped.")
        await chat.hears("fresh start")
        settled = await chat.until(lambda: chat.saying("Stopped · alice"))
        assert (settled[0].id, settled[0].buttons) == (card.id, ())
        await chat.says("hello")
        await chat.hears("Hello.")


async def test_a_stop_settles_the_card_as_well(talk):
    async with talk([call("git_log")], **ASKING) as (_, chat):
        card = await card_of(chat)
        await chat.says("stop")
        settled = await chat.until(lambda: chat.saying("Stopped · alice"))
        assert (settled[0].id, settled[0].buttons) == (card.id, ())


async def test_status_names_the_question_also_when_messages_wait_behind_it(talk):
    async with talk([call("git_log"), say("One."), say("Hello.")], **ASKING) as (t, chat):
        await card_of(chat)
        await chat.says("queue: hello")
        await chat.settled()
        await t.delivered()
        [waiting] = (await t.status())["waiting"]
        await chat.says("!status")
        said = await chat.hears("Waiting for an answer")
        assert f"Waiting for an answer: {waiting}." in said.text
        assert "Open here: question 1." in said.text
        await t.restarts()
        assert (await t.status())["waiting"] == [waiting]
        await chat.says("!deny 1")
        await chat.hears("Hello.")
        assert (await t.status())["waiting"] == []


async def test_status_names_other_rooms_only_to_an_owner_who_is_alone_with_us(team):
    async with team([call("git_log")], "slack", **ASKING) as t:
        bobs = t.chat("slack-direct", "bob")
        await bobs.opens("what changed?", who="bob")
        await bobs.hears("May I do this")
        await t.delivered()
        [waiting] = (await t.status())["waiting"]
        for chat, who in ((t.chat("slack"), "alice"), (t.chat("slack-direct", "gus"), "gus")):
            await chat.opens("!status", who=who)
            await chat.hears("Waiting for an answer: nothing here, 1 elsewhere.")
        for chat, who in ((bobs.apart(), "alice"), (bobs, "bob")):
            await chat.opens("!status", who=who)
            await chat.hears(f"Waiting for an answer: {waiting}.")
