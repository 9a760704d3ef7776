"""Standing work that ends: a run is stopped by its schedule's name, a schedule loses its maker."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import time
from contextlib import asynccontextmanager

import msgspec
import pytest

from coworker.errors import CoworkerError
from coworker.settings import PersonConfig
from coworker.store.log import Log
from tests.fakes.anthropic import call, hang, say
from tests.fakes.slack import ALICE, BOB, GENERAL
from tests.stories.platforms.test_standing_work import missed, own_thread

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
async def test_a_stop_said_to_its_room_finds_it(busy, kind):
    async with busy(kind.partition("-")[0], kind) as (t, chat, schedule):
        to_room = chat.apart() if kind == "slack" else chat
        if kind == "slack":
            guests = chat.apart()
            await guests.opens("stop", who="gus")
            await guests.hears("Nothing is running here")
        await to_room.opens("stop", who="bob")
        await t.delivered()
        (fired,) = await t.link.call("schedule", action="history", name=schedule)
        assert fired["outcome"] == "stopped"


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


async def test_on_the_command_line_a_verb_about_another_place_is_answered(team):
    people = {"alice": PersonConfig(role="owner", ids=[f"slack:{ALICE}", "terminal:*"])}
    async with team([hang()], "slack", people=people) as t:
        chat = t.chat("slack")
        await chat.opens("wait for it")
        await chat.until(lambda: t.model.requests)
        (running,) = (await t.status())["running"]
        assert (await asked(t, "!stop", running)).startswith("Stopped.")
        await chat.hears("Stopped.")
        given = {"when": "every day at 9", "prompt": "x", "name": "daily"}
        await t.link.call("schedule", action="add", to=f"slack:{GENERAL}", **given)
        assert "daily" in await asked(t, "!schedules", running)


async def test_a_schedule_whose_maker_left_says_that_alone_and_is_not_resumed(team):
    async with team([say("Two commits.")], "slack") as t:
        chat = t.chat("slack")
        past = round(time.time() * 1000) - 3_600_000
        bobs = dataclasses.replace(missed("nightly", "late", past), creator=f"slack:{BOB}")
        await without_us(t, lambda log: log.schedules.add(bobs))
        await chat.until(lambda: own_thread(t, "Two commits."))
        await t.delivered()
        people = {name: each for name, each in t.settings.people.items() if name != "bob"}
        t.settings = msgspec.structs.replace(t.settings, people=people)
        await without_us(t, lambda log: log.schedules.resume(bobs.id, past))
        notice = await chat.until(lambda: own_thread(t, "I paused the schedule"))
        assert "whoever made it is not among the people any more" in notice.shown
        assert "Two commits." not in notice.shown
        await chat.opens("!schedules resume nightly")
        await chat.hears("would pause again: whoever made it is not among the people")


async def without_us(t, change):
    """Change the log while the daemon is away."""
    await t.ends()
    log = Log(t.settings.state, pytest.fail)
    await change(log)
    await log.close()
    await t.starts()
    await t.slack.connected()


async def asked(t, text, conversation):
    """What `coworker ask` says beside the daemon, as a process of its own."""
    command = ("ask", text, "--conversation", conversation, "--state-dir", str(t.settings.state))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "coworker", *command, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(20):
            return (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
