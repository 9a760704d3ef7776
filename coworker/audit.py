"""Whether the log can be trusted: its chains, and the one hash over all of them.

A head that was posted where nobody here can change it proves later what was changed before it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

from coworker.agent.act import Ports
from coworker.errors import CoworkerError
from coworker.policy.standing import SYSTEM
from coworker.store import audit
from coworker.store.audit import Fault, Heads
from coworker.store.database import FILE
from coworker.store.homes import home
from coworker.store.memory import Memory
from coworker.types import ConversationId, Json, Outbound, Place

_log = logging.getLogger(__name__)
_POSTED_AT_HOUR = 6
_LOOK_EVERY_S = 3600.0
_POSTED = (
    "Audit head of {day}: `{hash}` over {entries:,} entries. Keep this message: "
    "`coworker audit verify --head {hash}` tells later what was changed before it."
)

_LOST = (
    "it is empty, but workspaces or memories beside it were made from a log: that was lost. "
    "Put a backup in its place."
)


class Audit:
    """Takes heads, posts one a day, and holds the log to them."""

    def __init__(self, ports: Ports, deliver: Callable[[ConversationId], None]) -> None:
        self._ports = ports
        self._deliver = deliver
        self._posted = ""

    async def head(self, day: str = "") -> Json:
        """Take one hash over all conversations and record it; `day` when it is that day's."""
        now = await self._ports.log.apart(audit.heads)
        before = _folded(self._records())
        body = {
            "what": "head",
            "hash": audit.digest(now),
            "entries": sum(seq for seq, _ in now.values()),
            "day": day,
            "heads": {name: head for name, head in now.items() if before.get(name) != head},
            "gone": [name for name in before if name not in now],
        }
        await self._ports.log.record(SYSTEM, "decision", body, self._ports.clock.now_ms())
        return {name: body[name] for name in ("hash", "entries")} | {"conversations": len(now)}

    async def verify(self, head: str = "") -> Json:
        """The first fault of each conversation, and what changed since this head, or the last one.

        What SQLite finds wrong with the file, or that it is lost, is a fault of seq 0.
        """
        seen = await self._ports.log.apart(lambda db: _verified(db, head))
        if not seen["entries"] and _was_more(self._ports.log.file.parent):
            seen["faults"].append(asdict(Fault(FILE, 0, _LOST)))
        return seen

    async def run(self) -> None:
        """Post a head a day to the configured room; without one there is nothing to do."""
        while self._ports.config.audit.room:
            try:
                await self.post()
            except CoworkerError as error:
                _log.warning("no audit head was posted: %s", error)
            await self._ports.clock.sleep(_LOOK_EVERY_S)

    async def post(self) -> None:
        """Post the head of the last day whose hour has come, once."""
        zone, now = self._ports.config.zone, self._ports.clock.now_ms()
        hour = timedelta(hours=_POSTED_AT_HOUR)
        day = f"{datetime.fromtimestamp(now / 1000, zone).replace(tzinfo=None) - hour:%Y-%m-%d}"
        if day == self._posted:
            return
        taken = [body for body in self._records() if body.get("day") == day]
        head = taken[0] if taken else await self.head(day)
        named = home(self._ports.log.cursor, self._ports.config.audit.room)
        adapter, _, room = named.partition(":")
        text = _POSTED.format(day=day, hash=head["hash"], entries=head["entries"])
        said = _notice(f"audit:{day}", Place(adapter, room), text)
        await self._ports.log.notice(said, now)
        self._deliver(said.conversation)
        self._posted = day

    def _records(self) -> list[Json]:
        return [entry.body for entry in self._ports.log.entries(SYSTEM.conversation)]


def _verified(db: sqlite3.Connection, head: str) -> Json:
    found = [*audit.faults(db)]
    expired: list[str] = []
    broken = {fault.conversation for fault in found}
    if SYSTEM.conversation not in broken:  # else no record of a head is one
        records = audit.bodies(db, SYSTEM.conversation)
        head = head or next((body["hash"] for body in records[::-1] if _is_head(body)), "")
        since, expired = _since(db, head, records) if head else ([], [])
        found += [fault for fault in since if fault.conversation not in broken]
    entries, conversations = audit.size(db)
    return {
        "conversations": conversations,
        "entries": entries,
        "faults": [asdict(fault) for fault in found],
        "expired": expired,
        "head": head,
    }


def _since(db: sqlite3.Connection, head: str, records: list[Json]) -> tuple[list[Fault], list[str]]:
    """What is not any more as it was at that head, and what was deleted by retention."""
    at = next((n for n, body in enumerate(records, 1) if body.get("hash") == head), 0)
    then = _folded(records[:at])
    if audit.digest(then) != head:
        what = f"no record of head {head} holds: it was changed, or taken elsewhere"
        return [Fault(SYSTEM.conversation, 0, what)], []
    gone = (body["conversations"] for body in records[at:] if body.get("what") == "expired")
    expired: set[str] = set().union(*gone)
    changed = _changed(db, then, head)
    faults = [fault for name, fault in changed.items() if name not in expired]
    return faults, sorted(expired & changed.keys())


def _is_head(body: Json) -> bool:
    return body.get("what") == "head"


def _folded(records: Iterable[Json]) -> Heads:
    """All heads as of the last record: each holds only what had changed since the one before."""
    heads: Heads = {}
    for body in records:
        if _is_head(body):
            heads |= {name: (seq, digest) for name, (seq, digest) in body["heads"].items()}
            for name in body["gone"]:
                heads.pop(name, None)
    return heads


def _changed(
    db: sqlite3.Connection, then: Mapping[str, tuple[int, str]], head: str
) -> dict[str, Fault]:
    what = f"it is not there any more as it was when head {head[:12]}… was taken"
    return {
        name: Fault(name, seq, what)
        for name, (seq, digest) in then.items()
        if audit.hash_at(db, name, seq) != digest
    }


def _was_more(state: Path) -> bool:
    """Whether something here was made from a log: a workspace, or a memory that has read one."""
    if any(state.glob("workspaces/*")):
        return True
    for file in state.glob("repos/*.db"):
        with suppress(sqlite3.Error), closing(Memory.reading(file)) as memory:
            if memory.cursors():
                return True
    return False


def _notice(key: str, place: Place, text: str) -> Outbound:
    body: Json = {"text": text, "by": "host", "outcome": "answered", "exit_status": 0, "run": 0}
    body |= {"receipt": {}, "actions": [], "messages": [], "asker": ""}
    return Outbound(key, place.conversation, "reply", body, place)
