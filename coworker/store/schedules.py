"""Schedules and their firings: each instant becomes an inbox row once, as the calendar advances.

It keeps what others decide; it knows no calendar and no clock.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from coworker.redact import Redactor
from coworker.store import outcomes
from coworker.store import transactions as tx
from coworker.store.writer import Writer
from coworker.types import ConversationId, Inbound, Json, Outbound, Place

SOURCE = "schedule"
Policy = Literal["late", "skip", "ask"]
"""What becomes of an hour that went by while we were away."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Standing work. Times are milliseconds UTC; `next_at` is None when nothing more will come.

    It speaks in `conversation`, or where that is None in a new thread of its room each time.
    `seen` is what the gate saw last; `paused` says why it is.
    """

    id: str
    name: str
    repo: str | None
    place: Place
    conversation: ConversationId | None
    creator: str
    prompt: str
    spec: str
    tz: str
    next_at: int | None
    created_at: int
    policy: Policy = "late"
    gate: str = ""
    seen: str = ""
    urgent: bool = False
    paused: str | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Firing:
    """What one turn of the clock does to a schedule that was due at `due`.

    A row with an `outcome` is a line of the history and wakes nobody. Where a gate was looked
    through, its body holds what that saw before, `since`, and now, `seen`.
    """

    schedule: str
    due: int
    next_at: int | None
    row: Inbound
    outcome: str | None = None


_BESIDE = "+due"
"""What the name of a conversation beside another one goes on with. No thread begins with it."""
_COLUMNS = (
    "id, name, repo, adapter, room, thread, conversation, creator, prompt, spec, tz, next_at, "
    "created_at, policy, gate, seen, urgent, paused, failures"
)
_DUE = "next_at IS NOT NULL AND paused IS NULL"


class Schedules:
    """The door to the schedules of coworker.db."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection, redactor: Redactor) -> None:
        self._writer = writer
        self._reader = reader
        self._redactor = redactor

    # Writing

    def clean(self, text: str) -> str:
        """The text without secrets: what is cut from it afterwards shows no half of one."""
        return self._redactor.text(text)

    async def add(self, schedule: Schedule) -> None:
        """Remember a schedule, without secrets; one with this id is known already and stays."""
        words = {name: getattr(schedule, name) for name in ("name", "prompt", "gate")}
        schedule = dataclasses.replace(schedule, **self._redactor.value(words))
        marks = ", ".join("?" * len(_COLUMNS.split(",")))
        sql = f"INSERT INTO schedule ({_COLUMNS}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
        await self._writer.write(lambda db: db.execute(sql, _values(schedule)))

    async def remove(self, schedule: str) -> None:
        """Forget a schedule; what it did stays in the log."""
        sql = "DELETE FROM schedule WHERE id = ?"
        await self._writer.write(lambda db: db.execute(sql, (schedule,)))

    async def pause(self, schedule: str, reason: str) -> None:
        """Let it fire no more."""
        sql = "UPDATE schedule SET paused = ? WHERE id = ?"
        await self._writer.write(lambda db: db.execute(sql, (reason, schedule)))

    async def resume(self, schedule: str, next_at: int | None) -> None:
        """Let it fire again from then on, its failures forgiven."""
        sql = "UPDATE schedule SET paused = NULL, failures = 0, next_at = ? WHERE id = ?"
        await self._writer.write(lambda db: db.execute(sql, (next_at, schedule)))

    async def give_up(self, schedule: str, reason: str, said: Outbound, at: int) -> None:
        """Pause it and say so, both or neither."""

        def write(db: sqlite3.Connection) -> None:
            db.execute("UPDATE schedule SET paused = ? WHERE id = ?", (reason, schedule))
            tx.notice(db, said, at)

        await self._writer.write(write)

    async def undelivered(self, outbound: Outbound, why: str, at: int) -> None:
        """Let the firing that this answers, if it does, count as failed."""

        def write(db: sqlite3.Connection) -> None:
            for event_id in _firings_of(db, outbound):
                outcomes.undelivered(db, event_id, why, at)

        await self._writer.write(write)

    async def unasked(self, outbound: Outbound, why: str, at: int) -> bool:
        """Let the firing that asks this, if one does, count as failed; whether one does."""

        def write(db: sqlite3.Connection) -> bool:
            found = _firings_of(db, outbound)
            for event_id in found:
                outcomes.unasked(db, event_id, why, at)
            return bool(found)

        return await self._writer.write(write)

    async def fire(self, firings: Sequence[Firing], at: int) -> list[Firing]:
        """Let these schedules fire, each in one step with its calendar; those that did."""
        return await self._writer.write(
            lambda db: [done for firing in firings if (done := _fire(db, firing, at))]
        )

    async def run_now(self, row: Inbound, at: int) -> ConversationId | None:
        """Fire once more, there; the calendar stays. None while the former run is still open."""

        def write(db: sqlite3.Connection) -> ConversationId | None:
            begun = _unhindered(db, row)
            fires = not _is_open(db, row.body["schedule"]) and tx.ingest(db, begun, at, None)
            return begun.conversation if fires else None

        return await self._writer.write(write)

    # Reading

    def all(self) -> list[Schedule]:
        """Every schedule, the next one to fire first."""
        return self._read("ORDER BY next_at IS NULL, next_at, id")

    def count(self) -> int:
        """How many will fire."""
        sql = f"SELECT count(*) FROM schedule WHERE {_DUE}"  # noqa: S608
        return int(self._reader.execute(sql).fetchone()[0])

    def get(self, schedule: str) -> Schedule | None:
        """The schedule of that id."""
        found = self._read("WHERE id = ?", schedule)
        return found[0] if found else None

    def alike(self, schedule: Schedule) -> list[Schedule]:
        """The others that ask for the same, but for spaces, of the same repository and room.

        All terminals are one room.
        """
        return self._read(
            f"WHERE id <> ? AND adapter = ? AND (adapter = 'terminal' OR room = ?) AND repo IS ?"
            f" AND {_bare('prompt')} = {_bare('?')}",
            schedule.id,
            schedule.place.adapter,
            schedule.place.room,
            schedule.repo,
            self._redactor.value(schedule.prompt),
        )

    def due(self, at: int, adapters: Collection[str], but: Collection[str]) -> list[Schedule]:
        """Some that are due on these adapters, the longest waiting first, but for a few."""
        where, values = _among(adapters, but)
        return self._read(f"WHERE {_DUE} AND next_at <= ? {where} LIMIT 500", at, *values)

    def next_at(self, adapters: Collection[str], but: Collection[str]) -> int | None:
        """When the next one is due, in milliseconds UTC."""
        where, values = _among(adapters, but)
        sql = f"SELECT next_at FROM schedule WHERE {_DUE} {where} LIMIT 1"  # noqa: S608
        row = self._reader.execute(sql, values).fetchone()
        return row[0] if row else None

    def beside(self, conversation: ConversationId, message: str) -> ConversationId | None:
        """The conversation of a firing beside that one, if it was there that we said this.

        `message` is the platform's id.
        """
        row = self._reader.execute(
            "SELECT c.id FROM conversation c JOIN outbox o"
            " ON o.key > c.id || ':' AND o.key < c.id || ';' AND o.remote_id = ?"
            " WHERE c.id > ? AND c.id < ?",
            (message, f"{conversation}{_BESIDE}-", f"{conversation}{_BESIDE}."),
        ).fetchone()
        return ConversationId(row[0]) if row else None

    def heard_beside(self, conversation: ConversationId, message: str) -> ConversationId | None:
        """The same for a message of a person; it reads all that such conversations heard."""
        row = self._reader.execute(
            "SELECT conversation FROM entry WHERE conversation > ? AND conversation < ?"
            " AND kind IN ('user', 'steer')"
            " AND ? IN (SELECT value FROM json_each(body, '$.messages'))",
            (f"{conversation}{_BESIDE}-", f"{conversation}{_BESIDE}.", message),
        ).fetchone()
        return ConversationId(row[0]) if row else None

    def waiting_around(self, conversation: ConversationId) -> list[ConversationId]:
        """The chat's own conversation, and those of firings beside it that may ask somebody."""
        own = chat_of(conversation)
        rows = self._reader.execute(
            "SELECT id FROM conversation WHERE id > ? AND id < ? AND state <> 'idle'"
            " ORDER BY updated_at DESC",
            (f"{own}{_BESIDE}-", f"{own}{_BESIDE}."),
        )
        return [own, *(ConversationId(row[0]) for row in rows)]

    def running_in(self, conversation: ConversationId) -> str:
        """The name of the schedule whose firing is open in that conversation, or ""."""
        row = self._reader.execute(
            "SELECT json_extract(body, '$.name') FROM inbox"
            " WHERE conversation = ? AND source = 'schedule' AND outcome IS NULL",
            (conversation,),
        ).fetchone()
        return str(row[0]) if row else ""

    def history(self, schedule: str, limit: int = 50) -> list[Json]:
        """Its firings, the latest first: {event_id, at, outcome, body, conversation, run,
        cost_usd, text}.

        The outcome of one that still runs is None; `text` is its reply.
        """
        rows = self._reader.execute(
            "SELECT i.event_id, i.received_at, i.outcome, i.body, i.conversation, i.taken_seq,"
            " json_extract(e.body, '$.receipt.cost_usd'), json_extract(e.body, '$.text')"
            " FROM inbox i LEFT JOIN entry e ON e.conversation = i.conversation"
            " AND e.seq > i.taken_seq AND e.run = i.taken_seq AND e.kind = 'reply'"
            " WHERE i.source = 'schedule' AND i.event_id > ? AND i.event_id < ?"
            " ORDER BY i.event_id DESC LIMIT ?",
            (f"{schedule}/", f"{schedule}0", limit),
        ).fetchall()
        names = ("event_id", "at", "outcome", "body", "conversation", "run", "cost_usd", "text")
        return [dict(zip(names, row, strict=True)) | {"body": tx.decode(row[3])} for row in rows]

    def usual_cost(self, schedule: str, conversation: str | None) -> float | None:
        """Dollars of a usual run: of the schedule, else of the conversation; None if unknown."""
        costs = [row["cost_usd"] for row in self.history(schedule, 20)]
        known = [cost for cost in costs if cost is not None]
        if not known and conversation:
            sql = (
                "SELECT json_extract(body, '$.receipt.cost_usd') FROM entry"
                " WHERE conversation = ? AND kind = 'reply' ORDER BY seq DESC LIMIT 20"
            )
            found = self._reader.execute(sql, (conversation,)).fetchall()
            known = [cost for (cost,) in found if cost]
        return sum(known) / len(known) if known else None

    def missed(self, after: int) -> list[Json]:
        """Firings that tell of hours missed while we were away, accepted after that rowid."""
        rows = self._reader.execute(
            "SELECT rowid, body, outcome FROM inbox WHERE source = 'schedule' AND rowid > ?"
            " AND json_extract(body, '$.missed') > 0 ORDER BY rowid",
            (after,),
        ).fetchall()
        return [
            {"rowid": rowid, "body": tx.decode(body), "outcome": outcome}
            for rowid, body, outcome in rows
        ]

    def _read(self, where: str, *values: object) -> list[Schedule]:
        sql = f"SELECT {_COLUMNS} FROM schedule {where}"  # noqa: S608
        return [_schedule(row) for row in self._reader.execute(sql, values)]


def _fire(db: sqlite3.Connection, firing: Firing, at: int) -> Firing | None:
    """What came of it; nothing when the schedule was changed, fired or told news meanwhile."""
    row = firing.row
    moved = db.execute(
        "UPDATE schedule SET next_at = ?"
        " WHERE id = ? AND next_at = ? AND paused IS NULL AND seen = coalesce(?, seen)",
        (firing.next_at, firing.schedule, firing.due, row.body.get("since")),
    ).rowcount
    if not moved:
        return None
    if not firing.outcome and _is_open(db, firing.schedule):
        firing = dataclasses.replace(firing, outcome="skipped")
    if firing.outcome:
        tx.accept(db, row, at, firing.outcome)
        outcomes.settle(db, row.event_id, firing.outcome, at, again=True)
    else:
        firing = dataclasses.replace(firing, row=_unhindered(db, row))
        tx.ingest(db, firing.row, at, None)
    return firing


def _unhindered(db: sqlite3.Connection, row: Inbound) -> Inbound:
    """The row in a conversation of its own where the one it is for is busy or waits for somebody.

    Not in a terminal, whose screen shows one conversation.
    """
    sql = "SELECT 1 FROM conversation WHERE id = ? AND state <> 'idle'"
    is_busy = db.execute(sql, (row.conversation,)).fetchone()
    if row.place.adapter == "terminal" or not is_busy:
        return row
    name = f"{row.conversation}{_BESIDE}-{row.event_id.replace('/', '-')}"
    return dataclasses.replace(row, conversation=ConversationId(name))


def _firings_of(db: sqlite3.Connection, outbound: Outbound) -> list[str]:
    sql = (
        "SELECT event_id FROM inbox"
        " WHERE conversation = ? AND taken_seq = ? AND source = 'schedule'"
    )
    return [row[0] for row in db.execute(sql, (outbound.conversation, outbound.body["run"]))]


def chat_of(conversation: ConversationId) -> ConversationId:
    """The conversation of the chat itself, where a firing speaks beside it."""
    return ConversationId(conversation.partition(_BESIDE)[0])


def asks_before(conversation: ConversationId) -> int:
    """Where the numbers of its questions begin: one beside another shares a chat with that, and a
    number must name one question there.
    """
    return 1_000 + zlib.crc32(conversation.encode()) % 900 * 10 if _BESIDE in conversation else 0


def _is_open(db: sqlite3.Connection, schedule: str) -> bool:
    """Whether a former run of it has not ended."""
    sql = (
        "SELECT 1 FROM inbox WHERE source = 'schedule' AND outcome IS NULL"
        " AND event_id > ? AND event_id < ? LIMIT 1"
    )
    return bool(db.execute(sql, (f"{schedule}/", f"{schedule}0")).fetchone())


def _bare(text: str) -> str:
    """In SQL, a text without spaces and ends of lines, as the index `schedule_same` has it."""
    return f"replace(replace(replace({text}, ' ', ''), char(10), ''), char(9), '')"


def _among(adapters: Collection[str], but: Collection[str]) -> tuple[str, list[str]]:
    """The end of a query, in the order of the index, and its values."""
    some, others = ", ".join("?" * len(adapters)), ", ".join("?" * len(but))
    where = f"AND adapter IN ({some}) AND id NOT IN ({others}) ORDER BY next_at"
    return where, [*adapters, *but]


def _values(schedule: Schedule) -> tuple[Any, ...]:
    place = schedule.place
    return (
        schedule.id,
        schedule.name,
        schedule.repo,
        place.adapter,
        place.room,
        place.thread,
        *(getattr(schedule, name) for name in _COLUMNS.split(", ")[6:]),
    )


def _schedule(row: Sequence[Any]) -> Schedule:
    named = dict(zip(_COLUMNS.split(", "), row, strict=True))
    place = Place(named.pop("adapter"), named.pop("room"), named.pop("thread"))
    return Schedule(**{**named, "place": place, "urgent": bool(named["urgent"])})
