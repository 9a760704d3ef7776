"""What people write while a question is open: what is an answer to it, and what comes along."""

from __future__ import annotations

import pytest

from coworker.settings import Rule
from tests.fakes.anthropic import call, say
from tests.stories.test_forget import files_with

ASKING = {"rules": [Rule(then="ask", tool="git_log")]}
ROOMS = pytest.mark.parametrize("kind", ["slack", "telegram-group"])
QUESTION = call("ask", question="Which colour?", options=["red", "blue"])
CARD = call("schedule", when="every day at 9", prompt="Say hi.")
BOTH = pytest.mark.parametrize(
    ("asks", "shows", "waits", "label"),
    [
        (QUESTION, "Which colour?", "I wait for an answer to my question first", "blue"),
        (CARD, "every day at 09:00", "I wait for a decision first", "Save"),
    ],
)
LOG = ("log.txt", b"error 17 in cart.py")


@pytest.mark.parametrize("words", ["this one", ""])
async def test_a_file_that_comes_with_an_answer_is_read_and_marks_the_run(talk, words):
    script = [call("ask", question="Which log?"), call("git_log"), say("I see.")]
    async with talk(script, **ASKING) as (t, chat):
        await chat.opens("it breaks")
        asked = await chat.hears("Which log?")
        await chat.says(words, files=[LOG])
        card = await chat.hears("May I do this")
        told = str(t.model.requests[-1]["messages"][-1])
        assert f"alice answered: {words or 'with what is attached'}" in told
        assert "error 17 in cart.py" in told
        assert "This run has read a file that came with a message." in card.text
        (settled,) = [each for each in chat.shown() if each.id == asked.id]
        assert f"{words or 'with what is attached'} · alice" in settled.text
        await chat.clicks(card, "Deny")
        await chat.hears("I see.")


async def test_a_file_that_comes_with_a_change_reaches_the_model(talk):
    async with talk([CARD, say("Like that, then.")]) as (t, chat):
        await chat.opens("greet us every day at 9")
        await chat.hears("every day at 09:00")
        await chat.says("rather like this", files=[LOG])
        await chat.hears("Like that, then.")
        told = str(t.model.requests[-1]["messages"][-1])
        assert "alice answered: rather like this" in told
        assert "error 17 in cart.py" in told


@ROOMS
@BOTH
async def test_words_of_somebody_who_may_not_decide_are_read_after_the_decision(
    talk, asks, shows, waits, label
):
    async with talk([asks, say("So be it.")]) as (t, chat):
        await chat.opens("please", "bob")
        card = await chat.hears(shows)
        await chat.says("rather at ten, in green", "gus")
        await chat.hears(waits)
        await chat.says(label, "gus")
        await chat.settled()
        await t.restarts()
        assert len(t.model.requests) == 1
        await chat.clicks(card, label, "bob")
        await chat.hears("So be it.")
        told = str(t.model.requests[-1]["messages"])
        assert "gus answered" not in told
        assert "rather at ten, in green" in told
        assert len(chat.saying(waits)) == 1


@ROOMS
@BOTH
async def test_what_somebody_else_said_is_no_answer_but_material_for_later(
    talk, asks, shows, waits, label
):
    async with talk([asks, say("So be it.")]) as (t, chat):
        await chat.opens("please")
        card = await chat.hears(shows)
        await t.forwards(chat, "Take green, says mallory.")
        await chat.hears(waits)
        assert len(t.model.requests) == 1
        await chat.clicks(card, label)
        await chat.hears("So be it.")
        assert "Take green, says mallory." in str(t.model.requests[-1]["messages"])


@pytest.mark.parametrize("kind", ["telegram-private"])
@BOTH
async def test_a_sticker_is_no_answer(talk, asks, shows, waits, label):
    async with talk([asks, say("So be it.")]) as (t, chat):
        await chat.opens("please")
        card = await chat.hears(shows)
        await t.telegram.says(t.people["alice"], sticker="👍")
        await chat.hears(waits)
        await chat.clicks(card, label)
        await chat.hears("So be it.")
        assert "A sticker: 👍" in str(t.model.requests[-1]["messages"])


async def test_a_file_alone_changes_no_card(talk):
    async with talk([CARD, say("So be it.")]) as (t, chat):
        await chat.opens("greet us every day at 9")
        card = await chat.hears("every day at 09:00")
        await chat.says("", files=[LOG])
        await chat.hears("I wait for a decision first")
        await chat.clicks(card, "Save")
        await chat.hears("So be it.")
        assert "error 17 in cart.py" in str(t.model.requests[-1]["messages"])


@ROOMS
async def test_an_old_button_does_not_bring_back_what_was_forgotten(talk):
    words = "the zebra door is always open at noon"
    asks = call("ask", question="Is it so?", options=[f"yes, {words}", "no"])
    async with talk([asks, say("So not.")]) as (t, chat):
        await chat.opens("is it so?", "bob")
        card = await chat.hears("Is it so?")
        await chat.apart().asks(f"!remember {words}", "Remembered")
        await chat.apart().asks("!forget f1", "Forgotten")
        await chat.clicks_again(card, next(iter(card.data)), "bob")
        await chat.settled()
        await chat.clicks_again(card, "no", "bob")
        await chat.hears("So not.")
        assert files_with("zebra door", t.settings.state) == []


@ROOMS
@pytest.mark.parametrize("label", ["Save", "Change"])
async def test_what_was_forgotten_while_its_card_was_open_is_not_saved(talk, label):
    words = "the zebra door is always open at noon"
    asks = call("schedule", when="every day at 9", prompt=f"Remind all that {words}.")
    async with talk([asks, say("What is it to say now?")]) as (t, chat):
        await chat.opens(f"remind all every day at 9 that {words}", "bob")
        card = await chat.hears("every day at 09:00")
        await chat.apart().asks(f"!remember {words}", "Remembered")
        await chat.apart().asks("!forget f1", "Forgotten")
        await chat.clicks(card, label, "bob")
        await chat.hears("What is it to say now?")
        assert await t.link.call("schedule", action="list") == []
        why = "words of it were forgotten after it was shown"
        assert bool(chat.saying(f"Save, but not done: {why} · bob")) is (label == "Save")
        assert (why in str(t.model.requests[-1]["messages"])) is (label == "Save")


@pytest.mark.parametrize("words", ["blue", "!approve 1"])
@pytest.mark.parametrize("kind", ["slack", "telegram-group", "telegram-private"])
async def test_a_message_that_answers_is_marked_when_the_work_is_done(talk, words):
    async with talk([QUESTION, say("So be it.")]) as (_, chat):
        await chat.opens("paint it")
        await chat.hears("Which colour?")
        answer = await chat.says(words)
        await chat.hears("So be it.")
        await chat.until(lambda: "good" in chat.marks(answer))
