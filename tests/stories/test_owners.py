"""Several command lines and no daemon: whoever owns the directory, everybody is served."""

import asyncio
import signal
import sys

from tests.conftest import living
from tests.fakes.anthropic import FakeAnthropic, hang, say


async def coworker(state, *arguments, **more):
    command = [sys.executable, "-m", "coworker", *arguments, "--state-dir", str(state)]
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    return await asyncio.create_subprocess_exec(*command, **pipes, **more)


async def test_three_asks_at_once_are_all_answered(tmp_path, shop):
    asks = [await coworker(tmp_path / "s", "ask", "status", "--repo", str(shop)) for _ in range(3)]
    ended = await asyncio.gather(*(ask.communicate() for ask in asks))
    assert [ask.returncode for ask in asks] == [0, 0, 0], ended
    assert all(b"On main" in out for out, _ in ended)


async def test_looking_leaves_a_message_to_those_who_work(tmp_path, configured, shop):
    async with FakeAnthropic([hang(), say("From the model.")]) as model:
        config = configured(model)
        async with living(config, model, shop) as w:
            conversation = await w.says("think")
            await w.until(lambda: model.requests)
        looking = await coworker(config.state, "inbox", "--json")
        out, _ = await looking.communicate()
        assert b"running" in out
        async with living(config, model, shop) as w:
            await w.link.call("attach", conversation=conversation)
            assert (await w.hears()).text == "From the model."


async def test_a_daemon_starts_although_somebody_is_passing(tmp_path):
    passing = await coworker(tmp_path / "s", "status")
    daemon = await coworker(tmp_path / "s", "run")
    await passing.communicate()
    socket = tmp_path / "s" / "coworker.sock"
    async with asyncio.timeout(20):
        while daemon.returncode is None and not socket.exists():
            await asyncio.sleep(0.02)
    assert daemon.returncode is None
    daemon.send_signal(signal.SIGTERM)
    await daemon.communicate()
    assert daemon.returncode == 0
