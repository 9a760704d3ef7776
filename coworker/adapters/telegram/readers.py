"""Who can open what is said in a group: the question before something is told in private.

What cannot be found out counts as no.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from coworker.adapters.telegram.calls import Calls
from coworker.adapters.telegram.rooms import NAME
from coworker.errors import CoworkerError
from coworker.types import Place

_REMEMBERED_S = 60.0


class Readers:
    """Asks Telegram who is in a group, and remembers that for a moment."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._known: dict[str, dict[int, tuple[bool, float]]] = {}

    async def readable(self, rooms: Sequence[str], here: str) -> list[str]:
        """In a private chat the groups that the person is in; a group's members nobody can list."""
        person = int(here)
        return [room for room in rooms if person > 0 and await self._has(room, person)]

    def forget(self, room: str) -> None:
        """Somebody came or went there; what is being asked of it is old already."""
        self._known.pop(room, None)

    async def _has(self, room: str, person: int) -> bool:
        members, asked = self._known.setdefault(room, {}), time.monotonic()
        if person in members and asked - members[person][1] < _REMEMBERED_S:
            return members[person][0]
        is_in = await self._ask(room, person)
        members[person] = (is_in, asked)
        return is_in

    async def _ask(self, room: str, person: int) -> bool:
        try:
            return room.startswith("-") and await self._calls.is_member(Place(NAME, room), person)
        except CoworkerError:
            return False
