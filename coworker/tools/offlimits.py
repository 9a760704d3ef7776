"""Words that keep files from changes, such as "never touch migrations/", and which files they name.

It decides nothing: a person says or confirms what becomes of it.
"""

from __future__ import annotations

import re
from pathlib import Path

from coworker.errors import ToolError
from coworker.repos.root import Root

_FILLED = (
    r"(?: (?:anything|any files?|the files?|files?|to|into|in|under|below|the|our|folder|file))*"
)
_NAME = r"[`'\"“‘]?(?P<path>[^\s`'\"”’,;!?]++)[`'\"”’]?+"
_SAID = re.compile(
    r"\b(?:never|don['’]?t|(?:do|must|may|should) not|nobody|no one|no run)"
    r"(?: (?:ever|may|should|must|is to))*"
    r" (?:touch|change|edit|modif(?:y|ies)|alter|write(?=s? (?:to|into|in) ))(?:e?s)?"
    rf"{_FILLED} {_NAME}",
    re.IGNORECASE,
)
_LEFT = re.compile(
    rf"(?<!never )(?<!not )(?<!n't )(?<!n’t )\bleave{_FILLED} {_NAME}"
    r"(?=[^;!?]{0,120} (?:alone|untouched)\b)",
    re.IGNORECASE,
)
_NEXT = re.compile(
    rf"(?:\s*,|\s+(?:and/or|and|or|nor|&))(?: (?:and/or|and|or|nor|also|not))*{_FILLED}\s*{_NAME}"
    r"(?! (?:is|are|may|can)\b)",
    re.IGNORECASE,
)
_LIMITED_BEFORE = re.compile(r"\b(?:except|unless)\b", re.IGNORECASE)
_LIMITED_AFTER = re.compile(
    r"\b(?:but|except|excluding|unless|until|without|only|other than|apart from|if|when|while"
    r"|before|after|during|by hand|manually)\b",
    re.IGNORECASE,
)


def said(text: str) -> list[str]:
    """What the words want nobody to change; nothing when they are about something else."""
    names: list[str] = []
    for first in [*_SAID.finditer(text), *_LEFT.finditer(text)]:
        found: re.Match[str] | None = first
        while found:
            names.append(found["path"].rstrip(".:)"))
            is_last = found["path"].endswith((".", ":"))
            found = None if is_last else _NEXT.match(text, found.end())
    return [*dict.fromkeys(filter(None, names))]


def is_certain(text: str) -> bool:
    """Whether they name what can only be a path."""
    return any(map(_is_path, said(text)))


def is_limited(text: str) -> bool:
    """Whether they name a condition or an exception, which a rule has not."""
    found = _SAID.search(text) or _LEFT.search(text)
    before, after = (text[: found.start()], text[found.end() :]) if found else ("", "")
    return bool(_LIMITED_BEFORE.search(before) or _LIMITED_AFTER.search(after))


def paths(text: str, folder: Path) -> list[str]:
    """What they name, as far as there is such a file or folder in the repository there."""
    return [found for name in said(text) if (found := _inside(name, folder))]


def absent(text: str, folder: Path) -> list[str]:
    """What can only be a path and is none there."""
    return [name for name in said(text) if _is_path(name) and not _inside(name, folder)]


def _is_path(name: str) -> bool:
    return "/" in name or "." in name


def _inside(name: str, folder: Path) -> str:
    root = Root(folder)
    try:
        inside = root.inside(name)
        return f"{inside}{'/' * name.endswith('/')}" if inside and root.has(inside) else ""
    except ToolError:
        return ""
