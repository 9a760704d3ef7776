"""Git's line-by-line account of a file, told in stretches and shares.

It does not know how git was asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from coworker.repos.text import one_line

_HEADER = re.compile(r"([0-9a-f]{40,64}) \d+ (\d+)(?: \d+)?")
_MAX_AUTHORS = 6
_NOBODY = "not committed yet"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which lines of which file were asked for; the text is shown when lines were named."""

    path: str
    start: int | None
    end: int | None


@dataclass(slots=True)
class _Commit:
    """One commit as blame names it."""

    id: str
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def author(self) -> str:
        return one_line(self.facts.get("author", "?"), 60) if self.id.strip("0") else _NOBODY

    @property
    def day(self) -> str:
        """The day it was committed, where it was committed."""
        zone = self.facts.get("committer-tz", "+0000")
        try:
            away = timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:]))
            at = int(self.facts.get("committer-time", "0"))
            return f"{datetime.fromtimestamp(at, timezone(away)):%Y-%m-%d}"
        except (ValueError, OverflowError, OSError):  # history may hold any number
            return "????-??-??"

    def __str__(self) -> str:
        if not self.id.strip("0"):
            return _NOBODY
        summary = one_line(self.facts.get("summary", ""), 120)
        return f"{self.id[:8]} {self.day} {self.author}: {summary}"


def annotated(porcelain: str, stretch: Stretch) -> str:
    """`git blame --porcelain` as shares by author, then the commit of each run of lines."""
    lines = list(_parse(porcelain))
    if not lines:
        return f"{stretch.path} is empty."
    count = f"{len(lines)} line{'' if len(lines) == 1 else 's'}"
    rows = [f"{stretch.path}, {count}: {_shares([commit for _, commit, _ in lines])}"]
    with_text = stretch.start is not None or stretch.end is not None
    first = 0
    for at, (number, commit, _) in enumerate(lines):
        if at + 1 < len(lines) and lines[at + 1][1] is commit:
            continue
        begin = lines[first][0]
        rows.append(f"{begin if begin == number else f'{begin}-{number}'}  {commit}")
        if with_text:
            rows += [f"\t{n}\t{text[:500]}" for n, _, text in lines[first : at + 1]]
        first = at + 1
    return "\n".join(rows)


def _parse(porcelain: str) -> Iterator[tuple[int, _Commit, str]]:
    """Line number, commit and text of every line."""
    commits: dict[str, _Commit] = {}
    commit, number = _Commit(""), 0
    for row in porcelain.split("\n"):
        if row.startswith("\t"):
            yield number, commit, row[1:].rstrip("\r")
        elif header := _HEADER.fullmatch(row):
            commit, number = commits.setdefault(header[1], _Commit(header[1])), int(header[2])
        else:
            name, _, value = row.partition(" ")
            commit.facts.setdefault(name, value)


def _shares(commits: list[_Commit]) -> str:
    counts = Counter(commit.author for commit in commits)
    last = {commit.author: "" for commit in commits}
    for commit in commits:
        last[commit.author] = max(last[commit.author], commit.day)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = [
        f"{author} {count * 100 // len(commits)} % (last {last[author]})"
        if author != _NOBODY
        else f"{author} {count * 100 // len(commits)} %"
        for author, count in ranked[:_MAX_AUTHORS]
    ]
    more = len(ranked) - len(told)
    return ", ".join([*told, f"{more} others"] if more else told)
