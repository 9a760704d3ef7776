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
                await expire(conversation, self._ports, self._dispatch)

    async def _end(self, conversation: ConversationId) -> int | None:
        await asyncio.sleep(0)  # there may be thousands, and others want to be heard
        hours = self._ports.config.approvals.expire_hours
        ends = [expires_at(ask, hours) for ask in await _asks(conversation, self._ports)]
        return min((end for end in ends if end is not None), default=None)


async def expire(conversation: ConversationId, ports: Ports, dispatch: Dispatch) -> None:
    """Close the questions there whose time is over by now."""
    row, now = ports.log.conversation(conversation), ports.clock.now_ms()
    for ask in await _asks(conversation, ports):
        if row and is_expired(ask, now, ports.config.approvals.expire_hours):
            name = f"{conversation}:{ask['run']}:{ask['ask']}"
            body = {"sender": CLOCK, "ask": ask["ask"], "text": "expired"}
            await dispatch.ingest(Inbound("clock", name, conversation, "answer", body, row.place))


async def _asks(conversation: ConversationId, ports: Ports) -> list[Json]:
    return fold(await ports.log.load(conversation)).questions
