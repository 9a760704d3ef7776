"""Events that were mangled on their way: none breaks anything, and the next person is answered."""

import asyncio
import logging
import re
import time
from random import Random

import pytest

from coworker.settings import Rule
from tests.fakes.anthropic import call, say
from tests.stories.platforms.mutations import everyday_slack, everyday_telegram, mutated, renewed

ASKING = {"rules": [Rule(then="ask", tool="git_log")]}
BATCH = 25
QUICK, SEED = 8, 20261121
LONG_S = 60
_UNREAD = re.compile(r"cannot be read|Failed to run a (middleware function|request listener)")
"""How we say so, and how Slack's library does."""


@pytest.fixture(params=["quick", pytest.param("long", marks=pytest.mark.soak)])
def chances(request):
    """A source of chance for each batch: a few from one seed, or a minute's from a new one."""
    quick = request.param == "quick"
    seed = SEED if quick else time.time_ns()
    print(f"seed {seed}")

    def chances():
        chance, began, batches = Random(seed), time.monotonic(), 0
        while batches < QUICK if quick else time.monotonic() - began < LONG_S:
            batches += 1
            yield chance

    return chances


@pytest.fixture
async def broken(caplog):
    """What nobody caught, as asyncio and the log tell it; what nobody can read is only logged."""
    unhandled = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unhandled.append(told))

    def broken():
        errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
        return unhandled + [each for each in errors if not _UNREAD.search(each.getMessage())]

    return broken


def script(request):
    """Look at the log where something is asked for, and say that it was heard."""
    looks = "what changed?" in str(request["messages"]) and len(request["messages"]) < 4
    return call("git_log") if looks else say("Heard.")


async def still_answers(team, chat):
    await chat.opens("are you there?")
    await chat.hears("Heard.")
    assert {each["state"] for each in (await team.status())["adapters"]} <= {
        "connected",
        "listening",
    }


async def test_no_mangled_event_of_slack_is_lost_or_breaks_anything(team, chances, broken):
    async with team(script, "slack", **ASKING) as t:
        corpus = await everyday_slack(t)
        others = [payload for _, payload in corpus]
        for chance in chances():
            sent = []
            for _ in range(BATCH):
                kind, payload = chance.choice(corpus)
                fresh = renewed(payload, t.slack.world.tick())
                part = fresh["event"] if kind == "events_api" else fresh
                worse = mutated(part, others, chance)
                whole = {**fresh, "event": worse} if kind == "events_api" else worse
                sent.append(t.slack.sockets.deliver(kind, whole))
            await t.slack.until(lambda sent=sent: all(each.done for each in sent), 30)
            assert broken() == []
            silent = [each for each in sent if each.kind == "events_api" and not each.ack]
            assert silent == []
        await still_answers(t, t.chat("slack"))


async def test_no_mangled_update_of_telegram_holds_up_the_next(team, chances, broken):
    async with team(script, "telegram", **ASKING) as t:
        corpus = await everyday_telegram(t)
        others = [body for _, body in corpus]
        for chance in chances():
            for _ in range(BATCH):
                kind, body = chance.choice(corpus)
                t.telegram.delivers(kind, mutated(body, others, chance))
            await t.telegram.until(lambda: not t.telegram.updates.waiting, 30)
            assert broken() == []
        await still_answers(t, t.chat("telegram-private", "bob"))
