"""How a run ended, for the inbox rows that it took and for the schedules behind them.

Each function works inside the transaction that ends the run.
"""

from __future__ import annotations

import sqlite3
from itertools import takewhile

MOST_FAILURES = 5
"""Failures in a row after which a schedule is paused."""
_GOOD = ("answered", "nothing", "nothing new")
_BAD = ("failed", "offline")
"""The latter told what is known without any model: it is not repeated, and no success."""
_FIRST_WAIT_MS = 2 * 60_000
_LONGEST_WAIT_MS = 60 * 60_000


def close(db: sqlite3.Connection, conversation: str, outcome: str, at: int, *, said: bool) -> None:
    """Close the rows that the run took. `said` is whether anybody was told how it ended."""
    which = "conversation = ? AND outcome IS NULL AND taken_seq IS NOT NULL"
    fired = db.execute(
        f"SELECT event_id FROM inbox WHERE {which} AND source = 'schedule'",  # noqa: S608
        (conversation,),
    ).fetchall()
    db.execute(f"UPDATE inbox SET outcome = ? WHERE {which}", (outcome, conversation))  # noqa: S608
    for (event_id,) in fired:
        settle(db, event_id, outcome, at, again=not said)


def settle(db: sqlite3.Connection, event_id: str, outcome: str, at: int, *, again: bool) -> None:
    """Take into account how a firing ended: one that failed unheard is tried `again`, later."""
    schedule, _, instant = event_id.partition("/")
    if outcome in (*_GOOD, "offline"):
        _saw(db, event_id, "seen")
    if outcome in _GOOD:
        db.execute("UPDATE schedule SET failures = 0 WHERE id = ?", (schedule,))
    if outcome not in _BAD:
        return
    sql = "UPDATE schedule SET failures = failures + 1 WHERE id = ? RETURNING failures"
    row = db.execute(sql, (schedule,)).fetchone()
    if row and row[0] >= MOST_FAILURES:
        _again(db, schedule, at)  # now: the scheduler pauses it and says so
    elif row and again and not instant.endswith("now"):
        _again(db, schedule, at + min(_FIRST_WAIT_MS << (row[0] - 1), _LONGEST_WAIT_MS))


def undelivered(db: sqlite3.Connection, event_id: str, why: str, at: int) -> None:
    """A firing whose answer could not be posted has failed, however it ended before."""
    sql = (
        "UPDATE inbox SET outcome = 'failed', body = json_set(body, '$.undelivered', ?)"
        " WHERE source = 'schedule' AND event_id = ? AND outcome IN ('answered', 'offline')"
    )
    if not db.execute(sql, (why, event_id)).rowcount:
        return
    # Its answer had set the count to nothing before it turned out that it never arrives.
    schedule = event_id.partition("/")[0]
    before = _failures(db, schedule) - 1
    db.execute("UPDATE schedule SET failures = ? WHERE id = ?", (before, schedule))
    _saw(db, event_id, "since")
    settle(db, event_id, "failed", at, again=True)


def unasked(db: sqlite3.Connection, event_id: str, why: str, at: int) -> None:
    """A firing that waits for an answer to what nobody was asked has failed."""
    sql = (
        "UPDATE inbox SET outcome = 'failed', body = json_set(body, '$.undelivered', ?)"
        " WHERE source = 'schedule' AND event_id = ? AND outcome IS NULL"
    )
    if db.execute(sql, (why, event_id)).rowcount:
        settle(db, event_id, "failed", at, again=True)


def _saw(db: sqlite3.Connection, event_id: str, what: str) -> None:
    """Let the gate of a firing, if it has one, compare with what it saw then: until then nobody was
    told of it."""
    db.execute(
        "UPDATE schedule SET seen = coalesce((SELECT json_extract(body, '$.' || :what) FROM inbox"
        " WHERE source = 'schedule' AND event_id = :event), seen) WHERE id = :id",
        {"what": what, "event": event_id, "id": event_id.partition("/")[0]},
    )


def _failures(db: sqlite3.Connection, schedule: str) -> int:
    """How many of its last firings failed in a row."""
    rows = db.execute(
        "SELECT outcome FROM inbox WHERE source = 'schedule' AND event_id > ? AND event_id < ?"
        " AND outcome NOT IN ('skipped', 'missed') ORDER BY event_id DESC LIMIT ?",
        (f"{schedule}/", f"{schedule}0", MOST_FAILURES),
    )
    return sum(1 for _ in takewhile(lambda row: row[0] in _BAD, rows))


def _again(db: sqlite3.Connection, schedule: str, at: int) -> None:
    sql = "UPDATE schedule SET next_at = min(coalesce(next_at, :at), :at) WHERE id = :id"
    db.execute(sql, {"at": at, "id": schedule})
