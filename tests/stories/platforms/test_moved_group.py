"""A group that became a supergroup is one room, by whichever of its ids somebody names it."""

import msgspec
import pytest

from coworker.settings import Audit, PersonConfig, RepoConfig, Rule
from tests.fakes.anthropic import call, say
from tests.stories.platforms.chats import GroupChat

DAILY = {"when": "every day at 09:00", "prompt": "What changed?"}
REFUSED = [call("git_log"), say("I may not look.")]


async def moved(t):
    """Its ids, after it has moved before anybody spoke to us there."""
    old = t.rooms["group"]
    new = t.rooms["group"] = await t.telegram.migrates(old)
    await t.telegram.until(lambda: not t.telegram.updates.waiting)
    return {"old": f"telegram:{old.id}", "new": f"telegram:{new.id}"}


async def renamed(t, shop, room, **more):
    """The owner writes that id into the configuration, and starts anew."""
    repos = {"shop": RepoConfig(path=str(shop), rooms=[room])}
    people = {**t.settings.people, "root": PersonConfig(role="owner", ids=["terminal:*"])}
    t.settings = msgspec.structs.replace(t.settings, repos=repos, people=people, **more)
    await t.restarts()
    return GroupChat(t.telegram, t.rooms["group"], t.people)


IDS = pytest.mark.parametrize("id", ["old", "new"])


@IDS
async def test_a_rule_and_a_repository_name_it_by_either_id(team, shop, id):
    async with team(REFUSED, "telegram") as t:
        room = (await moved(t))[id]
        chat = await renamed(t, shop, room, rules=[Rule("deny", tool="git_log", rooms=[room])])
        await chat.opens("what changed?", who="bob")
        await chat.hears("I may not look.")
        assert f"never git_log in the room {room}" in str(t.model.requests[-1]["messages"][-1])


@IDS
async def test_standing_work_is_sent_there_by_either_id(team, shop, id):
    async with team([], "telegram") as t:
        rooms = await moved(t)
        await renamed(t, shop, rooms["new"])
        made = await t.link.call("schedule", action="add", to=rooms[id], repo="shop", **DAILY)
        assert made["to"] == rooms["old"]
        chat = t.chat("telegram-group")
        await chat.opens("/schedules")
        assert "every day at 09:00" in (await chat.hears("every day")).text


@IDS
async def test_the_head_of_the_log_is_posted_there_by_either_id(team, shop, id):
    async with team([], "telegram") as t:
        room = (await moved(t))[id]
        chat = await renamed(t, shop, room, audit=Audit(room=room))
        await chat.hears("Audit head of")
