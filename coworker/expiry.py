"""Permissions that nobody gave in time: the clock answers for them, through the inbox like anybody.

It only says that the time is over; whose answer counts is policy's to say.
"""

from __future__ import annotations

from coworker.agent.act import Ports
from coworker.agent.fold import fold
from coworker.dispatch import Dispatch
from coworker.policy.approvals import CLOCK, is_expired
from coworker.types import ConversationId, Inbound

_EVERY_S = 60.0


class Expiry:
    """Looks every minute for questions that have waited too long."""

    def __init__(self, ports: Ports, dispatch: Dispatch) -> None:
        self._ports = ports
        self._dispatch = dispatch
        self._seen: set[tuple[ConversationId, int]] = set()
        """Conversations, as of their last change, in which nothing expires."""

    async def run(self) -> None:
        """Go on until cancelled; without a limit there is nothing to do."""
        while hours := self._ports.config.approvals.expire_hours:
            await self.look()
            await self._ports.clock.sleep(min(_EVERY_S, hours * 3600))

    async def look(self) -> None:
        """Close what has expired by now."""
        now = self._ports.clock.now_ms()
        before = now - int(self._ports.config.approvals.expire_hours * 3_600_000)
        for waiting in self._ports.log.waiting(before):
            if waiting not in self._seen:
                self._seen.add(waiting)
                await self._close(waiting[0], now)

    async def _close(self, conversation: ConversationId, now: int) -> None:
        row = self._ports.log.conversation(conversation)
        entries = await self._ports.log.load(conversation)
        hours = self._ports.config.approvals.expire_hours
        for ask in fold(entries).questions:
            if row and is_expired(ask, now, hours):
                name = f"{conversation}:{ask['run']}:{ask['ask']}"
                body = {"sender": CLOCK, "ask": ask["ask"], "text": "expired"}
                said = Inbound("clock", name, conversation, "answer", body, row.place)
                await self._dispatch.ingest(said)
