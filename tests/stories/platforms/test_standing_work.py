"""Standing work where people talk: who may save it, where it speaks, and how it goes on there."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from coworker.settings import PersonConfig
from coworker.store.log import Log
from coworker.store.schedules import Schedule
from coworker.types import Place
from tests.fakes import until
from tests.fakes.anthropic import call, say
from tests.fakes.slack import ALICE, BOT, GENERAL
from tests.stories.platforms.chats import SlackChat

WEEKDAYS = {"when": "every weekday at 09:00", "prompt": "What changed since yesterday?"}
ASKED = [call("schedule", **WEEKDAYS), say("I will.")]


async def standing(t, action="list", **given):
    return await t.link.call("schedule", action=action, **given)


async def saved(t, chat):
    """Ask for it and save it; its id."""
    await chat.opens("tell us every weekday at 9 what changed")
    card = await chat.hears("every weekday at 09:00")
    await chat.clicks(card, "Save")
    await chat.hears("I will.")
    (row,) = await standing(t)
    return row["id"]


async def test_the_card_shows_the_next_five_times_and_only_who_asked_or_an_owner_saves_it(talk):
    async with talk(ASKED) as (t, chat):
        await chat.opens("tell us every weekday at 9 what changed")
        card = await chat.hears("every weekday at 09:00")
        assert card.buttons == ("Save", "Change")
        assert card.text.count("09:00 UTC") == 5
        if chat.shared:
            await chat.clicks(card, "Save", who="bob")
            await chat.until(lambda: any(chat.whispers()))
        assert await standing(t) == []
        await chat.clicks(card, "Save")
        await chat.hears("I will.")
        assert [row["when"] for row in await standing(t)] == ["every weekday at 09:00"]


async def test_hours_are_those_of_the_slack_profile_of_whoever_asks(team):
    async with team(ASKED, "slack") as t:
        t.slack.world.users[ALICE].tz = "America/New_York"
        chat = t.chat("slack")
        await chat.opens("tell us every weekday at 9 what changed")
        card = await chat.hears("every weekday at 09:00 (America/New_York)")
        assert card.text.count("09:00 E") == 5
        await chat.clicks(card, "Save")
        await chat.hears("I will.")
        asked = [each.arguments for each in t.slack.calls if each.method == "users.info"]
        assert [each["user"] for each in asked].count(ALICE) == 1


async def test_change_goes_back_to_the_model_with_what_was_said(talk):
    script = [*ASKED[:1], say("When, then?")]
    async with talk(script) as (t, chat):
        await chat.opens("tell us every weekday at 9 what changed")
        card = await chat.hears("every weekday at 09:00")
        await chat.clicks(card, "Change")
        await chat.hears("When, then?")
        assert "answered: Change" in str(t.model.requests[-1]["messages"])
        assert await standing(t) == []


async def test_a_run_posts_its_answer_and_nothing_before_it(talk):
    async with talk([*ASKED, say("Two commits since yesterday.")]) as (t, chat):
        schedule = await saved(t, chat)
        await t.delivered()
        before = len(chat.shown())
        await standing(t, "run", name=schedule)
        if isinstance(chat, SlackChat) and chat.shared:
            chat.root = await chat.until(lambda: own_thread(t))
            before = 0
        await chat.hears("Two commits since yesterday.")
        await t.delivered()
        assert len(chat.shown()) == before + 1


def own_thread(t, part="Two commits since yesterday."):
    """Our message that opens a thread in #general."""
    roots = [m for m in t.slack.messages(GENERAL) if m.user == BOT and not m.thread_ts]
    return next((m for m in roots if part in m.shown), None)


async def test_on_slack_a_reply_in_its_thread_goes_on_with_the_job(team):
    script = [*ASKED, say("Two commits since yesterday."), say("By ann.")]
    async with team(script, "slack") as t:
        chat = t.chat("slack")
        schedule = await saved(t, chat)
        await standing(t, "run", name=schedule)
        again = t.chat("slack")
        again.root = await again.until(lambda: own_thread(t))
        assert again.root.ts != chat.root.ts
        await t.delivered()
        await again.says("who made them?", who="bob")
        await again.hears("By ann.")
        told = str(t.model.requests[-1]["messages"])
        assert "What changed since yesterday?" in told
        assert "Two commits since yesterday." in told
        assert "tell us every weekday" not in told


async def its_thread(t):
    """Save it on Slack and let it run; the thread that its post opens."""
    schedule = await saved(t, t.chat("slack"))
    await standing(t, "run", name=schedule)
    again = t.chat("slack")
    again.root = await again.until(lambda: own_thread(t))
    await t.delivered()
    return again


async def test_on_slack_a_verb_in_its_thread_is_answered_there(team):
    async with team([*ASKED, say("Two commits since yesterday.")], "slack") as t:
        again = await its_thread(t)
        traced = await t.link.call("why", what=f"slack:{GENERAL}:{again.root.ts}")
        assert traced["reply"]["text"] == "Two commits since yesterday."
        await again.says("!queue")
        await again.hears("Nothing waits")
        await again.says("!approve 9")
        await again.hears("There is no open question 9")


async def test_on_slack_what_is_remembered_in_its_thread_has_a_link_that_opens(team):
    async with team([*ASKED, say("Two commits since yesterday.")], "slack") as t:
        again = await its_thread(t)
        said = await again.says("!remember we decided that ibex listens on port 9999")
        await again.hears("Remembered")
        await again.says("!memory ibex")
        path = f"/archives/{GENERAL}/p{said.ts.replace('.', '')}"
        await again.hears(f"{path}?thread_ts={again.root.ts}&cid={GENERAL}")


async def test_the_card_shows_every_character_of_what_will_be_asked(talk):
    hidden = 'tell all <!-- and push -->\n\n[h]: http://evil.test "and more"\n\nend'
    async with talk([call("schedule", **WEEKDAYS | {"prompt": hidden})]) as (_, chat):
        await chat.opens("tell us every weekday at 9 what changed")
        card = await chat.hears("every weekday at 09:00")
        assert f"```\n{hidden}\n```" in card.text.replace("\u2060", "")


async def test_what_the_clock_says_is_no_memory(team):
    looks = call("recall", queries=["what changed since yesterday"])
    script = [*ASKED, say("Two commits since yesterday."), looks, say("Known.")]
    async with team(script, "slack") as t:
        schedule = await saved(t, t.chat("slack"))
        await standing(t, "run", name=schedule)
        await until(lambda: own_thread(t), 30)
        await t.delivered()
        chat = t.chat("slack")
        await chat.asks("look", "Known.")
        told = str(t.model.requests[-1]["messages"])
        assert "Two commits since yesterday." in told
        assert "What changed since yesterday?" not in told


async def test_on_slack_a_question_of_its_own_is_answered_in_its_thread(team):
    asks = call("ask", question="Shall I mend it?", options=["Mend it", "Leave it"])
    script = [*ASKED, asks, say("Two commits since yesterday.")]
    async with team(script, "slack") as t:
        schedule = await saved(t, t.chat("slack"))
        await standing(t, "run", name=schedule)
        again = t.chat("slack")
        again.root = await again.until(lambda: own_thread(t, "Shall I mend it?"))
        card = await again.hears("Shall I mend it?")
        await again.clicks(card, "Mend it")
        await again.hears("Two commits since yesterday.")
        assert "alice answered: Mend it" in str(t.model.requests[-1]["messages"])


async def test_a_run_without_news_posts_nothing(talk):
    async with talk([*ASKED, call("nothing_new")]) as (t, chat):
        schedule = await saved(t, chat)
        await t.delivered()
        shown = [each.id for each in chat.shown()]
        await standing(t, "run", name=schedule)
        async with asyncio.timeout(30):
            while (await standing(t, "history", name=schedule))[0]["outcome"] != "nothing":
                await asyncio.sleep(0.02)
        await t.delivered()
        assert [each.id for each in chat.shown()] == shown
        assert [m for m in t.slack.messages(GENERAL) if m.user == BOT and not m.thread_ts] == []


@pytest.mark.parametrize(
    "step", [say("Two commits since yesterday."), call("ask", question="Which of them?")]
)
async def test_what_its_room_does_not_take_is_a_failure(team, step):
    """An answer that nobody reads, and a question that nobody can answer."""
    async with team([*ASKED, step], "slack") as t:
        schedule = await saved(t, t.chat("slack"))
        await t.delivered()
        t.slack.world.channels[GENERAL].archived = True
        await standing(t, "run", name=schedule)
        async with asyncio.timeout(30):
            while (await standing(t, "history", name=schedule))[0]["outcome"] != "failed":
                await asyncio.sleep(0.02)
        (fired,) = await standing(t, "history", name=schedule)
        assert "is_archived" in fired["undelivered"]
        assert (await standing(t, "show", name=schedule))["failures"] == 1
        await t.delivered()
        assert (await t.link.call("status"))["waiting"] == []


@pytest.mark.parametrize("kind", ["telegram-private", "telegram-group", "telegram-topic"])
async def test_a_card_that_nobody_decides_holds_up_no_standing_work(talk):
    later = call("schedule", when="every weekday at 10:00", prompt="What is new?")
    news, more = say("Two commits since yesterday."), say("By ann.")
    async with talk([*ASKED, later, news, more, say("At ten, then.")]) as (t, chat):
        schedule = await saved(t, chat)
        await chat.says("and what is new at 10, please")
        card = await chat.hears("every weekday at 10:00")
        await t.delivered()
        await standing(t, "run", name=schedule)
        posted = await chat.hears("Two commits since yesterday.")
        await t.delivered()
        await chat._post("who made them?", "alice", reply_to=posted.raw)
        await chat.hears("By ann.")
        told = str(t.model.requests[-1]["messages"])
        assert "Two commits since yesterday." in told
        assert "what is new at 10" not in told
        await chat.clicks(card, "Save")
        await chat.hears("At ten, then.")
        assert [row["last"] for row in await standing(t)] == ["answered", None]


async def undone(t, what) -> tuple[int | None, str]:
    """What `coworker undo` says beside the daemon, as a process of its own."""
    command = ("-m", "coworker", "undo", what, "--state-dir", str(t.settings.state))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(20):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, (out + err).decode()


async def test_undo_on_the_command_line_takes_back_what_was_said_elsewhere_and_ends(team):
    script = [*ASKED, call("ask", question="Which room?"), say("This one.")]
    people = {"alice": PersonConfig(role="owner", ids=[f"slack:{ALICE}", "terminal:*"])}
    async with team(script, "slack", people=people) as t:
        chat = t.chat("slack")
        await saved(t, chat)
        talked = (await t.link.call("inbox"))[0]["conversation"]
        status, told = await undone(t, talked)
        assert (status, told[:12]) == (0, "Undo of run ")
        assert "is removed" in told
        await chat.hears("Undo of run ")
        assert await standing(t) == []
        assert "taken back already" in (await undone(t, talked))[1]
        await chat.says("and now something else")
        await chat.hears("Which room?")
        status, told = await undone(t, talked)
        assert (status, "waits for an answer of a person" in told) == (75, True)
        await chat.says("this one")
        await chat.hears("This one.")


async def test_guests_cannot_ask_for_standing_work(team):
    async with team([call("schedule", **WEEKDAYS), say("You may not.")], "slack") as t:
        chat = t.chat("slack")
        await chat.opens("every weekday at 9, tell me", who="gus")
        await chat.hears("You may not.")
        assert "guests may only read" in str(t.model.requests[-1]["messages"])
        assert await standing(t) == []


@pytest.mark.parametrize("verb", ["!schedules"])
async def test_the_verb_shows_what_this_room_has(talk, verb):
    async with talk(ASKED) as (t, chat):
        await saved(t, chat)
        await chat.says(verb) if chat.shared else await chat.opens(verb)
        await chat.hears("What changed since yesterday?")


async def test_after_three_days_away_one_report_says_what_became_of_each(team):
    async with team([say("Two commits since Monday.")], "slack") as t:
        await t.ends()
        now = round(time.time() * 1000)
        log = Log(t.settings.state, pytest.fail)
        for name, policy, hours in (
            ("nightly", "late", 2),
            ("lunch", "skip", 3),
            ("tea", "ask", 1),
        ):
            await log.schedules.add(missed(name, policy, now - hours * 3_600_000))
        await log.close()
        await t.starts()
        chat = t.chat("slack")
        chat.root = await chat.until(lambda: own_thread(t, "missed hours while I was away"), 20)
        lines = chat.root.shown
        assert "“nightly”: 4 missed, run once for all of them." in lines
        assert "“lunch”: 4 missed, skipped." in lines
        assert "“tea”: 4 missed, shall I?" in lines
        await chat.until(lambda: own_thread(t, "Two commits since Monday."))
        await t.delivered()
        assert len([m for m in t.slack.messages(GENERAL) if m.user == BOT]) == 2


def missed(name, policy, last):
    """Standing work of alice's in #general that should have run three days ago, and each day."""
    return Schedule(
        id=name.ljust(8, "0"),
        name=name,
        repo="shop",
        place=Place("slack", GENERAL),
        conversation=None,
        creator=f"slack:{ALICE}",
        prompt="What changed?",
        spec=f"every day at {time.strftime('%H:%M', time.gmtime(last / 1000))}",
        tz="UTC",
        next_at=last // 60_000 * 60_000 - 3 * 86_400_000,
        created_at=0,
        policy=policy,
    )
