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

_LINES = r"(\d{1,9})(?:-(\d{1,9}))?"
_COMMIT = r"@([0-9a-f]{7,40})"
_PLACE = re.compile(rf"(.+?)(?::{_LINES})?(?:{_COMMIT})?")
_NAMED = re.compile(rf"(?<![^\s(`])[^\s@()`]+:{_LINES}{_COMMIT}(?!\w)")
_MOST_LINES = 40
_WHOLE = "file "
"""A whole file is quoted by the name that git gives its content."""


class Quote(NamedTuple):
    """Where it stands, `path:4-6@3f2a1c9d`, and what stands there."""

    source: str
    text: str


def named(text: str) -> tuple[str, str]:
    """The lines that words name in the form of a source, or "", and the words without them at
    their beginning."""
    found = _NAMED.search(text)
    if not found:
        return "", text
    return found[0], text if found.start() else text[found.end() :].lstrip("`: ")


async def quote(checkouts: Checkouts, repo: Repo, place: str) -> Quote:
    """The lines at `path`, `path:4` or `path:4-6`, of the checked out commit or of that after an @.

    Raises ToolError.
    """
    found = _PLACE.fullmatch(place.strip())
    if not found:
        raise ToolError("The path is empty. Name a file of the repository, as path:FROM-TO.")
    path, start, end = found[1], int(found[2] or 0), int(found[3] or found[2] or 0)
    checkout = await checkouts.open(repo)
    rev = await _commit(checkout, found[4]) if found[4] else "HEAD"
    commit = rev if found[4] else await checkout.head()
    if not start:
        return Quote(f"{path}@{commit[:10]}", _WHOLE + await _name(checkout, path, rev))
    lines = (await _content(checkout, path, rev)).splitlines()
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


async def _commit(checkout: Checkout, name: str) -> str:
    asked = ("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    found = (await checkout.git.run(*asked)).out.decode().strip()
    if not found:
        raise ToolError(f"There is no commit {name} here. Leave @{name} out for the latest one.")
    return found


async def _name(checkout: Checkout, path: str, rev: str = "HEAD") -> str:
    found = await _git(checkout, path, rev, "rev-parse", "--verify", "--quiet")
    return found.decode().strip()


async def _content(checkout: Checkout, path: str, rev: str = "HEAD") -> str:
    return (await _git(checkout, path, rev, "cat-file", "blob")).decode(errors="replace")


async def _git(checkout: Checkout, path: str, rev: str, *command: str) -> bytes:
    try:
        return await checkout.git.must(*command, f"{rev}:{checkout.below(path)}")
    except ToolError:
        which = "the checked out commit" if rev == "HEAD" else f"the commit {rev[:10]}"
        raise ToolError(
            f"There is no file {one_line(path, 120)} in {which}. "
            "Name one that is committed, or leave the path out."
        ) from None
