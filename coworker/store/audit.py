"""Whether the log still is as it was written: chains, words, blobs, tails. It changes nothing."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from coworker.store import transactions as tx

Heads = dict[str, tuple[int, str]]
"""Of each conversation, the seq of its last entry and that entry's hash in hex."""
_Lawful = frozenset[tuple[str, int]]
_NAMES = (
    "SELECT c.id, c.next_seq FROM conversation c UNION"
    " SELECT DISTINCT e.conversation, NULL FROM entry e"
    " WHERE NOT EXISTS (SELECT 1 FROM conversation c WHERE c.id = e.conversation)"
)
_CHAIN = (
    "SELECT seq, run, kind, v, body, salt, body_hash, at, prev, hash FROM entry"
    " WHERE conversation = ? ORDER BY seq"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """The first entry of a conversation that is not as it was written, and what is wrong."""

    conversation: str
    seq: int
    what: str


def faults(db: sqlite3.Connection) -> Iterator[Fault]:
    """At most one for each conversation; one entry at a time is in memory."""
    db.text_factory = _text
    lawful = frozenset(_forgotten(db))
    for conversation, next_seq in db.execute(_NAMES).fetchall():
        if fault := _first_fault(db, conversation, next_seq, lawful):
            yield fault


def heads(db: sqlite3.Connection) -> Heads:
    """Where every conversation's chain ends now."""
    db.text_factory = _text
    sql = "SELECT conversation, max(seq), hash FROM entry GROUP BY conversation"
    return {conversation: (seq, digest.hex()) for conversation, seq, digest in db.execute(sql)}


def hash_at(db: sqlite3.Connection, conversation: str, seq: int) -> str:
    """An entry's hash in hex; "" when it is not there."""
    sql = "SELECT hash FROM entry WHERE conversation = ? AND seq = ?"
    row = db.execute(sql, (conversation, seq)).fetchone()
    return row[0].hex() if row else ""


def digest(of: Mapping[str, tuple[int, str]]) -> str:
    """One hash over all heads, in hex."""
    return hashlib.sha256(
        tx.encode(sorted((c, *head) for c, head in of.items())).encode()
    ).hexdigest()


def _first_fault(
    db: sqlite3.Connection, conversation: str, next_seq: int | None, lawful: _Lawful
) -> Fault | None:
    before, last = tx.NO_HASH, 0
    for row in db.execute(_CHAIN, (conversation,)):
        seq = row[0]
        if seq != last + 1:
            return Fault(conversation, last + 1, "it is missing")
        told = (conversation, seq) not in lawful
        if what := _chained(row, before, conversation) or _worded(db, row, is_kept=told):
            return Fault(conversation, seq, what)
        before, last = row[-1], seq
    if next_seq is None:
        return Fault(conversation, last, "its conversation is missing")
    if last + 1 < next_seq:
        return Fault(conversation, last + 1, "it is missing, and so is all that followed")
    extra = last + 1 > next_seq
    return Fault(conversation, next_seq, "the conversation should end before it") if extra else None


def _chained(row: tuple[Any, ...], before: bytes, conversation: str) -> str:
    """What is wrong with an entry's place in its chain; "" for nothing."""
    seq, run, kind, v, _, _, body_hash, at, prev, digest = row
    if prev != before:
        return "it does not follow from the one before"
    head = (seq, run, kind, v, at)
    return "" if digest == tx.link(before, conversation, head, body_hash) else "it was changed"


def _worded(db: sqlite3.Connection, row: tuple[Any, ...], *, is_kept: bool) -> str:
    """What is wrong with what an entry says; "" for nothing."""
    stored, salt, body_hash = row[4:7]
    if salt is None:
        return "its words were taken out, and nothing says who forgot them" if is_kept else ""
    said = _whole(db, stored)
    if said is None:
        return "its blob is missing"
    if tx.sha(salt + said) != body_hash:
        return "what it says was changed"
    if said != stored.encode() and stored != tx.pointer(said, tx.decode(said.decode())):
        return "the pointer to its blob was changed"
    return ""


def _whole(db: sqlite3.Connection, stored: str) -> bytes | None:
    """The bytes of a body, wherever they are; None when that is nowhere."""
    if not stored.startswith('{"blob":'):
        return stored.encode()
    try:
        sha = tx.decode(stored)["blob"]
    except msgspec.DecodeError:
        return None
    row = db.execute("SELECT bytes FROM blob WHERE sha256 = ?", (sha,)).fetchone()
    return row[0] if row else None


def _forgotten(db: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Every entry whose words were taken out lawfully: an entry says so."""
    for (stored,) in db.execute("SELECT body FROM entry WHERE kind = 'forgotten'").fetchall():
        try:
            body = tx.decode((_whole(db, stored) or b"{}").decode())
            yield from ((str(each[0]), int(each[1])) for each in body.get("blanked", ()))
        except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, ValueError):
            continue  # it was changed itself, which its own chain shows


def _text(stored: bytes) -> str:
    """Text that may have become none: what cannot be read is not what was hashed."""
    return stored.decode(errors="replace")
