"""What is held to be so in one repository: facts, decisions, rules and findings.

It decides nobody's rights: it is told to whom something may be told.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from coworker.store import recall, terms

FactKind = Literal["fact", "decision", "rule", "finding"]
Status = Literal["held", "stale", "superseded", "quarantined", "forgotten"]
EVERYWHERE = "*"
"""The readers of a fact that may be told wherever its repository is talked about."""
_FACT = (
    "SELECT id, kind, text, source, quote, author, readers, at, status, conversation, seq,"
    " supersedes FROM fact"
)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is held to be so. Its `id` is its place in the memory's log.

    `readers` is the room in which it was said, or EVERYWHERE. `source` is `path@commit` for what
    stands in a file, with the quoted lines, else the platform's id of the message; that message is
    (`conversation`, `seq`) of the log, where there is one.
    """

    id: int
    kind: FactKind
    text: str
    source: str
    quote: str
    author: str
    readers: str
    at: int
    status: Status = "held"
    conversation: str = ""
    seq: int = 0
    supersedes: int = 0


class Facts:
    """The facts in a memory's file. What changes something is called inside a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, fact: Fact) -> None:
        """Keep a fact, perhaps in place of what it was; what it supersedes is no longer held."""
        self.remove(fact.id)
        self._db.execute(
            "INSERT INTO room (key) VALUES (?) ON CONFLICT DO NOTHING", (fact.readers,)
        )
        self._db.execute(
            "INSERT INTO fact (id, kind, text, source, quote, author, readers, at, status,"
            " conversation, seq, supersedes, code) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(fact.id, fact.kind, fact.text, fact.source, fact.quote, fact.author),
                *(fact.readers, fact.at, fact.status, fact.conversation, fact.seq),
                *(fact.supersedes, terms.parts(fact.text)),
            ),
        )
        if fact.supersedes and fact.status == "held":
            sql = "UPDATE fact SET status = 'superseded' WHERE id = ?"
            self._db.execute(sql, (fact.supersedes,))

    def remove(self, number: int) -> None:
        """Remove a fact; what it had superseded stays so."""
        self._db.execute("DELETE FROM fact WHERE id = ?", (number,))

    def get(self, number: int) -> Fact | None:
        """A fact by its number."""
        return next(iter(self._where("id = ?", number)), None)

    def told(self, rooms: Collection[str] | None = None) -> list[Fact]:
        """What may be told to readers of these rooms (None: everything), the newest first."""
        if rooms is None:
            return self._where("1 ORDER BY id DESC")
        readers = [EVERYWHERE, *rooms]
        marks = ", ".join("?" * len(readers))
        return self._where(f"readers IN ({marks}) ORDER BY id DESC", *readers)

    def find(self, text: str, rooms: Collection[str] | None, limit: int) -> list[Fact]:
        """What fits a text best and may be told to readers of these rooms."""
        readers = None if rooms is None else [EVERYWHERE, *rooms]
        found = [self.get(number) for number in recall.facts(self._db, text, readers, limit)]
        return [fact for fact in found if fact]

    def of(self, conversation: str, seq: int) -> list[Fact]:
        """What was taken from a message."""
        return self._where("conversation = ? AND seq = ? AND seq > 0", conversation, seq)

    def reword(self, fact: Fact) -> None:
        """Change what a fact says, not what became of it."""
        sql = "UPDATE fact SET text = ?, quote = ?, code = ? WHERE id = ?"
        self._db.execute(sql, (fact.text, fact.quote, terms.parts(fact.text), fact.id))

    def linked(self, conversation: str, link: str) -> list[Fact]:
        """What was taken from a message of that platform's id, which the log itself has not."""
        return self._where("conversation = ? AND source = ? AND seq = 0", conversation, link)

    def _where(self, where: str, *values: object) -> list[Fact]:
        return [Fact(*row) for row in self._db.execute(f"{_FACT} WHERE {where}", values)]
