"""What goes wrong on the way to a platform, and that nobody notices more than they must."""

import asyncio
import time

import pytest

from coworker import settings
from tests.fakes import until
from tests.fakes.anthropic import say, slow
from tests.fakes.slack import ALICE, BOT, GENERAL, Message
from tests.fakes.telegram import bad_gateway, flood, hang, lost_reply, reset, server_error
from tests.stories.platforms.conftest import KINDS

REPEAT = "possibly a repeat"


def echo(request):
    """A model that answers each message with its last word."""
    return say(f"Done {str(request['messages'][-1]['content'][-1]['text']).split()[-1]}.")


def posted(chat):
    return "chat.postMessage" if chat.kind == "slack" else "sendRichMessage"


def written(chat):
    """The call that makes the final answer: an edit where there was a progress message."""
    if chat.kind == "slack":
        return "chat.update"
    return "editMessageText" if chat.has_progress_message else "sendRichMessage"


def goes_wrong(team, chat, method, fault, times=1):
    """Let calls of that platform fail: `limited`, `500`, `502`, `lost` (it happened), `reset`."""
    if chat.kind == "slack":
        kinds = {"limited": "ratelimited", "lost": "reset"}
        more = {"after_effect": fault == "lost"}
        team.slack.fault(method, kinds.get(fault, fault), times, **more)
        return
    faults = {
        "limited": flood(1),
        "500": server_error(500),
        "502": bad_gateway(effect=True),
        "lost": lost_reply(),
        "reset": reset(),
    }
    team.telegram.fail(method, faults[fault], times)


@pytest.mark.parametrize("fault", ["limited", "500", "502", "lost", "reset"])
async def test_the_answer_arrives_once_whatever_befalls_it(talk, fault):
    async with talk(echo) as (t, chat):
        await chat.asks("say one", "Done one.")
        goes_wrong(t, chat, written(chat), fault)
        await chat.opens("say two")
        await chat.hears("Done two.")
        await chat.until(lambda: not chat.working())
        await t.delivered()
        answers = chat.saying("Done two.")
        unlabelled = [each for each in answers if REPEAT not in each.text]
        assert len(unlabelled) <= 1
        assert len(answers) == 1 or (chat.kind == "telegram-private" and len(answers) == 2)
        if fault == "limited":
            assert unlabelled


@pytest.mark.parametrize("fault", ["limited", "500", "lost", "reset"])
async def test_the_first_sign_may_get_lost_but_not_the_answer(talk, fault):
    async with talk([slow(0.3) + say("Done.")]) as (t, chat):
        goes_wrong(t, chat, posted(chat), fault)
        asked = await chat.opens("say it")
        await chat.hears("Done.", within=20)
        await chat.until(lambda: chat.marks(asked) == {"good"})
        await t.delivered()
        assert len([m for m in chat.saying("Done.") if REPEAT not in m.text]) <= 1
        if chat.kind == "slack":
            (answer,) = chat.shown()
            assert REPEAT not in answer.text


@pytest.mark.soak
async def test_a_minute_of_outage_costs_no_answer(talk):
    async with talk([say("Done.")]) as (t, chat):
        goes_wrong(t, chat, written(chat), "500", times=4 if chat.kind == "slack" else 2)
        await chat.opens("say it")
        await chat.hears("Done.", within=90)


async def test_what_was_limited_often_is_still_tried_after_a_doubt(team):
    async with team([say("Done.")], "telegram") as t:
        chat = t.chat("telegram-private")
        t.telegram.fail("sendRichMessage", flood(1), 3)
        t.telegram.fail("sendRichMessage", reset())
        await chat.opens("say it")
        answer = await chat.hears("Done.", within=20)
        assert REPEAT in answer.text


async def test_a_doubt_outlives_a_refusal_that_comes_after_it(team):
    async with team([say("Done.")], "telegram") as t:
        chat = t.chat("telegram-private")
        t.telegram.fail("sendRichMessage", lost_reply())
        t.telegram.fail("sendRichMessage", flood(1), 2)
        await chat.opens("say it")
        first, second = await chat.until(lambda: chat.saying("Done.")[1:] and chat.saying("Done."))
        assert (REPEAT in first.text, REPEAT in second.text) == (False, True)


@pytest.mark.parametrize(
    ("method", "fault", "times"),
    [
        ("chat.postMessage", "ratelimited", 3),
        ("chat.postMessage", "reset", 1),
        ("files.completeUploadExternal", "lost", 1),
    ],
)
async def test_the_file_of_a_long_answer_is_there_once(team, method, fault, times):
    pages = "\n\n".join(f"Page {n} " + "word " * 2_000 for n in range(6))
    async with team([say(f"{pages} The end.")], "slack") as t:
        chat = t.chat("slack")
        if method == "chat.postMessage":
            t.slack.fault("files.completeUploadExternal", "slow", seconds=1)
        else:
            goes_wrong(t, chat, method, fault, times)
        await chat.opens("tell me everything")
        await chat.until(lambda: [m for m in chat.shown() if "Page 0" in m.text])
        if method == "chat.postMessage":
            goes_wrong(t, chat, method, fault, times)
        await chat.hears("The whole answer is in the file.", within=60)
        await t.delivered()
        assert len([each for each in chat.shown() if each.file]) == 1


async def test_nothing_is_said_before_the_time_that_a_platform_named(team):
    async with team([], "telegram") as t:
        chat = t.chat("telegram-private")
        await chat.says("/status")
        await chat.hears("Running")
        t.telegram.fail("sendRichMessage", flood(3))
        for _ in range(3):
            await chat.says("/queue")
            await chat.settled()
        await chat.until(lambda: len(chat.saying("Nothing waits")) == 3)
        refused, following = [each.at for each in t.telegram.called("sendRichMessage")][1:3]
        assert following - refused > 2.9


async def test_lives_that_end_soon_do_not_use_up_the_tries_of_a_message(team):
    async with team([say("Done.")], "telegram") as t:
        t.telegram.fail("sendRichMessage", reset(), 9)
        await t.chat("telegram-private").opens("say it")
        await until(lambda: len(t.telegram.called("sendRichMessage")) == 2, 30)
        for _ in range(3):
            await t.restarts()
        for _ in range(3):
            await t.chat("telegram-private").says("/status")
        async with asyncio.timeout(30):
            while (await t.status())["undelivered"] < 4:
                await asyncio.sleep(0.05)
        assert len(t.telegram.called("sendRichMessage")) == 2


async def test_an_answer_whose_place_was_deleted_is_said_anew_and_labelled_after_a_doubt(team):
    async with team([slow(0.5) + say("Done.")], "telegram") as t:
        chat = t.chat("telegram-group")
        await chat.opens("say it")
        begun = await chat.until(chat.shown)
        await t.telegram.deletes(begun[0].raw)
        t.telegram.fail("sendRichMessage", lost_reply())
        first, second = await chat.until(lambda: chat.saying("Done.")[1:] and chat.saying("Done."))
        assert (REPEAT in first.text, REPEAT in second.text) == (False, True)


@pytest.mark.parametrize(
    ("crowded", "free"), [("slack", "telegram-group"), ("telegram-group", "telegram-private")]
)
async def test_a_room_that_is_limited_holds_up_no_other(team, crowded, free):
    async with team(echo) as t:
        chat, other = t.chat(crowded), t.chat(free)
        t.crowd.rooms = {"C0GENERAL"} if crowded == "slack" else {str(t.rooms["group"].id)}
        await chat.opens("say one")
        await chat.until(lambda: t.crowd.turned_away)
        await other.opens("say two")
        await other.hears("Done two.")
        assert not chat.saying("Done one.")
        t.crowd.rooms = set()
        await chat.hears("Done one.")
        await t.delivered()
        assert len(chat.saying("Done one.")) == 1


async def test_one_wrong_token_leaves_the_other_platform_alone(team, tokens):
    async with team(echo) as t:
        await t.ends()
        tokens("slack", SLACK_BOT_TOKEN="xoxb-wrong")
        await t.starts()
        chat = t.chat("telegram-private")
        await chat.asks("say one", "Done one.")
        slack = await t.adapter("slack")
        assert slack["state"] == "refused"
        assert "Copy the bot token" in slack["detail"]
        assert (await t.adapter("telegram"))["state"] == "connected"


async def test_a_wrong_telegram_token_leaves_slack_alone(team, tokens):
    async with team(echo) as t:
        await t.ends()
        tokens("telegram", TELEGRAM_BOT_TOKEN="7000001:" + "x" * 35)
        await t.starts()
        await t.slack.connected()
        await t.chat("slack").asks("say one", "Done one.")
        telegram = await t.adapter("telegram")
        assert telegram["state"] == "refused"
        assert "@BotFather" in telegram["detail"]


@pytest.mark.parametrize("name", ["slack", "telegram"])
async def test_a_host_that_is_not_there_leaves_the_other_alone(team, name):
    nowhere = {
        "slack": {"slack": settings.Slack(base_url="http://127.0.0.1:9/api/")},
        "telegram": {"telegram": settings.Telegram(base_url="http://127.0.0.1:9/bot")},
    }
    other = "slack" if name == "telegram" else "telegram"
    async with team(echo, other, absent=name, **nowhere[name]) as t:
        chat = t.chat("slack" if other == "slack" else "telegram-group")
        await chat.asks("say one", "Done one.")
        broken = await t.adapter(name)
        assert broken["state"] in ("broken", "reconnecting", "starting")
        assert "cannot be reached" in broken["detail"]


@pytest.mark.soak
async def test_a_token_that_is_revoked_meanwhile_is_told_and_life_goes_on(team):
    async with team(echo) as t:
        await t.chat("slack").asks("say one", "Done one.")
        t.slack.revoked = True
        await t.slack.disconnect()
        await t.becomes("slack", "refused", within=60)
        chat = t.chat("telegram-private")
        await chat.asks("say two", "Done two.")


async def test_after_an_hour_away_everybody_is_answered_once(team):
    async with team(echo) as t:
        chats = [t.chat(kind) for kind in KINDS]
        for chat in chats:
            await chat.asks("say one", "Done one.")
        await t.ends()
        for number, chat in enumerate(chats):
            await chat.opens(f"say away{number}")
        await t.slack.settled()
        await t.starts()
        for number, chat in enumerate(chats):
            await chat.hears(f"Done away{number}.")
        await t.delivered()
        assert [len(chat.shown()) for chat in chats] == [2] * len(chats)


async def test_what_waited_seven_hours_is_reported_and_not_answered(team):
    async with team(echo) as t:
        chats = [t.chat("slack"), t.chat("telegram-group")]
        for chat in chats:
            await chat.asks("say one", "Done one.")
        await t.ends()
        await t.was_away(hours=8)
        t.telegram.world.ahead_s = -7 * 3600
        old = f"{time.time() - 7 * 3600:.6f}"
        t.slack.world.post(Message(GENERAL, old, ALICE, f"<@{BOT}> say late"))
        await chats[1].opens("say later")
        t.telegram.world.ahead_s = 0
        await chats[0].opens("say fresh")
        await t.starts()
        await chats[0].hears("Done fresh.")
        (report,) = await chats[0].until(
            lambda: [m.shown for m in t.slack.messages(GENERAL) if "I was away" in m.shown]
        )
        assert "alice: say late" in report
        assert "alice: @coworker_bot" not in (await chats[1].hears("I was away")).text
        await t.delivered()
        assert not [m for m in t.slack.messages(GENERAL) if "Done late" in m.shown]
        assert not chats[1].saying("Done later")
        assert len(chats[1].saying("I was away")) == 1


async def test_a_socket_that_is_reset_misses_nothing(team):
    async with team(echo, "slack") as t:
        chat = t.chat("slack")
        await chat.asks("say one", "Done one.")
        t.slack.kill()
        await chat.opens("say two")
        await chat.hears("Done two.", within=30)
        assert len(chat.saying("Done two.")) == 1


@pytest.mark.soak
async def test_a_socket_that_only_looks_alive_misses_nothing(team):
    async with team(echo, "slack") as t:
        chat = t.chat("slack")
        await chat.asks("say one", "Done one.")
        t.slack.freeze()
        await chat.opens("say two")
        await chat.hears("Done two.", within=90)
        assert len(chat.saying("Done two.")) == 1


async def test_telegram_that_is_down_for_a_while_misses_nothing(team):
    async with team(echo, "telegram") as t:
        chat = t.chat("telegram-group")
        await chat.asks("say one", "Done one.")
        t.telegram.down = True
        await chat.opens("say two")
        await until(lambda: t.telegram.calls[-1].refused)
        t.telegram.down = False
        await chat.hears("Done two.", within=30)
        await t.delivered()
        assert len(chat.saying("Done two.")) == 1


@pytest.mark.soak
async def test_a_call_that_hangs_is_given_up_and_the_answer_comes(talk):
    async with talk(echo) as (t, chat):
        await chat.asks("say one", "Done one.")
        if chat.kind == "slack":
            t.slack.fault("chat.update", "hang")
        else:
            t.telegram.fail("*", hang(effect=False), 1)
        await chat.opens("say two")
        await chat.hears("Done two.", within=90)


@pytest.mark.soak
async def test_a_run_over_half_a_minute_ends_with_a_message_that_notifies(talk):
    async with talk([slow(31) + say("Done long.")]) as (_, chat):
        await chat.opens("take your time")
        if chat.has_progress_message:
            progress = (await chat.until(chat.shown))[0]
        answer = await chat.hears("Done long.", within=60)
        if chat.has_progress_message:
            assert answer.id != progress.id
            await chat.until(lambda: not chat.working())
            receipt = next(m for m in chat.shown() if m.id == progress.id)
            assert "31 s" in receipt.text
        assert chat.notifies(answer)


async def test_an_answer_that_meets_a_revoked_token_waits_for_the_right_one(team):
    async with team([slow(0.5) + say("Done one.")], "slack") as t:
        chat = t.chat("slack")
        await chat.opens("say one")
        await chat.until(lambda: t.model.requests)
        t.slack.revoked = True
        await chat.until(lambda: any(c.error == "token_revoked" for c in t.slack.calls))
        await t.ends()
        t.slack.revoked = False
        await t.starts()
        await chat.hears("Done one.")
        await t.delivered()
        (answer,) = chat.shown()
        assert REPEAT not in answer.text
