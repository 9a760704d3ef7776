"""The question at a limit is a card like any other: who may press it, and what it then does."""

import pytest

from coworker.settings import Budget
from tests.fakes.anthropic import call, say, usage

DEAR = call("git_log", limit=1) + usage(output=15_000)
SHARED = pytest.mark.parametrize("kind", ["slack", "telegram-group"], indirect=True)


def cards(chat):
    return [shown for shown in chat.shown() if shown.buttons == ("+ $1", "Stop")]


@SHARED
async def test_who_asked_lets_a_run_go_on_and_others_do_not(talk):
    async with talk([DEAR, say("Seen.")], budget=Budget(run_usd=0.4)) as (t, chat):
        await chat.opens("look at the log", who="bob")
        (card,) = await chat.until(lambda: cards(chat))
        assert "of the $0.40 for this run" in card.text
        await chat.clicks(card, "+ $1", who="gus")
        await chat.until(lambda: any(chat.whispers()))
        assert len(t.model.requests) == 1
        await chat.clicks(card, "+ $1", who="bob")
        await chat.hears("Seen.")


@SHARED
async def test_the_limit_of_a_day_takes_an_owner(talk):
    async with talk([DEAR], budget=Budget(day_usd=0.4)) as (t, chat):
        await chat.opens("look at the log", who="bob")
        (card,) = await chat.until(lambda: cards(chat))
        assert "of the $0.40 today" in card.text
        await chat.clicks(card, "+ $1", who="bob")
        await chat.until(lambda: any(chat.whispers()))
        assert len(t.model.requests) == 1
        await chat.clicks(card, "Stop", who="alice")
        await chat.hears("Stopped. Done before that: git_log.")
