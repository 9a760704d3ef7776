"""What people write while a question is open: what is an answer to it, and what comes along."""

from __future__ import annotations

import pytest

from coworker.settings import Rule
from tests.fakes.anthropic import call, say

ASKING = {"rules": [Rule(then="ask", tool="git_log")]}
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
    script = [call("schedule", when="every day at 9", prompt="Say hi."), say("Like that, then.")]
    async with talk(script) as (t, chat):
        await chat.opens("greet us every day at 9")
        await chat.hears("every day at 09:00")
        await chat.says("rather like this", files=[LOG])
        await chat.hears("Like that, then.")
        told = str(t.model.requests[-1]["messages"][-1])
        assert "alice answered: rather like this" in told
        assert "error 17 in cart.py" in told
