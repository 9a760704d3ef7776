"""Questions to people: what they see before they decide, who may, and what the card says then."""

import pytest

from coworker.settings import Rule
from tests.fakes.anthropic import call, say

ASKING = {"rules": [Rule(then="ask", tool="git_log")]}
LOOK = [call("git_log"), say("One commit.")]


async def card_of(chat):
    """The card that asks, once it is there."""
    await chat.opens("what changed?")
    return await chat.hears("May I do this")


async def becomes(chat, card, line):
    """Wait until the card has no buttons and ends with that line."""

    def settled():
        (now,) = [each for each in chat.shown() if each.id == card.id]
        return not now.buttons and now.text.splitlines()[-1].strip("_") == line and now

    return await chat.until(settled)


@pytest.mark.parametrize(
    ("words", "line"),
    [("!approve 1", "Allow once · alice"), ("!deny 1", "Deny · alice")],
)
async def test_a_decision_in_words_settles_the_card(talk, words, line):
    async with talk(LOOK, **ASKING) as (_, chat):
        card = await card_of(chat)
        await chat.says(words)
        await chat.hears("One commit.")
        assert "May I do this" in (await becomes(chat, card, line)).text


async def test_a_button_settles_the_card(talk):
    async with talk(LOOK, **ASKING) as (_, chat):
        card = await card_of(chat)
        await chat.clicks(card, "Deny")
        await becomes(chat, card, "Deny · alice")


async def test_words_that_answer_a_question_settle_its_card(talk):
    script = [call("ask", question="Which colour?", options=["red", "blue"]), say("Green it is.")]
    async with talk(script) as (_, chat):
        await chat.opens("paint it")
        card = await chat.hears("Which colour?")
        await chat.says("neither, take green")
        await chat.hears("Green it is.")
        await becomes(chat, card, "neither, take green · alice")


async def test_a_card_is_settled_after_a_restart(talk):
    async with talk(LOOK, **ASKING) as (t, chat):
        card = await card_of(chat)
        await t.restarts()
        await chat.says("!deny 1")
        await becomes(chat, card, "Deny · alice")


async def test_a_button_allows_only_the_call_that_stood_above_it(talk):
    script = [call("git_log"), call("git_log", limit=1), say("One commit.")]
    async with talk(script, **ASKING) as (t, chat):
        old = await card_of(chat)
        await t.restarts(forgetting=True)  # and so the next question has the same number
        await chat.opens("only the last one")
        await chat.until(lambda: len(chat.saying("May I do this")) == 2)
        new = chat.saying("May I do this")[-1]
        await chat.clicks(old, "Allow once")
        await chat.until(lambda: any("not open any more" in each for each in chat.whispers()))
        assert len(t.model.requests) == 2
        await chat.clicks(new, "Allow once")
        await chat.hears("One commit.")


async def test_what_is_to_be_approved_is_shown_whole(talk):
    paths = [f"src/module_{n:03}/{'x' * 60}.py" for n in range(90)]
    long = call("git_log", path="\n".join(paths))
    async with talk([long, say("Done.")], **ASKING) as (_, chat):
        await chat.opens("what changed?")
        card = await chat.hears("module_089")
        shown = "\n".join(each.text for each in chat.shown())
        assert [path for path in paths if path not in shown] == []
        assert card.buttons == ("Allow once", "Deny")
        await chat.clicks(card, "Deny")
        settled = await becomes(chat, card, "Deny · alice")
        assert "module_089" in settled.text
        assert not [each for each in chat.shown() if "Allow once" in each.buttons]
