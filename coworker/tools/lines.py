"""Lines of a file of any size, read in little memory.

It does not know which file it is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import BinaryIO

from coworker.errors import ToolError

LINE = 2_000
"""Bytes of one line that are shown."""
_CHUNK = 262_144
_COUNTED = 256_000_000
_SECONDS = 10.0


@dataclass(slots=True)
class Lines:
    """A stretch of a file. `total` is its number of lines, None when it is too big to count."""

    texts: list[str] = field(default_factory=list)
    total: int | None = None
    has_crlf: bool = False
    ends_in_newline: bool = True


def read(file: BinaryIO, start: int, end: int | None, budget: int) -> Lines:
    """Lines `start` to `end` (from 1, inclusive), ending when `budget` characters are full."""
    lines = Lines()
    number = 1 + skip(file, start - 1)
    while (end is None or number <= end) and number >= start and budget > 0:
        raw, size = _line(file)
        if not size:
            break
        lines.has_crlf |= raw.endswith(b"\r\n")
        lines.texts.append(_shown(raw, size))
        budget -= len(lines.texts[-1]) + len(f"{number}") + 2
        number += 1
    rest = _rest(file)
    lines.total = None if rest is None else number - 1 + rest
    lines.ends_in_newline = _last_byte(file) in (b"\n", b"")
    if number < start:
        lines.total = number - 1 + (not lines.ends_in_newline)
    return lines


def skip(file: BinaryIO, count: int) -> int:
    """Move past that many line ends; returns how many there were."""
    left, deadline = count, time.monotonic() + _SECONDS
    while left and (chunk := file.read(_CHUNK)):
        found = chunk.count(b"\n")
        if found >= left:
            file.seek(_end_of(chunk, left) - len(chunk), 1)
            return count
        left -= found
        if time.monotonic() > deadline:
            raise ToolError(f"Finding line {count + 1:,} takes too long in a file of this size.")
    return count - left


def around(file: BinaryIO, column: int, width: int) -> str:
    """Some `width` bytes of the line that begins here, so that `column` (from 0) is in them.

    Leaves the file at the beginning of the line.
    """
    begin = file.tell()
    lead = max(0, column - width // 3) if column > width * 2 // 3 else 0
    file.seek(begin + lead)
    raw = file.read(width)
    file.seek(begin)
    line, ended, _ = raw.partition(b"\n")
    errors = "ignore" if lead or not ended else "backslashreplace"  # a cut may halve a character
    text = line.rstrip(b"\r").decode("utf-8", errors=errors)
    is_cut = not ended and len(raw) == width
    return f"{'…' if lead else ''}{text}{'…' if is_cut else ''}"


def _line(file: BinaryIO) -> tuple[bytes, int]:
    """The beginning of the next line, and the length of all of it."""
    raw = file.readline(LINE + 1)
    size, last = len(raw), raw
    while last and not last.endswith(b"\n"):
        last = file.readline(_CHUNK)
        size += len(last)
    return raw, size


def _shown(raw: bytes, size: int) -> str:
    text = raw[:LINE].decode("utf-8", errors="backslashreplace").rstrip("\r\n")
    return text if size <= LINE + 1 else f"{text} [… {size - LINE:,} more bytes in this line]"


def _end_of(chunk: bytes, line: int) -> int:
    """Where the line of that number (from 1) ends in the chunk."""
    at = 0
    for _ in range(line):
        at = chunk.index(b"\n", at) + 1
    return at


def _rest(file: BinaryIO) -> int | None:
    """How many lines follow, None when they are too many to count."""
    count, size, last = 0, 0, b"\n"
    while chunk := file.read(_CHUNK):
        count, size, last = count + chunk.count(b"\n"), size + len(chunk), chunk[-1:]
        if size > _COUNTED:
            return None
    return count + (last != b"\n")


def _last_byte(file: BinaryIO) -> bytes:
    size = file.seek(0, 2)
    file.seek(max(0, size - 1))
    return file.read(1)
