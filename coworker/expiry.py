"""Permissions that nobody gave in time: the clock answers for them, through the inbox like anybody.

It only says that the time is over; whose answer counts is policy's to say.
"""

from __future__ import annotations

import asyncio

from coworker.agent.act import Ports
from coworker.agent.fold import fold
from coworker.dispatch import Dispatch
from coworker.policy.approvals import CLOCK, expires_at, is_expired
from coworker.types import ConversationId, Inbound, Json

_EVERY_S = 60.0


class Expiry:
    """Looks every minute for questions that have waited too long."""

    def __init__(self, ports: Ports, dispatch: Dispatch) -> None:
        self._ports = ports
        self._dispatch = dispatch
        self._ends: dict[tuple[ConversationId, int], int | None] = {}
        """When the first question of a conversation expires, as of the last change there."""

    async def run(self) -> None:
        """Go on until cancelled; without a limit there is nothing to do."""
        while hours := self._ports.config.approvals.expire_hours:
            await self.look()
            await self._ports.clock.sleep(min(_EVERY_S, hours * 3600))

    async def look(self) -> None:
        """Close what has expired by now, whatever else was said there meanwhile."""
        known, waiting = self._ends, self._ports.log.waiting()
        self._ends = {
            each: known[each] if each in known else await self._end(each[0]) for each in waiting
        }
        now = self._ports.clock.now_ms()
        for (conversation, _), end in self._ends.items():
            if end is not None and end < now:
                await self.close(conversation)

    async def close(self, conversation: ConversationId) -> None:
        """Close what has expired there by now."""
        row, now = self._ports.log.conversation(conversation), self._ports.clock.now_ms()
        for ask in await self._asks(conversation):
            if row and is_expired(ask, now, self._ports.config.approvals.expire_hours):
                name = f"{conversation}:{ask['run']}:{ask['ask']}"
                body = {"sender": CLOCK, "ask": ask["ask"], "text": "expired"}
                said = Inbound("clock", name, conversation, "answer", body, row.place)
                await self._dispatch.ingest(said)

    async def _end(self, conversation: ConversationId) -> int | None:
        await asyncio.sleep(0)  # there may be thousands, and others want to be heard
        hours = self._ports.config.approvals.expire_hours
        ends = [expires_at(ask, hours) for ask in await self._asks(conversation)]
        return min((end for end in ends if end is not None), default=None)

    async def _asks(self, conversation: ConversationId) -> list[Json]:
        return fold(await self._ports.log.load(conversation)).questions
