"""The daemon as systemd has it: ready, alive, stopping; a real process and a real notify socket."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import asynccontextmanager, closing

import pytest

from coworker.cli.events import Reply
from coworker.cli.link import Link
from tests.fakes.anthropic import FakeAnthropic, call, hang, say

DEADLINE_S = 30
SECRET_WORDS = "the merger with Umbrella"
WATCHDOG_USEC = "300000"


class Manager:
    """The service manager's end of the notify socket."""

    def __init__(self, path):
        self.address = str(path)
        self.heard = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)

    def hear(self):
        """All words until now, oldest first."""
        while True:
            try:
                self.heard += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.heard

    def beats(self):
        return self.hear().count("WATCHDOG=1")

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE_S):
            while not condition(self.hear()):
                await asyncio.sleep(0.02)

    def close(self):
        self._socket.close()


@pytest.fixture
def manager(tmp_path):
    with closing(Manager(tmp_path / "notify")) as manager:
        yield manager


@asynccontextmanager
async def daemon(tmp_path, *arguments, **environment):
    """A daemon whose standard error is a file; killed at the end if it still runs."""
    command = [sys.executable, "-m", "coworker", "run", "--state-dir", str(tmp_path / "state")]
    base = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with (tmp_path / "err").open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            *command, *arguments, env={**base, **environment}, stderr=err
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(process):
    async with asyncio.timeout(DEADLINE_S):
        return await process.wait()


async def reply(link):
    async with asyncio.timeout(DEADLINE_S):
        while not isinstance(event := await link.next_event(), Reply):
            pass
        return event


async def test_it_says_ready_when_it_listens_beats_and_says_stopping(tmp_path, manager):
    notify = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": WATCHDOG_USEC}
    async with daemon(tmp_path, **notify) as process:
        await manager.until(lambda heard: "READY=1" in heard)
        async with Link.connect(tmp_path / "state" / "coworker.sock") as link:
            assert (await link.call("hello"))["pid"] == process.pid
        await manager.until(lambda _: manager.beats() >= 3)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
    manager.hear()
    assert manager.heard.index("READY=1") < manager.heard.index("STOPPING=1")


async def test_without_a_watchdog_it_does_not_beat(tmp_path, manager):
    notify = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": WATCHDOG_USEC, "WATCHDOG_PID": "1"}
    async with daemon(tmp_path, **notify) as process:
        await manager.until(lambda heard: "READY=1" in heard)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
    assert manager.beats() == 0


async def test_a_database_that_does_not_answer_stops_the_beats_until_it_does(tmp_path, manager):
    notify = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": WATCHDOG_USEC}
    async with daemon(tmp_path, **notify):
        await manager.until(lambda _: manager.beats() >= 2)
        with closing(sqlite3.connect(tmp_path / "state" / "coworker.db")) as wedge:
            wedge.execute("BEGIN IMMEDIATE")
            manager.hear()
            began, before = time.monotonic(), manager.beats()
            async with asyncio.timeout(DEADLINE_S):
                while "does not answer" not in (tmp_path / "err").read_text():
                    await asyncio.sleep(0.02)
            assert time.monotonic() - began > 1
            assert manager.beats() <= before + 1  # the one that was on its way
            wedge.rollback()
        silent = manager.beats()
        await manager.until(lambda _: manager.beats() > silent)


async def test_a_dead_model_does_not_stop_the_beats(tmp_path, manager, shop):
    notify = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": WATCHDOG_USEC}
    async with (
        FakeAnthropic([hang()]) as model,
        daemon(tmp_path, **notify, ANTHROPIC_BASE_URL=model.url),
    ):
        await manager.until(lambda heard: "READY=1" in heard)
        async with Link.connect(tmp_path / "state" / "coworker.sock") as link:
            await link.call("say", text="think", repo=str(shop))
            await manager.until(lambda _: model.requests)
            before = manager.beats()
            await manager.until(lambda _: manager.beats() >= before + 3)


async def test_a_stop_parks_what_runs_and_the_next_life_answers(tmp_path, manager, shop):
    async with FakeAnthropic([hang(), say("Later, as promised.")]) as model:
        places = {"NOTIFY_SOCKET": manager.address, "ANTHROPIC_BASE_URL": model.url}
        async with daemon(tmp_path, **places) as process:
            await manager.until(lambda heard: "READY=1" in heard)
            async with Link.connect(tmp_path / "state" / "coworker.sock") as link:
                said = await link.call("say", text="think", repo=str(shop))
                await manager.until(lambda _: model.requests)
            process.send_signal(signal.SIGTERM)
            assert await ended(process) == 0
        manager.heard.clear()
        async with daemon(tmp_path, **places):
            await manager.until(lambda heard: "READY=1" in heard)
            async with Link.connect(tmp_path / "state" / "coworker.sock") as link:
                await link.call("attach", conversation=said["conversation"])
                event = await reply(link)
        assert event.text == "Later, as promised."


async def test_a_second_signal_ends_a_stop_that_takes_long(tmp_path, manager):
    async with daemon(tmp_path, NOTIFY_SOCKET=manager.address) as process:
        await manager.until(lambda heard: "READY=1" in heard)
        with closing(sqlite3.connect(tmp_path / "state" / "coworker.db")) as wedge:
            wedge.execute("BEGIN IMMEDIATE")
            async with Link.connect(tmp_path / "state" / "coworker.sock") as link:
                saying = asyncio.create_task(link.call("say", text="hello"))
                await link.call("hello")  # the message is now in the writer's queue
                process.send_signal(signal.SIGTERM)
                await manager.until(lambda heard: "STOPPING=1" in heard)
                assert process.returncode is None
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert await ended(process) == 0
                assert time.monotonic() - began < 2
                saying.cancel()
                await asyncio.gather(saying, return_exceptions=True)


async def test_the_log_names_conversation_and_run_and_never_what_was_said(tmp_path, manager, shop):
    script = [
        say(SECRET_WORDS) + call("search", pattern="total"),
        call("read_file", path="shop/cart.py"),
        say(f"About {SECRET_WORDS}: done."),
    ]
    key = "sk-" + "ant-" + "z" * 24
    async with FakeAnthropic(script) as model:
        places = {"NOTIFY_SOCKET": manager.address, "ANTHROPIC_BASE_URL": model.url}
        async with daemon(tmp_path, **places, ANTHROPIC_API_KEY=key) as process:
            await manager.until(lambda heard: "READY=1" in heard)
            async with Link.connect(tmp_path / "state" / "coworker.sock") as link:
                said = await link.call("say", text=f"Look at {SECRET_WORDS}", repo=str(shop))
                await link.call("attach", conversation=said["conversation"])
                event = await reply(link)
                await link.call("shown", key=event.key)
            process.send_signal(signal.SIGTERM)
            assert await ended(process) == 0
    text = (tmp_path / "err").read_text()
    assert SECRET_WORDS not in text
    assert key not in text
    assert "round(" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    entries = [line for line in lines if line["message"].startswith("entry: ")]
    assert {line["conversation"] for line in entries} == {said["conversation"]}
    assert {line["run"] for line in entries} == {event.run}
    assert {"entry: tool_start", "entry: reply"} <= {line["message"] for line in entries}


async def test_the_journal_gets_priorities_and_a_person_gets_text(tmp_path, manager):
    err = (tmp_path / "err").open("wb")
    with err:
        status = os.fstat(err.fileno())
    for arguments, start in ((), "<6>{"), (("--log", "text"), "20"):
        manager.heard.clear()
        places = {
            "NOTIFY_SOCKET": manager.address,
            "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}",
        }
        async with daemon(tmp_path, *arguments, **places) as process:
            await manager.until(lambda heard: "READY=1" in heard)
            process.send_signal(signal.SIGTERM)
            assert await ended(process) == 0
        lines = (tmp_path / "err").read_text().splitlines()
        assert lines
        assert all(line.startswith(start) for line in lines)


def test_a_wrong_configuration_ends_with_78_which_no_restart_follows(tmp_path):
    (tmp_path / "config.toml").write_text('timezon = "UTC"\n')
    command = [sys.executable, "-m", "coworker", "run", "--config", str(tmp_path / "config.toml")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 78
