"""Lost sockets, wrong tokens, outages: nothing is lost, and what is wrong is said."""

from __future__ import annotations

import pytest

from coworker.errors import Refused, Unavailable
from tests.adapters.slack.conftest import made, working
from tests.fakes.slack import ALICE, BOT, GENERAL


@pytest.mark.parametrize("tokens", [{"bot_token": "xoxb-wrong"}, {"app_token": "xapp-wrong"}])
async def test_a_wrong_token_is_refused_at_once(slack, desk, clock, tokens):
    platform = made(slack, clock, **tokens)
    with pytest.raises(Refused, match="app-level token"):
        await platform.run(desk.intake)
    with pytest.raises(Unavailable):
        await platform.fetch({"id": "F1"})


async def test_a_slack_that_is_down_is_worth_another_try(slack, desk, clock):
    slack.fault("auth.test", "502")
    platform = made(slack, clock)
    with pytest.raises(Unavailable) as error:
        await platform.run(desk.intake)
    assert not isinstance(error.value, Refused)
    assert platform.health().state == "starting"
    async with working(platform, desk):
        await slack.until(lambda: platform.health().state == "connected")
    assert platform.health().state == "starting"
    assert slack.connections == []


async def test_what_was_said_while_we_were_away_is_heard(slack, desk, clock):
    async with working(made(slack, clock), desk):
        await slack.until(lambda: desk.connections)
        thread = await slack.says(ALICE, GENERAL, f"<@{BOT}> hello")
        await slack.until(lambda: desk.heard)
    other = await slack.says(ALICE, GENERAL, "Who is on call?")
    await slack.says(ALICE, GENERAL, f"<@{BOT}> are you there?")
    await slack.says(ALICE, GENERAL, "and the tests?", thread=thread)
    await slack.says(ALICE, GENERAL, f"<@{BOT}> is it you?", thread=other)
    await slack.says(ALICE, slack.dm(ALICE), "psst")
    await slack.settled()
    async with working(made(slack, clock), desk):
        await slack.until(lambda: desk.connections == 2)
    assert sorted(desk.texts) == [
        "and the tests?",
        "are you there?",
        "hello",
        "is it you?",
        "psst",
    ]


async def test_the_past_before_the_first_start_is_not_ours(slack, desk, clock):
    await slack.says(ALICE, GENERAL, f"<@{BOT}> hello")
    async with working(made(slack, clock), desk):
        await slack.until(lambda: desk.connections)
    assert desk.heard == []


@pytest.mark.parametrize("loss", ["kill", "freeze", "refresh"])
async def test_every_new_socket_catches_up(office, loss):
    slack = office.slack
    old = list(slack.connections)
    if loss == "kill":
        slack.kill()
    elif loss == "freeze":
        slack.freeze()
    else:
        await slack.disconnect()
    message = await slack.says(ALICE, GENERAL, f"<@{BOT}> still there?")
    await office.until(lambda: office.desk.connections == 2)
    await office.until(lambda: office.desk.texts == ["still there?"])
    await office.until(lambda: slack.connections and slack.connections[0] not in old)
    assert message.ts == office.desk.heard[0].body["message"]
    await office.until(lambda: office.platform.health().state == "connected")


async def test_an_outage_that_lasts_ends_the_run_for_a_fresh_start(slack, desk, clock):
    platform = made(slack, clock)
    async with working(platform, desk) as running:
        await slack.until(lambda: desk.connections)
        slack.fault("apps.connections.open", "500", times=1_000)
        slack.kill()
        await slack.until(lambda: platform.health().state == "reconnecting")
        await clock.sleep(31)
        await slack.until(running.done)
        assert isinstance(running.exception(), Unavailable)


async def test_a_limit_while_catching_up_is_waited_for(slack, desk, clock):
    async with working(made(slack, clock), desk):
        await slack.until(lambda: desk.connections)
    await slack.says(ALICE, GENERAL, f"<@{BOT}> hello")
    slack.fault("conversations.history", "ratelimited", seconds=9)
    slack.fault("users.conversations", "500")
    async with working(made(slack, clock), desk):
        await slack.until(lambda: desk.texts == ["hello"])
    assert 9.0 in clock.naps


async def test_the_doctor_finds_all_well(slack, clock):
    findings = await made(slack, clock).examine()
    assert {each["check"] for each in findings if each["ok"]} == {
        "slack bot token",
        "slack scopes",
        "slack socket",
        "slack clock",
    }


async def test_the_doctor_names_what_is_missing_and_the_fix(slack, clock):
    slack.scopes -= {"files:write", "reactions:read"}
    wrong = {each["check"]: each for each in await made(slack, clock, app_token="x").examine()}
    assert "files:write" in wrong["slack scopes"]["found"]
    assert "obey reactions" in wrong["slack scopes"]["found"]
    assert "--slack-manifest" in wrong["slack scopes"]["fix"]
    assert "SLACK_APP_TOKEN" in wrong["slack socket"]["fix"]
    slack.revoked = True
    [token] = await made(slack, clock).examine()
    assert (token["ok"], "SLACK_BOT_TOKEN" in token["fix"]) == (False, True)
