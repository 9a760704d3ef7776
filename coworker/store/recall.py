"""Finding what fits a question: one full-text query, then a closer look at the best of it.

It knows words and ranks, not who may read what: the rooms are given.
"""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from coworker.store import terms

_CANDIDATES = 150
_SESSION_BOOST = 0.5
_SPEAKER_BOOST = 1.2
_RANKED = 5_000
_SHARE = 0.03
"""So many rows, and this share of all, are ranked for a question: each costs about 1 µs."""
_WEIGHTS = "0.0, 1.0, 1.0, 0.3, 0.4, 0.6"  # scope speaker text day ctx code
_COUNT = "SELECT count(*) FROM message_fts WHERE message_fts MATCH ?"
_SEARCH = (
    f"SELECT m.id, m.session, m.speaker, -f.score FROM (SELECT rowid, bm25(message_fts, {_WEIGHTS})"  # noqa: S608
    " AS score FROM message_fts WHERE message_fts MATCH ? ORDER BY score LIMIT ?) f"
    " JOIN message m ON m.id = f.rowid"
)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A message that was found. The higher the score, the better; it compares within one search."""

    row: int
    score: float


class Frequencies:
    """How many messages each word is in, counted when it is first asked for."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._counts: dict[str, int] = {}
        self._size = 0

    def of(self, term: str) -> int:
        """How many messages have it, roughly."""
        if term not in self._counts:
            self._counts[term] = self._db.execute(_COUNT, (term,)).fetchone()[0]
        return self._counts[term]

    def size(self) -> int:
        """How many messages there are; what was counted when they were far fewer counts no more."""
        last = self._db.execute("SELECT max(id) FROM message").fetchone()[0] or 0
        if last > 1.1 * self._size:
            self._counts, self._size = {}, last
        return self._size


def search(
    db: sqlite3.Connection,
    text: str,
    rooms: Sequence[str] | None,
    limit: int,
    frequencies: Frequencies | None = None,
) -> list[Ranked]:
    """The rows of messages that fit a text best, from these rooms (None: from all of them)."""
    query = _query(terms.sought(text), rooms, frequencies or Frequencies(db))
    if not query or rooms == []:
        return []
    found = db.execute(_SEARCH, (query, _CANDIDATES)).fetchall()
    ranked = [Ranked(*each) for each in _boosted(found, frozenset(terms.words(text)))]
    return sorted(ranked, key=lambda each: -each.score)[:limit]


def facts(
    db: sqlite3.Connection, text: str, readers: Sequence[str] | None, limit: int
) -> list[int]:
    """The facts that fit a text best, of those that may be told to these readers (None: to all)."""
    wanted = terms.sought(text)
    if not wanted:
        return []
    marks = ", ".join("?" * len(readers or ()))
    told = "" if readers is None else f" AND readers IN ({marks})"
    rows = db.execute(
        "SELECT f.id FROM fact_fts JOIN fact f ON f.id = fact_fts.rowid"  # noqa: S608
        f" WHERE fact_fts MATCH ?{told} ORDER BY bm25(fact_fts), f.id DESC LIMIT ?",
        (terms.either(wanted), *(readers or ()), limit),
    )
    return [row[0] for row in rows]


def shared_words(db: sqlite3.Connection, text: str, row: int) -> set[str]:
    """Which words of a message's own text the question has as well, each by its beginning."""
    found = db.execute(
        "SELECT highlight(message_fts, 2, char(2), char(3)) FROM message_fts"
        " WHERE message_fts MATCH ? AND rowid = ?",
        (terms.either(terms.sought(text)), row),
    ).fetchone()
    return terms.marked(found[0]) if found else set()


def _query(wanted: list[str], rooms: Sequence[str] | None, frequencies: Frequencies) -> str:
    """Any of the words; among very many messages at least one of the rarest of them."""
    size = frequencies.size()
    if not wanted or size <= _RANKED:
        return terms.among(rooms, terms.either(wanted)) if wanted else ""
    share = 1.0 if rooms is None else sum(map(frequencies.of, _as_terms(rooms))) / size
    rare: list[str] = []
    left = _RANKED + _SHARE * size * share
    for term in sorted(wanted, key=frequencies.of):
        left -= frequencies.of(term) * share
        if rare and left < 0:
            break
        rare.append(term)
    query = terms.either(wanted)
    return terms.among(
        rooms, query if len(rare) == len(wanted) else f"({terms.either(rare)}) AND ({query})"
    )


def _as_terms(rooms: Sequence[str]) -> list[str]:
    return [f'scope : "{room}"' for room in rooms]


def _boosted(
    found: Sequence[tuple[int, str, str, float]], asked: frozenset[str]
) -> list[tuple[int, float]]:
    """What was said in the same session speaks for a message, and so does a speaker's name."""
    sessions: dict[str, float] = defaultdict(float)
    for _, session, _, score in found:
        sessions[session] += score
    most = max(sessions.values(), default=1.0) or 1.0
    return [
        (
            row,
            score
            * (1 + _SESSION_BOOST * math.sqrt(sessions[session] / most))
            * (_SPEAKER_BOOST if asked & set(terms.words(speaker)) else 1.0),
        )
        for row, session, speaker, score in found
    ]
