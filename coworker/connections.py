"""The platforms, each kept connected on its own: one that fails takes no other down.

It knows when to try again, not what is said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from coworker.errors import CoworkerError, Refused
from coworker.protocols import Clock, Intake, Platform
from coworker.tasks import ended
from coworker.types import Json

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_log = logging.getLogger(__name__)


class Connections:
    """Runs every platform, again and again; what rejects us as such is left alone and told."""

    def __init__(self, platforms: Mapping[str, Platform], clock: Clock) -> None:
        self._platforms = platforms
        self._clock = clock
        self._faults: dict[str, tuple[str, str]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, intake: Intake) -> None:
        """Connect them all, side by side."""
        self._tasks = [
            asyncio.create_task(self._keep(platform, intake), name=f"platform {name}")
            for name, platform in self._platforms.items()
        ]

    async def stop(self) -> None:
        """Hang up everywhere."""
        await ended(self._tasks)

    def states(self) -> list[Json]:
        """How each platform is: {name, state, since, detail}."""
        told = []
        for name, platform in self._platforms.items():
            health = platform.health()
            state, detail = self._faults.get(name, (health.state, health.detail))
            told.append({"name": name, "state": state, "since": health.since, "detail": detail})
        return told

    async def _keep(self, platform: Platform, intake: Intake) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            began = self._clock.now_ms()
            try:
                await platform.run(intake)
                fault = "The connection ended."
            except Refused as error:
                self._faults[platform.name] = ("refused", str(error))
                _log.error("%s rejects us, so it is off: %s", platform.name, error)
                return
            except CoworkerError as error:
                fault = str(error)
            except Exception as error:  # noqa: BLE001 - the outer edge: one platform, not all
                fault = f"{type(error).__name__}: {error}."
                _log.exception("%s broke", platform.name)
            if self._clock.now_ms() - began > _LONGEST_WAIT_S * 1000:
                wait_s = _FIRST_WAIT_S
            self._faults[platform.name] = ("broken", f"{fault} It is tried again.")
            _log.warning("%s: %s The next try is in %.0f s.", platform.name, fault, wait_s)
            await self._clock.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            del self._faults[platform.name]
