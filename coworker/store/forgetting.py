"""Taking words out of the log for good: from entries, blobs, inbox, outbox and schedules.

An entry keeps its place, its hash and its shape; only what it said is gone, and with it the salt,
so that nobody can guess words and compare. What is left of it is salted anew, and the `forgotten`
entry keeps that hash. It does not decide who may forget what.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from coworker.shapes import beginning
from coworker.store import chain
from coworker.store import transactions as tx
from coworker.types import Json, Place

MARK = "[forgotten]"
_MANY_WORDS, _MANY_CHARACTERS = 4, 24
"""A text with less of both is in everybody's mouth: it goes only where it came from or was told."""
_QUOTED = (299, 199, 119, 39)
"""So many characters are quoted of a longer text in lists and names, before a `…`."""
_REPORTED = 80
"""And so many in reports."""
_BEGUN = 20
"""So much of a text's beginning, before a `…`, is the text, whatever stands before it."""
_GOES_WITH = ("attached", "quoted", "quote", "files", "source")
_FREE = {
    *("text", "thinking", "quote", "question", "options", "reason", "denial", "notice"),
    *("notices", "notes", "told", "final", "command", "word", "subject"),
}
"""Keys of what is said in words. Everything else has a meaning for the machine and stays."""
_ALL_FREE = {"input", "results", "malformed"}
"""Keys beneath which every value is free, whatever its own key is."""
_OF_SCHEDULES = {"head", "name", "gate"}
"""Keys that are words in what a schedule began."""
_FORGOTTEN_WORDS = "the words it was to run with were forgotten"
_END = 2**62
VERSION = 2
"""Of what a `forgotten` entry says: since 2 with the hash of what is left of each entry."""
EntryKey = tuple[str, int]
"""An entry, its conversation and its seq; or a run, its conversation and its first entry's seq."""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What is to be gone: these entries' words, and these texts where one repository repeats them.

    `home` is the log of its memory, `names` is what they are called there. Only the messages of
    `authors` are touched; `by_owner` says that everybody's are.
    """

    repo: str
    home: Place
    places: Collection[EntryKey]
    texts: Sequence[str]
    names: Sequence[str] = ()
    authors: Collection[str] = ()
    by_owner: bool = False

    def may_touch(self, author: str) -> bool:
        """Whether that sender's own words may be taken out where they repeat it."""
        return self.by_owner or author in self.authors


@dataclass(slots=True)
class Blanked:
    """What lost words: entries, each with the salted hash of what is left, in hex, and schedules,
    which pause; and the runs that knew the words.
    """

    left: dict[EntryKey, str] = field(default_factory=dict)
    runs: set[EntryKey] = field(default_factory=set)
    schedules: list[str] = field(default_factory=list)


def blank(db: sqlite3.Connection, what: Forgetting, body: Json, at: int) -> Blanked:
    """Take the words out of every row, and note which entries lost them."""
    blanked = _Blanking(db, what).done()
    left = [[*key, body_hash] for key, body_hash in blanked.left.items()]
    tx.record(db, what.home, "forgotten", {**body, "blanked": left}, at, VERSION)
    return blanked


def purge(db: sqlite3.Connection) -> bool:
    """Leave no byte of what was taken out, neither in free pages nor in the WAL; whether done."""
    db.execute("VACUUM")
    busy, *_ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


class Eraser:
    """Knows texts in every form in which we may have repeated them.

    With `short` it takes out short ones too, as whole words: for runs that surely knew them.
    """

    def __init__(self, what: Forgetting, *, short: bool = False) -> None:
        told = [text for text in what.texts if text.strip() and text != MARK]
        forms = [form for text in told for form in _forms(text) if short or _is_telling(form)]
        self.forms = sorted(dict.fromkeys(forms), key=len, reverse=True)
        self._free = _FREE - {"options"} if short else _FREE  # an answer is compared with them
        self._words = re.compile("|".join(map(_pattern, self.forms)) or r"(?!)")
        self.begun = [b for text in told if (b := " ".join(text.split()))[_BEGUN:]]
        self._begun = re.compile("|".join(map(_shortened, self.begun)) or r"(?!)")
        names = "|".join(map(re.escape, what.names)) or r"(?!)"
        self._lines = re.compile(rf"(?m)^(\s*- \[(?:{names}), [^]\n]*\]).*$")

    def text(self, text: str) -> str:
        """A text without the words."""
        return self._begun.sub(MARK, self._words.sub(MARK, self._lines.sub(rf"\1 {MARK}", text)))

    def clean(self, value: Any, *, is_free: bool = False) -> Any:
        """The same value without the words, in its old shape."""
        if isinstance(value, str):
            return self.text(value) if is_free else value
        if isinstance(value, list):
            kept = value if is_free else [each for each in value if not self._is_lost(each)]
            return [self.clean(each, is_free=is_free) for each in kept]
        if isinstance(value, dict):
            free = self._free | _OF_SCHEDULES if "schedule" in value else self._free
            return {
                key: self.clean(
                    each, is_free=is_free or key in _ALL_FREE or _is_said(key, each, free)
                )
                for key, each in value.items()
            }
        return value

    def _is_lost(self, block: Any) -> bool:
        """A model's thought is signed as a whole: one that changed is refused, so it goes."""
        is_thought = isinstance(block, dict) and block.get("type") == "thinking"
        return is_thought and self.text(block["thinking"]) != block["thinking"]


def _forms(text: str) -> list[str]:
    """As it was said, in one line, indented in a history, and as the beginning of a quotation."""
    whole, flat = text.strip(), " ".join(text.split())
    quoted = [f"{flat[:size]}…" for size in _QUOTED if len(flat) > size]
    return [whole, flat, whole.replace("\n", "\n    "), flat[:_REPORTED], *quoted]


def _shortened(text: str) -> str:
    """A pattern for what is left of a text where a longer one, with it in it, was cut off."""
    return rf"{beginning(text, _BEGUN)}(?=…)"


def _is_telling(form: str) -> bool:
    return len(form) >= _MANY_CHARACTERS or len(form.split()) >= _MANY_WORDS


def _pattern(form: str) -> str:
    escaped = re.escape(form)
    return escaped if _is_telling(form) else rf"(?<!\w){escaped}(?!\w)"


def _is_said(key: str, value: Any, free: Collection[str]) -> bool:
    return key in free and not isinstance(value, dict)


class _Blanking:
    """One forgetting, inside one transaction."""

    def __init__(self, db: sqlite3.Connection, what: Forgetting) -> None:
        self._db = db
        self._what = what
        self._near, self._far = Eraser(what, short=True), Eraser(what)
        self._blanked = Blanked()

    def done(self) -> Blanked:
        begun = (text[:_BEGUN] for text in self._far.begun)
        words = [_needle(form) for form in (*self._far.forms, *begun)]
        lines = [_needle(f"- [{name}, ") for name in self._what.names]
        told = [*self._entries_with(lines), *self._rules()]
        self._blanked.runs = {self._run_of(place) for place in (*self._what.places, *told)}
        found = [*self._what.places, *told, *self._entries_with(words), *self._entries_of_runs()]
        left = {key: self._blank_entry(key) for key in dict.fromkeys(found)}
        self._blanked.left = {key: body_hash for key, body_hash in left.items() if body_hash}
        self._blank_inbox([*words, *lines])
        self._blank_outbox([*words, *lines])
        self._blank_schedules()
        return self._blanked

    # Entries

    def _entries_with(self, needles: Sequence[str]) -> Iterator[EntryKey]:
        """The entries about this repository that hold one of them."""
        for needle in needles:
            found = self._db.execute(
                "SELECT conversation, seq FROM entry WHERE instr(body, ?)"
                " UNION SELECT e.conversation, e.seq FROM blob b JOIN entry e"
                " ON e.body GLOB '{\"blob\":*' AND json_extract(e.body, '$.blob') = b.sha256"
                " WHERE instr(b.bytes, ?)",
                (needle, needle.encode()),
            ).fetchall()
            yield from (place for place in found if self._is_ours(*place))

    def _rules(self) -> Iterator[EntryKey]:
        """The decisions that keep it as the reason of a rule."""
        sql = (
            "SELECT conversation, seq FROM entry WHERE conversation = ?"
            " AND json_extract(body, '$.rule.reason') = ?"
        )
        for text in self._what.texts:
            found = self._db.execute(sql, (tx.SYSTEM, text)).fetchall()
            yield from (place for place in found if self._is_ours(*place))

    def _entries_of_runs(self) -> Iterator[EntryKey]:
        sql = "SELECT conversation, seq FROM entry WHERE conversation = ? AND run = ?"
        for run in self._blanked.runs:
            yield from self._db.execute(sql, run).fetchall()

    def _run_of(self, place: EntryKey) -> EntryKey:
        sql = "SELECT run FROM entry WHERE conversation = ? AND seq = ?"
        row = self._db.execute(sql, place).fetchone()
        return place[0], row[0] if row else 0

    def _is_ours(self, conversation: str, seq: int) -> bool:
        """Whether what stood there then was about this repository, or about none."""
        if conversation == self._what.home.conversation:
            return True
        if conversation == tx.SYSTEM:
            return bool(
                self._body(conversation, seq).get("rule", {}).get("repo") == self._what.repo
            )
        sql = "SELECT repo FROM conversation WHERE id = ?"
        row = self._db.execute(sql, (conversation,)).fetchone()
        base = self._db.execute(
            "SELECT max(seq) FROM entry WHERE conversation = ? AND seq <= ? AND kind = 'base'",
            (conversation, seq),
        ).fetchone()[0]
        about = self._body(conversation, base).get("repo") if base else None
        return (about or (row and row[0])) in (None, self._what.repo)

    def _body(self, conversation: str, seq: int) -> Json:
        sql = "SELECT body FROM entry WHERE conversation = ? AND seq = ?"
        row = self._db.execute(sql, (conversation, seq)).fetchone()
        return tx.decode(tx.whole(self._db, row[0]))

    def _blank_entry(self, key: EntryKey) -> str:
        """The salted hash of what is left, in hex; "" when nothing had to go."""
        sql = "SELECT kind, run, body FROM entry WHERE conversation = ? AND seq = ?"
        row = self._db.execute(sql, key).fetchone()
        if row is None:
            return ""
        kind, run, stored = row
        body = tx.decode(tx.whole(self._db, stored))
        clean = self._cleaned(key, kind, run, body)
        if clean == body:
            return ""
        text = tx.encode(clean)
        salt, body_hash = chain.salted(text)
        sql = "UPDATE entry SET body = ?, salt = ? WHERE conversation = ? AND seq = ?"
        self._db.execute(sql, (tx.spill(self._db, text, clean), salt, *key))
        if blob := tx.decode(stored).get("blob"):
            tx.drop_blobs(self._db, [(blob,)])
        return body_hash.hex()

    def _cleaned(self, place: EntryKey, kind: str, run: int, body: Json) -> Json:
        eraser = self._eraser(place[0], run)
        if place in self._what.places:
            return _emptied(eraser.clean(body))
        if kind == "base":  # of prompt and tools no word is anybody's
            carry = {"carry": eraser.clean(body["carry"])} if "carry" in body else {}
            return {**body, **carry}
        author = body.get("author" if kind == "fact" else "sender", "")
        if kind in ("user", "steer", "fact") and not self._what.may_touch(author):
            return body
        return eraser.clean(body)  # type: ignore[no-any-return]

    def _eraser(self, conversation: str, run: int) -> Eraser:
        return self._near if (conversation, run) in self._blanked.runs else self._far

    # The other rows

    def _blank_inbox(self, needles: Sequence[str]) -> None:
        for row in self._rows("inbox", "kind, taken_seq", needles):
            rowid, conversation, body, kind, taken = row
            said = body.get("about") or body
            if not self._what.may_touch(said.get("sender", "")):
                continue
            if taken is not None and self._is_source(conversation, kind, said):
                self._write("inbox", rowid, _emptied(self._near.clean(body)))
            elif self._is_ours(conversation, taken or _END):
                self._write("inbox", rowid, self._far.clean(body))

    def _is_source(self, conversation: str, kind: str, said: Json) -> bool:
        """Whether it is the message, or the verb, from which all came."""
        if conversation not in {place for place, _ in self._blanked.runs}:
            return False
        text, forms = str(said.get("text") or "").strip(), self._near.forms
        return text in forms or (kind == "verb" and text.endswith(tuple(f" {f}" for f in forms)))

    def _blank_outbox(self, needles: Sequence[str]) -> None:
        for rowid, conversation, body in self._rows("outbox", "", needles):
            run = body.get("run", 0)
            if self._is_ours(conversation, run or _END):
                self._write("outbox", rowid, self._eraser(conversation, run).clean(body))

    def _rows(self, table: str, more: str, needles: Sequence[str]) -> list[tuple[Any, ...]]:
        """Those that hold one of the words, and all of the conversations that knew them."""
        columns = ", ".join(filter(None, ("rowid, conversation, body", more)))
        sql = f"SELECT {columns} FROM {table} WHERE "  # noqa: S608
        near = {conversation for conversation, _ in self._blanked.runs}
        wheres = [
            *(("instr(body, ?)", n) for n in needles),
            *(("conversation = ?", c) for c in near),
        ]
        found = {
            row[0]: row
            for where, value in wheres
            for row in self._db.execute(sql + where, (value,))
        }
        return [(*row[:2], tx.decode(row[2]), *row[3:]) for row in found.values()]

    def _write(self, table: str, rowid: int, body: Json) -> None:
        sql = f"UPDATE {table} SET body = ? WHERE rowid = ?"  # noqa: S608
        self._db.execute(sql, (tx.encode(body), rowid))

    def _blank_schedules(self) -> None:
        """Standing work that said it would say it again: it pauses, and waits for new words."""
        sql = "SELECT id, creator, name, prompt, gate FROM schedule WHERE repo = ? OR repo IS NULL"
        for schedule, creator, *words in self._db.execute(sql, (self._what.repo,)).fetchall():
            clean = [self._far.text(each) for each in words]
            if clean != words and self._what.may_touch(creator):
                sql = "UPDATE schedule SET name = ?, prompt = ?, gate = ?, paused = ? WHERE id = ?"
                self._db.execute(sql, (*clean, _FORGOTTEN_WORDS, schedule))
                self._blanked.schedules.append(schedule)


def _needle(text: str) -> str:
    return tx.encode(text)[1:-1]


def _emptied(body: Json) -> Json:
    """A message without its words and what came along."""
    kept = {key: value for key, value in body.items() if key not in _GOES_WITH}
    if "text" in body.get("about", {}):
        return {**kept, "about": {**body["about"], "text": MARK}}
    return {**kept, "text": MARK}
