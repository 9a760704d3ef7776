"""Kill a real daemon with SIGKILL around every commit: one reply, no effect twice, nothing lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from coworker.cli.events import Reply
from coworker.cli.link import Link
from coworker.errors import Unavailable
from tests.fakes.anthropic import FakeAnthropic, call, say, slow, stories

ROOT = Path(__file__).parent.parent.parent
AT_ONCE = 3
DEADLINE_S = 40
NEVER = 1_000_000

STORY = stories(
    {
        "fix it": [
            say("I look.") + call("search", pattern="total") + call("note", text="effect"),
            call("read_file", path="shop/cart.py"),
            say("It rounds each line."),
        ],
        "mend it": [
            call("edit_file", path="shop/cart.py", old="round(price * count)", new="price * count"),
            call("git_commit", message="Keep the cents") + call("note", text="effect"),
            call("read_file", path="shop/cart.py"),
            say("It rounds no line any more."),
        ],
    }
)


@dataclass
class Case:
    """One life of a daemon, and the lives after it."""

    folder: Path
    repo: Path
    model: FakeAnthropic
    words: str = "fix it"
    shown: list[str] = field(default_factory=list)
    lives: int = 0

    @property
    def effects(self) -> Path:
        return self.folder / "effects"

    @asynccontextmanager
    async def life(self, moment: str, number: int):
        """A daemon with a link to it; None when it died before it listened."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ANTHROPIC_BASE_URL": self.model.url,
        }
        arguments = [moment, str(number), str(self.effects), "run", "--state-dir", str(self.folder)]
        self.lives += 1
        log = (self.folder / f"life{self.lives}.log").open("w")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.crash.victim",
            *arguments,
            cwd=ROOT,
            env=environment,
            stderr=log,
        )
        try:
            async with connected(self.folder / "coworker.sock", process) as link:
                yield process, link
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
            log.close()

    async def converse(self, moment: str, number: int, kill_after_s: float = 0) -> bool:
        """Deliver the message twice, wait for its reply; False when the daemon died meanwhile."""
        async with self.life(moment, number) as (process, link):
            if kill_after_s:
                asyncio.get_running_loop().call_later(kill_after_s, kill, process)
            try:
                await self.hear(link)
            except Unavailable:
                return False
            return True

    async def hear(self, link: Link) -> None:
        for _ in range(2):
            said = await link.call("say", text=self.words, repo=str(self.repo), event_id="e1")
        conversation = said["conversation"]
        await link.call("attach", conversation=conversation)
        watching = asyncio.create_task(self.watch(link))
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not is_replied(await link.call("log", conversation=conversation)):
                    await asyncio.sleep(0.02)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def watch(self, link: Link) -> None:
        """A person who looks at what is said."""
        async for event in link.events():
            if isinstance(event, Reply):
                self.shown.append(event.key)
                await link.call("shown", key=event.key)

    async def verdict(self) -> list[str]:
        """What is wrong after all these lives; nothing, if all is well."""
        async with self.life("never", NEVER) as (_, link):
            (row,) = await link.call("inbox")
            entries = await link.call("log", conversation=row["conversation"])
        effects = self.effects.read_text().splitlines() if self.effects.exists() else []
        replies = [entry["body"] for entry in entries if entry["kind"] == "reply"]
        results = [entry["body"] for entry in entries if entry["kind"] == "tool_done"]
        known = effects or any("effect is unknown" in result["text"] for result in results)
        checks = {
            "one reply": len(replies) == 1,
            "answered": bool(replies) and replies[0]["outcome"] == "answered",
            "the model's own words": bool(replies) and replies[0]["text"].startswith("It rounds"),
            "one message": row["outcome"] == "answered",
            "no effect twice": len(effects) <= 1,
            "no effect lost without a word": bool(known),
            "one result a call": len({result["call"] for result in results}) == len(results) >= 3,
            "seen by the person": len(set(self.shown)) == 1,
        }
        if self.words == "mend it":
            checks |= self.mended()
        return [name for name, holds in checks.items() if not holds]

    def mended(self) -> dict[str, bool]:
        """The edit and the commit happened once each."""
        (workspace,) = (self.folder / "workspaces").glob("t-*")
        log = ["git", f"--git-dir={workspace}/git", "log", "--format=%s"]
        subjects = subprocess.run(log, capture_output=True, text=True, check=True).stdout.split(
            "\n"
        )
        text = (workspace / "tree" / "shop" / "cart.py").read_text()
        return {
            "one commit": subjects.count("Keep the cents") == 1,
            "one edit": text.count("sum(price * count") == 1,
        }


def is_replied(entries):
    return any(entry["kind"] == "reply_sent" for entry in entries)


def kill(process):
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)


@asynccontextmanager
async def connected(path: Path, process):
    async with asyncio.timeout(DEADLINE_S):
        while process.returncode is None:
            try:
                link = await (context := Link.connect(path)).__aenter__()
                break
            except Unavailable:
                await asyncio.sleep(0.02)
        else:
            link, context = Gone(), None
    try:
        yield link
    finally:
        if context:
            await context.__aexit__(None, None, None)


class Gone:
    """A daemon that died before it listened."""

    async def call(self, *_: object, **__: object) -> None:
        raise Unavailable("died at its start")


async def run_case(folder, repo, model, moment, number, kills=(), words="fix it"):
    folder.mkdir()
    case = Case(folder, repo, model, words)
    for kill_after_s in kills:
        await case.converse("never", NEVER, kill_after_s)
    died = not await case.converse(moment, number)
    if died and not await case.converse("never", NEVER):
        return ["it died again"], died
    return await case.verdict(), died


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "moments", "numbers"),
    [("fix it", ("before", "after"), range(1, 16)), ("mend it", ("after",), range(4, 14))],
)
async def test_killed_around_every_commit_it_answers_once(tmp_path, shop, words, moments, numbers):
    async with FakeAnthropic(STORY, strict=True) as model:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(moment, number):
            async with gate:
                folder = tmp_path / f"{moment}{number}"
                return (
                    moment,
                    number,
                    *await run_case(folder, shop, model, moment, number, words=words),
                )

        cases = [one(moment, number) for number in numbers for moment in moments]
        results = await asyncio.gather(*cases)
    died = sum(result[3] for result in results)
    assert died >= len(results) * 2 // 3, f"only {died} kills hit: the rig misses the commits"
    assert [result[:3] for result in results if result[2]] == []


@pytest.mark.slow
async def test_killed_at_random_moments_it_answers_once(tmp_path, shop, soak):
    seed = 20261121
    chance = random.Random(seed)
    async with FakeAnthropic(lambda r: STORY(r) + slow(0.15), strict=True) as model:
        for number in range(60 if soak else 4):
            kills = [chance.uniform(0.0, 1.5) for _ in range(3)]
            wrong, _ = await run_case(tmp_path / str(number), shop, model, "never", NEVER, kills)
            assert wrong == [], f"seed {seed}, case {number}, kills {kills}"
