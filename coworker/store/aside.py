"""Messages that were closed as soon as they were accepted: no run has taken them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from coworker.store import transactions as tx
from coworker.types import Inbound, Json, Place

BEGUN = "begun"
"""The outcome of a verb that was on disk before it changed anything, and is not answered yet."""


class Aside:
    """Reads them."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader

    def stale(self, after: int) -> list[Json]:
        """Those closed unanswered because they were too old, accepted after that rowid."""
        rows = self._reader.execute(
            "SELECT i.rowid, i.body, c.adapter, c.room FROM inbox i"
            " JOIN conversation c ON c.id = i.conversation"
            " WHERE i.outcome = 'stale' AND i.rowid > ? ORDER BY i.rowid",
            (after,),
        )
        return [
            {"rowid": rowid, "body": tx.decode(body), "adapter": adapter, "room": room}
            for rowid, body, adapter, room in rows
        ]

    def unbound(self, place: Place) -> list[Inbound]:
        """Those in a room that wait until it is known which repository they are about."""
        rows = self._reader.execute(
            "SELECT i.source, i.event_id, i.body, c.id, c.thread FROM conversation c"
            " JOIN inbox i ON i.conversation = c.id"
            " WHERE c.adapter = ? AND c.room = ? AND i.taken_seq = 0 AND i.outcome = 'unbound'"
            " ORDER BY i.rowid",
            (place.adapter, place.room),
        )
        return [
            Inbound(source, event, id_, "message", tx.decode(body), replace(place, thread=thread))
            for source, event, body, id_, thread in rows
        ]

    def begun(self) -> list[Inbound]:
        """Verbs that we were ended in the middle of, or that broke."""
        rows = self._reader.execute(
            "SELECT i.source, i.event_id, c.id, i.body, c.adapter, c.room, c.thread FROM inbox i"
            " JOIN conversation c ON c.id = i.conversation"
            " WHERE i.taken_seq = 0 AND i.outcome = ? ORDER BY i.rowid",
            (BEGUN,),
        )
        return [
            Inbound(source, event, id_, "verb", tx.decode(body), Place(*place))
            for source, event, id_, body, *place in rows
        ]
