"""A streamed answer, cut into blocks of Markdown as they become complete.

It knows where Markdown may be cut, not how it looks.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r"\s*(?:(?:[-*+]|\d+[.)])\s+)*(`{3,}(?=[^`]*$)|~{3,})")


class Stream:
    """The text of one answer. What it handed out was shown, so the reply need not repeat it."""

    def __init__(self) -> None:
        self._blocks = _Blocks()
        self._shown = ""
        self._over = False

    def hear(self, delta: str) -> list[str]:
        """More text; the blocks that became complete with it."""
        if self._over:
            self._shown, self._over = "", False
        blocks = self._blocks.feed(delta)
        self._shown += "".join(blocks)
        return blocks

    def pause(self) -> list[str]:
        """The answer ends here or something else begins: what was left, complete or not."""
        rest = self._blocks.rest()
        self._shown += rest
        self._over = True
        return [rest] if rest.strip() else []

    def restart(self) -> None:
        """The answer begins anew: what was heard does not count."""
        self._blocks.rest()
        self._shown, self._over = "", True

    def remainder(self, reply: str) -> str:
        """The part of the reply that was not shown yet; all of it when it reads differently."""
        self._blocks.rest()
        shown, self._shown, self._over = self._shown, "", True
        return _after(reply, shown)


class _Blocks:
    """Whole lines in, blocks out: cut at blank lines, never in a fence or before a continuation."""

    def __init__(self) -> None:
        self._partial = ""
        self._lines: list[str] = []
        self._fence = ""
        self._blank = False

    def feed(self, text: str) -> list[str]:
        *whole, self._partial = (self._partial + text).split("\n")
        blocks = [self._take(f"{line}\n") for line in whole]
        if self._partial:
            blocks.append(self._before(self._partial))
        return [block for block in blocks if block.strip()]

    def rest(self) -> str:
        rest = "".join(self._lines) + self._partial
        self._partial, self._lines, self._fence, self._blank = "", [], "", False
        return rest

    def _take(self, line: str) -> str:
        block = self._before(line)
        self._lines.append(line)
        self._follow_fence(line)
        self._blank = not self._fence and line.isspace()
        return block

    def _before(self, line: str) -> str:
        """The block before this line, if the line begins a new one."""
        if not self._blank or line[0].isspace():
            return ""
        block, self._lines = "".join(self._lines), []
        return block

    def _follow_fence(self, line: str) -> None:
        found = _FENCE.match(line.rstrip("\n"))
        if not found:
            return
        mark = found.group(1)
        if not self._fence:
            self._fence = mark
        elif line.strip().startswith(self._fence) and not line.strip().strip(mark[0]):
            self._fence = ""


def _after(text: str, beginning: str) -> str:
    """What follows the beginning, in which white space does not count."""
    position = 0
    for character in beginning:
        if character.isspace():
            continue
        while position < len(text) and text[position].isspace():
            position += 1
        if position == len(text) or text[position] != character:
            return text
        position += 1
    return text[position:]
