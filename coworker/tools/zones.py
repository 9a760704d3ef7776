"""Whose clock is meant when somebody names an hour.

It reads no words for a time; it only knows where people are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

from coworker.errors import UsageError
from coworker.settings import Config
from coworker.types import Person
from coworker.when import named_zone


class Zones:
    """Time zones of people: as configured, else as their profile says, else everybody's."""

    def __init__(
        self,
        config: Config,
        find: Callable[[str], Person | None],
        profile: Callable[[str], Awaitable[str]],
    ) -> None:
        self._config = config
        self._find = find
        self._profile = profile

    async def of(self, sender: str) -> ZoneInfo:
        """The time zone of the person behind `adapter:id`."""
        person = self._find(sender)
        known = self._config.people.get(person.name) if person else None
        if known and known.timezone:
            return ZoneInfo(known.timezone)
        try:
            return named_zone(await self._profile(sender))
        except UsageError:  # none, or one that this machine has not heard of
            return self._config.zone
