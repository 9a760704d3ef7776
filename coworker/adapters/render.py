"""How what we say is written for people: amounts, receipts, progress, pages of long text.

It knows no platform; limits and measures are handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from coworker.types import Json, Progress

_SEQUENCE = re.compile(
    r"(?:\x1b[\]P^_X]|[\x9d\x90\x9e\x9f\x98])[^\x07\x1b\x9c\n]{0,500}(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|\x1b[ -/]{0,8}[0-~]"
)
# Controls but for newline and tab, what turns or hides text, and halves of characters.
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f\ud800-\udfff]"
)
_FENCE = re.compile(r" {0,3}(`{3,20}(?=[^`]*$)|~{3,20}(?!~))")
_CLOSING = re.compile(r" {0,3}(`{3,}|~{3,})\s*$")
_MARKS = {"answered": "✓", "offline": "✓", "stopped": "■"}
_STEPS_SHOWN = 5
_COMMANDS_SHOWN = 3
_WORD = 100
Measure = Callable[[str], int]
"""How much of a platform's limit a text takes."""


def utf16(text: str) -> int:
    """Length in UTF-16 code units, as Telegram counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def clean(text: str) -> str:
    """Text that others wrote, without anything a screen would obey instead of show."""
    text = text.replace("\r\n", "\n")
    return UNSAFE.sub("", _SEQUENCE.sub("", text).replace("\r", "\n"))


def one_line(text: str) -> str:
    """Clean text with every run of white space as one blank."""
    return " ".join(clean(text).split())


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


def decision(body: Json) -> str:
    """`Allow once · alice`, for what a question's card says once it is decided."""
    word = one_line(str(body["word"]))
    shortened = word if len(word) <= _WORD else f"{word[: _WORD - 1]}…"
    return f"{shortened} · {one_line(str(body['who']))}"


def _work(receipt: Json) -> Iterator[str]:
    """`pytest -q exit 0 @ 3f2a1c9`, `coworker/t-1: 1 file changed, 2 insertions(+)`."""
    ended = {each["command"]: each["exit_code"] for each in receipt.get("commands") or ()}
    commit = one_line(str(receipt.get("commit") or ""))[:7]
    told = [f"{one_line(str(command))} exit {code}" for command, code in ended.items()]
    if commit:
        told[-1:] = [f"{told[-1]} @ {commit}" if told else f"@ {commit}"]
    yield from told[-_COMMANDS_SHOWN:]
    if stat := str(receipt.get("diff_stat") or "").strip():
        yield f"{receipt['branch']}: {one_line(stat.splitlines()[-1])}"


class Doing:
    """What a run is doing, as the text of its progress message."""

    def __init__(self) -> None:
        self._steps: list[str] = []
        self._count = 0
        self._text = ""

    def hear(self, progress: Progress) -> None:
        """Take in a sign of life."""
        match progress.kind:
            case "text":
                self._text += progress.text
            case "tool" | "note":
                self._count += 1
                self._steps = [*self._steps[1 - _STEPS_SHOWN :], one_line(progress.text)]
                self._text = ""
            case "step":
                self._text = ""

    def shown(self, seconds: float) -> str:
        """The last steps and the answer as far as it is written, in Markdown."""
        left_out = self._count - len(self._steps)
        before = [f"… {left_out} earlier"] if left_out else []
        steps = "\n".join([*before, *(f"▸ {step}" for step in self._steps)])
        head = f"👀 {duration(seconds)}" if seconds >= 1 else "👀"
        return "\n\n".join(filter(None, (head, steps, self._text.strip())))


def pages(text: str, limit: int, measure: Measure = len) -> list[str]:
    """The text in pieces that each fit, cut at paragraphs and never inside a code fence.

    Only what is longer than a piece by itself is cut within: a fence is then closed and reopened.
    """
    made: list[str] = []
    for block in (fit for each in _blocks(text) for fit in _fitting(each, limit, measure)):
        joined = f"{made[-1]}\n\n{block}" if made else block
        if made and measure(joined) <= limit:
            made[-1] = joined
        else:
            made.append(block)
    return made or [""]


def _blocks(text: str, *, apart: bool = False) -> Iterator[str]:
    """Paragraphs with the fences in them; `apart` yields those by themselves."""
    fence, block = "", list[str]()
    for line in text.strip("\n").split("\n"):
        mark = None if fence else _FENCE.match(line)
        ends = not fence and (not line.strip() or (apart and mark))
        if block and ends:
            yield "\n".join(block)
            block = []
        if line.strip() or fence:
            block.append(line)
        if mark:
            fence = mark[1]
        elif fence and _closes(line, fence):
            fence = ""
            if apart:
                yield "\n".join(block)
                block = []
    if block:
        yield "\n".join(block)


def _closes(line: str, fence: str) -> bool:
    found = _CLOSING.match(line)
    return bool(found and found[1].startswith(fence))


def _fitting(block: str, limit: int, measure: Measure) -> Iterator[str]:
    if measure(block) <= limit:
        yield block
        return
    for part in _blocks(block, apart=True):
        first, *lines = part.split("\n")
        opening = _FENCE.match(first)
        if opening:
            yield from _fenced(opening, lines, limit, measure)
        else:
            yield from _packed([first, *lines], limit, measure)


def _fenced(
    opening: re.Match[str], lines: list[str], limit: int, measure: Measure
) -> Iterator[str]:
    """Pieces of a fence, each closed and opened like the whole; a long first line is content."""
    first, fence = opening.string, opening[1]
    if lines and _closes(lines[-1], fence):
        lines = lines[:-1]
    if measure(first) > limit // 4:
        first, lines = fence, [first[opening.end() :], *lines]
    room = limit - measure(f"{first}\n\n{fence}")
    for piece in _packed(lines, room, measure):
        yield f"{first}\n{piece}\n{fence}"


def _packed(lines: list[str], limit: int, measure: Measure) -> list[str]:
    made: list[str] = []
    for line in (piece for each in lines for piece in _pieces(each, limit, measure)):
        if made and measure(made[-1]) + 1 + measure(line) <= limit:
            made[-1] = f"{made[-1]}\n{line}"
        else:
            made.append(line)
    return made


def _pieces(line: str, limit: int, measure: Measure) -> Iterator[str]:
    """A line cut at blanks where it can be, anywhere where it must be."""
    while measure(line) > limit:
        size = _prefix(line, limit, measure)
        cut = line.rfind(" ", size // 2, size) + 1 or size
        yield line[:cut].rstrip()
        line = line[cut:]
        if _CLOSING.match(line):
            line = f"    {line}"  # a piece by itself must not end the fence that it is in
    yield line


def _prefix(line: str, limit: int, measure: Measure) -> int:
    """How many characters fit, at least one."""
    low, high = 1, min(len(line), limit)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(line[:middle]) <= limit else (low, middle - 1)
    return low
