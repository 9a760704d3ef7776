"""Copy files out of and into a folder whose files a hostile process may be swapping meanwhile.

Every step goes through directory handles and follows no link, so that nothing outside the folder
is ever read or written. It does not know git.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from coworker.errors import CoworkerError
from coworker.repos import program
from coworker.repos.gitdir import FULL, in_words
from coworker.repos.program import Limits

MAX_FILE = 100_000_000
MAX_ALL = 500_000_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1_000_000
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A path that was not taken along, and why in a few words."""

    path: str
    why: str


@dataclass(slots=True)
class Taken:
    """What became of each path that was to be copied."""

    present: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    size: int = 0


def take(tree: Path, paths: Iterable[str], into: Path) -> Taken:
    """Copy files and links, as they are now, from a tree into a folder that is ours alone.

    Too big, special and unreadable ones are left out. Raises DiskFull.
    """
    taken = Taken()
    with in_words(), _opened(tree) as folders:
        into.mkdir(mode=0o700, exist_ok=True)
        for path in sorted(set(paths)):
            try:
                _take(folders, path, into / path, taken)
            except OSError as error:
                if error.errno in FULL:
                    raise
                taken.left_out.append(LeftOut(path, f"cannot be read: {error.strerror}"))
    return taken


def put(tree: Path, source: Path, present: Iterable[str], gone: Iterable[str], bin_: Path) -> None:
    """Move files and links from a folder of ours into a tree, and others out of it.

    What is in the way is moved to `bin_`, as is what goes. All lie on one file system. Raises
    ToolError and DiskFull.
    """
    with in_words(), _opened(tree) as folders:
        for number, path in enumerate(gone):
            _throw(folders, path, bin_ / f"gone{number}")
        for number, path in enumerate(present):
            _put(folders, path, source / path, bin_ / f"old{number}")


async def in_thread(function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Run it beside the loop; when cancelled, wait for its end first: nothing runs on unseen."""
    task = asyncio.create_task(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with suppress(OSError, CoworkerError):
            await task
        raise


async def erase(path: Path) -> None:
    """Remove a folder and everything in it, however deep and whatever its permissions."""
    limits = Limits(seconds=600)
    output = await program.run(["rm", "-rf", "--", str(path)], limits=limits)
    if output.status != 0:
        await program.run(["chmod", "-R", "u+rwx", "--", str(path)], limits=limits)
        await program.run(["rm", "-rf", "--", str(path)], limits=limits)


def _take(folders: _Folders, path: str, copy: Path, taken: Taken) -> None:
    parent, _, name = path.rpartition("/")
    try:
        place = folders.open(parent)
        kind = os.stat(name, dir_fd=place, follow_symlinks=False).st_mode
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        taken.gone.append(path)
        return
    if stat.S_ISDIR(kind):
        taken.gone.append(path)  # its files are paths of their own
        return
    if not stat.S_ISREG(kind) and not stat.S_ISLNK(kind):
        taken.left_out.append(LeftOut(path, "is a pipe, socket or device"))
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(kind):
        copy.symlink_to(os.readlink(name, dir_fd=place))
        taken.present.append(path)
    else:
        _take_file(place, path, copy, taken)


def _take_file(place: int, path: str, copy: Path, taken: Taken) -> None:
    fd = os.open(path.rpartition("/")[2], _READ, dir_fd=place)
    try:
        status = os.fstat(fd)
        room = min(MAX_FILE, MAX_ALL - taken.size)
        if not stat.S_ISREG(status.st_mode):
            taken.left_out.append(LeftOut(path, "is a pipe, socket or device"))
        elif status.st_size > room or not _copied(fd, copy, room, taken):
            copy.unlink(missing_ok=True)
            taken.left_out.append(LeftOut(path, _too_big(max(status.st_size, room))))
        else:
            copy.chmod(0o755 if status.st_mode & 0o100 else 0o644)
            taken.present.append(path)
    finally:
        os.close(fd)


def _copied(fd: int, copy: Path, room: int, taken: Taken) -> bool:
    """Copy no more than there is room for, even of a file that grows."""
    left = room
    with copy.open("xb", buffering=0) as target:
        while chunk := os.read(fd, min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                return False
            target.write(chunk)
    taken.size += room - left
    return True


def _too_big(size: int) -> str:
    if size > MAX_FILE:
        return f"is {size / 1e6:,.0f} MB; more than {MAX_FILE / 1e6:.0f} MB a file is not kept"
    return f"would make more than {MAX_ALL / 1e6:.0f} MB of changes at once"


def _throw(folders: _Folders, path: str, to: Path) -> None:
    parent, _, name = path.rpartition("/")
    try:
        os.rename(name, to, src_dir_fd=folders.open(parent))
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
    folders.prune(parent)


def _put(folders: _Folders, path: str, source: Path, old: Path) -> None:
    parent, _, name = path.rpartition("/")
    place = folders.make(parent, old)
    with suppress(FileNotFoundError):
        os.rename(name, old, src_dir_fd=place)
    os.rename(source, name, dst_dir_fd=place)


class _Folders:
    """Opens folders beneath a top; remembers the last one, for paths come in order."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._last: tuple[str, int] = "", os.dup(top)

    def open(self, path: str) -> int:
        """A descriptor of the folder; it belongs to us. Raises OSError for a link."""
        return self._last[1] if path == self._last[0] else self._walk(path, os.open)

    def make(self, path: str, old: Path) -> int:
        """The same, making what is missing; what stands in the way is moved to `old`."""
        with suppress(OSError):
            return self.open(path)

        def made(part: str, flags: int, *, dir_fd: int) -> int:
            with suppress(OSError):
                return os.open(part, flags, dir_fd=dir_fd)
            with suppress(FileNotFoundError):
                os.rename(part, old.with_name(f"{old.name}.way"), src_dir_fd=dir_fd)
            os.mkdir(part, 0o755, dir_fd=dir_fd)
            return os.open(part, flags, dir_fd=dir_fd)

        return self._walk(path, made)

    def prune(self, path: str) -> None:
        """Remove the folder if it is empty, and then those above it."""
        while path:
            parent, _, name = path.rpartition("/")
            try:
                os.rmdir(name, dir_fd=self.open(parent))
            except OSError:
                return
            path = parent

    def close(self) -> None:
        os.close(self._last[1])

    def _walk(self, path: str, step: Callable[..., int]) -> int:
        fd = os.dup(self._top)
        for part in path.split("/") if path else ():
            try:
                inner = step(part, _FOLDER, dir_fd=fd)
            finally:
                os.close(fd)
            fd = inner
        os.close(self._last[1])
        self._last = path, fd
        return fd


@contextmanager
def _opened(tree: Path) -> Iterator[_Folders]:
    top = os.open(tree, _FOLDER)
    folders = _Folders(top)
    try:
        yield folders
    finally:
        folders.close()
        os.close(top)
