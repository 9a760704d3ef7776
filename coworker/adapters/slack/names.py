"""What people are called, for texts that name them by id, and where their clocks stand."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Mapping

from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.render import one_line
from coworker.adapters.slack import calls
from coworker.errors import CoworkerError

_PATIENCE_S = 1.0
_TRAVEL_S = 3_600
"""People take their time zone along: it is looked up anew after so long."""
_KEPT = 5_000
_LONGEST = 40
_NOT_OF_A_NAME = re.compile(r"[^\w .'’-]")


class Names:
    """Names by id, asked for once. Whoever cannot be looked up in time keeps the id as a name."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._known: dict[str, str] = {}
        self._zones: dict[str, tuple[str, float]] = {}

    async def of(self, ids: Iterable[str]) -> Mapping[str, str]:
        """The names of these people, as far as they are known within a second."""
        unknown = {each for each in ids if each not in self._known}
        if unknown and len(self._known) < _KEPT:
            lookups = [asyncio.ensure_future(self._look_up(each)) for each in sorted(unknown)]
            _, late = await asyncio.wait(lookups, timeout=_PATIENCE_S)
            for each in late:
                each.cancel()
        return self._known

    async def zone(self, person: str) -> str:
        """The time zone of their profile; "" when there is none or it is not known in time."""
        _, at = self._zones.get(person, ("", -_TRAVEL_S))
        if time.monotonic() - at >= _TRAVEL_S:
            looking = asyncio.ensure_future(self._look_up(person))
            if not (await asyncio.wait({looking}, timeout=_PATIENCE_S))[0]:
                looking.cancel()
        return self._zones.get(person, ("", 0))[0]

    async def _look_up(self, person: str) -> None:
        self._known.setdefault(person, person)
        try:
            user = (await calls.look(self._client.users_info(user=person)))["user"]
        except CoworkerError:
            return
        profile = user.get("profile") or {}
        name = profile.get("display_name") or profile.get("real_name") or user.get("name")
        self._known[person] = _bare(name or "") or person
        self._zones[person] = user.get("tz") or "", time.monotonic()


def _bare(name: str) -> str:
    """A name that gives no orders and makes no link: it stands among words of somebody else."""
    return one_line(_NOT_OF_A_NAME.sub(" ", name))[:_LONGEST].strip()
