"""Taking words out of the log for good: from entries, blobs, inbox and outbox.

An entry keeps its place and its hash; only what it said is gone, and with it the salt, so that
nobody can guess words and compare. What is left of it is salted anew, and the `forgotten` entry
keeps that hash. It does not decide who may forget what.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from coworker.store import chain
from coworker.store import transactions as tx
from coworker.types import Json, Place

MARK = "[forgotten]"
_SHORTEST = 8
"""Shorter texts are forgotten only where somebody said nothing else: "yes" is everywhere."""
_QUOTED = (299, 199, 119, 80)
"""So many characters are quoted of a longer message in lists and reports."""
_GOES_WITH = ("attached", "quoted", "quote", "files", "source")
VERSION = 2
"""Of what a `forgotten` entry says: since 2 with the hash of what is left of each entry."""
EntryKey = tuple[str, int]
"""Of an entry: its conversation and its seq."""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What is to be gone: these entries' words, and these texts wherever they are repeated."""

    places: Collection[EntryKey]
    texts: Sequence[str]


def forget(
    db: sqlite3.Connection, what: Forgetting, place: Place, body: Json, at: int
) -> list[EntryKey]:
    """Take the words out of every row, and note in that place which entries lost something."""
    left = _blank(db, what)
    blanked = [[*key, body_hash] for key, body_hash in left.items()]
    tx.record(db, place, "forgotten", {**body, "blanked": blanked}, at, VERSION)
    return [*left]


def purge(db: sqlite3.Connection) -> bool:
    """Leave no byte of what was taken out, neither in free pages nor in the WAL; whether done."""
    db.execute("VACUUM")
    busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


class Eraser:
    """Knows some texts in every form in which we may have repeated them."""

    def __init__(self, texts: Sequence[str]) -> None:
        told = [text for text in texts if text.strip() and text != MARK]
        flat = [" ".join(text.split()) for text in told]
        quoted = [line[:size] for line in flat for size in _QUOTED if len(line) > size]
        self._wholes = {*(text.strip() for text in told), *flat}
        forms = dict.fromkeys([*told, *(text.strip() for text in told), *flat, *quoted])
        self._long = sorted((form for form in forms if len(form) >= _SHORTEST), key=len)[::-1]
        self.forms = [*dict.fromkeys((*self._long, *self._wholes))]
        self.needles = [tx.encode(form)[1:-1] for form in self.forms]

    def clean(self, value: Any) -> Any:
        """The same value without the words."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.clean(each) for each in value if not self._is_lost_thought(each)]
        if isinstance(value, dict):
            return {key: self.clean(each) for key, each in value.items()}
        return value

    def _text(self, text: str) -> str:
        if text.strip() in self._wholes:
            return MARK
        for form in self._long:
            text = text.replace(form, MARK)
        return text

    def _is_lost_thought(self, block: Any) -> bool:
        """A model's thought is signed as a whole: one that changed is refused, so it goes."""
        is_thought = isinstance(block, dict) and block.get("type") == "thinking"
        return is_thought and self.clean(block["thinking"]) != block["thinking"]


def _blank(db: sqlite3.Connection, what: Forgetting) -> dict[EntryKey, str]:
    """The entries that lost something, each with the salted hash of what is left of it."""
    eraser = Eraser(what.texts)
    found = dict.fromkeys([*what.places, *_entries_with(db, eraser.needles)])
    left = {key: _blank_entry(db, key, eraser, what.places) for key in found}
    _blank_rows(db, "inbox", eraser)
    _blank_rows(db, "outbox", eraser)
    return {key: body_hash for key, body_hash in left.items() if body_hash}


def _entries_with(db: sqlite3.Connection, needles: Sequence[str]) -> list[EntryKey]:
    found: list[EntryKey] = []
    for needle in needles:
        found += db.execute(
            "SELECT conversation, seq FROM entry WHERE instr(body, ?)", (needle,)
        ).fetchall()
        found += db.execute(
            "SELECT e.conversation, e.seq FROM blob b JOIN entry e ON e.body GLOB '{\"blob\":*'"
            " AND json_extract(e.body, '$.blob') = b.sha256 WHERE instr(b.bytes, ?)",
            (needle.encode(),),
        ).fetchall()
    return found


def _blank_entry(
    db: sqlite3.Connection, key: EntryKey, eraser: Eraser, sources: Collection[EntryKey]
) -> str:
    """The salted hash of what is left, in hex; "" when nothing had to go."""
    sql = "SELECT body FROM entry WHERE conversation = ? AND seq = ?"
    row = db.execute(sql, key).fetchone()
    if row is None:
        return ""
    body = tx.decode(tx.whole(db, row[0]))
    clean = _emptied(eraser.clean(body)) if key in sources else eraser.clean(body)
    if clean == body:
        return ""
    text = tx.encode(clean)
    salt, body_hash = chain.salted(text)
    sql = "UPDATE entry SET body = ?, salt = ? WHERE conversation = ? AND seq = ?"
    db.execute(sql, (tx.spill(db, text, clean), salt, *key))
    if blob := tx.decode(row[0]).get("blob"):
        tx.drop_blobs(db, [(blob,)])
    return body_hash.hex()


def _blank_rows(db: sqlite3.Connection, table: str, eraser: Eraser) -> None:
    for needle in eraser.needles:
        sql = f"SELECT rowid, body FROM {table} WHERE instr(body, ?)"  # noqa: S608
        for rowid, text in db.execute(sql, (needle,)).fetchall():
            body = tx.decode(text)
            clean = eraser.clean(body)
            if clean.get("text") == MARK != body.get("text"):
                clean = _emptied(clean)
            sql = f"UPDATE {table} SET body = ? WHERE rowid = ?"  # noqa: S608
            db.execute(sql, (tx.encode(clean), rowid))


def _emptied(body: Json) -> Json:
    """A message without its words and what came along."""
    kept = {key: value for key, value in body.items() if key not in _GOES_WITH}
    return {**kept, "text": MARK}
