"""What is known about one repository: facts, and the messages of its conversations, in one file.

Everything but imported messages is derived from the log and can be made anew from it. It decides
nobody's rights: it is told which rooms may be read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from coworker.store import recall, terms
from coworker.store.facts import Facts
from coworker.store.forgetting import MARK, Eraser
from coworker.store.writer import connect

_NEAR = 2
"""So many messages before and after belong to what a message is about."""
_TOKENIZER = "porter unicode61"
_INDEXED = ("scope", "speaker", "text", "day", "ctx", "code")
_END = 2**62
_FOREIGN = "its tables are not those of a memory"
_MESSAGE = (
    "SELECT m.id, m.name, r.key, m.session, m.at, m.speaker, m.text, m.author, m.link, m.seq"
    " FROM message m JOIN room r ON r.id = cast(substr(m.scope, 2) AS INTEGER)"
)


@dataclass(frozen=True, slots=True)
class Message:
    """Something that was said. `at` is milliseconds UTC, `seq` its place in the log, 0 if in none.

    `link` is the platform's id of the message, from which a permalink can be made.
    """

    name: str
    room: str
    session: str
    at: int
    speaker: str
    text: str
    author: str = ""
    link: str = ""
    seq: int = 0


class Found(NamedTuple):
    """A message that fits a question."""

    row: int
    message: Message


class Memory:
    """One repository's file. Its caller sees to it that one thread at a time is inside."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises sqlite3.Error for a file that cannot be used or is no memory."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_file():
            _refuse_foreign(path)
        self.db = connect(path)
        try:
            self.db.execute("PRAGMA synchronous=NORMAL")  # the log can make it anew
            self.db.execute("PRAGMA secure_delete=ON")
            _migrate(self.db)
            if not self.is_whole():
                raise sqlite3.DatabaseError(_FOREIGN)
        except BaseException:
            self.db.close()
            raise
        self.facts = Facts(self.db)
        self._frequencies = recall.Frequencies(self.db)
        path.chmod(0o600)

    @classmethod
    def reading(cls, path: Path) -> Memory:
        """A file as it is, without changing it. Raises sqlite3.Error when it cannot be read."""
        memory = cls.__new__(cls)
        memory.db = connect(path, read_only=True)
        return memory

    def close(self) -> None:
        """Give the file up."""
        self.db.close()

    def is_whole(self) -> bool:
        """Whether it has the tables and columns that it should have. Raises sqlite3.Error."""
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
            _migrate(fresh)
            return _columns(self.db) >= _columns(fresh)

    # How far the log was read

    def cursors(self) -> dict[str, int]:
        """The next entry to read, by conversation."""
        return dict(self.db.execute("SELECT conversation, seq FROM cursor").fetchall())

    def advance(self, conversation: str, seq: int) -> None:
        """Remember that everything before that entry was read."""
        self.db.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?)", (conversation, seq))

    # Messages

    def add(self, messages: Iterable[Message]) -> int:
        """Index messages in the order in which they were said; how many of them were new.

        Call it inside a transaction, like everything that changes something.
        """
        sessions: dict[tuple[str, str], dict[str, Message]] = {}
        for message in messages:
            sessions.setdefault((message.room, message.session), {})[message.name] = message
        return sum(self._add(*place, list(said.values())) for place, said in sessions.items())

    def drop(self, names: Collection[str]) -> int:
        """Remove messages, and their words from what their neighbours quote; how many."""
        removed = 0
        for name in names:
            sql = "SELECT id, scope, session FROM message WHERE name = ?"
            if row := self.db.execute(sql, (name,)).fetchone():
                self.db.execute("DELETE FROM message WHERE id = ?", row[:1])
                self._quote_anew([each for each, _ in self._near(*row)], *row[1:])
                removed += 1
        return removed

    def scrub_imported(self, eraser: Eraser) -> list[str]:
        """Take words out of imported messages; the names of those that said nothing else."""
        sql = "SELECT name, text FROM message WHERE seq = 0 AND instr(text, ?)"
        found = dict(each for form in eraser.forms for each in self.db.execute(sql, (form,)))
        clean = {name: eraser.text(text) for name, text in found.items()}
        for name, text in clean.items():
            self.reword(name, "" if text == MARK else text)
        if clean:
            self.mark_unpurged(True)
        return [name for name, text in clean.items() if text == MARK]

    def reword(self, name: str, text: str) -> None:
        """Change what a message said, also in what its neighbours quote; "" removes it."""
        sql = "SELECT id, scope, session FROM message WHERE name = ?"
        row = self.db.execute(sql, (name,)).fetchone()
        if row and text:
            sql = "UPDATE message SET text = ?, code = ? WHERE id = ?"
            self.db.execute(sql, (text, terms.parts(text), row[0]))
            self._quote_anew([each for each, _ in self._near(*row)], *row[1:])
        elif row:
            self.drop([name])

    def drop_conversation(self, conversation: str) -> None:
        """Remove a conversation that is gone from the log."""
        self.db.execute("DELETE FROM message WHERE session = ? AND seq > 0", (conversation,))
        self.db.execute("DELETE FROM cursor WHERE conversation = ?", (conversation,))

    def message(self, name: str) -> Message | None:
        """A message by its name."""
        found = self.db.execute(f"{_MESSAGE} WHERE m.name = ?", (name,)).fetchone()
        return Message(*found[1:]) if found else None

    def linked(self, conversation: str, link: str) -> list[str]:
        """What is known of the message that a platform knows by that id: it, said by a person, and
        the facts that came of it alone, as of `!remember …`, which no run has taken.
        """
        sql = (
            "SELECT name FROM message WHERE session = ? AND link = ? AND author <> ''"
            " ORDER BY id LIMIT 1"
        )
        found = self.db.execute(sql, (conversation, link)).fetchall()
        facts = self.facts.linked(conversation, link)
        return [*(name for (name,) in found), *(f"f{fact.id}" for fact in facts)]

    def shared_words(self, text: str, row: int) -> set[str]:
        """Which words of a message the question has as well, each by its beginning."""
        return recall.shared_words(self.db, text, row)

    def messages(self, rows: Sequence[int]) -> dict[int, Message]:
        """Messages by the numbers of their rows."""
        marks = ", ".join("?" * len(rows))
        found = self.db.execute(f"{_MESSAGE} WHERE m.id IN ({marks})", rows)
        return {row[0]: Message(*row[1:]) for row in found}

    def search(self, text: str, rooms: Collection[str] | None, limit: int) -> list[Found]:
        """The messages that fit a text best, from these rooms (None: from all), the best first."""
        known = self.rooms()
        scopes = None if rooms is None else [known[room] for room in rooms if room in known]
        ranked = recall.search(self.db, text, scopes, limit, self._frequencies)
        messages = self.messages([each.row for each in ranked])
        return [Found(each.row, messages[each.row]) for each in ranked]

    def page(self, after: int, limit: int) -> dict[int, Message]:
        """Some messages by the numbers of their rows, in order."""
        where = "WHERE m.id > ? ORDER BY m.id LIMIT ?"
        found = self.db.execute(f"{_MESSAGE} {where}", (after, limit))
        return {row[0]: Message(*row[1:]) for row in found}

    def imported(self, after: int, limit: int) -> dict[int, Message]:
        """Some messages that are in no log, by the numbers of their rows, in order."""
        where = "WHERE m.seq = 0 AND m.id > ? ORDER BY m.id LIMIT ?"
        found = self.db.execute(f"{_MESSAGE} {where}", (after, limit))
        return {row[0]: Message(*row[1:]) for row in found}

    def count(self) -> int:
        """How many messages there are."""
        return int(self.db.execute("SELECT count(*) FROM message").fetchone()[0])

    def rooms(self) -> dict[str, str]:
        """Every room that something is from, with the word that stands for it in the index."""
        return dict(self.db.execute("SELECT key, 'r' || id FROM room").fetchall())

    def _add(self, room: str, session: str, messages: list[Message]) -> int:
        known = "SELECT 1 FROM message WHERE name = ?"
        fresh = [m for m in messages if not self.db.execute(known, (m.name,)).fetchone()]
        if not fresh:
            return 0
        scope = self._scope(room)
        before = self._beside(_END, scope, session, "<")[::-1]
        texts = [text for _, text in before] + [message.text for message in fresh]
        self.db.executemany(
            "INSERT INTO message (name, scope, session, at, speaker, text, author, link, seq,"
            " day, code, ctx) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(message.name, scope, session, message.at, message.speaker, message.text),
                    *(message.author, message.link, message.seq, terms.day(message.at)),
                    *(terms.parts(message.text), _around(texts, place)),
                )
                for place, message in enumerate(fresh, len(before))
            ],
        )
        self._quote_anew([row for row, _ in before], scope, session)
        return len(fresh)

    def _quote_anew(self, rows: Iterable[int], scope: str, session: str) -> None:
        """Write anew what these rows quote of the messages around them."""
        for row in rows:
            ctx = "\n".join(text for _, text in self._near(row, scope, session))
            self.db.execute("UPDATE message SET ctx = ? WHERE id = ?", (ctx, row))

    def _near(self, row: int, scope: str, session: str) -> list[tuple[int, str]]:
        before = self._beside(row, scope, session, "<")[::-1]
        return before + self._beside(row, scope, session, ">")

    def _beside(self, row: int, scope: str, session: str, side: str) -> list[tuple[int, str]]:
        """The rows next to one on that side, the nearest first."""
        order = "DESC" if side == "<" else "ASC"
        return self.db.execute(
            f"SELECT id, text FROM message WHERE session = ? AND scope = ? AND id {side} ?"  # noqa: S608
            f" ORDER BY id {order} LIMIT {_NEAR}",
            (session, scope, row),
        ).fetchall()

    def _scope(self, room: str) -> str:
        self.db.execute("INSERT INTO room (key) VALUES (?) ON CONFLICT DO NOTHING", (room,))
        found = self.db.execute("SELECT id FROM room WHERE key = ?", (room,)).fetchone()
        return f"r{found[0]}"

    # The file

    def purge(self) -> None:
        """Leave no byte of what was removed: not in the indexes, free pages or the WAL."""
        for table in ("message_fts", "fact_fts"):
            self.db.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")  # noqa: S608
        self.db.execute("VACUUM")
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def is_unpurged(self) -> bool:
        """Whether bytes of removed words may still be in some file."""
        return bool(self.db.execute("PRAGMA user_version").fetchone()[0])

    def mark_unpurged(self, is_unpurged: bool) -> None:
        """Note that, in the same transaction as the removal."""
        self.db.execute(f"PRAGMA user_version = {int(is_unpurged)}")


def _around(texts: Sequence[str], place: int) -> str:
    """What was said shortly before and after."""
    before, after = texts[max(0, place - _NEAR) : place], texts[place + 1 : place + 1 + _NEAR]
    return "\n".join([*before, *after])


def _refuse_foreign(path: Path) -> None:
    """Raise sqlite3.DatabaseError for what we never made, before we change it."""
    with closing(connect(path, read_only=True)) as file:
        sql = "SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'"
        if not file.execute(sql).fetchone():
            raise sqlite3.DatabaseError(_FOREIGN)


def _columns(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """Of the tables that we ask; how they are written down is not the same in every version."""
    tables = ("room", "cursor", "message", "message_fts", "fact", "fact_fts")
    return {
        (table, row[1]) for table in tables for row in db.execute(f"PRAGMA table_info({table})")
    }


def _migrate(db: sqlite3.Connection) -> None:
    """Bring the file to the newest form; each migration is recorded with its name, once."""
    from sqlite_utils import Database, Migrations  # it loads much that nobody else needs

    migrations = Migrations("memory")

    @migrations()
    def m001_first(file: Database) -> None:
        file.table("room").create({"id": int, "key": str}, pk="id", not_null={"key"})
        file.table("room").create_index(["key"], unique=True)
        file.table("cursor").create({"conversation": str, "seq": int}, pk="conversation")
        message = file.table("message")
        texts = dict.fromkeys((*_INDEXED, "name", "session", "author", "link"), str)
        message.create({"id": int, **texts, "at": int, "seq": int}, pk="id")
        message.create_index(["name"], unique=True)
        message.create_index(["session", "scope"])
        message.enable_fts(_INDEXED, tokenize=_TOKENIZER, create_triggers=True)
        fact = file.table("fact")
        texts = dict.fromkeys(("kind", "text", "code", "source", "quote", "author"), str)
        more = dict.fromkeys(("readers", "status", "conversation"), str)
        numbers = dict.fromkeys(("at", "seq", "supersedes"), int)
        fact.create({"id": int, **texts, **more, **numbers}, pk="id")
        fact.enable_fts(["text", "code"], tokenize=_TOKENIZER, create_triggers=True)

    migrations.apply(Database(db, execute_plugins=False))
