"""What is written to coworker.db, each function inside one transaction of the writer's.

They keep the invariants (fence, hash chain, once only); they know nothing of threads or files.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from coworker.errors import Conflict
from coworker.store import chain, outcomes
from coworker.types import ConversationId, Entry, EntryKind, Inbound, Json, Outbound, Place

ConversationState = Literal["idle", "ready", "waiting", "parked"]
SYSTEM = "system"
"""The adapter of the logs of what was decided outside of any run."""
_SPILL_BYTES = 32_768
"""Bodies above this go to a blob, so that walking a log stays cheap."""


@dataclass(frozen=True, slots=True)
class InboxRow:
    """An accepted inbound that no run has taken yet."""

    source: str
    event_id: str
    kind: str
    body: Json
    received_at: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation's row. `base_seq` is where the part that the model still sees begins."""

    id: ConversationId
    place: Place
    repo: str | None
    state: ConversationState
    next_seq: int
    base_seq: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one append changes together with its entries.

    `take` are inbox rows that these entries answer for; `outcome` closes every taken row that is
    still open; `state` is the conversation's new state unless something waits in its inbox.
    """

    entries: Sequence[Entry]
    take: Sequence[InboxRow] = ()
    outcome: str | None = None
    outbox: Sequence[Outbound] = ()
    state: ConversationState = "ready"
    base_seq: int | None = None
    repo: str | None = None


def ingest(
    db: sqlite3.Connection,
    inbound: Inbound,
    at: int,
    outcome: str | None,
    outbox: Sequence[Outbound] = (),
) -> bool:
    """Accept an inbound and make its conversation, if both are new; then say what goes with it."""
    if not accept(db, inbound, at, outcome):
        return False
    _converse(db, inbound.conversation, inbound.place, inbound.repo, at, outcome)
    for outbound in outbox:
        queue(db, outbound, at)
    return True


def amend(db: sqlite3.Connection, inbound: Inbound, at: int) -> str | None:
    """Change or take back a message that no run has taken; the event id of what was amended."""
    found = db.execute(
        "SELECT source, event_id, body FROM inbox WHERE conversation = ? AND taken_seq IS NULL"
        " AND kind = 'message' AND json_extract(body, '$.message') = ?",
        (inbound.conversation, inbound.body["message"]),
    ).fetchone()
    if not accept(db, inbound, at, "answered" if found else "ignored") or not found:
        return None
    source, event_id, body = found
    text = inbound.body["text"]
    if text is None:
        sql = (
            "UPDATE inbox SET taken_seq = 0, outcome = 'deleted' WHERE source = ? AND event_id = ?"
        )
        db.execute(sql, (source, event_id))
    else:
        sql = "UPDATE inbox SET body = ? WHERE source = ? AND event_id = ?"
        changed = {key: inbound.body[key] for key in ("text", "when") if key in inbound.body}
        db.execute(sql, (encode(decode(body) | changed), source, event_id))
    return str(event_id)


def notice(db: sqlite3.Connection, outbound: Outbound, at: int) -> None:
    """Say something outside of any run, in a conversation that may be new."""
    _converse(db, outbound.conversation, outbound.place, None, at, "idle")
    queue(db, outbound, at)


def _converse(
    db: sqlite3.Connection,
    conversation: str,
    place: Place,
    repo: str | None,
    at: int,
    outcome: str | None,
) -> None:
    db.execute(
        "INSERT INTO conversation (id, adapter, room, thread, repo, state, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET repo = coalesce(conversation.repo, excluded.repo)",
        (
            conversation,
            place.adapter,
            place.room,
            place.thread,
            repo,
            "idle" if outcome else "ready",
            at,
            at,
        ),
    )


def accept(db: sqlite3.Connection, inbound: Inbound, at: int, outcome: str | None) -> bool:
    """Put a row into the inbox, or close what was begun, with an `outcome`; False when known."""
    new = db.execute(
        "INSERT INTO inbox (source, event_id, conversation, kind, body, received_at, taken_seq,"
        " outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET kind = excluded.kind,"
        " body = excluded.body, taken_seq = excluded.taken_seq, outcome = excluded.outcome"
        " WHERE outcome = 'begun' AND excluded.outcome IS NOT 'begun'",
        (
            inbound.source,
            inbound.event_id,
            inbound.conversation,
            inbound.kind,
            encode(inbound.body),
            at,
            0 if outcome else None,
            outcome,
        ),
    ).rowcount
    if new and not outcome:
        _set_state(db, inbound.conversation, "ready", at)
    return bool(new)


def _set_state(db: sqlite3.Connection, conversation: str, state: str, at: int) -> None:
    sql = "UPDATE conversation SET state = ?, updated_at = ? WHERE id = ?"
    db.execute(sql, (state, at, conversation))


def append(db: sqlite3.Connection, conversation: ConversationId, batch: Batch) -> None:
    """Append what a batch holds, behind the fence: its first seq must be the next one."""
    first = batch.entries[0].seq
    row = db.execute("SELECT next_seq FROM conversation WHERE id = ?", (conversation,)).fetchone()
    if row is None or row[0] != first:
        raise Conflict(f"{conversation}: entry {first} is not the next one.")
    before = _hash_at(db, conversation, first - 1)
    for entry in batch.entries:
        before = _insert(db, conversation, entry, before)
    _take(db, batch)
    last = batch.entries[-1]
    if batch.outcome:
        outcomes.close(db, conversation, batch.outcome, last.at, said=bool(batch.outbox))
    for outbound in batch.outbox:
        queue(db, outbound, last.at)
    _advance(db, conversation, batch, last)


def record(
    db: sqlite3.Connection, place: Place, kind: EntryKind, body: Json, at: int, v: int = 1
) -> int:
    """Append one entry outside of any run; its seq."""
    _converse(db, place.conversation, place, None, at, "idle")
    row = db.execute("SELECT next_seq FROM conversation WHERE id = ?", (place.conversation,))
    seq = int(row.fetchone()[0])
    append(db, place.conversation, Batch([Entry(seq, seq, kind, body, at, v)], state="idle"))
    return seq


def _hash_at(db: sqlite3.Connection, conversation: ConversationId, seq: int) -> bytes:
    sql = "SELECT hash FROM entry WHERE conversation = ? AND seq = ?"
    row = db.execute(sql, (conversation, seq)).fetchone()
    return bytes(row[0]) if row else chain.NO_HASH


def _insert(
    db: sqlite3.Connection, conversation: ConversationId, entry: Entry, before: bytes
) -> bytes:
    text = encode(entry.body)
    salt, body_hash = chain.salted(text)
    head = (entry.seq, entry.run, entry.kind, entry.v, entry.at)
    digest = chain.link(before, conversation, head, body_hash)
    db.execute(
        "INSERT INTO entry (conversation, seq, run, kind, v, body, salt, body_hash, at, prev, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            conversation,
            *head[:4],
            spill(db, text, entry.body),
            salt,
            body_hash,
            entry.at,
            before,
            digest,
        ),
    )
    return digest


def spill(db: sqlite3.Connection, text: str, body: Json) -> str:
    """Large bodies become a pointer that keeps what queries of cost need."""
    if len(text) <= _SPILL_BYTES:
        return text
    data = text.encode()
    sha = hashlib.sha256(data).hexdigest()
    db.execute("INSERT INTO blob (sha256, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING", (sha, data))
    return pointer(data, body)


def pointer(data: bytes, body: Json) -> str:
    """What stands in an entry whose body is a blob."""
    kept = {k: v for k, v in body.items() if k == "for" or isinstance(v, int | float)}
    return encode({"blob": hashlib.sha256(data).hexdigest(), **kept})


def whole(db: sqlite3.Connection, stored: str) -> str:
    """The text of a body, fetched from its blob when it was spilled."""
    if not stored.startswith('{"blob":'):
        return stored
    sha = decode(stored)["blob"]
    blob: bytes = db.execute("SELECT bytes FROM blob WHERE sha256 = ?", (sha,)).fetchone()[0]
    return blob.decode()


def _take(db: sqlite3.Connection, batch: Batch) -> None:
    seq = batch.entries[0].seq
    for row in batch.take:
        key = (row.source, row.event_id)
        if row.kind == "sent":  # the outbox keeps that for ever; here it was only a wake-up
            db.execute("DELETE FROM inbox WHERE source = ? AND event_id = ?", key)
        else:
            sql = "UPDATE inbox SET taken_seq = ? WHERE source = ? AND event_id = ?"
            db.execute(sql, (seq, *key))


def _advance(
    db: sqlite3.Connection, conversation: ConversationId, batch: Batch, last: Entry
) -> None:
    db.execute(
        "UPDATE conversation SET next_seq = :next, base_seq = coalesce(:base, base_seq),"
        " repo = coalesce(:repo, repo), updated_at = :at,"
        " state = CASE WHEN EXISTS (SELECT 1 FROM inbox"
        " WHERE conversation = :id AND taken_seq IS NULL) THEN 'ready' ELSE :state END"
        " WHERE id = :id",
        {
            "next": last.seq + 1,
            "base": batch.base_seq,
            "repo": batch.repo,
            "at": last.at,
            "state": batch.state,
            "id": conversation,
        },
    )


def settle(db: sqlite3.Connection, conversation: ConversationId, state: str, seen: int) -> None:
    """Set the state unless more waits in the inbox than so many rows."""
    db.execute(
        "UPDATE conversation SET state = ? WHERE id = ? AND ? >= (SELECT count(*) FROM inbox i"
        " WHERE i.conversation = conversation.id AND i.taken_seq IS NULL)",
        (state, conversation, seen),
    )


def expire(db: sqlite3.Connection, before: int, most: int, at: int) -> int:
    """Forget conversations that were last touched before then, whole; how many were forgotten.

    With them go firings of schedules that woke nobody. An entry of `system` says which they were.
    """
    sql = "DELETE FROM inbox WHERE source = 'schedule' AND taken_seq = 0 AND received_at < ?"
    db.execute(sql, (before,))
    found = db.execute(
        "SELECT id FROM conversation WHERE state = 'idle' AND adapter <> 'system'"
        " AND updated_at < ? AND NOT EXISTS"
        " (SELECT 1 FROM outbox o WHERE o.conversation = conversation.id"
        " AND o.state IN ('pending', 'sending')) LIMIT ?",
        (before, most),
    ).fetchall()
    for (conversation,) in found:
        blobs = db.execute(
            "SELECT DISTINCT json_extract(body, '$.blob') FROM entry WHERE conversation = ?"
            " AND body GLOB '{\"blob\":*'",
            (conversation,),
        ).fetchall()
        for table in ("entry", "inbox", "outbox"):
            db.execute(f"DELETE FROM {table} WHERE conversation = ?", (conversation,))  # noqa: S608
        db.execute("DELETE FROM conversation WHERE id = ?", (conversation,))
        drop_blobs(db, blobs)
    if found:
        gone: Json = {"what": "expired", "conversations": [name for (name,) in found]}
        record(db, Place(SYSTEM, ""), "decision", gone, at)
    return len(found)


def drop_blobs(db: sqlite3.Connection, blobs: Sequence[tuple[str]]) -> None:
    """Remove those that no entry points at any more."""
    db.executemany(
        "DELETE FROM blob WHERE sha256 = ? AND NOT EXISTS (SELECT 1 FROM entry"
        " WHERE body GLOB '{\"blob\":*' AND json_extract(body, '$.blob') = blob.sha256)",
        blobs,
    )


def park(db: sqlite3.Connection, outbound: Outbound, at: int) -> None:
    """Close what waits and put the conversation away."""
    db.execute(
        "UPDATE inbox SET taken_seq = 0 WHERE conversation = ? AND taken_seq IS NULL",
        (outbound.conversation,),
    )
    outcomes.close(db, outbound.conversation, "failed", at, said=True)
    queue(db, outbound, at)
    _set_state(db, outbound.conversation, "parked", at)


def queue(db: sqlite3.Connection, outbound: Outbound, at: int) -> bool:
    """Put an outbound into the outbox; False when its key is known."""
    sql = (
        "INSERT INTO outbox (key, conversation, op, body, state, created_at)"
        " VALUES (?, ?, ?, ?, 'pending', ?) ON CONFLICT DO NOTHING"
    )
    values = (outbound.key, outbound.conversation, outbound.op, encode(outbound.body), at)
    return bool(db.execute(sql, values).rowcount)


def sent(db: sqlite3.Connection, outbound: Outbound, remote_id: str, at: int) -> None:
    """Record where an outbound arrived, and put word of it into the inbox."""
    sql = "UPDATE outbox SET state = 'sent', remote_id = ? WHERE key = ? AND state <> 'sent'"
    if not db.execute(sql, (remote_id, outbound.key)).rowcount:
        return
    if outbound.conversation.startswith(f"{outbound.place.conversation}:"):
        _open_thread(db, outbound.conversation, remote_id)
    if not _is_told(outbound):
        return
    receipt = Inbound(
        source="outbox",
        event_id=outbound.key,
        conversation=outbound.conversation,
        kind="sent",
        body={"key": outbound.key, "remote_id": remote_id, "run": outbound.body["run"]},
        place=outbound.place,
    )
    accept(db, receipt, at, None)


def unsent(db: sqlite3.Connection, key: str, state: str) -> None:
    """Put an outbound back, or give it up; what an earlier try left in doubt stays in doubt."""
    sql = (
        "UPDATE outbox SET attempts = attempts - (:new = 'pending'),"
        " state = CASE WHEN :new = 'pending' AND attempts > 1 THEN state ELSE :new END"
        " WHERE key = :key"
    )
    db.execute(sql, {"new": state, "key": key})


def _open_thread(db: sqlite3.Connection, conversation: str, thread: str) -> None:
    """The first message of a conversation that had no thread of its own is its thread."""
    sql = "UPDATE conversation SET thread = ? WHERE id = ? AND thread = ''"
    db.execute(sql, (thread, conversation))


def _is_told(outbound: Outbound) -> bool:
    """Whether its conversation is to know: not of an edit, nor of what no run has said."""
    part, parts = outbound.body.get("part", 1), outbound.body.get("parts", 1)
    says = outbound.op in ("reply", "ask")
    return says and bool(outbound.body["run"]) and part == parts


def encode(body: Any) -> str:
    """JSON text; equal values give equal bytes."""
    return msgspec.json.encode(body).decode()


def decode(text: str) -> Json:
    """A JSON object from its text."""
    return msgspec.json.decode(text)  # type: ignore[no-any-return]
