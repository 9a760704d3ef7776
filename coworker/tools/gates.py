"""Cheap looks that say whether a schedule has anything to wake a model for.

Each compares what it sees with what it saw last. It knows no schedule and no model.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from dataclasses import dataclass

from coworker.errors import ToolError, UsageError
from coworker.repos.checkout import Checkout, Checkouts
from coworker.repos.text import one_line
from coworker.tools.workplace import Workplace
from coworker.types import Repo

FORMS = (
    "“new commits”, “changed PATH”, “failing check”, “stale branch 30 days” or "
    "“command: …” (in the sandbox; exit 0 wakes me)"
)
MISSING = "missing"
"""What is seen of a path that is not there."""
_STALE_DAYS = 30
_AT_ONCE = 2
_GATE = re.compile(
    r"(?P<commits>new commits)|changed (?P<path>\S.*)|(?P<check>failing checks?)"
    r"|(?P<stale>stale branch(?:es)?)(?: (?P<days>\d{1,4}) days?)?|command: *(?P<command>\S.*)",
    re.DOTALL,
)
_NOT_FOUND = (126, 127)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a gate saw: whether it opens, what to compare with next time, and that in words."""

    is_open: bool
    state: str
    words: str


def read(gate: str) -> re.Match[str]:
    """A gate as it is written. Raises UsageError that lists the forms, or names the mistake."""
    found = _GATE.fullmatch(gate.strip())
    if not found:
        raise UsageError(f"There is no gate “{one_line(gate, 100)}”. Write {FORMS}.")
    path = os.path.normpath((found["path"] or "").strip("/ "))
    if path.split("/")[0] == "..":
        raise UsageError(f"{one_line(path, 100)} is not in the repository. Name a path inside.")
    return found


class Gates:
    """Looks at repositories, a few at a time."""

    def __init__(self, checkouts: Checkouts, workplace: Workplace) -> None:
        self._checkouts = checkouts
        self._workplace = workplace
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def first(self, gate: str, repo: Repo) -> str:
        """What is there already and so is nothing new. Raises what `look` raises."""
        found = read(gate)
        if found["check"] and not repo.checks:
            raise UsageError(f"{repo.name} has no checks. An owner sets repos.{repo.name}.checks.")
        is_cheap = found["commits"] or found["path"]
        return (await self.look(gate, repo, "", 0)).state if is_cheap else ""

    async def look(self, gate: str, repo: Repo, seen: str, now: int) -> Seen:
        """Whether there is something new since `seen`, at a time in milliseconds UTC.

        Raises UsageError for what is no gate, ToolError, NotFound or Unavailable when it cannot be
        said.
        """
        found = read(gate)
        async with self._turns:
            if command := found["command"]:
                return await self._command(command, repo, seen)
            checkout = await self._checkouts.open(repo)
            if path := found["path"]:
                return await _changed(checkout, path.strip(), seen)
            if found["check"]:
                return await self._failing(checkout, repo, seen)
            if found["stale"]:
                return await _stale(checkout, int(found["days"] or _STALE_DAYS), seen, now)
            return await _commits(checkout, seen)

    async def _command(self, command: str, repo: Repo, seen: str) -> Seen:
        ((_, ended),) = await self._workplace.on_clean_copy(repo, [], [command])
        if ended.exit_code in _NOT_FOUND or ended.timed_out:
            how = "took too long" if ended.timed_out else f"ended with exit {ended.exit_code}"
            raise ToolError(f"The gate `{one_line(command, 100)}` {how}.")
        return Seen(ended.exit_code == 0, seen, f"`{one_line(command, 100)}` ended with exit 0")

    async def _failing(self, checkout: Checkout, repo: Repo, seen: str) -> Seen:
        """Run the checks on a commit that was not checked before; the same failure is told once."""
        head = await checkout.head()
        if seen.partition(" ")[0] == head:
            return Seen(is_open=False, state=seen, words="")
        tried = await self._workplace.on_clean_copy(repo, repo.setup, repo.checks)
        failed = [command for command, ended in tried if ended.exit_code]
        words = f"failing at {head[:10]}: {', '.join(failed)}"
        news = bool(failed) and seen.partition(" ")[2] != ", ".join(failed)
        return Seen(news, f"{head} {', '.join(failed)}", words)


async def _commits(checkout: Checkout, seen: str) -> Seen:
    head = await checkout.head()
    if head == seen or not head:
        return Seen(is_open=False, state=seen, words="")
    counted = await checkout.git.run("rev-list", "--count", f"{seen}..{head}" if seen else head)
    number = counted.out.decode().strip() if counted.status == 0 else "rewritten history, new"
    return Seen(is_open=True, state=head, words=f"{number} commits, {seen[:10]}..{head[:10]}")


async def _changed(checkout: Checkout, path: str, seen: str) -> Seen:
    if not await checkout.head():
        return Seen(is_open=False, state=seen, words="")
    place = checkout.below(path.strip("/"))
    listed = await checkout.git.must("ls-tree", "-z", "HEAD", "--", place)
    state = hashlib.sha256(listed).hexdigest()[:20] if listed else MISSING
    return Seen(state != seen, state, f"{path} changed")


async def _stale(checkout: Checkout, days: int, seen: str, now: int) -> Seen:
    """Branches without a commit for so long that were not told of before."""
    form = "--format=%(committerdate:unix) %(symref) %(refname:short)"
    listed = await checkout.git.must("for-each-ref", form, "refs/heads", "refs/remotes")
    rows = [line.split(" ", 2) for line in listed.decode(errors="replace").splitlines()]
    limit = now / 1000 - days * 86_400
    stale = sorted(name for at, symref, name in rows if not symref and int(at or 0) < limit)
    fresh = [name for name in stale if name not in seen.split(" ")]
    return Seen(bool(fresh), " ".join(stale), f"no commits for {days} days: {len(fresh)} branches")
