"""A folder that nothing outside of it can be reached from, whatever paths and links say.

Every file is opened through directory handles, so that swapping a folder for a link while it is
being opened changes nothing. It does not know what the files are read for.
"""

from __future__ import annotations

import ctypes
import difflib
import errno
import os
import posixpath
import re
import stat
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from coworker.errors import ToolError
from coworker.repos.text import path_name

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_PATH = 4_096
_MAX_LINKS = 40
_OPENAT2 = 437  # the same number on every architecture we know
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08


class Root:
    """Files beneath one folder; `.git` counts as outside, for it may hold credentials."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._real = Path(os.path.realpath(path))
        _refuse_git(list(self._real.parts))

    def inside(self, text: str) -> str:
        """A path as somebody wrote it, as a clean relative one; "." is the folder itself.

        Raises ToolError in words for a path that leads outside or cannot be one.
        """
        _refuse_impossible(text)
        path = PurePosixPath(text)
        parts = list(path.parts)
        if path.is_absolute():
            parts = self._below(path, text)
        clean: list[str] = []
        for part in parts:
            if part == ".." and not clean:
                raise _outside(text)
            if part == "..":
                clean.pop()
            else:
                clean.append(part)
        _refuse_git(clean)
        return "/".join(clean) or "."

    @contextmanager
    def file(self, relative: str) -> Iterator[int]:
        """A descriptor of a regular file. Raises ToolError in words for anything else."""
        with self._opened(relative, _READ) as fd:
            kind = os.fstat(fd).st_mode
            if stat.S_ISDIR(kind):
                raise ToolError(f"{path_name(relative)} is a folder. list_files shows its files.")
            if not stat.S_ISREG(kind):
                raise _special(relative)
            yield fd

    @contextmanager
    def folder(self, relative: str = ".") -> Iterator[int]:
        """A descriptor of a folder. Raises ToolError in words for anything else."""
        with self._opened(relative, _READ | os.O_DIRECTORY) as fd:
            yield fd

    def resolved(self, relative: str) -> str:
        """The same file or folder by its path without links. Raises ToolError for anything else."""
        with self._opened(relative, os.O_PATH | os.O_CLOEXEC) as fd:
            kind = os.fstat(fd).st_mode
            if not stat.S_ISDIR(kind) and not stat.S_ISREG(kind):
                raise _special(relative)
            real = os.path.relpath(Path(f"/proc/self/fd/{fd}").readlink(), self._real)
        return self.inside(real)

    def leads_to(self, relative: str) -> str:
        """The path without links of what lies there, or would if it were made. Raises ToolError."""
        if relative == "." or self.has(relative):
            return self.resolved(relative)
        parent, _, name = relative.rpartition("/")
        return posixpath.normpath(f"{self.leads_to(parent or '.')}/{name}")

    def read(self, relative: str, limit: int) -> bytes:
        """The first `limit` bytes of a regular file. Raises ToolError."""
        with self.file(relative) as fd:
            return os.read(fd, limit)

    def put(self, relative: str, data: bytes) -> None:
        """Make a regular file hold these bytes, at once or not at all, with its folders.

        An existing file keeps its mode; a link is followed if it stays inside. Raises ToolError.
        """
        if self.has(relative):
            relative = self.resolved(relative)
        parent, _, name = relative.rpartition("/")
        _refuse_git([name])
        with self._made(parent) as folder:
            _replace(folder, name, data)

    @contextmanager
    def _made(self, relative: str) -> Iterator[int]:
        """A descriptor of a folder that is made if need be, component by component."""
        done = ""
        for part in relative.split("/") if relative else ():
            with self.folder(done or ".") as above, suppress(FileExistsError):
                os.mkdir(part, dir_fd=above)
            done = f"{done}/{part}" if done else part
        with self.folder(done or ".") as fd:
            yield fd

    def has(self, relative: str) -> bool:
        """Whether something lies there, be it a dangling link."""
        try:
            (self.path / relative).lstat()
        except (OSError, ValueError):
            return False
        return True

    def _below(self, path: PurePosixPath, text: str) -> list[str]:
        for top in (self.path, self._real):
            if path.is_relative_to(top):
                return list(path.relative_to(top).parts)
        raise _outside(text)

    @contextmanager
    def _opened(self, relative: str, flags: int) -> Iterator[int]:
        try:
            fd = self._open(relative, flags)
        except OSError as error:
            raise self._in_words(error, relative) from None
        try:
            yield fd
        finally:
            os.close(fd)

    def _open(self, relative: str, flags: int) -> int:
        parts = [part for part in relative.split("/") if part not in ("", ".")]
        _refuse_git(parts)
        top = self._top()
        try:
            with suppress(OSError):  # a link on the way, an older kernel: then step by step
                return _open_beneath(top, "/".join(parts) or ".", flags)
            return self._walk(top, parts, flags)
        finally:
            os.close(top)

    def _top(self) -> int:
        try:
            return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ToolError(f"{self.path} cannot be opened: {error.strerror}.") from None

    def _walk(self, top: int, parts: list[str], flags: int) -> int:
        """Open component by component and follow only links that stay inside."""
        held, todo, links = [os.dup(top)], deque(parts), 0
        try:
            while todo:
                part = todo.popleft()
                if part == "..":
                    _step_out(held, parts)
                    continue
                _refuse_git([part])
                target = _link(part, held[-1])
                if target is None:
                    step = flags | os.O_NOFOLLOW if not todo else _FOLDER
                    held.append(os.open(part, step, dir_fd=held[-1]))
                    continue
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                self._follow(target, held, todo)
            return os.dup(held[-1])
        finally:
            for fd in held:
                os.close(fd)

    def _follow(self, target: str, held: list[int], todo: deque[str]) -> None:
        path = PurePosixPath(target)
        parts = list(path.parts)
        if path.is_absolute():
            parts = self._below(path, target)
            while len(held) > 1:
                os.close(held.pop())
        todo.extendleft(reversed(parts))

    def _in_words(self, error: OSError, relative: str) -> ToolError:
        shown = path_name(relative)
        match error.errno:
            case errno.ENOENT:
                return ToolError(f"There is no {shown} here.{self._near(relative)}")
            case errno.ENOTDIR:
                return ToolError(f"{shown} leads through, or is, something that is no folder.")
            case errno.ELOOP:
                return ToolError(f"{shown} is a link that leads nowhere.")
            case errno.ENAMETOOLONG:
                return ToolError(f"{shown}: this path is too long to exist.")
            case errno.ENXIO:
                return _special(relative)
        return ToolError(f"{shown} cannot be read: {error.strerror or error}.")

    def _near(self, relative: str) -> str:
        """What else lies in that folder under a similar name, or where the path ends."""
        parent, _, name = relative.rpartition("/")
        try:
            fd = self._open(parent, _READ | os.O_DIRECTORY)
        except (OSError, ToolError):
            return f" There is no folder {path_name(parent)} either."
        try:
            with os.scandir(fd) as entries:
                names = [entry.name for entry in entries if not _is_git(entry.name)]
        finally:
            os.close(fd)
        near = difflib.get_close_matches(name, names[:5_000], n=3, cutoff=0.5)
        return f" Near it: {', '.join(path_name(found) for found in near)}." if near else ""


def _replace(folder: int, name: str, data: bytes) -> None:
    """Write beside it, then rename over it; both within this folder, whatever is swapped."""
    fresh = f".{name[:100]}.{os.urandom(4).hex()}"
    try:
        mode = stat.S_IMODE(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        mode = 0o644
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
        os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(fresh, dir_fd=folder)
        raise


def _refuse_impossible(text: str) -> None:
    if not text:
        raise ToolError('The path is empty. "." is the repository itself.')
    if _CONTROL.search(text):
        raise ToolError("The path has control characters in it. Write the plain path.")
    if text.startswith("~"):
        raise ToolError("~ is not expanded: paths are relative to the repository.")
    if len(text) > _MAX_PATH:
        raise ToolError(f"The path is {len(text)} characters long; no file has such a name.")


def _refuse_git(parts: list[str]) -> None:
    if any(_is_git(part) for part in parts):
        raise ToolError(".git cannot be read as files: it may hold credentials. Use the git tools.")


def _is_git(part: str) -> bool:
    return part.rstrip(" .").casefold() == ".git"


def _outside(text: str) -> ToolError:
    return ToolError(
        f"{path_name(text)} lies outside the repository, and only the repository can be read. "
        "Use a path relative to it."
    )


def _special(relative: str) -> ToolError:
    return ToolError(f"{path_name(relative)} is a pipe, socket or device, so it is not read.")


def _step_out(held: list[int], parts: list[str]) -> None:
    if len(held) == 1:
        raise _outside("/".join(parts))
    os.close(held.pop())


def _link(part: str, folder: int) -> str | None:
    """Where a link points, None for anything else."""
    try:
        return os.readlink(part, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def _open_beneath(top: int, relative: str, flags: int) -> int:
    """One system call that cannot leave `top` and meets no link. Raises OSError."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    how = _OpenHow(flags, 0, _BENEATH | _NO_MAGICLINKS | _NO_SYMLINKS)
    number, size = ctypes.c_long(_OPENAT2), ctypes.c_size_t(ctypes.sizeof(how))
    name = os.fsencode(relative)
    fd = int(_libc.syscall(number, ctypes.c_long(top), name, ctypes.byref(how), size))
    if fd < 0:
        reason = ctypes.get_errno()
        raise OSError(reason, os.strerror(reason))
    return fd


_libc = ctypes.CDLL(None, use_errno=True)
