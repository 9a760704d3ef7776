"""The log that is the state: inbox, entries, outbox, blobs and cursors of coworker.db.

It keeps and orders what others decide; it knows nothing of models, tools or platforms.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, TypeVar

from coworker.errors import CoworkerError
from coworker.redact import Redactor
from coworker.store import database, forgetting
from coworker.store import transactions as tx
from coworker.store.aside import Aside
from coworker.store.lately import Lately
from coworker.store.schedules import Schedules
from coworker.store.spending import Spending
from coworker.store.transactions import Batch, Conversation, ConversationState, InboxRow
from coworker.store.writer import Writer, connect
from coworker.types import ConversationId, Entry, EntryKind, Inbound, Json, Outbound, Place

__all__ = ["Batch", "Conversation", "ConversationState", "InboxRow", "Log"]


Result = TypeVar("Result")
Said = TypeVar("Said", Inbound, Outbound, Entry)
_FEW_ENTRIES = 64
"""Reading these takes less than handing them to another thread and back."""
_EXPIRE_AT_ONCE = 20
"""So few in one transaction that nobody who writes meanwhile waits long."""
_UNDELIVERED = (
    "SELECT o.key, o.conversation, o.op, o.body, o.state, c.adapter, c.room, c.thread"
    " FROM outbox o JOIN conversation c ON c.id = o.conversation"
    " WHERE o.state IN ('pending', 'sending')"
)
_OLDEST_FIRST = "ORDER BY o.rowid"
_CONVERSATION = (
    "SELECT id, adapter, room, thread, repo, state, next_seq, base_seq, updated_at"
    " FROM conversation "
)

_RUNS_OF = (
    "SELECT e.conversation, e.run FROM entry e JOIN inbox i"
    " ON i.conversation = e.conversation AND i.taken_seq = e.seq"
    " WHERE i.event_id = :id OR json_extract(i.body, '$.message') = :id"
    " UNION SELECT conversation, json_extract(body, '$.run') AS run FROM outbox"
    " WHERE remote_id = :id AND run > 0"
)


class Log:
    """The one door to coworker.db. Reads are immediate; writes return when they are on disk.

    No secret passes it, but in what a model said: that is kept as it was received.
    """

    def __init__(
        self,
        state_dir: Path,
        on_fatal: Callable[[BaseException], None],
        redactor: Redactor | None = None,
    ) -> None:
        """Own the directory, migrate, start the writer. Raises TryLater, ConfigError, DiskFull."""
        self.redactor = redactor or Redactor()
        self._lock = database.lock(state_dir)
        try:
            self._file = database.prepare(state_dir)
            self._writer = Writer(self._file, on_fatal)
        except BaseException:
            database.unlock(self._lock)
            raise
        self._reader = connect(self._file, read_only=True)
        self.aside = Aside(self._reader)
        self.spending = Spending(self._reader)
        self.lately = Lately(self._reader)
        self.schedules = Schedules(self._writer, self._reader, self.redactor)

    @property
    def file(self) -> Path:
        """The database, for those who read much of it beside."""
        return self._file

    async def close(self) -> None:
        """Commit what is queued and give the directory up."""
        await asyncio.to_thread(self._writer.close)
        self._reader.close()
        database.unlock(self._lock)

    # Writing

    async def answers(self) -> bool:
        """Whether a transaction that writes nothing gets through now, behind all that is queued."""
        try:
            await self._writer.write(lambda db: db.execute("SELECT 1 FROM conversation LIMIT 1"))
        except (sqlite3.Error, CoworkerError):
            return False
        return True

    async def ingest(
        self,
        inbound: Inbound,
        at: int,
        outcome: str | None = None,
        outbox: Sequence[Outbound] = (),
    ) -> bool:
        """Accept an inbound; False when this (source, event_id) is known already.

        With an `outcome` the row is closed at once and wakes nobody; `outbox` is what we say to it.
        """
        inbound, said = self._clean(inbound), [self._clean(each) for each in outbox]
        return await self._writer.write(lambda db: tx.ingest(db, inbound, at, outcome, said))

    async def amend(self, inbound: Inbound, at: int) -> str | None:
        """Change a message that no run has taken; the event id of what was changed, if anything."""
        clean = self._clean(inbound)
        return await self._writer.write(lambda db: tx.amend(db, clean, at))

    async def notice(self, outbound: Outbound, at: int) -> None:
        """Say something outside of any run; its conversation is made if need be."""
        clean = self._clean(outbound)
        await self._writer.write(lambda db: tx.notice(db, clean, at))

    async def keep(self, source: str, key: str, value: str) -> None:
        """Remember how far a source was read, or what a room is bound to."""
        sql = (
            "INSERT INTO cursor (source, key, value) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET value = excluded.value"
        )
        await self._writer.write(lambda db: db.execute(sql, (source, key, value)))

    async def append(self, conversation: ConversationId, batch: Batch) -> Sequence[Entry]:
        """Append entries and everything that goes with them in one transaction.

        What counts from now on are the entries that it returns. Raises Conflict when another writer
        was first.
        """
        entries = [
            each if each.kind == "assistant" else self._clean(each) for each in batch.entries
        ]
        entries = self.lately.clean(conversation, entries)
        outbox = self.lately.clean(conversation, [self._clean(each) for each in batch.outbox])
        clean = dataclasses.replace(batch, entries=entries, outbox=outbox)
        await self._writer.write(lambda db: tx.append(db, conversation, clean))
        if batch.outcome:
            self.lately.ended(conversation)
        return entries

    async def record(self, place: Place, kind: EntryKind, body: Json, at: int) -> int:
        """Append one entry outside of any run, in a conversation that may be new; its seq."""
        clean = self.redactor.value(body)
        return await self._writer.write(lambda db: tx.record(db, place, kind, clean, at))

    async def park(self, outbound: Outbound, at: int) -> None:
        """Leave a conversation alone until somebody writes again, with a last word."""
        clean = self._clean(outbound)
        await self._writer.write(lambda db: tx.park(db, clean, at))

    async def settle(self, conversation: ConversationId, state: ConversationState, n: int) -> None:
        """Set the state unless more waits in the inbox than the `n` rows that were seen there."""
        await self._writer.write(lambda db: tx.settle(db, conversation, state, n))

    async def sending(self, key: str) -> None:
        """Record that a request which may take effect is about to be made."""
        sql = "UPDATE outbox SET state = 'sending', attempts = attempts + 1 WHERE key = ?"
        await self._writer.write(lambda db: db.execute(sql, (key,)))

    async def sent(self, outbound: Outbound, remote_id: str, at: int) -> None:
        """Record the platform's id and tell the conversation, in one transaction."""
        await self._writer.write(lambda db: tx.sent(db, outbound, remote_id, at))

    async def unsent(self, key: str, state: Literal["pending", "dead", "unknown"]) -> None:
        """Put an outbound back because surely nothing was sent this time, or give it up."""
        await self._writer.write(lambda db: tx.unsent(db, key, state))

    async def expire(self, before: int, at: int) -> int:
        """Forget idle conversations last touched before then (milliseconds UTC); how many.

        Which they were is an entry of the conversation `system`, at that time.
        """

        def some_of_them(db: sqlite3.Connection) -> int:
            return tx.expire(db, before, _EXPIRE_AT_ONCE, at)

        forgotten = 0
        while some := await self._writer.write(some_of_them):
            forgotten += some
        return forgotten

    async def forget(self, what: forgetting.Forgetting, body: Json, at: int) -> forgetting.Blanked:
        """Take words out of the log, and out of what the runs under way are about to say."""
        with self.lately.forgetting(what) as knew:
            blanked = await self._writer.write(lambda db: forgetting.blank(db, what, body, at))
            knew |= blanked.runs
        return blanked

    async def purge(self) -> bool:
        """Leave no byte of what was taken out in any of the files; False if they are in use."""
        for copy in self._file.parent.glob(f"{database.FILE}.before-*"):
            copy.unlink(missing_ok=True)
        return await self._writer.alone(forgetting.purge)

    async def add_repo(self, name: str, path: str, at: int) -> None:
        """Remember a checkout under a name."""
        sql = "INSERT INTO repo (name, path, added_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        await self._writer.write(lambda db: db.execute(sql, (name, path, at)))

    async def remove_repo(self, name: str) -> bool:
        """Forget a name; False when it was not there."""
        sql = "DELETE FROM repo WHERE name = ?"
        return await self._writer.write(lambda db: db.execute(sql, (name,)).rowcount > 0)

    # Reading

    async def load(self, conversation: ConversationId) -> list[Entry]:
        """The entries that the model still sees, oldest first; off the loop when they are many."""
        row = self.conversation(conversation)
        if row is None or row.next_seq - row.base_seq < _FEW_ENTRIES:
            return self.entries(conversation, row.base_seq if row else 1)
        return await self.apart(lambda db: _entries(db, conversation, row.base_seq))

    async def apart(self, read: Callable[[sqlite3.Connection], Result]) -> Result:
        """Read much as it is at one moment, in another thread and on a connection of its own."""

        def reading() -> Result:
            with closing(connect(self._file, read_only=True)) as reader:
                reader.execute("BEGIN")
                return read(reader)

        return await asyncio.to_thread(reading)

    def entries(self, conversation: ConversationId, from_seq: int = 1) -> list[Entry]:
        """A conversation's entries from `from_seq` on, oldest first."""
        return _entries(self._reader, conversation, from_seq)

    def open_inbox(self, conversation: ConversationId) -> list[InboxRow]:
        """What waits for this conversation, in the order in which it was accepted."""
        rows = self._all(
            "SELECT source, event_id, kind, body, received_at FROM inbox"
            " WHERE conversation = ? AND taken_seq IS NULL ORDER BY rowid",
            conversation,
        )
        return [InboxRow(s, e, kind, tx.decode(body), at) for s, e, kind, body, at in rows]

    def suspects(self) -> list[ConversationId]:
        """Ready conversations whose last begun call was begun before and never finished."""
        rows = self._all(
            "SELECT c.id FROM conversation c"
            " JOIN entry e ON e.conversation = c.id AND e.seq = c.next_seq - 1"
            " WHERE c.state = 'ready' AND e.kind = 'tool_start' AND 2 <= ("
            " SELECT count(*) FROM entry x"
            " WHERE x.conversation = c.id AND x.run = e.run AND x.kind = 'tool_start'"
            " AND json_extract(x.body, '$.call') = json_extract(e.body, '$.call'))"
        )
        return [ConversationId(row[0]) for row in rows]

    def conversation(self, conversation: ConversationId) -> Conversation | None:
        """One conversation's row."""
        found = self._conversations(_CONVERSATION + "WHERE id = ?", conversation)
        return found[0] if found else None

    def at(self, place: Place) -> ConversationId | None:
        """The conversation of a thread that began as our own message, if it is one."""
        rows = self._all(
            "SELECT id FROM conversation WHERE adapter = ? AND room = ? AND thread = ?",
            place.adapter,
            place.room,
            place.thread,
        )
        return ConversationId(rows[0][0]) if rows else None

    def state(self, conversation: ConversationId) -> ConversationState | None:
        """A conversation's state alone."""
        rows = self._all("SELECT state FROM conversation WHERE id = ?", conversation)
        return rows[0][0] if rows else None

    def conversations(self) -> list[Conversation]:
        """Every conversation, the latest first."""
        return self._conversations(_CONVERSATION + "ORDER BY updated_at DESC")

    def ready_conversations(self) -> list[ConversationId]:
        """Those that have something to do, the longest waiting first."""
        rows = self._all("SELECT id FROM conversation WHERE state = 'ready' ORDER BY updated_at")
        return [ConversationId(row[0]) for row in rows]

    def waiting(self) -> list[tuple[ConversationId, int]]:
        """Conversations that wait for somebody, and when each was last touched."""
        sql = "SELECT id, updated_at FROM conversation WHERE state = 'waiting'"
        return [(ConversationId(name), at) for name, at in self._all(sql)]

    def undelivered(self, conversation: ConversationId | None = None) -> list[tuple[Outbound, str]]:
        """Outbounds not known to have arrived, with their state, oldest first."""
        if conversation:
            rows = self._all(f"{_UNDELIVERED} AND o.conversation = ? {_OLDEST_FIRST}", conversation)
        else:
            rows = self._all(f"{_UNDELIVERED} {_OLDEST_FIRST}")
        return [
            (Outbound(key, ConversationId(c), op, tx.decode(body), Place(*place)), state)
            for key, c, op, body, state, *place in rows
        ]

    def received(self, limit: int) -> list[Json]:
        """Accepted messages and what became of them, the latest first."""
        rows = self._all(
            "SELECT source, event_id, conversation, kind, body, received_at, taken_seq, outcome"
            " FROM inbox WHERE kind <> 'sent' AND NOT (source = 'schedule' AND taken_seq IS 0)"
            " ORDER BY received_at DESC, rowid DESC LIMIT ?",
            limit,
        )
        names = ("source", "event_id", "conversation", "kind", "body", "received_at", "taken_seq")
        return [
            {
                **dict(zip(names, row, strict=False)),
                "body": tx.decode(row[4]),
                "outcome": _outcome(row),
            }
            for row in rows
        ]

    def cursor(self, source: str, key: str) -> str | None:
        """What was kept for that."""
        rows = self._all("SELECT value FROM cursor WHERE source = ? AND key = ?", source, key)
        return rows[0][0] if rows else None

    def bound_rooms(self, repo: str) -> list[str]:
        """The rooms that were bound to a repository in chat, as the configuration writes them."""
        rows = self._all("SELECT key FROM cursor WHERE source = 'room' AND value = ?", repo)
        return [row[0] for row in rows]

    def remote_id(self, key: str) -> str:
        """The platform's id of an outbound that arrived; "" when that is not known."""
        rows = self._all("SELECT remote_id FROM outbox WHERE key = ? AND state = 'sent'", key)
        return rows[0][0] if rows else ""

    def attempts(self, key: str) -> int:
        """How many tries to send this may have arrived."""
        rows = self._all("SELECT attempts FROM outbox WHERE key = ?", key)
        return rows[0][0] if rows else 0

    def is_followed(self, conversation: ConversationId) -> bool:
        """Whether somebody we know spoke to us there, and be it that we answered at once."""
        sql = (
            "SELECT 1 FROM conversation c WHERE id = ? AND (next_seq > 1 OR state <> 'idle'"
            " OR EXISTS (SELECT 1 FROM inbox i WHERE i.conversation = c.id AND i.taken_seq = 0"
            " AND i.outcome IN ('answered', 'unbound')))"
        )
        return bool(self._all(sql, conversation))

    def inbox_row(self, source: str, event_id: str) -> Json | None:
        """Where an accepted inbound went: its conversation, `taken_seq` and `outcome`."""
        sql = "SELECT conversation, taken_seq, outcome FROM inbox WHERE source = ? AND event_id = ?"
        rows = self._all(sql, source, event_id)
        names = ("conversation", "taken_seq", "outcome")
        return dict(zip(names, rows[0], strict=True)) if rows else None

    async def runs_of(self, message: str) -> list[tuple[ConversationId, int]]:
        """The runs that took, or said, what has this id: ours of the event, or the platform's."""
        rows = await self.apart(lambda db: db.execute(_RUNS_OF, {"id": message}).fetchall())
        return [(ConversationId(conversation), run) for conversation, run in rows]

    def repos(self) -> list[tuple[str, str]]:
        """Remembered checkouts as (name, path)."""
        return [
            (name, path) for name, path in self._all("SELECT name, path FROM repo ORDER BY name")
        ]

    def _clean(self, said: Said) -> Said:
        return dataclasses.replace(said, body=self.redactor.value(said.body))

    def _conversations(self, sql: str, *values: str) -> list[Conversation]:
        rows = self._all(sql, *values)
        return [
            Conversation(ConversationId(i), Place(a, r, t), *rest) for i, a, r, t, *rest in rows
        ]

    def _all(self, sql: str, *values: object) -> list[Any]:
        return self._reader.execute(sql, values).fetchall()


def _entries(db: sqlite3.Connection, conversation: ConversationId, from_seq: int) -> list[Entry]:
    rows = db.execute(
        "SELECT seq, run, kind, body, at, v FROM entry"
        " WHERE conversation = ? AND seq >= ? ORDER BY seq",
        (conversation, from_seq),
    )
    return [
        Entry(seq, run, kind, tx.decode(tx.whole(db, body)), at, v)
        for seq, run, kind, body, at, v in rows
    ]


def _outcome(row: Sequence[Any]) -> str:
    taken, outcome = row[6], row[7]
    return outcome or ("running" if taken is not None else "received")
