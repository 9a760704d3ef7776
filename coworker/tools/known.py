"""What goes into knowledge and what comes out of it, as values and in words.

It looks nothing up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from coworker.errors import UsageError
from coworker.repos.text import one_line
from coworker.store import terms
from coworker.store.facts import FactKind
from coworker.store.forgetting import MARK
from coworker.types import Json, Place

LONGEST_FACT = 2_000
MOST_WORDS = 500
_STEM = 4
_OUTSIDE = (
    "It came from outside: no run is reminded of it, and one that looks it up is marked. "
    "To vouch for it, say it yourself: `!remember …`."
)


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be remembered. `path` is a file that shows it; `supersedes` a fact's number."""

    text: str
    kind: FactKind = "fact"
    path: str = ""
    supersedes: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Who said it where, and in which message if it was one.

    Without a `place` it was said to the command line, and may be told wherever the repository is
    talked about.
    """

    sender: str
    place: Place | None = None
    conversation: str = ""
    seq: int = 0
    message: str = ""


def was_said(text: str, words: str) -> bool:
    """Whether what people said has in it what this says: at least half of its words."""
    told = _stems(text)
    return 0 < len(told) <= 2 * len(told & _stems(words))


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in terms.content_words(text)}


@dataclass(frozen=True, slots=True)
class Known:
    """A fact or a message that was found, as it is shown. `id` is what `forget` takes."""

    id: str
    kind: str
    status: str
    text: str
    who: str
    at: int
    link: str
    room: str
    """Where it may be told: a room as the configuration writes it, `terminal`, or `*`."""
    is_outside: bool = False
    """Whether somebody said it who is none of our people, or may only read; or we after them."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The fact's id, whether it is new, it beside what it may contradict, and whether whoever said
    it is none of our people, or may only read.
    """

    id: str
    is_new: bool
    against: Sequence[Known] = ()
    is_outside: bool = False


def line(known: Known, limit: int = 300) -> str:
    """What was found, in a line of its own that says where it is from."""
    parts = [known.id, known.kind, known.status if known.status not in ("held", "said") else ""]
    about = ", ".join(filter(None, [*parts, known.who, terms.day(known.at)[:10], known.link]))
    return f"- [{about}] {one_line(known.text, limit)}"


def links(found: Sequence[Known]) -> list[str]:
    """The addresses among where they are from."""
    return [each.link for each in found if each.link.startswith("https://")]


def fitting(found: Sequence[Known], most_bytes: int) -> list[Known]:
    """The first of them whose lines together have at most so many bytes."""
    sizes = accumulate(len(line(each).encode()) + 1 for each in found)
    return [each for each, size in zip(found, sizes, strict=True) if size <= most_bytes]


def as_json(known: Known) -> Json:
    """The same for a program."""
    return dataclasses.asdict(known)


def usable(text: str) -> str:
    """A text that can be a fact. Raises UsageError."""
    text = text.strip()
    if not text or text == MARK:
        raise UsageError("There is nothing to remember. Write what is so, in a sentence.")
    if len(text) > LONGEST_FACT:
        raise UsageError(
            f"That has {len(text):,} characters; a fact has at most {LONGEST_FACT:,}. Say it "
            "shorter, or put it into a file of the repository."
        )
    return text


def refuse_odd(query: str) -> None:
    """Raise UsageError for a question without a word, or of far too many."""
    count = len(terms.words(query))
    if not count:
        raise UsageError("There is no word in that to look for. Name what it is about.")
    if count > MOST_WORDS:
        raise UsageError(
            f"The question has {count:,} words; at most {MOST_WORDS} are looked for. "
            "Ask in a sentence."
        )


def told(done: Remembered) -> str:
    """The answer to somebody who had something remembered; its words are not repeated."""
    if not done.is_new:
        return f"I know that already: {done.id}."
    if done.is_outside:
        return f"Remembered as {done.id}. {_OUTSIDE}"
    if not done.against:
        return f"Remembered as {done.id}. `!forget {done.id}` takes it back for good."
    both = "\n".join(map(line, done.against))
    first = done.against[1].id
    return (
        f"Remembered as {done.id}. It may contradict what was said before:\n{both}\n"
        f"Both are held until somebody says `!forget {first}`, or remembers it anew with "
        f"`!remember instead of {first}: …`."
    )
