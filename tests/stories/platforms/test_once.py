"""A verb is obeyed once, however often the platform tells us of it."""

from __future__ import annotations

import time

import pytest

from tests.fakes import until
from tests.fakes.slack import ALICE, BOB, BOT, GENERAL
from tests.fakes.slack.world import Message
from tests.stories.test_forget import files_with

SECRET = "alphaone must orbit the quartz moon"
DEADLINE_S = 30
ENDINGS = pytest.mark.parametrize("ending", ["reconnects", "restarts"])


async def told(t, who: str, words: str, answer: str, room: str = GENERAL) -> Message:
    """Say a verb in a thread of its own; what is answered."""
    said = await t.slack.says(who, room, f"<@{BOT}> {words}")
    return await t.slack.sees(answer, thread=said, within=DEADLINE_S)


async def away(t, ending: str, words: str, answer: str, room: str = GENERAL) -> None:
    """Be away for a moment: what alice says meanwhile is in the room's history, behind the rest."""
    events = set(t.slack.events)
    t.slack.events.clear()
    if ending == "restarts":
        await t.ends()
    else:
        t.slack.kill()
    said = await t.slack.says(ALICE, room, f"<@{BOT}> {words}")
    if ending == "restarts":
        await t.starts()
    await t.slack.sees(answer, thread=said, within=DEADLINE_S)
    t.slack.events.update(events)


@ENDINGS
async def test_what_was_forgotten_does_not_come_back_with_slacks_history(team, ending):
    async with team([], "slack") as t:
        await told(t, BOB, f"!remember {SECRET}", "Remembered as f1")
        await told(t, BOB, "!forget f1", "Forgotten")
        assert files_with("quartz", t.settings.state) == []
        await away(t, ending, "!memory", "Nothing is remembered")
        assert files_with("quartz", t.settings.state) == []


@ENDINGS
async def test_who_was_sent_away_is_not_let_in_again_by_slacks_history(team, ending):
    async with team([], "slack") as t:
        new = t.slack.user("new")
        ops = t.slack.channel("ops", ALICE, new)  # read after the room in which she is sent away
        await told(t, ALICE, f"!pair slack:{new} newbie", "newbie, member", room=ops)
        await told(t, ALICE, f"!unpair slack:{new}", "is a stranger")
        await away(t, ending, "!rules", "Where no rule fits", room=ops)
        await told(t, new, "hello?", "I do not know", room=ops)
        assert not t.model.requests


async def test_what_was_said_in_two_rooms_meanwhile_is_heard_in_its_order(team):
    async with team([], "slack") as t:
        new = t.slack.user("new")
        ops = t.slack.channel("ops", ALICE, new)  # read after the other room
        await t.ends()
        await t.slack.says(ALICE, ops, f"<@{BOT}> !pair slack:{new} newbie")
        said = time.time()
        await until(lambda: time.time() - said > 0.01, 30)  # nobody says both within a millisecond
        await t.slack.says(ALICE, GENERAL, f"<@{BOT}> !unpair slack:{new}")
        await t.starts()
        await told(t, ALICE, "!rules", "Where no rule fits", room=ops)
        await told(t, new, "hello?", "I do not know", room=ops)
        assert not t.model.requests


async def test_what_an_outage_left_does_not_undo_what_was_said_since(team):
    async with team([], "slack") as t:
        new, other = t.slack.user("new"), t.slack.user("other")
        ops = t.slack.channel("ops", ALICE, new)
        await t.ends()
        await t.slack.says(ALICE, ops, f"<@{BOT}> !pair slack:{new} newbie")
        await t.slack.says(ALICE, ops, f"<@{BOT}> !pair slack:{other} other")
        t.slack.fault("conversations.history", "slow", 9, seconds=2)
        await t.starts()
        await t.slack.connected()
        await told(t, ALICE, f"!unpair slack:{new}", "")
        in_ops = t.slack.messages
        await t.slack.until(lambda: [m for m in in_ops(ops) if "other, member" in m.shown])
        await t.slack.until(lambda: [m for m in in_ops(ops) if "hear this late" in m.shown])
        await told(t, new, "hello?", "I do not know", room=ops)
        assert not t.model.requests


async def test_telegrams_updates_that_come_again_are_obeyed_once(team):
    async with team([], "telegram") as t:
        chat, old = t.chat("telegram-private"), []
        for words, answer in ((f"/remember {SECRET}", "as f1"), ("/forget f1", "Forgotten")):
            await chat.opens(words)
            old += t.telegram.updates.waiting
            await chat.hears(answer)
        await t.ends()
        t.telegram.updates.waiting = [*old, *old]
        await t.starts()
        await chat.opens("/memory")
        await chat.hears("Nothing is remembered")
        assert len(chat.saying("Remembered as")) == len(chat.saying("Forgotten")) == 1
        assert files_with("quartz", t.settings.state) == []


async def test_a_slash_command_that_is_repeated_changes_nothing_more(team):
    async with team([], "slack") as t:
        first = await t.slack.command(BOB, GENERAL, "/coworker", f"remember {SECRET}")
        await t.slack.until(lambda: first.done, DEADLINE_S)
        await told(t, BOB, "!forget f1", "Forgotten")
        again = t.slack.sockets.deliver("slash_commands", first.payload)
        await t.slack.until(lambda: again.done, DEADLINE_S)
        await told(t, BOB, "!memory", "Nothing is remembered")
