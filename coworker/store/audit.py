"""Whether the log still is as it was written: chains, words, blobs, tails, the file itself.

It changes nothing.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from coworker.store import chain
from coworker.store import transactions as tx
from coworker.store.database import FILE, UNREADABLE
from coworker.store.forgetting import EntryKey
from coworker.types import Json

Heads = dict[str, tuple[int, str]]
"""Of each conversation, the seq of its last entry and that entry's hash in hex."""
_Forgotten = Mapping[EntryKey, str]
"""Of each entry whose words were taken out, the salted hash, in hex, of what is left."""
_UNKNOWN = ""
"""That hash, where a `forgotten` entry of version 1 names it: nothing binds what is left there."""
_NAMES = (
    "SELECT c.id, c.next_seq FROM conversation c UNION"
    " SELECT DISTINCT e.conversation, NULL FROM entry e"
    " WHERE NOT EXISTS (SELECT 1 FROM conversation c WHERE c.id = e.conversation)"
)
_CHAIN = (  # the stored rows: the key's index is a copy that hides a change of what it copies
    "SELECT e.seq, e.conversation, e.run, e.kind, e.v, e.at, e.body, e.salt, e.body_hash, e.prev,"
    " e.hash FROM entry i CROSS JOIN entry e NOT INDEXED ON e.rowid = i.rowid"
    " WHERE i.conversation = ? ORDER BY i.seq"
)
_TYPES = (int, str, int, str, int, int, str, bytes | None, bytes, bytes, bytes)
_CHANGED = "what it says was changed"


@dataclass(frozen=True, slots=True)
class Fault:
    """The first entry of a conversation that is not as it was written, and what is wrong.

    With the seq 0 it is about all of the conversation, or of the file.
    """

    conversation: str
    seq: int
    what: str


def faults(db: sqlite3.Connection) -> Iterator[Fault]:
    """At most one for each conversation and one for the file; one entry at a time is in memory.

    Raises sqlite3.DatabaseError for a file in which not even the conversations can be found.
    """
    db.text_factory = _text
    forgotten = dict(_forgotten(db))
    for conversation, next_seq in db.execute(_NAMES).fetchall():
        if fault := _first_fault(db, conversation, next_seq, forgotten):
            yield fault
    if what := _damage(db):
        yield Fault(FILE, 0, f"the file is damaged: {what}")


def size(db: sqlite3.Connection) -> tuple[int, int]:
    """How many entries there are, and in how many conversations."""
    sql = "SELECT count(*), count(DISTINCT conversation) FROM entry"
    entries, conversations = db.execute(sql).fetchone()
    return entries, conversations


def heads(db: sqlite3.Connection) -> Heads:
    """Where every conversation's chain ends now."""
    db.text_factory = _text
    sql = "SELECT conversation, max(seq), lower(hex(hash)) FROM entry GROUP BY conversation"
    return {conversation: (seq, digest) for conversation, seq, digest in db.execute(sql)}


def hash_at(db: sqlite3.Connection, conversation: str, seq: int) -> str:
    """An entry's hash in hex; "" when it is not there."""
    sql = "SELECT lower(hex(hash)) FROM entry WHERE conversation = ? AND seq = ?"
    row = db.execute(sql, (conversation, seq)).fetchone()
    return str(row[0]) if row else ""


def digest(of: Mapping[str, tuple[int, str]]) -> str:
    """One hash over all heads, in hex."""
    return hashlib.sha256(
        tx.encode(sorted((c, *head) for c, head in of.items())).encode()
    ).hexdigest()


def bodies(db: sqlite3.Connection, conversation: str) -> list[Json]:
    """What a conversation's entries say, the oldest first; {} of one that cannot be read."""
    sql = "SELECT body FROM entry WHERE conversation = ? ORDER BY seq"
    return [_body(_whole(db, stored)) or {} for (stored,) in db.execute(sql, (conversation,))]


def _first_fault(
    db: sqlite3.Connection, conversation: str, next_seq: int | None, forgotten: _Forgotten
) -> Fault | None:
    before, last = chain.NO_HASH, 0
    try:
        for row in db.execute(_CHAIN, (conversation,)):
            if row[0] != last + 1:
                return Fault(conversation, last + 1, "it is missing")
            if what := _wrong(db, row, before, forgotten.get((conversation, row[0]))):
                return Fault(conversation, row[0], what)
            before, last = row[-1], row[0]
    except UNREADABLE as error:
        return Fault(conversation, last + 1, f"it cannot be read: {error}")
    return _ended(conversation, last, next_seq)


def _ended(conversation: str, last: int, next_seq: int | None) -> Fault | None:
    """What is wrong with where a chain ends."""
    if next_seq is None:
        return Fault(conversation, last, "its conversation is missing")
    if last + 1 < next_seq:
        return Fault(conversation, last + 1, "it is missing, and so is all that followed")
    extra = last + 1 > next_seq
    return Fault(conversation, next_seq, "the conversation should end before it") if extra else None


def _wrong(
    db: sqlite3.Connection, row: tuple[Any, ...], before: bytes, forgotten: str | None
) -> str:
    """What is wrong with an entry; "" for nothing. `forgotten` is None of one that says it all."""
    if not all(isinstance(value, kind) for value, kind in zip(row, _TYPES, strict=True)):
        return "it is not what an entry consists of"
    return _chained(row, before) or _worded(db, row, forgotten)


def _chained(row: tuple[Any, ...], before: bytes) -> str:
    """What is wrong with an entry's place in its chain; "" for nothing."""
    seq, conversation, run, kind, v, at, _, _, body_hash, prev, digest = row
    if prev != before:
        return "it does not follow from the one before"
    head = (seq, run, kind, v, at)
    return "" if digest == chain.link(before, conversation, head, body_hash) else "it was changed"


def _worded(db: sqlite3.Connection, row: tuple[Any, ...], forgotten: str | None) -> str:
    """What is wrong with what an entry says; "" for nothing."""
    stored, salt, body_hash = row[6:9]
    said = _whole(db, stored)
    if said is None:
        return "its blob is missing"
    body = _body(said)
    if body is None or (said.decode() != stored != tx.pointer(said, body)):
        return _CHANGED
    if salt is None:
        return "" if forgotten == _UNKNOWN else "its words were taken out, and nobody forgot them"
    is_said = len(salt) == chain.SALT_BYTES and (
        chain.sha(salt + said).hex() == (forgotten or body_hash.hex())
    )
    return "" if is_said else _CHANGED


def _whole(db: sqlite3.Connection, stored: Any) -> bytes | None:
    """The bytes of a body, wherever they are; None when that is nowhere."""
    if not isinstance(stored, str):
        return None
    if not stored.startswith('{"blob":'):
        return stored.encode()
    sha = (_body(stored.encode()) or {}).get("blob")
    row = db.execute("SELECT bytes FROM blob WHERE sha256 = ?", (str(sha),)).fetchone()
    return row[0] if row and isinstance(row[0], bytes) else None


def _body(said: bytes | None) -> Json | None:
    try:
        return msgspec.json.decode(said or b"", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _forgotten(db: sqlite3.Connection) -> Iterator[tuple[EntryKey, str]]:
    """Every entry that a `forgotten` entry names; what that says last of an entry counts."""
    sql = "SELECT body FROM entry WHERE kind = 'forgotten' ORDER BY rowid"
    with suppress(*UNREADABLE, TypeError, ValueError):  # its own chain shows what it is
        for (stored,) in db.execute(sql):
            body = _body(_whole(db, stored)) or {}
            for conversation, seq, *left in body.get("blanked", ()):
                yield (conversation, seq), "".join(left) or _UNKNOWN


def _damage(db: sqlite3.Connection) -> str:
    """What SQLite says of the file, its indexes above all; "" for nothing."""
    try:
        said = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except UNREADABLE as error:
        said = str(error)
    return "" if said == "ok" else " ".join(said.split())


def _text(stored: bytes) -> str:
    """Text that may have become none: what cannot be read is not what was hashed."""
    return stored.decode(errors="replace")
