"""The files that make a git directory of our own, each written at once or not at all.

It does not know whose history lies in it.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from coworker.errors import DiskFull, ToolError

FULL = (errno.ENOSPC, errno.EDQUOT)
_SMALL = 1_000_000
_ID = re.compile(rb"[0-9a-f]{40,64}")


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what the system says of our own files into a sentence: DiskFull or ToolError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull("The disk is full. Make room and try again.") from None
        raise ToolError(f"{error.filename or 'A file'} cannot be used: {error.strerror}.") from None


def small_file(path: Path) -> bytes | None:
    """A regular file's bytes, None for anything else; never waits for a pipe."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.read(fd, _SMALL) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    finally:
        os.close(fd)


def put(path: Path, data: bytes | None) -> None:
    """Make a file hold these bytes; None removes it."""
    if data is None:
        path.unlink(missing_ok=True)
    elif small_file(path) != data:
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        fresh.write_bytes(data)
        fresh.replace(path)


def copy(source: Path, path: Path) -> None:
    """Make a file a copy of another one. Raises DiskFull and ToolError."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with in_words():
        shutil.copyfile(source, fresh)
        fresh.replace(path)


def point(link: Path, target: Path) -> None:
    """Make a symbolic link unless there is one."""
    with suppress(FileExistsError):  # somebody else was quicker
        if not link.is_symlink():
            link.symlink_to(target)


def alternates(objects: Path) -> bytes:
    """The file that borrows another directory's objects, whatever characters its path has."""
    escaped = os.fsencode(objects).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%s"\n' % escaped.replace(b"\n", b"\\n")


def shallow(listed: bytes | None) -> bytes | None:
    """Only the lines that name commits: git would quote any other in its errors."""
    lines = [line + b"\n" for line in (listed or b"").split() if _ID.fullmatch(line)]
    return b"".join(lines) or None


def config(object_format: str, *, is_bare: bool) -> bytes:
    """Settings under which git keeps every object and runs nothing of its own accord."""
    rows = ["[core]", "repositoryformatversion = 1", f"bare = {str(is_bare).lower()}"]
    rows += ["logAllRefUpdates = false", "fsmonitor = false", "hooksPath = /dev/null"]
    rows += ["[extensions]", f"objectFormat = {object_format}"] if object_format != "sha1" else []
    rows += ["[gc]", "auto = 0", "pruneExpire = never", "[maintenance]", "auto = false"]
    return "".join(f"{row}\n" for row in rows).encode()
