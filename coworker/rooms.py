"""The places of all platforms as one: what a room needs to be spoken in and read from.

It knows which adapter a place belongs to, and nothing of what is said.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Mapping, Sequence

from coworker.errors import Unavailable
from coworker.protocols import Adapter, Platform
from coworker.redact import Redactor
from coworker.types import Json, Line, Outbound, Place

_REMEMBERED_S = 60.0


class Rooms:
    """Asks the adapter of a place; a place whose adapter is off has no history and no files."""

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        platforms: Mapping[str, Platform],
        redactor: Redactor,
    ) -> None:
        self._adapters = adapters
        self._platforms = platforms
        self._readable: dict[tuple[str, str], tuple[bool, float]] = {}
        self._redactor = redactor

    def posts_progress(self, place: Place) -> bool:
        """Whether a run there begins with a progress message."""
        adapter = self._adapters.get(place.adapter)
        return adapter is not None and adapter.posts_progress(place)

    def split(self, outbound: Outbound) -> list[Outbound]:
        """The messages it takes there to say this, in order; the last one has its key.

        Secrets are cut out before the text is: no half of one is known any more.
        """
        outbound = dataclasses.replace(outbound, body=self._redactor.value(outbound.body))
        adapter = self._adapters.get(outbound.place.adapter)
        bodies = adapter.parts(outbound) if adapter else [outbound.body]
        if len(bodies) == 1:
            return [dataclasses.replace(outbound, body=bodies[0])]
        return [
            dataclasses.replace(
                outbound,
                key=outbound.key if number == len(bodies) else f"{outbound.key}/{number}",
                body={**body, "part": number, "parts": len(bodies)},
            )
            for number, body in enumerate(bodies, 1)
        ]

    async def history(self, place: Place, before: str) -> Sequence[Line]:
        """What was said there before that message. Raises Unavailable."""
        platform = self._platforms.get(place.adapter)
        return await platform.history(place, before) if platform else []

    async def readable(self, here: Place, rooms: Collection[str]) -> set[str]:
        """Those of these rooms (`adapter:room`) whose messages everybody here could open.

        Asked of the platform at most once a minute.
        """
        now, prefix = time.monotonic(), f"{here.adapter}:"
        asked = {r for r in rooms if r.startswith(prefix)}
        old = {key for key, (_, at) in self._readable.items() if now - at > _REMEMBERED_S}
        for key in old:
            del self._readable[key]
        unknown = [room for room in asked if (here.room, room) not in self._readable]
        platform = self._platforms.get(here.adapter)
        if unknown and platform:
            names = [room.removeprefix(prefix) for room in unknown]
            found = {prefix + name for name in await platform.readable(names, here.room)}
            self._readable |= {(here.room, room): (room in found, now) for room in unknown}
        return {room for room in asked if self._readable.get((here.room, room), (False, 0))[0]}

    async def zone(self, sender: str) -> str:
        """The time zone in somebody's profile; "" when the platform knows none."""
        adapter, _, person = sender.partition(":")
        platform = self._platforms.get(adapter)
        return await platform.zone(person) if platform else ""

    def link(self, place: Place, message: str) -> str:
        """Where a person can open a message; "" when there is no such address."""
        platform = self._platforms.get(place.adapter)
        return platform.link(place, message) if platform else ""

    async def fetch(self, place: Place, file: Json) -> bytes:
        """The bytes of a file that came with a message. Raises Unavailable."""
        platform = self._platforms.get(place.adapter)
        if platform is None:
            raise Unavailable(f"{place.adapter} is not connected.")
        return await platform.fetch(file)
