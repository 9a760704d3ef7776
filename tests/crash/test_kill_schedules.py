"""Kill a real daemon with SIGKILL around every commit of a firing: one run, one effect."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing, suppress

import pytest

from coworker.errors import Unavailable
from coworker.store.log import Log
from coworker.store.schedules import Schedule
from coworker.types import ConversationId, Place
from tests.conftest import git
from tests.crash.rig import DEADLINE_S, NEVER, Case
from tests.fakes.anthropic import FakeAnthropic, call, say, stories

AT_ONCE = 3
JOB = ConversationId("t-job")
STORY = stories({"note it": [call("note", text="effect"), say("I noted it.")]})


async def due(folder, at: int, **gated) -> None:
    """Standing work that is due now, and tomorrow again."""
    folder.mkdir()
    log = Log(folder, pytest.fail)
    clock = time.strftime("%H:%M", time.gmtime(at / 1000))
    await log.schedules.add(
        Schedule(
            id="5c4ed01e",
            name="job",
            place=Place("terminal", JOB),
            conversation=JOB,
            creator="terminal:somebody",
            prompt="note it",
            spec=f"every day at {clock}",
            tz="UTC",
            next_at=at,
            created_at=at,
            **{"repo": None, **gated},
        )
    )
    await log.close()


class Firing(Case):
    """A daemon that is started until its firing is over."""

    async def goes_on(self, moment: str, number: int) -> bool:
        """One life; False when it ended by itself."""
        async with self.life(moment, number) as (_, link):
            with suppress(Unavailable):
                async with asyncio.timeout(DEADLINE_S):
                    while not await self.is_over(link):
                        await asyncio.sleep(0.05)
                return True
        self.deaths += 1
        return False

    async def is_over(self, link) -> bool:
        history = await link.call("schedule", action="history", name="job")
        return bool(history) and history[0]["outcome"] != "running"

    async def wrong(self, at: int) -> list[str]:
        """What is wrong after all these lives."""
        async with self.life("never", NEVER) as (_, link):
            history = await link.call("schedule", action="history", name="job")
            (job,) = await link.call("schedule", action="list")
            entries = await link.call("log", conversation=JOB)
        effects = self.effects.read_text().splitlines() if self.effects.exists() else []
        kinds = [entry["kind"] for entry in entries]
        checks = {
            "one firing": [row["due"] for row in history] == [at],
            "answered": history[0]["outcome"] == "answered",
            "one run": (kinds.count("user"), kinds.count("reply")) == (1, 1),
            "no effect twice": len(effects) <= 1,
            "tomorrow again": job["next_at"] == at + 86_400_000,
        }
        return [name for name, holds in checks.items() if not holds]


class Watching(Firing):
    """One whose standing work looks for new commits, of which there is one."""

    async def wrong(self, at: int) -> list[str]:
        head = git(self.folder.parent / "shop", "rev-parse", "HEAD")
        with closing(sqlite3.connect(self.folder / "coworker.db")) as db:
            ((seen,),) = db.execute("SELECT seen FROM schedule")
            ((told,),) = db.execute("SELECT count(*) FROM entry WHERE body LIKE '%of 1 commits%'")
        checks = {"told once": told == 1, "seen": seen == head}
        return [*await super().wrong(at), *(name for name, holds in checks.items() if not holds)]


async def killed(kind, folder, moments, numbers, config="", **gated):
    """(moment, number, what is wrong, deaths) of firings that are killed there."""
    at = int(time.time()) // 60 * 60_000
    gate = asyncio.Semaphore(AT_ONCE)
    async with FakeAnthropic(STORY, strict=True) as model:

        async def one(moment, number):
            own = folder / f"{moment}{number}"
            await due(own, at, **gated)
            case = kind(own, "", model, "", config)
            async with gate:
                await case.goes_on(moment, number) or await case.goes_on("never", NEVER)
                return moment, number, await case.wrong(at), case.deaths

        results = await asyncio.gather(*(one(moment, n) for n in numbers for moment in moments))
    died = sum(result[3] for result in results)
    assert died >= len(results) // 2, f"only {died} kills hit: the rig misses the commits"
    return results


@pytest.mark.slow
async def test_killed_around_its_commits_a_schedule_fires_once(tmp_path, soak):
    moments, step = (("before", "after"), 1) if soak else (("after",), 2)
    results = await killed(Firing, tmp_path, moments, range(1, 8, step))
    assert [result[:3] for result in results if result[2]] == []


@pytest.mark.soak
async def test_killed_around_every_commit_a_change_behind_a_gate_is_told_once(tmp_path, shop):
    first = git(shop, "rev-parse", "HEAD")
    git(shop, "commit", "-q", "--allow-empty", "-m", "Change nothing")
    config = f'[repos.shop]\npath = "{shop}"\n'
    gated = {"repo": "shop", "gate": "new commits", "seen": first}
    results = await killed(Watching, tmp_path, ("before", "after"), range(1, 9), config, **gated)
    assert [result[:3] for result in results if result[2]] == []
