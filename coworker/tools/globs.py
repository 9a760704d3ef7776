"""File patterns as .gitignore and ripgrep read them, matched without backtracking.

It does not know where the names come from.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

from coworker.errors import ToolError

_BRACES = re.compile(r"\{([^{}]*)\}")
_SPECIAL = re.compile(r"[*?\[\]{}\\!]")
_MAX_ALTERNATIVES = 64
_MAX_LENGTH = 300


class Glob:
    """A pattern such as `*.py`, `src/**/*.{ts,tsx}` or `!*.min.js`.

    Without a slash it is about names at any depth, with one about paths. `alternatives` are the
    same pattern without braces.
    """

    def __init__(self, text: str) -> None:
        self.is_negated = text.startswith("!")
        pattern = text.removeprefix("!")
        if not pattern or len(pattern) > _MAX_LENGTH:
            raise ToolError("The glob is empty or too long. Write one such as *.py or src/**/*.ts.")
        self.alternatives = _expand(pattern)
        self._compiled = [_compile(one) for one in self.alternatives]

    def matches(self, path: str) -> bool:
        """Whether a relative path is meant by it."""
        parts = path.split("/")
        return self.is_negated != any(_fits(steps, parts) for steps in self._compiled)

    def anchored(self, folder: str) -> list[str]:
        """The alternatives for files beneath a folder, as paths from the top."""
        start = "" if folder == "." else _SPECIAL.sub(r"\\\g<0>", folder) + "/"
        bang = "!" if self.is_negated else ""
        return [f"{bang}{start}{_rooted(one)}" for one in self.alternatives]


Step = re.Pattern[str] | None
"""One part of a path, or None for any number of them."""


def _expand(pattern: str) -> list[str]:
    done, todo = [], [pattern]
    while todo:
        text = todo.pop(0)
        braces = _BRACES.search(text)
        if braces is None:
            done.append(text)
            continue
        before, after = text[: braces.start()], text[braces.end() :]
        todo += [f"{before}{choice}{after}" for choice in braces[1].split(",")]
        if len(todo) + len(done) > _MAX_ALTERNATIVES:
            raise ToolError(f"The glob stands for more than {_MAX_ALTERNATIVES} patterns.")
    return done


def _rooted(pattern: str) -> str:
    """The same pattern as one about whole paths."""
    if "/" not in pattern.rstrip("/"):
        pattern = f"**/{pattern}"
    return f"{pattern}**/*" if pattern.endswith("/") else pattern.lstrip("/")


def _compile(pattern: str) -> list[Step]:
    parts = _rooted(pattern).split("/")
    return [None if part == "**" else re.compile(fnmatch.translate(part)) for part in parts]


def _fits(steps: Sequence[Step], parts: Sequence[str]) -> bool:
    """Match part by part; on a failure only the latest `**` takes one part more."""
    step = part = 0
    retry: tuple[int, int] | None = None
    while part < len(parts) or step < len(steps):
        if step < len(steps) and steps[step] is None:
            retry = step, part
            step += 1
        elif step < len(steps) and part < len(parts) and _is_met(steps[step], parts[part]):
            step, part = step + 1, part + 1
        elif retry and retry[1] < len(parts):
            retry = retry[0], retry[1] + 1
            step, part = retry[0] + 1, retry[1]
        else:
            return False
    return True


def _is_met(step: Step, part: str) -> bool:
    return step is None or step.match(part) is not None
