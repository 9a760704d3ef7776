"""Files that a command may not change: afterwards they are as they were before it.

It does not know whose rule that is, and leaves alone what git ignores.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from coworker.protocols import Guard
from coworker.repos import commits, marks
from coworker.repos.commits import Identity
from coworker.repos.git import Git
from coworker.repos.snapshot import LIMITS
from coworker.repos.tree import in_thread
from coworker.repos.workspace import Workspace

_HANDLE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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
    modes = await in_thread(_modes, workspace.tree, await _folders(workspace.git, before))
    try:
        yield put_back
    finally:
        opened = await in_thread(_open_again, workspace.tree, modes, guard)
        for path in sorted({*opened, *await _put_back(workspace, before, guard)}):
            put_back[path] = guard(path)


async def _folders(git: Git, before: str) -> list[str]:
    """All folders, each after those that it is in."""
    listed = ("ls-tree", "-r", "-d", "-z", "--name-only", "--full-tree", before)
    out = await git.must(*listed, limits=LIMITS)
    return [os.fsdecode(path) for path in out.split(b"\0") if path]


def _modes(tree: Path, folders: Iterable[str]) -> dict[str, int]:
    """Who may do what in each folder, which git does not remember."""
    found = {}
    for path in folders:
        with suppress(OSError), _folder(tree, path) as fd:
            found[path] = stat.S_IMODE(os.fstat(fd).st_mode)
    return found


def _open_again(tree: Path, modes: Mapping[str, int], guard: Guard) -> list[str]:
    """Put back who may do what in folders that are kept, and in those that shut us out.

    The former are returned.
    """
    put_back = []
    for path, mode in modes.items():
        with suppress(OSError), _folder(tree, path) as fd:
            now = stat.S_IMODE(os.fstat(fd).st_mode)
            is_kept = bool(now != mode and guard(path))
            if is_kept or ~now & mode & stat.S_IRWXU:
                os.chmod(f"/proc/self/fd/{fd}", mode)  # noqa: PTH101 - a handle, not a path
            put_back += [path] if is_kept else []
    return put_back


@contextmanager
def _folder(tree: Path, path: str) -> Iterator[int]:
    """A handle of a folder, whatever its permissions; no link is followed."""
    fd = os.open(tree, _HANDLE)
    try:
        for part in path.split("/"):
            above, fd = fd, os.open(part, _HANDLE, dir_fd=fd)
            os.close(above)
        yield fd
    finally:
        os.close(fd)


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
