"""Work in a repository: confined commands, workspaces, tools, and trees with many files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rig import Bot, Rig, git
from benchmarks.table import Figure
from benchmarks.talk import task
from coworker import sandbox
from coworker.protocols import Tool, ToolContext
from coworker.repos.checkout import Checkouts
from coworker.repos.workspaces import Workspaces
from coworker.sandbox import Box
from coworker.settings import Sandbox
from coworker.tools import edit, files
from coworker.tools.workplace import Workplace
from coworker.types import ConversationId, Parked, Repo

_CALLS = 5
_PER_FOLDER = 100
_NEEDLE = "needle"
_HAYSTACK = 0.002
"""The share of files that the search finds something in."""


async def hands(rig: Rig) -> list[Figure]:
    """Everything that work on files adds to talk."""
    if missing := await sandbox.self_test():
        print(f"\nNothing confined is measured: {missing}")
    commands = [] if missing else await _commands(rig)
    trips = await _round_trips(rig, ["read_file", "write_file", *([] if missing else ["shell"])])
    return [*commands, *trips, *await _trees(rig)]


# Commands


async def _commands(rig: Rig) -> list[Figure]:
    """The same empty command, plain and confined, turn by turn."""
    box = Box(workspace=rig.disk.folder / "box", cache=rig.disk.folder / "box-cache")
    box.workspace.mkdir()
    plain, confined = [], []
    for _ in range(rig.n(200, 20)):
        plain.append(await _ms(_plain("bash", "-c", ":", cwd=box.workspace)))
        confined.append(await _ms(sandbox.run(box, ":")))
    more = [b - a for a, b in zip(plain, confined, strict=True)]
    return [
        Figure("bash -c : as it is", "ms", plain),
        Figure("the same, confined", "ms", confined, plain),
        Figure("what confinement adds, pair by pair", "ms", more, aim="p50 <= 20"),
    ]


# Round trips


async def _round_trips(rig: Rig, tools: Sequence[str]) -> list[Figure]:
    """What one more tool call adds to a reply, without the model's time."""
    figures = []
    async with rig.floor() as floor, rig.daemon() as daemon:
        bare = await _per_call(rig, floor, "read_file")
        for tool in tools:
            each = await _per_call(rig, daemon, tool)
            aim = "" if tool == "shell" else "p50 <= 15"
            figures.append(Figure(f"round trip of {tool}", "ms", each, bare, aim))
    return [Figure("floor: one more request", "ms", bare), *figures]


async def _per_call(rig: Rig, bot: Bot, tool: str) -> list[float]:
    """A task with few calls and one with more, in turn, in conversations that stay short."""
    each = []
    for _ in range(rig.n(10, 2)):
        async with bot.talker() as talker:
            await talker.ask(task(calls=1, tool=tool))  # makes the workspace
            for _ in range(rig.n(6, 4)):
                few = await talker.ask(task(calls=1, tool=tool))
                more = await talker.ask(task(calls=1 + _CALLS, tool=tool))
                each.append((more.own_ms - few.own_ms) / _CALLS)
    return each


# Trees with many files


async def _trees(rig: Rig) -> list[Figure]:
    figures = []
    for size in (5_000, 50_000) if not rig.quick else (500,):
        repo = Repo("large", rig.disk.folder / f"tree{size}")
        await _grow(repo.path, size)
        figures += await _workspaces(rig, repo, f"{size:,} files")
        figures += await _tools(rig, repo, f"{size:,} files")
    return figures


async def _workspaces(rig: Rig, repo: Repo, name: str) -> list[Figure]:
    """The first workspace of a repository makes its mirror; the others find it."""
    cold, warm, plain = [], [], []
    for _ in range(rig.n(3, 1)):
        workspaces = Workspaces(rig.state())
        cold.append(await _ms(workspaces.open("first", repo, carry_uncommitted=True)) / 1e3)
        for number in range(rig.n(3, 2)):
            made = workspaces.open(f"more{number}", repo, carry_uncommitted=True)
            warm.append(await _ms(made) / 1e3)
            plain.append(await _ms(_clone(repo.path, rig.state())) / 1e3)
    return [
        Figure(f"{name}: git clone --shared", "s", plain),
        Figure(f"{name}: workspace, cold mirror", "s", cold, plain),
        Figure(f"{name}: workspace, warm mirror", "s", warm, plain),
    ]


async def _tools(rig: Rig, repo: Repo, name: str) -> list[Figure]:
    """In one workspace, turn by turn with ripgrep as anybody would call it."""
    state = rig.state()
    place = Workplace(Workspaces(state), state, Sandbox(), lambda _: repo)
    context = ToolContext(repo, ConversationId("t-bench"), "call", lambda _: None)
    tree = (await place.workspace(context)).tree
    looking = ToolContext(Repo("large", tree), context.conversation, "call", lambda _: None)
    search = _called(files.tools(Checkouts(state)), "search", looking)
    edit_file = _called(edit.tools(place), "edit_file", context)
    plain, found, edited = [], [], []
    for number in range(rig.n(20, 3)):
        plain.append(await _ms(_plain("rg", "-n", _NEEDLE, ".", cwd=tree)))
        found.append(await _ms(search(pattern=_NEEDLE)))
        old, new = f"turn {number}\n", f"turn {number + 1}\n"
        edited.append(await _ms(edit_file(path="turn.txt", old=old, new=new)))
    return [
        Figure(f"{name}: rg, the whole tree", "ms", plain),
        Figure(f"{name}: search", "ms", found, plain),
        Figure(f"{name}: edit_file", "ms", edited, plain),
    ]


def _called(tools: Sequence[Tool], name: str, context: ToolContext) -> Callable[..., Any]:
    tool = next(tool for tool in tools if tool.name == name)

    async def called(**arguments: object) -> None:
        result = await tool.run(tool.parse(arguments), context)
        if isinstance(result, Parked) or result.is_error:
            raise RuntimeError(f"{name} did not work")

    return called


async def _grow(folder: Path, size: int) -> None:
    """A repository of that many small files; some hold the needle."""
    rare = round(1 / _HAYSTACK)
    for number in range(size):
        file = folder / f"part{number // _PER_FOLDER}" / f"file{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        body = "".join(f"def f{number}_{line}():\n    return {line}\n" for line in range(12))
        file.write_text(body + (f"# {_NEEDLE}\n" if number % rare == 0 else ""))
    (folder / "turn.txt").write_text("turn 0\n")
    await git(folder, "init", "-q", "-b", "main")
    await git(folder, "add", ".")
    await git(folder, "commit", "-qm", "Add the parts")


async def _clone(source: Path, target: Path) -> None:
    await _plain("git", "clone", "-q", "--shared", str(source), str(target), cwd=source)


async def _plain(*argv: str, cwd: Path) -> None:
    """A program as it is, read to its end."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, cwd=cwd, stdout=pipe)
    await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{argv[0]} failed")


async def _ms(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1e3
