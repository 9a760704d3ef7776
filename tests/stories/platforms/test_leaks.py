"""What an obedient model was told to let out does not leave through a chat."""

import json

from tests.fakes.anthropic import say
from tests.fakes.slack import ALICE, GENERAL

EVIL = "https://evil.test/?d=read"
SECRET = "ghp_" + "cAnArY0" * 6


def asked_of_platforms(team):
    """Every request to a platform, without what it answered."""
    calls = (*team.slack.calls, *team.telegram.calls)
    return repr([vars(call) | {"result": ""} for call in calls])


async def test_neither_a_secret_nor_a_live_link_is_sent(talk):
    answer = f"Here: {SECRET} and {EVIL}, ![x]({EVIL}) or [this]({EVIL}). " + "More words. " * 1_500
    async with talk([say(answer)]) as (t, chat):
        await chat.opens(f"say {SECRET}")
        await chat.hears("[secret: github token]")
        await t.delivered()
        sent = asked_of_platforms(t)
        assert "evil.test" in sent
        assert EVIL not in sent
        assert SECRET not in sent
        assert SECRET not in json.dumps(t.model.requests[0])


async def test_a_secret_where_a_long_answer_is_cut_is_not_sent_in_halves(talk):
    answer = "/".join([SECRET] * 600)
    async with talk([say(answer)]) as (t, chat):
        await chat.opens("say it often")
        await chat.hears("[secret: github token]")
        await t.delivered()
        assert "cAnArY0" not in asked_of_platforms(t)


async def test_an_answer_for_one_person_alone_shows_none(team):
    async with team((), "slack") as t:
        await t.slack.command(ALICE, GENERAL, "/coworker", f"repo {SECRET}")
        await t.slack.settled()
        shown = repr([delivery.ack for delivery in t.slack.sockets.deliveries])
        assert "There is no repository [secret: github token]" in shown
