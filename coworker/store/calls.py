"""Where a tool was used before, as the log has it."""

from __future__ import annotations

import sqlite3

from coworker.types import Place


def was_called(db: sqlite3.Connection, tool: str, repo: str, place: Place) -> bool:
    """Whether it ever ended well in the room of that place, in a conversation of the repository."""
    sql = (
        "SELECT 1 FROM conversation c JOIN entry e ON e.conversation = c.id"
        " WHERE c.adapter = ? AND c.room = ? AND c.repo = ? AND e.kind = 'tool_done'"
        " AND json_extract(e.body, '$.tool') = ? AND NOT json_extract(e.body, '$.is_error') LIMIT 1"
    )
    return bool(db.execute(sql, (place.adapter, place.room, repo, tool)).fetchone())
