"""One life of a daemon after the other, each ended by SIGKILL, and the verdict over all of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coworker.cli.events import Progress, Reply
from coworker.cli.link import Link
from coworker.errors import Unavailable
from tests.fakes.anthropic import FakeAnthropic

ROOT = Path(__file__).parent.parent.parent
DEADLINE_S = 40
NEVER = 1_000_000
Json = dict[str, Any]


@dataclass(frozen=True)
class Kill:
    """When a life ends: so long after it began, or after the person was shown such a progress."""

    after_s: float
    shown: str = ""


@dataclass
class Case:
    """A person with one message, and the lives of the daemons that answer it.

    `config` is the text of a configuration file, or nothing.
    """

    folder: Path
    repo: str
    model: FakeAnthropic
    words: str
    config: str = ""
    shown: list[str] = field(default_factory=list)
    lives: int = 0
    deaths: int = 0

    @property
    def effects(self) -> Path:
        """Where the tool `note` writes."""
        return self.folder / "effects"

    @asynccontextmanager
    async def life(self, moment: str, number: int):
        """A daemon with a link to it; Gone when it died before it listened."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ANTHROPIC_BASE_URL": self.model.url,
        }
        self.lives += 1
        log = (self.folder / f"life{self.lives}.log").open("w")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.crash.victim", moment, str(number), str(self.effects)),
            *("run", "--state-dir", str(self.folder), *self._configured()),
            cwd=ROOT,
            env=environment,
            stderr=log,
        )
        try:
            async with connected(self.folder / "coworker.sock", process) as link:
                yield process, link
        finally:
            kill(process)
            await process.wait()
            log.close()

    async def converse(self, moment: str, number: int, ending: Kill | None = None) -> bool:
        """Deliver the message twice, wait for its reply; False when the daemon died meanwhile."""
        async with self.life(moment, number) as (process, link):
            if ending and not ending.shown:
                asyncio.get_running_loop().call_later(ending.after_s, kill, process)
            try:
                await self._hear(link, process, ending)
            except Unavailable:
                self.deaths += 1
                return False
            return True

    async def verdict(self) -> list[str]:
        """What is wrong after all these lives; nothing, if all is well."""
        async with self.life("never", NEVER) as (_, link):
            (row,) = await link.call("inbox")
            entries = await link.call("log", conversation=row["conversation"])
        replies = [entry["body"] for entry in entries if entry["kind"] == "reply"]
        results = [entry["body"] for entry in entries if entry["kind"] == "tool_done"]
        checks = {
            "one reply": len(replies) == 1,
            "answered": bool(replies) and replies[0]["outcome"] == "answered",
            "one message": row["outcome"] == "answered",
            "one result a call": len({result["call"] for result in results}) == len(results) >= 3,
            "seen by the person": len(set(self.shown)) == 1,
            **(self.checks(replies[0], results) if replies else {}),
        }
        return [name for name, holds in checks.items() if not holds]

    def checks(self, reply: Json, results: Sequence[Json]) -> dict[str, bool]:
        """What must hold besides, by name."""
        raise NotImplementedError

    def _configured(self) -> Sequence[str]:
        if not self.config:
            return ()
        file = self.folder / "config.toml"
        file.write_text(self.config)
        return "--config", str(file)

    async def _hear(self, link: Link, process, ending: Kill | None) -> None:
        for _ in range(2):
            said = await link.call("say", text=self.words, repo=self.repo, event_id="e1")
        conversation = said["conversation"]
        await link.call("attach", conversation=conversation)
        watching = asyncio.create_task(self._watch(link, process, ending))
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not is_replied(await link.call("log", conversation=conversation)):
                    await asyncio.sleep(0.02)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError, Unavailable):
                await watching

    async def _watch(self, link: Link, process, ending: Kill | None) -> None:
        """A person who looks at what is said."""
        async for event in link.events():
            if isinstance(event, Reply):
                self.shown.append(event.key)
                await link.call("shown", key=event.key)
            elif ending and ending.shown and is_shown(event, ending.shown):
                asyncio.get_running_loop().call_later(ending.after_s, kill, process)


async def run_case(
    case: Case, moment: str = "never", number: int = NEVER, kills: Sequence[Kill] = ()
) -> list[str]:
    """What is wrong after these deaths."""
    case.folder.mkdir()
    for ending in kills:
        await case.converse("never", NEVER, ending)
    if await case.converse(moment, number) or await case.converse("never", NEVER):
        return await case.verdict()
    return ["it died again"]


def is_replied(entries):
    return any(entry["kind"] == "reply_sent" for entry in entries)


def is_shown(event, words):
    return isinstance(event, Progress) and event.text.startswith(words)


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
