"""The places of all platforms as one: what a room needs to be spoken in and read from.

It knows which adapter a place belongs to, and nothing of what is said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from coworker.errors import Unavailable
from coworker.protocols import Adapter, Platform
from coworker.redact import Redactor
from coworker.types import Json, Line, Outbound, Place


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
        """Those of these rooms (`adapter:room`) whose messages everybody here could open."""
        prefix, platform = f"{here.adapter}:", self._platforms.get(here.adapter)
        names = [room.removeprefix(prefix) for room in rooms if room.startswith(prefix)]
        if not (names and platform):
            return set()
        return {prefix + name for name in await platform.readable(names, here.room)}

    async def zone(self, sender: str) -> str:
        """The time zone in somebody's profile; "" when the platform knows none."""
        adapter, _, person = sender.partition(":")
        platform = self._platforms.get(adapter)
        return await platform.zone(person) if platform else ""

    def is_us(self, sender: str) -> bool:
        """Whether that is our own account."""
        adapter, _, person = sender.partition(":")
        platform = self._platforms.get(adapter)
        return platform is not None and platform.is_us(person)

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
