"""The whole coworker on Slack: what people write in the channel, and what they see there."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from coworker import daemon
from coworker.settings import PersonConfig, RepoConfig
from coworker.settings import Slack as Settings
from tests.fakes.anthropic import FakeAnthropic, call, say, slow, status
from tests.fakes.slack import ALICE, BOB, BOT, GENERAL, FakeSlack

DEADLINE_S = 30


@pytest.fixture
def team(configured, shop, monkeypatch):
    """`async with team(script) as slack:` is a team whose daemon lives as long as the context."""

    @asynccontextmanager
    async def team(script, slack: FakeSlack, **more):
        monkeypatch.setenv("SLACK_BOT_TOKEN", slack.bot_token)
        monkeypatch.setenv("SLACK_APP_TOKEN", slack.app_token)
        async with FakeAnthropic(script, strict=True) as model:
            config = configured(
                model,
                slack=Settings(base_url=slack.base_url),
                people={
                    "alice": PersonConfig(role="owner", ids=[f"slack:{ALICE}"]),
                    "carol": PersonConfig(role="guest", ids=["slack:U0CAROL"]),
                },
                repos={"shop": RepoConfig(path=str(shop), rooms=[f"slack:{GENERAL}"])},
                **more,
            )
            async with daemon.owned(config, connecting=True):
                await slack.connected()
                yield model

    return team


@pytest.fixture
async def slack():
    """The workspace."""
    async with FakeSlack() as slack:
        yield slack


async def test_a_mention_is_seen_answered_in_its_thread_and_checked_off(team, slack):
    async with team([say("Ann wrote the *cart*.")], slack):
        said = await slack.says(ALICE, GENERAL, f"<@{BOT}> who wrote the cart?")
        await slack.sees("Ann wrote", thread=said, within=DEADLINE_S)
        await slack.until(lambda: said.reactions == {"white_check_mark": [BOT]}, DEADLINE_S)
        [answer] = slack.thread(GENERAL, said.ts)[1:]
        assert answer.shown.startswith("Ann wrote the *cart*.\n✓")
        assert [m for m in slack.messages(GENERAL) if m.user == BOT] == [answer]


async def test_work_is_shown_while_it_is_done(team, slack):
    script = [call("read_file", path="shop/cart.py"), slow(2) + say("It rounds each line.")]
    async with team(script, slack):
        said = await slack.says(ALICE, GENERAL, f"<@{BOT}> how does it round?")
        await slack.sees("cart.py", thread=said, within=DEADLINE_S)
        await slack.sees("It rounds each line", thread=said, within=DEADLINE_S)
        assert len(slack.thread(GENERAL, said.ts)) == 2


async def test_a_question_is_answered_by_a_button_of_somebody_who_may(team, slack):
    slack.join(slack.user("carol"), GENERAL)
    script = [call("ask", question="Which one?", options=["cart", "till"]), say("The till it is.")]
    async with team(script, slack):
        said = await slack.says(ALICE, GENERAL, f"<@{BOT}> mend it")
        card = await slack.sees("Reply here", thread=said, within=DEADLINE_S)
        for stranger in (BOB, "U0CAROL"):
            await slack.clicks(stranger, card, "answer:1")
        await slack.until(lambda: len(slack.ephemerals) == 2)
        await slack.clicks(ALICE, card, "answer:1")
        await slack.sees("The till it is", thread=said, within=DEADLINE_S)
        await slack.sees("till · alice", thread=said)
        told = {each.only_for: each.shown for each in slack.ephemerals}
        assert told[BOB].startswith("I do not know you")
        assert "not yours to decide" in told["U0CAROL"]


async def test_a_stop_sign_stops_at_once(team, slack):
    async with team([slow(60) + say("Too late.")], slack):
        said = await slack.says(ALICE, GENERAL, f"<@{BOT}> count to a million")
        await slack.until(lambda: len(slack.thread(GENERAL, said.ts)) == 2, DEADLINE_S)
        await slack.reacts(ALICE, said, "octagonal_sign")
        await slack.sees("Stopped", thread=said)
        await slack.until(lambda: said.reactions.get("x") == [BOT])


async def test_a_failure_is_one_sentence_with_a_way_on(team, slack):
    refused = status(400, body={"type": "error", "error": {"type": "x", "message": "no"}})
    async with team([refused, say("Now it works.")], slack):
        said = await slack.says(ALICE, GENERAL, f"<@{BOT}> hello")
        await slack.until(lambda: said.reactions == {"x": [BOT]}, DEADLINE_S)
        [answer] = slack.thread(GENERAL, said.ts)[1:]
        await slack.clicks(ALICE, answer, "do:retry")
        await slack.sees("Now it works", thread=said, within=DEADLINE_S)


async def test_the_model_sees_the_thread_and_the_file(team, slack):
    async with team([say("I see.")], slack) as model:
        root = await slack.says(BOB, GENERAL, "The till is broken.")
        files = [("till.log", b"paper jam\n")]
        await slack.says(ALICE, GENERAL, f"<@{BOT}> why?", thread=root, files=files)
        await slack.sees("I see", thread=root, within=DEADLINE_S)
        asked = str(model.requests)
        assert "The till is broken." in asked
        assert "paper jam" in asked


async def test_a_stranger_gets_the_fixed_reply_and_no_model_hears_of_it(team, slack):
    async with team([], slack) as model:
        said = await slack.says(BOB, GENERAL, f"<@{BOT}> hello")
        await slack.sees("I do not know", thread=said, within=DEADLINE_S)
        assert not model.requests


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("fault", ["500", "reset", "garbage"])
async def test_an_answer_whose_arrival_nobody_confirmed_is_there_once(team, slack, fault, alone):
    async with team([say("It is round.")], slack):
        for method in ("chat.postMessage", "chat.startStream", "chat.stopStream", "chat.update"):
            slack.fault(method, fault, after_effect=True)
        room = slack.dm(ALICE) if alone else GENERAL
        said = await slack.says(ALICE, room, f"<@{BOT}> what shape?")
        await slack.until(lambda: said.reactions == {"white_check_mark": [BOT]}, DEADLINE_S)
        [answer] = slack.thread(room, said.ts)[1:]
        assert answer.shown.startswith("It is round.")


async def test_what_was_asked_while_we_were_down_is_answered_once(team, slack):
    async with team([say("First.")], slack):
        said = await slack.says(ALICE, GENERAL, f"<@{BOT}> one")
        await slack.sees("First", thread=said, within=DEADLINE_S)
    more = await slack.says(ALICE, GENERAL, "and two?", thread=said)
    async with team([say("Second.")], slack):
        await slack.sees("Second", thread=said, within=DEADLINE_S)
        await slack.until(lambda: more.reactions == {"white_check_mark": [BOT]}, DEADLINE_S)
        answers = [m.shown.partition("\n")[0] for m in slack.thread(GENERAL, said.ts)]
        assert [a for a in answers if a in ("First.", "Second.")] == ["First.", "Second."]


async def test_a_run_that_outlives_us_writes_its_answer_over_the_stream_we_left(team, slack):
    async with team([slow(60) + say("Too late.")], slack):
        said = await slack.says(ALICE, slack.dm(ALICE), "what shape?")
        await slack.until(lambda: len(slack.thread(said.channel, said.ts)) == 2, DEADLINE_S)
    async with team([say("It is round.")], slack):
        await slack.sees("It is round", thread=said, within=DEADLINE_S)
        [answer] = slack.thread(said.channel, said.ts)[1:]
        assert answer.streaming == "completed"


async def test_a_verb_and_the_command_are_answered_without_a_model(team, slack):
    async with team([], slack):
        said = await slack.says(ALICE, GENERAL, f"<@{BOT}> !status")
        await slack.sees("Connected: slack connected", thread=said, within=DEADLINE_S)
        await slack.command(ALICE, GENERAL, "/coworker", "status")
        await slack.until(lambda: slack.ephemerals, DEADLINE_S)
        assert "Connected: slack connected" in slack.ephemerals[0].shown
        await slack.opens_home(ALICE)
        await slack.until(lambda: slack.homes, DEADLINE_S)
