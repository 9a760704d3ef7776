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
_LONGEST_S = 60.0
"""For one command: it is a look, not work."""
_NO_ANSWER = 126
"""From this exit status on the shell tells of a command that could not run or was killed."""


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
    """Looks at repositories, a few at a time of each kind, so that slow ones hold up only theirs.

    `longest_s` are the seconds that a command may take.
    """

    def __init__(
        self, checkouts: Checkouts, workplace: Workplace, longest_s: float = _LONGEST_S
    ) -> None:
        self._checkouts = checkouts
        self._workplace = workplace
        self._longest_s = longest_s
        self._looks = asyncio.Semaphore(_AT_ONCE)
        self._checks = asyncio.Semaphore(_AT_ONCE)
        self._commands = asyncio.Semaphore(_AT_ONCE)

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
        if command := found["command"]:
            async with self._commands:
                return await self._command(command, repo, seen)
        if found["check"]:
            async with self._checks:
                return await self._failing(await self._checkouts.open(repo), repo, seen)
        async with self._looks:
            checkout = await self._checkouts.open(repo)
            if path := found["path"]:
                return await _changed(checkout, path.strip(), seen)
            if found["stale"]:
                return await _stale(checkout, int(found["days"] or _STALE_DAYS), seen, now)
            return await _commits(checkout, seen)

    async def _command(self, command: str, repo: Repo, seen: str) -> Seen:
        tried = await self._workplace.on_clean_copy(
            repo, [], [command], "gate-command", self._longest_s
        )
        told, ((_, ended),) = f"`{one_line(command, 100)}`", tried
        if ended.timed_out:
            raise ToolError(f"The gate {told} took longer than {self._longest_s:g} seconds.")
        if ended.killed_by or ended.exit_code >= _NO_ANSWER:
            by = f" (killed: {ended.killed_by})" if ended.killed_by else ""
            raise ToolError(f"The gate {told} ended with exit {ended.exit_code}{by}.")
        return Seen(ended.exit_code == 0, seen, f"{told} ended with exit {ended.exit_code}")

    async def _failing(self, checkout: Checkout, repo: Repo, seen: str) -> Seen:
        """Run the checks on a commit that was not checked before; the same failure is told once."""
        head = await checkout.head()
        if seen.partition(" ")[0] == head:
            return Seen(is_open=False, state=seen, words=f"{head[:10]} was checked before")
        tried = await self._workplace.on_clean_copy(repo, repo.setup, repo.checks)
        failed = [command for command, ended in tried if ended.exit_code]
        words = f"failing at {head[:10]}: {', '.join(failed) or 'none'}"
        news = bool(failed) and seen.partition(" ")[2] != ", ".join(failed)
        return Seen(news, f"{head} {', '.join(failed)}", words)


async def _commits(checkout: Checkout, seen: str) -> Seen:
    head = await checkout.head()
    if head == seen or not head:
        since = f" since {seen[:10]}" if seen else ""
        return Seen(is_open=False, state=seen, words=f"no commits{since}")
    counted = await checkout.git.run("rev-list", "--count", f"{seen}..{head}" if seen else head)
    number = counted.out.decode().strip() if counted.status == 0 else "rewritten history, new"
    return Seen(is_open=True, state=head, words=f"{number} commits, {seen[:10]}..{head[:10]}")


async def _changed(checkout: Checkout, path: str, seen: str) -> Seen:
    if not await checkout.head():
        return Seen(is_open=False, state=seen, words="no commits")
    place = checkout.below(path.strip("/"))
    listed = await checkout.git.must("ls-tree", "-z", "HEAD", "--", place)
    state = hashlib.sha256(listed).hexdigest()[:20] if listed else MISSING
    news = state != seen
    return Seen(news, state, f"{path} changed" if news else f"{path} has not changed")


async def _stale(checkout: Checkout, days: int, seen: str, now: int) -> Seen:
    """Branches without a commit for so long that were not told of before."""
    form = "--format=%(committerdate:unix) %(symref) %(refname:short)"
    listed = await checkout.git.must("for-each-ref", form, "refs/heads", "refs/remotes")
    rows = [line.split(" ", 2) for line in listed.decode(errors="replace").splitlines()]
    limit = now / 1000 - days * 86_400
    stale = sorted(name for at, symref, name in rows if not symref and int(at or 0) < limit)
    fresh = [name for name in stale if name not in seen.split(" ")]
    return Seen(bool(fresh), " ".join(stale), f"no commits for {days} days: {len(fresh)} branches")
