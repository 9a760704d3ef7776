"""Files that a command may not change: afterwards they are as they were before it.

It does not know whose rule that is, and leaves alone what git ignores.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from coworker.protocols import Guard
from coworker.repos import commits, marks
from coworker.repos.commits import Identity
from coworker.repos.git import Git
from coworker.repos.snapshot import LIMITS
from coworker.repos.workspace import Workspace

Row = tuple[str, str]
"""A path, and its mode and content as git's index takes them."""


@asynccontextmanager
async def as_they_were(workspace: Workspace, guard: Guard | None) -> AsyncIterator[dict[str, str]]:
    """Put back what the guard objects to when the context ends, however it ends.

    Filled by then: the paths that were put back, each with the guard's reason. Only one command at
    a time may run under a guard. Raises ToolError and DiskFull.
    """
    put_back: dict[str, str] = {}
    if guard is None:
        yield put_back
        return
    before = await marks.state(workspace)
    try:
        yield put_back
    finally:
        for path in await _put_back(workspace, before, guard):
            put_back[path] = guard(path)


async def _put_back(workspace: Workspace, before: str, guard: Guard) -> list[str]:
    now = await workspace.files()
    rows = [row for row in await _differing(workspace.git, now, before) if guard(row[0])]
    odd = await _replaced(workspace, before, guard)
    if rows or odd:
        target = await _mended(workspace, now, rows)
        await workspace.reset_to(await workspace.head(), files=target)
    return sorted({*odd, *(path for path, _ in rows)})


async def _differing(git: Git, now: str, before: str) -> list[Row]:
    """What has to become of each path that is not as before."""
    arguments = ("diff-tree", "-r", "-z", "--raw", "--no-renames", now, before)
    out = await git.must(*arguments, limits=LIMITS)
    fields = [os.fsdecode(field) for field in out.split(b"\0")]
    pairs = zip(fields[0::2], fields[1::2], strict=False)
    return [(path, f"{about.split()[1]} {about.split()[3]}") for about, path in pairs]


async def _replaced(workspace: Workspace, before: str, guard: Guard) -> list[str]:
    """Files that are now something that git does not take, such as a pipe."""
    changes = await workspace.status()
    odd = [each.path for each in changes if each.kind == "left out" and guard(each.path)]
    if not odd:
        return []
    listed = ("ls-tree", "-r", "-z", "--name-only", "--full-tree", before, "--", *odd)
    out = await workspace.git.must(*listed, limits=LIMITS)
    return [os.fsdecode(path) for path in out.split(b"\0") if path]


async def _mended(workspace: Workspace, now: str, rows: Iterable[Row]) -> str:
    """A commit of the files as they are now, but for these."""
    told = b"".join(os.fsencode(f"{content}\t{path}\0") for path, content in rows)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=workspace.folder) as scratch:
        git = Git(workspace.git_dir, index=Path(scratch) / "index")
        await git.must("read-tree", now, limits=LIMITS)
        change = ("update-index", "--add", "--replace", "-z", "--index-info")
        await git.must(*change, stdin=told, limits=LIMITS)
        tree = (await git.must("write-tree", limits=LIMITS)).decode().strip()
    arguments = ("commit-tree", tree, "-p", await workspace.head())
    env = commits.environment(Identity())
    return (await git.must(*arguments, stdin=b"Put back\n", env=env)).decode().strip()
