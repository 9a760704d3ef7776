"""How text, amounts and times are written for a person at a terminal.

It knows nothing of commands or the protocol.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from typing import TextIO
from zoneinfo import ZoneInfo

from coworker.types import Json

_SEQUENCE = re.compile(
    r"(?:\x1b[\]P^_X]|[\x9d\x90\x9e\x9f\x98])[^\x07\x1b\x9c\n]{0,500}(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|\x1b[ -/]{0,8}[0-~]"
)
# Controls but for newline and tab, what turns or hides text, and halves of characters.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f\ud800-\udfff]"
)
_MARKS = {"answered": "✓", "stopped": "■"}


def clean(text: str) -> str:
    """Text that others wrote, without anything a terminal would obey instead of show."""
    text = text.replace("\r\n", "\n")
    return _UNSAFE.sub("", _SEQUENCE.sub("", text).replace("\r", "\n"))


def one_line(text: str) -> str:
    """Clean text with every run of white space as one blank."""
    return " ".join(clean(text).split())


def as_json(value: object) -> str:
    """One line of JSON that is exact and that no terminal obeys."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if _UNSAFE.search(text) else text


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


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `2 min 40 s`, `1 h 05 min`, `3 d 4 h`."""
    if seconds < 1:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes_left:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def dollars(amount: float) -> str:
    """`$0.04`; four digits below a cent, so that small is not nothing."""
    return f"${amount:.4f}" if 0 < amount < 0.01 else f"${amount:.2f}"


def moment(milliseconds: int, zone: ZoneInfo) -> str:
    """Milliseconds UTC as date and time in that zone."""
    return datetime.fromtimestamp(milliseconds / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")


def receipt_line(outcome: str, receipt: Json) -> str:
    """`✓ 2 min 40 s · 6 steps · claude-opus-5-5 · $0.04`, as far as the receipt knows."""
    parts = [] if outcome == "answered" else [one_line(outcome)]
    if (seconds := receipt.get("seconds")) is not None:
        parts.append(duration(seconds))
    if steps := receipt.get("steps"):
        parts.append("1 step" if steps == 1 else f"{steps} steps")
    parts += _work(receipt)
    if model := receipt.get("model"):
        parts.append(one_line(str(model)))
    if cost := receipt.get("cost_usd"):
        parts.append(dollars(cost))
    return f"{_MARKS.get(outcome, '✗')} {' · '.join(parts)}".rstrip()


def _work(receipt: Json) -> Iterator[str]:
    """`pytest -q exit 0 @ 3f2a1c9`: the last command, and the last commit."""
    commands, commit = receipt.get("commands"), receipt.get("commit")
    at = f" @ {one_line(str(commit))[:7]}" if commit else ""
    if commands:
        last = commands[-1]
        yield f"{one_line(str(last['command']))} exit {last['exit_code']}{at}"
    elif commit:
        yield at.strip()


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
