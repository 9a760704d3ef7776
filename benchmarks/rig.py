"""The processes of a run: the scripted model, the daemon under test, the floor, the probe.

Each in a process of its own; all of them are ended by their ids. It does not know what is measured.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import Disk
from benchmarks.talk import Coworker, Floor, connected
from coworker.config import program_environment

ROOT = Path(__file__).parent.parent
COWORKER = Path(sys.executable).with_name("coworker")
_TICKS = os.sysconf("SC_CLK_TCK")
_DEADLINE_S = 120
_POLL_S = 0.002
_CONFIG = """
[models.large]
model = "claude-opus-5-5"
base_url = "{url}"
context_tokens = {context_tokens}

[models.large.price]
input = 0.0
output = 0.0

[budget]
run_tokens = 0

[repos.shop]
path = "{repo}"
"""


class Program:
    """A process that we started, and what the kernel says of it."""

    def __init__(self, process: asyncio.subprocess.Process, began: float) -> None:
        self.process = process
        self.began = began
        self._files = Path(f"/proc/{process.pid}")

    @property
    def cpu_s(self) -> float:
        """Processor seconds, those of its ended children included."""
        fields = (self._files / "stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / _TICKS

    @property
    def running_s(self) -> float:
        """Processor seconds of its own threads, to the nanosecond."""
        stats = self._files.glob("task/*/schedstat")
        return sum(int(stat.read_text().split()[0]) for stat in stats) / 1e9

    @property
    def wakeups(self) -> int:
        """How often its threads began to run after they had waited."""
        lines = [f.read_text().splitlines() for f in self._files.glob("task/*/status")]
        return sum(_number(line) for text in lines for line in text if line.startswith("volunt"))

    def memory_mb(self, kind: str) -> float:
        """`Rss` or `Pss` in megabytes."""
        for line in (self._files / "smaps_rollup").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                return _number(line) / 1024
        raise KeyError(kind)

    async def stop(self) -> None:
        """End it, first kindly."""
        if self.process.returncode is None:
            self.process.terminate()
            try:
                async with asyncio.timeout(10):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
        await self.process.wait()


@dataclass
class Bot:
    """A running bot: the daemon or the floor. `ready_s` is from its start to its first answer."""

    program: Program
    socket: Path
    ready_s: float
    is_floor: bool

    @asynccontextmanager
    async def talker(
        self, conversation: str = "", repo: str | None = "shop"
    ) -> AsyncIterator[Coworker | Floor]:
        """A person with a connection to it."""
        async with connected(self.socket) as (reader, writer):
            if self.is_floor:
                yield Floor(reader, writer)
                return
            talker = Coworker(reader, writer, conversation, repo)
            await talker.call("hello")  # a burst of connections would not fit its backlog
            yield talker


class Rig:
    """Everything a section needs. `quick` asks for small numbers that show only that it works."""

    def __init__(self, disk: Disk, quick: bool) -> None:
        self.disk = disk
        self.quick = quick
        self.repo = disk.folder / "shop"
        self._names = itertools.count(1)
        self._url = ""
        self.model: Program

    def n(self, full: int, quick: int) -> int:
        """How many."""
        return quick if self.quick else full

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """With a model that answers and a repository to read."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        await _make_repository(self.repo)
        async with started("-m", "benchmarks.model", stdout=asyncio.subprocess.PIPE) as model:
            assert model.process.stdout
            port = int(await model.process.stdout.readline())
            self.model, self._url = model, f"http://127.0.0.1:{port}"
            yield

    def state(self) -> Path:
        """A new state directory."""
        return self.disk.folder / f"state{next(self._names)}"

    @asynccontextmanager
    async def daemon(
        self, state: Path | None = None, context_tokens: int = 1_000_000_000
    ) -> AsyncIterator[Bot]:
        """`coworker run`, from the moment when it answers."""
        state = state or self.state()
        state.mkdir(exist_ok=True)
        config = state / "config.toml"
        words = {"url": self._url, "repo": self.repo, "context_tokens": context_tokens}
        config.write_text(_CONFIG.format(**words))
        argv = [str(COWORKER), "--config", str(config), "--state-dir", str(state), "run"]
        environment = self.disk.environment
        async with started(*argv, environment=environment, log=state / "log") as program:
            socket = state / "coworker.sock"
            await _listening(program, socket, state / "log")
            async with connected(socket) as streams:
                await Coworker(*streams).call("hello")
            yield Bot(program, socket, time.perf_counter() - program.began, is_floor=False)

    @asynccontextmanager
    async def floor(self) -> AsyncIterator[Bot]:
        """The bare bot, from the moment when it listens."""
        name = f"floor{next(self._names)}"
        socket, log = self.disk.folder / f"{name}.sock", self.disk.folder / f"{name}.log"
        argv = ("-m", "benchmarks.floor", str(socket), self._url)
        async with started(*argv, log=log) as program:
            await _listening(program, socket, log)
            yield Bot(program, socket, time.perf_counter() - program.began, is_floor=True)

    @asynccontextmanager
    async def probed(self, bot: Bot) -> AsyncIterator[list[float]]:
        """Fill a list with what callers of the daemon wait meanwhile (ms)."""
        waits: list[float] = []
        pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
        async with started("-m", "benchmarks.probe", str(bot.socket), **pipes) as probe:
            yield waits
            out, _ = await probe.process.communicate(b"")
            waits += json.loads(out)


@asynccontextmanager
async def started(
    *argv: str,
    environment: dict[str, str] | None = None,
    log: Path | None = None,
    **streams: int,
) -> AsyncIterator[Program]:
    """Our Python with these arguments, or the program they name."""
    called = argv if argv[0].startswith("/") else (sys.executable, *argv)
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *called,
        cwd=ROOT,
        env={**program_environment(), "HOME": "/nonexistent", **(environment or {})},
        stderr=log.open("ab") if log else None,
        limit=2**26,
        **streams,
    )
    program = Program(process, began)
    try:
        yield program
    finally:
        await program.stop()


async def _listening(program: Program, socket: Path, log: Path) -> None:
    """Wait until somebody can connect."""
    while time.perf_counter() - program.began < _DEADLINE_S:
        if program.process.returncode is not None:
            break
        try:
            async with connected(socket):
                return
        except OSError:
            await asyncio.sleep(_POLL_S)
    raise RuntimeError(f"it did not start:\n{log.read_text()[-2_000:]}")


async def _make_repository(folder: Path) -> None:
    """A small checkout with a little history."""
    (folder / "shop").mkdir(parents=True)
    (folder / "README.md").write_text("# Shop\n\nSells things.\n")
    await git(folder, "init", "-q", "-b", "main")
    for number in range(10):
        lines = [f"def part{number}_{line}():\n    return {line}\n" for line in range(15)]
        (folder / "shop" / f"part{number}.py").write_text("\n".join(lines))
        await git(folder, "add", ".")
        await git(folder, "commit", "-qm", f"Add part {number}")


async def git(folder: Path, *arguments: str) -> None:
    """Run git there as ann. Raises RuntimeError."""
    who = ("-c", "user.name=ann", "-c", "user.email=ann@example.com")
    process = await asyncio.create_subprocess_exec("git", "-C", str(folder), *who, *arguments)
    if await process.wait():
        raise RuntimeError(f"git {arguments[0]} failed")


def _number(line: str) -> int:
    return int(line.split()[1])
