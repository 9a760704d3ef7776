"""What a person hands over as a message: an argument, a pipe, or the lines of one; and its limits.

It knows bytes and characters, not where messages go.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass

from coworker.errors import UsageError

LIMIT = 256 * 1024
"""The most bytes of UTF-8 that one message may have."""
STDIN = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of input. `size` is its true length in bytes; `data` is kept only up to LIMIT."""

    number: int
    data: bytes
    size: int


def from_argument(text: str) -> str:
    """A message typed on the command line."""
    return checked(text, "the text")


def from_pipe(descriptor: int = STDIN) -> str:
    """Everything on standard input as one message. Blocks until its end."""
    data = _read_up_to(descriptor, LIMIT + 1)
    if len(data) > LIMIT:
        raise _too_big(_whole_size(descriptor), "standard input")
    return _decoded(data, "standard input")


def from_line(line: Line) -> str:
    """One line as a message."""
    where = f"line {line.number}"
    if line.size > LIMIT:
        raise _too_big(f"{line.size:,} bytes", where)
    return _decoded(line.data, where)


def checked(text: str, where: str) -> str:
    """The text, if it can be sent. Raises UsageError that names the size, place or mend."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise _not_utf8(where, f"character {error.start + 1}") from None
    if size > LIMIT:
        raise _too_big(f"{size:,} bytes", where)
    if not text.strip():
        raise UsageError(f"{where} is empty. Say what you want: coworker ask TEXT")
    return text


async def lines(descriptor: int = STDIN) -> AsyncIterator[Line]:
    """Each line as it arrives, in bounded memory however long it is."""
    number, size, held = 1, 0, bytearray()
    while chunk := await _chunk(descriptor):
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            yield Line(number, bytes(held + end[: LIMIT - len(held)]), size + len(end))
            number, size, held = number + 1, 0, bytearray()
        held += rest[: LIMIT - len(held)]
        size += len(rest)
    if size:
        yield Line(number, bytes(held), size)


async def _chunk(descriptor: int) -> bytes:
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # a regular file cannot be waited for: it is always ready
        return os.read(descriptor, 1 << 16)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 1 << 16)


def _read_up_to(descriptor: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (chunk := os.read(descriptor, size - len(data))):
        data += chunk
    return bytes(data)


def _whole_size(descriptor: int) -> str:
    found = os.fstat(descriptor)
    return f"{found.st_size:,} bytes" if stat.S_ISREG(found.st_mode) else "larger"


def _decoded(data: bytes, where: str) -> str:
    try:
        return checked(data.decode(), where)
    except UnicodeDecodeError as error:
        raise _not_utf8(where, f"byte {error.start + 1}") from None


def _too_big(size: str, where: str) -> UsageError:
    return UsageError(
        f"{where} is {size}; a message may have {LIMIT:,} bytes. "
        "Put it into a file of the repository and name the file in the message."
    )


def _not_utf8(where: str, place: str) -> UsageError:
    return UsageError(f"{where} is not valid UTF-8 (at {place}). Convert it to UTF-8 first.")
