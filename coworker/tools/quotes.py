"""Lines of a file that a fact rests on: quoted at a commit, and looked for again later.

It does not know what is remembered about them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from coworker.errors import CoworkerError, ToolError
from coworker.repos.checkout import Checkout, Checkouts
from coworker.repos.text import one_line
from coworker.types import Repo

_PLACE = re.compile(r"(.+?)(?::(\d{1,9})(?:-(\d{1,9}))?)?")
_MOST_LINES = 40
_WHOLE = "file "
"""A whole file is quoted by the name that git gives its content."""


class Quote(NamedTuple):
    """Where it stands, `path:4-6@3f2a1c9d`, and what stands there."""

    source: str
    text: str


async def quote(checkouts: Checkouts, repo: Repo, place: str) -> Quote:
    """The lines at `path`, `path:4` or `path:4-6` of the checked out commit. Raises ToolError."""
    found = _PLACE.fullmatch(place.strip())
    if not found:
        raise ToolError("The path is empty. Name a file of the repository, as path:FROM-TO.")
    path, start, end = found[1], int(found[2] or 0), int(found[3] or found[2] or 0)
    checkout = await checkouts.open(repo)
    commit = await checkout.head()
    if not start:
        return Quote(f"{path}@{commit[:10]}", _WHOLE + await _name(checkout, path))
    lines = (await _content(checkout, path)).splitlines()
    if not start <= end <= len(lines) or end - start >= _MOST_LINES:
        raise ToolError(
            f"{one_line(place, 120)}: the file has {len(lines)} lines, and at most {_MOST_LINES} "
            "are quoted. Name those that matter, as path:FROM-TO."
        )
    where = f"{path}:{start}-{end}" if end > start else f"{path}:{start}"
    return Quote(f"{where}@{commit[:10]}", "\n".join(lines[start - 1 : end]))


async def has_changed(checkouts: Checkouts, repo: Repo, source: str, text: str) -> bool:
    """Whether what was quoted stands there no more; False also when nobody can tell now."""
    path = source.rpartition("@")[0]
    try:
        checkout = await checkouts.open(repo)
    except CoworkerError:
        return False
    try:
        if text.startswith(_WHOLE):
            return await _name(checkout, path) != text.removeprefix(_WHOLE)
        content = await _content(checkout, _PLACE.fullmatch(path)[1])  # type: ignore[index]
    except ToolError:
        return True  # the file is gone
    return f"\n{text}\n" not in "\n" + "\n".join(content.splitlines()) + "\n"


async def _name(checkout: Checkout, path: str) -> str:
    found = await _git(checkout, path, "rev-parse", "--verify", "--quiet")
    return found.decode().strip()


async def _content(checkout: Checkout, path: str) -> str:
    return (await _git(checkout, path, "cat-file", "blob")).decode(errors="replace")


async def _git(checkout: Checkout, path: str, *command: str) -> bytes:
    try:
        return await checkout.git.must(*command, f"HEAD:{checkout.below(path)}")
    except ToolError:
        raise ToolError(
            f"There is no file {one_line(path, 120)} in the checked out commit. "
            "Name one that is committed, or leave the path out."
        ) from None
