"""Words that keep files from changes, such as "never touch migrations/", and which files they name.

It decides nothing: a person says or confirms what becomes of it.
"""

from __future__ import annotations

import re
from pathlib import Path

from coworker.errors import ToolError
from coworker.repos.root import Root

_SAID = re.compile(
    r"\b(?:never|don['’]?t|(?:do|must|may|should) not|nobody|no one|no run)"
    r"(?: (?:ever|may|should|must|is to))*"
    r" (?:touch|change|edit|modif(?:y|ies)|alter)(?:e?s)?"
    r"(?: (?:anything|any files?|the files?|files?))?(?: (?:in|under|below|the|our|folder|file))*"
    r" [`'\"“‘]?(?P<path>[^\s`'\"”’,;!?]+)",
    re.IGNORECASE,
)


def said(text: str) -> str:
    """What the words want nobody to change; "" when they are about something else."""
    found = _SAID.search(text)
    return found["path"].rstrip(".:)") if found else ""


def is_certain(text: str) -> bool:
    """Whether they name what can only be a path."""
    name = said(text)
    return "/" in name or "." in name


def path(text: str, folder: Path) -> str:
    """The same when there is such a file or folder in the repository there, else ""."""
    name = said(text)
    root = Root(folder)
    try:
        inside = root.inside(name) if name else ""
        return f"{inside}{'/' * name.endswith('/')}" if inside and root.has(inside) else ""
    except ToolError:
        return ""
