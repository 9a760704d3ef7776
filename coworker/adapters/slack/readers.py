"""Who can open what is said in a room: the question before something is told in another one.

What cannot be found out counts as no.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.slack import calls
from coworker.errors import CoworkerError

_REMEMBERED_S, _FRESH_S = 60.0, 3.0
"""So long a room's readers are taken for known; where something is to be told, so long only."""
_MOST_MEMBERS = 40
"""Guests among more people are not looked for: it would take a request for each."""


@dataclass(frozen=True, slots=True)
class _Readers:
    """A room's members; when it is open, everybody in the workspace but guests can join."""

    members: frozenset[str]
    is_open: bool


class Readers:
    """Asks Slack about rooms; remembers who is a guest, and for a moment who reads where."""

    def __init__(self, client: AsyncWebClient, fresh_s: float = _FRESH_S) -> None:
        self._client = client
        self._fresh_s = fresh_s
        self._guests: dict[str, bool] = {}
        self._known: dict[str, tuple[_Readers | None, float]] = {}
        self._changed: dict[str, float] = {}

    async def readable(self, rooms: Sequence[str], here: str) -> list[str]:
        """Those of the rooms whose messages everybody who reads here could open."""
        others = [room for room in rooms if not room.startswith("D")]
        ours = await self._of(here, self._fresh_s) if others else None
        if ours is None:
            return []
        theirs = await asyncio.gather(*(self._of(room, _REMEMBERED_S) for room in others))
        allowed = [await self._could_open(ours, each) for each in theirs]
        return [room for room, may in zip(others, allowed, strict=True) if may]

    def forget(self, room: str) -> None:
        """Others read there now; what is being asked of it is old already."""
        self._known.pop(room, None)
        self._changed[room] = time.monotonic()

    async def _could_open(self, ours: _Readers, theirs: _Readers | None) -> bool:
        if theirs is None:
            return False
        outside = ours.members - theirs.members
        if theirs.is_open:
            return len(outside) <= _MOST_MEMBERS and not await self._have_guest(outside)
        return not ours.is_open and not outside

    async def _of(self, room: str, age_s: float) -> _Readers | None:
        """The readers of a room, as they were not longer ago than that."""
        known, asked = self._known.get(room), time.monotonic()
        if known and asked - known[1] < age_s:
            return known[0]
        readers = await self._ask(room)
        if self._changed.get(room, 0.0) < asked:
            self._known[room] = (readers, asked)
        return readers

    async def _ask(self, room: str) -> _Readers | None:
        """The readers of a room; None when they are unknown, or some are of another workspace."""
        try:
            info = (await calls.look(self._client.conversations_info(channel=room)))["channel"]
            listing = calls.pages(self._client.conversations_members, "members", channel=room)
            members = [member async for member in listing]
        except CoworkerError:
            return None
        if info.get("is_shared") or info.get("is_ext_shared") or len(members) >= calls.MOST_LISTED:
            return None
        is_open = bool(info.get("is_channel")) and not info.get("is_private")
        return _Readers(frozenset(map(str, members)), is_open)

    async def _have_guest(self, people: frozenset[str]) -> bool:
        unknown = [person for person in people if person not in self._guests]
        try:
            await asyncio.gather(*map(self._learn, unknown))
        except CoworkerError:
            return True
        return any(self._guests[person] for person in people)

    async def _learn(self, person: str) -> None:
        user = (await calls.look(self._client.users_info(user=person)))["user"]
        self._guests[person] = bool(user.get("is_restricted") or user.get("is_ultra_restricted"))
