"""A run of standing work that has not spoken yet is stopped by the schedule's name."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from coworker.errors import CoworkerError
from tests.fakes.anthropic import call, hang, say
from tests.fakes.slack import GENERAL

WEEKDAYS = {"when": "every weekday at 09:00", "prompt": "What changed since yesterday?"}
UNDER_WAY = [call("schedule", **WEEKDAYS), say("I will."), hang()]


@pytest.fixture
def busy(team):
    """`async with busy(adapter) as (t, chat, id):` has a run under way of alice's schedule."""

    @asynccontextmanager
    async def busy(adapter, kind):
        async with team(UNDER_WAY, adapter) as t:
            chat = t.chat(kind)
            await chat.opens("tell us every weekday at 9 what changed")
            await chat.clicks(await chat.hears("every weekday at 09:00"), "Save")
            await chat.hears("I will.")
            await t.delivered()
            (row,) = await t.link.call("schedule", action="list")
            await t.link.call("schedule", action="run", name=row["id"])
            await chat.until(lambda: len(t.model.requests) == 3)
            yield t, chat, row["id"]

    return busy


async def test_in_chat_it_is_stopped_by_its_id_and_pausing_or_removing_says_how(busy):
    async with busy("slack", "slack") as (t, chat, schedule):
        how = f"`!schedules stop {schedule}`"
        for count, verb in enumerate(("run", "pause", "remove"), 1):
            await chat.says(f"!schedules {verb} {schedule}")
            await chat.until(lambda count=count: len(chat.saying(how)) == count)
        said = await chat.until(lambda: chat.saying("is removed."))
        assert "Its run that is under way goes on" in said[0].text
        await chat.says(f"!schedules stop {schedule}", who="bob")
        await chat.hears("belongs to somebody else")
        await chat.says(f"!schedules stop {schedule}")
        await chat.hears("stops now.")
        await chat.until(lambda: [m for m in t.slack.messages(GENERAL) if "Stopped." in m.shown])
        await t.delivered()
        await chat.says(f"!schedules stop {schedule}")
        await chat.hears(f"No schedule is called {schedule}")


@pytest.mark.parametrize("kind", ["slack", "telegram-group"])
async def test_on_the_command_line_it_is_stopped_and_paused_with_a_word(busy, kind):
    async with busy(kind.partition("-")[0], kind) as (t, _, schedule):
        asked = {"name": schedule}
        assert (await t.link.call("schedule", action="pause", **asked))["running"]
        await t.link.call("schedule", action="stop", **asked)
        await t.delivered()
        (fired,) = await t.link.call("schedule", action="history", **asked)
        assert fired["outcome"] == "stopped"
        with pytest.raises(CoworkerError, match="so there was nothing to stop"):
            await t.link.call("schedule", action="stop", **asked)
        assert not (await t.link.call("schedule", action="pause", **asked))["running"]
