"""What a commit of ours says: who made it, why, and for which call, so that it is found again.

It does not make commits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from coworker.errors import ToolError
from coworker.repos.tree import LeftOut

_KEY = "Coworker-Call"
_FORGED = re.compile(rf"(?im)^[ \t]*{_KEY}[ \t]*:.*$\n?")
_TRAILERS = re.compile(r"(?:[A-Za-z][A-Za-z-]*: [^\n]*\n?)+")
_FIELDS = 5
FORMAT = f"%H%x00%ct%x00%an%x00%s%x00%(trailers:key={_KEY},valueonly,unfold,separator=%x20)%x00"
"""What `git log` is asked for; `logged` reads it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a commit is by."""

    name: str = "coworker"
    email: str = "coworker@localhost"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that was made, its diffstat, and what was left out of it."""

    sha: str
    stat: str
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of a branch's history; `at` is seconds UTC, `call` "" for a commit of no call."""

    sha: str
    at: int
    author: str
    subject: str
    call: str


def environment(author: Identity) -> dict[str, str]:
    """How git is told who a commit is by; that it was made by us stays visible."""
    people = {"AUTHOR": author, "COMMITTER": Identity()}
    return {
        f"GIT_{role}_{key}": _plain(value)
        for role, person in people.items()
        for key, value in (("NAME", person.name), ("EMAIL", person.email))
    }


def message(text: str, call_id: str) -> bytes:
    """A commit's message with the call as its last trailer. Raises ToolError for an empty one."""
    plain = _FORGED.sub("", text.replace("\0", "")).strip()
    if not plain:
        raise ToolError("The commit message is empty. Say what was changed and why.")
    _, _, last = plain.rpartition("\n\n")
    gap = "\n" if last != plain and _TRAILERS.fullmatch(last) else "\n\n"
    return f"{plain}{gap}{_KEY}: {call_key(call_id)}\n".encode(errors="replace")


def call_key(call_id: str) -> str:
    """A call's id as it stands in the trailer."""
    return " ".join(call_id.split())


def logged(out: bytes) -> list[Logged]:
    """The lines of a log in FORMAT."""
    fields = out.decode(errors="replace").split("\0")
    rows = zip(*(fields[n::_FIELDS] for n in range(_FIELDS)), strict=False)
    return [
        Logged(sha.strip(), int(at), author, subject, call.strip())
        for sha, at, author, subject, call in rows
    ]


def _plain(value: str) -> str:
    text = value.encode(errors="replace").decode()
    return " ".join(re.sub(r"[\x00-\x1f<>]", " ", text).split()) or "unknown"
