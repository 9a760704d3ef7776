"""What a room is called here: by the id that it had first, whatever its platform calls it now.

A Telegram group that becomes a supergroup gets another id. People may name it by either.
"""

from __future__ import annotations

from collections.abc import Callable

MIGRATED = "migrated:"
"""Before a newer id of a room: the adapter's cursor whose value is the first one."""


def home(cursor: Callable[[str, str], str | None], named: str) -> str:
    """A room as the log has it, of one as the configuration or a command names it."""
    adapter, _, room = named.partition(":")
    first = cursor(adapter, MIGRATED + room)
    return f"{adapter}:{first}" if first else named
