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
_WEIGHTS = "0.0, 1.0, 1.0, 0.3, 0.4, 0.6"  # scope speaker text day ctx code
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


def search(
    db: sqlite3.Connection, text: str, rooms: Sequence[str] | None, limit: int
) -> list[Ranked]:
    """The rows of messages that fit a text best, from these rooms (None: from all of them)."""
    query = terms.match(text, rooms)
    if not query or rooms == []:
        return []
    found = db.execute(_SEARCH, (query, _CANDIDATES)).fetchall()
    ranked = [Ranked(*each) for each in _boosted(found, frozenset(terms.words(text)))]
    return sorted(ranked, key=lambda each: -each.score)[:limit]


def facts(
    db: sqlite3.Connection, text: str, readers: Sequence[str] | None, limit: int
) -> list[int]:
    """The facts that fit a text best, of those that may be told to these readers (None: to all)."""
    query = terms.anywhere(text)
    if not query:
        return []
    marks = ", ".join("?" * len(readers or ()))
    told = "" if readers is None else f" AND readers IN ({marks})"
    rows = db.execute(
        "SELECT f.id FROM fact_fts JOIN fact f ON f.id = fact_fts.rowid"  # noqa: S608
        f" WHERE fact_fts MATCH ?{told} ORDER BY bm25(fact_fts), f.id DESC LIMIT ?",
        (query, *(readers or ()), limit),
    )
    return [row[0] for row in rows]


def shared_words(db: sqlite3.Connection, text: str, row: int) -> set[str]:
    """Which words of a message's own text the question has as well, each by its beginning."""
    found = db.execute(
        "SELECT highlight(message_fts, 2, char(2), char(3)) FROM message_fts"
        " WHERE message_fts MATCH ? AND rowid = ?",
        (terms.match(text), row),
    ).fetchone()
    return terms.marked(found[0]) if found else set()


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
