"""A command that eats the machine: others are answered meanwhile, and stop leaves nothing of it."""

import dataclasses
import os
import shutil
import time
from contextlib import asynccontextmanager

import pytest

from coworker.cli.link import Link
from coworker.listener import SOCKET
from coworker.settings import RepoConfig
from tests.conftest import running
from tests.fakes.anthropic import call, say, stories

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")

HUNGRY_S = 1
ANSWER_S = STOP_S = 5
SURVIVE = "(setsid sh -c 'setsid sleep 6{n} &' &) > /dev/null 2>&1; nohup sleep 6{n} & sleep 6{n}"
GREEDY = {
    "fork bomb": "bomb() {{ bomb | bomb & }}; bomb; sleep 6{n}",
    "2 GB of memory": "python3 -c 'x = b\"x\" * (2 << 30)'; "
    "python3 -c 'x = b\"x\" * (3 << 29); import time; time.sleep(6{n})'",
    "disk fill": "while :; do head -c 8M /dev/zero > f$((++i)); sleep 0.01; done; sleep 6{n}",
    "output flood": "yes {n}",
    "survivors": SURVIVE,
    "busy loops": "for i in 1 2 3 4; do (while :; do :; done) & done; sleep 6{n}",
}


@pytest.fixture
def number():
    """Found in the command line of every process of this test."""
    return f"{os.getpid()}{time.monotonic_ns()}"


@asynccontextmanager
async def somebody_else(world):
    """Another person at the same daemon."""
    async with Link.connect(world.config.state / SOCKET) as link:
        yield dataclasses.replace(world, link=link)


async def longest_wait(person):
    """Ask one thing after the other for a while; the longest time until an answer, in seconds."""
    until, waits = time.monotonic() + HUNGRY_S, []
    while (asked := time.monotonic()) < until:
        assert await person.ask("hello") == "Hello."
        waits.append(time.monotonic() - asked)
    return max(waits)


@pytest.mark.parametrize("name", GREEDY)
async def test_others_are_answered_while_a_command_eats_the_machine(world, shop, number, name):
    command = GREEDY[name].format(n=number)
    script = stories({"work": [call("shell", command=command)], "hello": [say("Hello.")]})
    async with world(script, repos={"shop": RepoConfig(path=str(shop))}) as w:
        conversation = await w.says("work", repo="shop")
        await w.until(lambda: running(number))
        async with somebody_else(w) as other:
            assert await longest_wait(other) < ANSWER_S
        assert running(number)
        stopped = time.monotonic()
        await w.link.call("stop", conversation=conversation)
        assert (await w.hears()).outcome == "stopped"
        assert running(number) == []
        assert time.monotonic() - stopped < STOP_S
        shutil.rmtree(w.config.state / "workspaces")  # it may be large
