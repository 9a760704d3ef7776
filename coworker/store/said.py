"""What the log says that a repository's memory has not read yet. It only reads."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from coworker.store import transactions as tx
from coworker.store.facts import Fact
from coworker.store.forgetting import MARK
from coworker.store.memory import Message
from coworker.types import Entry, Json, Place

TERMINAL = "terminal"
US = "coworker"
_SPOKEN_KINDS = ("user", "steer", "reply")
_SPOKEN = "'base', 'user', 'steer', 'reply'"
_DECIDED = "'fact', 'forgotten'"
_REPLY = re.compile(r":\d+:(\d+)(?:/\d+)?")
_FIRING = re.compile(r"[:+]due-.*")
Row = tuple[int, str, Json, int]
"""seq, kind, body and time of an entry."""


@dataclass(slots=True)
class News:
    """What was said and decided since, what to remove, and how far the log was read."""

    messages: list[Message] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    forgotten: list[Json] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)
    """Messages of which words were forgotten, by name: what is left, "" for nothing."""
    mended: list[Fact] = field(default_factory=list)
    """Facts of which words were forgotten."""
    cursors: dict[str, int] = field(default_factory=dict)


def place_of(conversation: str) -> Place:
    """Where a platform's conversation is, of which its id tells; a firing's thread it does not."""
    adapter, _, rest = _FIRING.sub("", conversation).partition(":")
    room, _, thread = rest.partition(":")
    return Place(adapter, room, thread)


def log_of(repo: str) -> Place:
    """Where the facts of a repository are written down."""
    return Place(tx.SYSTEM, f"memory:{repo}")


def last_words(entries: Iterable[Entry], run: int) -> Entry | None:
    """What a person said last in a run."""
    said = [each for each in entries if each.run == run and each.kind in ("user", "steer")]
    return said[-1] if said else None


def by_id(entries: Iterable[Entry], message: str) -> Entry | None:
    """What a person said in the message that the platform knows by that id."""
    said = (each for each in entries if each.kind in ("user", "steer"))
    return next((each for each in said if message in each.body.get("messages", ())), None)


def reply_by_id(db: sqlite3.Connection, conversation: str, message: str) -> str:
    """The name of the answer of ours, or of the part of one, that the platform knows by that id;
    "" when it is none."""
    sql = "SELECT key FROM outbox WHERE key > ? AND key < ? AND op = 'reply' AND remote_id = ?"
    row = db.execute(sql, (f"{conversation}:", f"{conversation};", message)).fetchone()
    found = _REPLY.fullmatch(row[0], len(conversation)) if row else None
    return f"{conversation}:{found[1]}" if found else ""


def news(db: sqlite3.Connection, repo: str, cursors: Mapping[str, int]) -> News:
    """Everything after the cursors (the next seq, by conversation)."""
    found = News()
    for conversation, next_seq, *place in _conversations(db, repo):
        start = cursors.get(conversation, 1)
        if start < next_seq:
            found.cursors[conversation] = next_seq
            _read(db, repo, (conversation, start), Place(*place), found)
    return found


def forgotten(db: sqlite3.Connection, repo: str) -> set[str]:
    """The names of all messages that were ever forgotten."""
    home = (log_of(repo).conversation, 1)
    return {name for row in _rows(db, home, "'forgotten'") for name in row[2]["messages"]}


def gone(db: sqlite3.Connection, cursors: Iterable[str]) -> list[str]:
    """Those of these conversations that the log has no more."""
    known = {row[0] for row in db.execute("SELECT id FROM conversation")}
    return [conversation for conversation in cursors if conversation not in known]


def _conversations(db: sqlite3.Connection, repo: str) -> list[tuple[str, int, str, str, str]]:
    sql = "SELECT id, next_seq, adapter, room, thread FROM conversation WHERE repo = ? OR id = ?"
    return db.execute(sql, (repo, log_of(repo).conversation)).fetchall()


def _read(
    db: sqlite3.Connection, repo: str, start: tuple[str, int], place: Place, found: News
) -> None:
    if place.adapter == tx.SYSTEM:
        return _read_facts(db, start, found)
    about = repo
    for row in _rows(db, start, _SPOKEN):
        if row[1] == "base":  # a thread may have been about another repository before
            about = row[2].get("repo") or repo
        elif about == repo and (message := _message(row, start[0], place.here)):
            found.messages.append(message)
    return None


def _read_facts(db: sqlite3.Connection, start: tuple[str, int], found: News) -> None:
    for seq, kind, body, _ in _rows(db, start, _DECIDED):
        if kind == "forgotten":
            found.forgotten.append(body)
            for place in body["blanked"]:
                _read_again(db, (place[0], place[1]), start[0], found)
        elif body["text"] != MARK:
            found.facts.append(Fact(id=seq, **body))


def _read_again(db: sqlite3.Connection, place: tuple[str, int], home: str, found: News) -> None:
    """What an entry still says of which words were forgotten; an expired one says nothing."""
    sql = "SELECT seq, kind, body, at FROM entry WHERE conversation = ? AND seq = ?"
    for seq, kind, stored, at in db.execute(sql, place):
        body = tx.decode(tx.whole(db, stored))
        if place[0] != home and kind in _SPOKEN_KINDS:
            message = _message((seq, kind, body, at), place[0], "")
            found.changed[f"{place[0]}:{seq}"] = message.text if message else ""
        elif place[0] == home and kind == "fact" and body["text"] != MARK:
            found.mended.append(Fact(id=seq, **body))


def _rows(db: sqlite3.Connection, start: tuple[str, int], kinds: str) -> list[Row]:
    sql = (
        "SELECT seq, kind, body, at FROM entry"  # noqa: S608
        f" WHERE conversation = ? AND seq >= ? AND kind IN ({kinds}) ORDER BY seq"
    )
    rows = db.execute(sql, start)
    return [(seq, kind, tx.decode(tx.whole(db, body)), at) for seq, kind, body, at in rows]


def _message(row: Row, conversation: str, room: str) -> Message | None:
    """What somebody said, and what we answered; not what the clock says again and again."""
    seq, kind, body, at = row
    text = body["text"].strip()
    is_said = _is_news(body) if kind == "reply" else "schedule" not in body
    if not text or text == MARK or not is_said:
        return None
    return Message(
        name=f"{conversation}:{seq}",
        room=room,
        session=conversation,
        at=at,
        speaker=US if kind == "reply" else body["head"].partition(",")[0],
        text=text,
        author="" if kind == "reply" else body["sender"],
        link=next(iter(body.get("messages", ())), ""),
        seq=seq,
    )


def _is_news(reply: Json) -> bool:
    """Whether somebody may look for it: not for what went wrong, nor for what offline repeats."""
    return reply["outcome"] == "answered" and (reply["receipt"] or {}).get("model") != "offline"
