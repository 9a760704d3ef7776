"""How text, amounts and times are written for a person at a terminal.

It knows nothing of commands or the protocol.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from typing import TextIO
from zoneinfo import ZoneInfo

from coworker.adapters.render import (
    UNSAFE,
    clean,
    dollars,
    duration,
    one_line,
    receipt_line,
)

__all__ = [
    "as_json",
    "clean",
    "dollars",
    "duration",
    "fit",
    "is_terminal",
    "moment",
    "one_line",
    "receipt_line",
    "width",
]


def as_json(value: object) -> str:
    """One line of JSON that is exact and that no terminal obeys."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if UNSAFE.search(text) else text


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at the stream; a closed one is nobody."""
    return stream is not None and not stream.closed and stream.isatty()


def width(text: str) -> int:
    """How many terminal cells the text takes."""
    return sum(_cells(character) for character in text)


def fit(text: str, cells: int) -> str:
    """The text cut to that many cells, with an ellipsis when something is missing."""
    if width(text) <= cells:
        return text
    kept = "".join(_first_cells(text, cells - 1))
    return f"{kept}…"


def moment(milliseconds: int, zone: ZoneInfo) -> str:
    """Milliseconds UTC as date and time in that zone."""
    return datetime.fromtimestamp(milliseconds / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")


def _first_cells(text: str, cells: int) -> Iterator[str]:
    for character in text:
        cells -= _cells(character)
        if cells < 0:
            return
        yield character


def _cells(character: str) -> int:
    if unicodedata.combining(character) or character in "\u200b\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
