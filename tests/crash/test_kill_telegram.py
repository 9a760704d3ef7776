"""Kill a daemon on Telegram between any two calls: every message is answered, none twice unsaid."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.conftest import git
from tests.fakes.anthropic import FakeAnthropic, say, stories
from tests.fakes.telegram import FakeTelegram, Fault
from tests.fakes.telegram.faults import cut_off

ANN = 4711
STORY = stories({"first": [say("Answer one.")], "second": [say("Answer two.")]})
CALLS = 14
"""More than a life needs in which nobody dies."""


@dataclass(frozen=True, kw_only=True)
class Kill(Fault):
    """The daemon dies at this call, before or after it takes effect."""

    pids: list[int] = field(default_factory=list)

    async def show(self, http: web.Request) -> web.Response | None:
        os.kill(self.pids[-1], signal.SIGKILL)
        cut_off(http)
        return None


class Rig:
    """A daemon with its state, which lives several times."""

    def __init__(self, folder: Path, telegram: FakeTelegram, model: FakeAnthropic) -> None:
        self.telegram = telegram
        self.pids: list[int] = []
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ANTHROPIC_BASE_URL": model.url,
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "COWORKER_TELEGRAM__BASE_URL": telegram.base_url,
            "COWORKER_TELEGRAM__BASE_FILE_URL": telegram.base_file_url,
        }

    async def starts(self) -> None:
        """Another life."""
        command = [sys.executable, "-m", "coworker", "run", "--state-dir", str(self._folder / "s")]
        config = ["--config", str(self._folder / "config.toml")]
        with (self._folder / f"life{len(self.pids)}.log").open("w") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, *config, env=self._environment, stderr=log, cwd=self._folder
            )
        self.pids.append(self._process.pid)

    async def dies(self) -> None:
        """Wait until it is dead, or has answered everything and lives."""
        process = self._process
        assert process
        await self.telegram.until(lambda: process.returncode is not None or self.is_done(), 20)

    def is_done(self) -> bool:
        """Whether both messages have got their sign of being answered."""
        chat = self.telegram.chat(ANN)
        return len([seen for seen in chat if seen.reactions == ("👌",)]) == 2

    def answers(self, words: str) -> list[str]:
        return [seen.text for seen in self.telegram.replies(ANN) if words in seen.text]

    async def answers_all(self) -> None:
        """Wait until everything that was written has been answered."""
        wanted = ("Answer one.", "Answer two.")
        await self.telegram.until(lambda: all(self.answers(words) for words in wanted), 20)

    async def ends(self) -> None:
        """Stop it in order."""
        if self._process and self._process.returncode is None:
            self._process.terminate()
            async with asyncio.timeout(20):
                await self._process.wait()


@pytest.fixture
async def rig(tmp_path, shop):
    folder = tmp_path / "rig"
    folder.mkdir()
    (folder / "config.toml").write_text(
        f'[people.ann]\nrole = "owner"\nids = ["telegram:{ANN}"]\n[repos.shop]\npath = "{shop}"\n'
    )
    assert git(shop, "status", "--porcelain") == ""
    async with FakeTelegram() as telegram, FakeAnthropic(STORY) as model:
        telegram.world.private_topics = True
        rig = Rig(folder, telegram, model)
        yield rig
        await rig.ends()


async def live_and_die(rig: Rig, kill: Kill, method: str, calls_before: int = 0) -> None:
    telegram = rig.telegram
    ann = telegram.person("Ann", user_id=ANN, started=True)
    if calls_before:
        telegram.fail(method, Fault(), times=calls_before)
    telegram.fail(method, kill)
    topics = [telegram.topic(ann, name, ann) for name in ("one", "two")]
    await telegram.says(ann, text="first", topic=topics[0])
    await telegram.says(ann, text="second", topic=topics[1])
    await rig.starts()
    await rig.dies()
    telegram.heal()
    if not rig.is_done():
        await rig.starts()
    await rig.answers_all()
    await rig.ends()


def verdict(rig: Rig) -> None:
    """One answer each, or one and a labelled repeat; a label alone is for what nobody can know."""
    for words in ("Answer one.", "Answer two."):
        answers = rig.answers(words)
        plain = [answer for answer in answers if "possibly a repeat" not in answer]
        assert len(plain) <= 1
        assert len(answers) <= 2
    assert rig.telegram.updates.waiting == []


@pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])
async def test_dying_at_the_answer(rig, effect):
    await live_and_die(rig, Kill(effect=effect, pids=rig.pids), "sendRichMessage")
    verdict(rig)


@pytest.mark.soak
@pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(CALLS))
async def test_dying_at_any_call(rig, number, effect):
    await live_and_die(rig, Kill(effect=effect, pids=rig.pids), "*", number)
    verdict(rig)
