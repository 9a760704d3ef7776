"""What a command prints: its head and its tail are kept, so a flood costs no more than a page.

It knows nothing of processes, and leaves control characters to whoever shows the text.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

KEPT = 64 * 1024
"""Bytes of the head, and again of the tail, that are kept."""


class Output:
    """Collects bytes in the order in which they came."""

    def __init__(self, emit: Callable[[str], None] | None = None) -> None:
        self._emit = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._head = bytearray()
        self._tail = bytearray()
        self._seen = 0

    @property
    def omitted(self) -> int:
        """How many bytes lie between the head and the tail and are lost."""
        return max(0, self._seen - 2 * KEPT)

    def take(self, data: bytes) -> None:
        """The next bytes."""
        self._seen += len(data)
        if self._emit and (text := self._decoder.decode(data)):
            self._emit(text)
        room = KEPT - len(self._head)
        self._head += data[:room]
        self._tail += data[max(room, len(data) - KEPT) :]
        if len(self._tail) > 2 * KEPT:
            del self._tail[:-KEPT]

    def text(self) -> str:
        """Head and tail, with a line between them that says how much is missing."""
        if not self.omitted:
            return (self._head + self._tail).decode("utf-8", "replace")
        head = codecs.getincrementaldecoder("utf-8")("replace").decode(self._head)
        tail = _from_next_character(self._tail[-KEPT:]).decode("utf-8", "replace")
        return f"{head}\n[… {self.omitted:,} bytes left out …]\n{tail}"


def _from_next_character(data: bytearray) -> bytearray:
    """Without the rest of a character whose beginning is lost."""
    rest = next((n for n, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)
    return data[rest:]
