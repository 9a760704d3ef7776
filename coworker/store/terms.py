"""The words of a text as the index and its queries see them. It knows no table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

MOST_WORDS = 64
"""Distinct words of a query that are looked for; each more costs time and finds nothing better."""
_STEM = 5
_COLUMNS = "{speaker text day ctx code}"
_MARKED = re.compile("\x02([^\x03]*)\x03")
_WORD = re.compile(r"[^\W_]+")
_IDENTIFIER = re.compile(r"\b\w*(?:[a-z][A-Z]|[A-Z]{2}[a-z]|\d[A-Za-z]|[A-Za-z]\d)\w*\b")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_STOP = """
    a about above after again against all also am an and any are as at be because been before being
    below between both but by can could did do does doing don down during each few for from further
    get got had has have having he her here hers him his how i if in into is it its just ll let m
    me more most my no nor not now of off on once only or other our out over own please re s same
    she should so some such t tell than that the their them then there these they this those
    through to too under until up us ve very was we were what when where which while who whom why
    will with would you your
    """
_SAYS_NOTHING = frozenset(_STOP.split())


def words(text: str) -> list[str]:
    """Every word in lower case, in order."""
    return [word.lower() for word in _WORD.findall(text)]


def content_words(text: str) -> list[str]:
    """The distinct words that say what a text is about; all of them if it has no such words."""
    found = list(dict.fromkeys(words(text)))
    return [word for word in found if word not in _SAYS_NOTHING] or found


def parts(text: str) -> str:
    """What `camelCase` and `py39` are made of, as a text of their own for the index."""
    found = (part for each in _IDENTIFIER.findall(text) for part in _PART.findall(each))
    return " ".join(part.lower() for part in found)


def day(at: int) -> str:
    """A moment (milliseconds UTC) in the words in which people ask for one."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %A %-d %B}"


def sought(text: str) -> list[str]:
    """The words of a question as terms of FTS5; [] when there is none.

    Everything a person wrote is quoted, so nothing in it can be an operator.
    """
    found = [*content_words(text), *parts(text).split()][:MOST_WORDS]
    return list(dict.fromkeys(map(_term, found)))


def either(wanted: Iterable[str]) -> str:
    """An FTS5 query for any of these terms."""
    return " OR ".join(wanted)


def among(rooms: Sequence[str] | None, query: str) -> str:
    """The same for messages, of which only those from these rooms are seen (None: all)."""
    if rooms is None:
        return f"{_COLUMNS} : ({query})"
    here = either(f'"{room}"' for room in rooms)
    return f"scope : ({here}) AND ({_COLUMNS} : ({query}))"


def marked(text: str) -> set[str]:
    """The words between the marks of FTS5's `highlight`, each by its beginning."""
    return {word[:_STEM] for word in words(" ".join(_MARKED.findall(text)))}


def _term(word: str) -> str:
    """A word with a digit may be the beginning of a hash or of a ticket's number."""
    has_digit = any(char.isdigit() for char in word)
    return f'"{word}"*' if has_digit and len(word) > 2 else f'"{word}"'
