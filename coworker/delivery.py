"""The outbox: what must arrive is sent in order, looked for after a doubt, and sent once.

Each conversation has its own task, so a platform that is slow in one room stalls no other.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal

from coworker import logs
from coworker.errors import Displaced, Unavailable, Unconfirmed, Undeliverable
from coworker.protocols import Adapter, Clock
from coworker.store.log import Log
from coworker.tasks import Tasks
from coworker.types import ConversationId, Inbound, Outbound, ask_key, progress_key

_log = logging.getLogger(__name__)
_FIRST_WAIT_S = 2.0
"""Long enough for a platform to show what it has just accepted."""
_LONGEST_WAIT_S = 300.0
_REPEAT_WAIT_S = 30.0
"""What may be a repeat is not said again before an outage had some time to pass."""
_LONGEST_REPEAT_WAIT_S = 600.0
_MOST_UNKNOWN = 10
"""Tries of one message when each of them may have arrived: more than an hour of them."""
_HELD_S = 60.0
"""So long what else is to be said there does not cost one of those tries."""


class _Later(Exception):
    """This outbound, and what comes after it, waits."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__()
        self.seconds = seconds


class Delivery:
    """Sends what waits in the outbox, as soon as its platform can be reached."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        adapters: Mapping[str, Adapter],
        wake: Callable[[ConversationId], None],
    ) -> None:
        self._log = log
        self._clock = clock
        self._adapters = adapters
        self._wake = wake
        self._tasks = Tasks(self._deliver, "deliver")
        self._retries: dict[ConversationId, asyncio.Task[None]] = {}
        self._failures: Counter[ConversationId] = Counter()
        self._doubted: set[str] = set()
        self._held: dict[ConversationId, float] = {}

    def request(self, conversation: ConversationId) -> None:
        """Send what waits for this conversation soon, in order."""
        self._tasks.request(conversation)

    def request_all(self, adapter: str | None = None) -> None:
        """Send whatever waits, for one adapter or for all: there is reason to hope again."""
        waiting = [outbound for outbound, _ in self._log.undelivered()]
        for conversation in {o.conversation for o in waiting if adapter in (None, o.place.adapter)}:
            self._held.pop(conversation, None)
            self.request(conversation)

    async def stop(self) -> None:
        """Nothing is lost: what was not sent is rows."""
        for retry in self._retries.values():
            retry.cancel()
        await self._tasks.stop()

    async def _deliver(self, conversation: ConversationId) -> None:
        logs.about(conversation=conversation)
        if _now_s() < self._held.get(conversation, 0.0):
            return
        for outbound, state in self._log.undelivered(conversation):
            adapter = self._adapters.get(outbound.place.adapter)
            if adapter is None or not adapter.reachable(conversation):
                break
            try:
                await self._one(adapter, outbound, state)
            except _Later as later:
                self._retry(conversation, later.seconds)
                break

    async def _one(self, adapter: Adapter, outbound: Outbound, state: str) -> None:
        row = self._log.conversation(outbound.conversation)  # its thread may have just begun
        place = row.place if row else outbound.place
        outbound = dataclasses.replace(outbound, place=place, over=self._over(outbound))
        remote_id: str | None = ""
        if state == "sending":  # a crash or a doubt lies between request and record
            remote_id = await self._find(adapter, outbound)
            outbound = dataclasses.replace(outbound, maybe_duplicate=remote_id is None)
            if remote_id is None and self._is_enough(outbound):
                await self._give_up(outbound, "unknown", "nobody knows whether it arrived")
                return
            self._pause_between_lives(outbound)
        if remote_id := remote_id or await self._send(adapter, outbound):
            del self._failures[outbound.conversation]
            self._doubted.discard(outbound.key)
            await self._log.sent(outbound, remote_id, self._clock.now_ms())
            _log.info("sent: %s", outbound.op, extra={"key": outbound.key})
            if self._log.state(outbound.conversation) == "ready":
                self._wake(outbound.conversation)

    def _over(self, outbound: Outbound) -> str:
        """The id of the message that this one may be written over."""
        conversation, body = outbound.conversation, outbound.body
        match outbound.op:
            case "reply":
                return self._log.remote_id(progress_key(conversation, body["run"]))
            case "decided":
                return self._log.remote_id(ask_key(conversation, body["run"], body["ask"]))
        return ""

    async def _find(self, adapter: Adapter, outbound: Outbound) -> str | None:
        try:
            return await adapter.find(outbound)
        except Unavailable as error:
            raise self._later(outbound, error.retry_after_s) from None

    async def _send(self, adapter: Adapter, outbound: Outbound) -> str:
        """The platform's id, or "" when it was given up. Raises _Later."""
        await self._log.sending(outbound.key)
        try:
            return await adapter.send(outbound)
        except Undeliverable as error:
            await self._give_up(outbound, "dead", str(error))
            return ""
        except Unavailable as error:
            await self._log.unsent(outbound.key, "pending")
            raise self._later(outbound, error.retry_after_s) from None
        except Displaced:
            await self._log.unsent(outbound.key, "pending")
            progress = progress_key(outbound.conversation, outbound.body["run"])
            await self._log.unsent(progress, "dead")
            raise _Later(0.0) from None
        except Unconfirmed:
            self._doubted.add(outbound.key)
            _log.info("outcome of a message unknown", extra={"key": outbound.key})
            raise self._after_doubt(outbound) from None

    def _is_enough(self, outbound: Outbound) -> bool:
        """Whether one more try would be noise: a sign of progress, or one repetition too many."""
        return (
            outbound.op in ("progress", "decided")
            or self._log.attempts(outbound.key) >= _MOST_UNKNOWN
        )

    def _pause_between_lives(self, outbound: Outbound) -> None:
        """What an earlier process may have said twice is not said again at once: processes that die
        one after the other would use up all tries within seconds. Raises _Later.
        """
        is_new_here = outbound.key not in self._doubted
        self._doubted.add(outbound.key)
        if is_new_here and outbound.maybe_duplicate and self._log.attempts(outbound.key) > 1:
            raise self._after_doubt(outbound)

    def _after_doubt(self, outbound: Outbound) -> _Later:
        """When what nobody confirmed is tried again: soon where that is harmless."""
        if not outbound.maybe_duplicate:
            return self._later(outbound, None)
        wait_s = _REPEAT_WAIT_S * 10.0 ** (self._log.attempts(outbound.key) - 2)
        wait_s = min(wait_s, _LONGEST_REPEAT_WAIT_S)
        self._held[outbound.conversation] = _now_s() + min(wait_s, _HELD_S)
        return _Later(wait_s)

    async def _give_up(
        self, outbound: Outbound, state: Literal["dead", "unknown"], why: str
    ) -> None:
        _log.warning("a message is given up: %s", why, extra={"key": outbound.key})
        if outbound.body.get("run"):
            await self._unheard(outbound, why)
        await self._log.unsent(outbound.key, state)

    async def _unheard(self, outbound: Outbound, why: str) -> None:
        """A firing has failed of which nobody hears the answer, or the question it waits for."""
        now, name = self._clock.now_ms(), outbound.conversation
        if outbound.op == "reply":
            await self._log.schedules.undelivered(outbound, why, now)
        elif outbound.op == "ask" and await self._log.schedules.unasked(outbound, why, now):
            by = {"sender": "coworker"}
            stop = Inbound("delivery", outbound.key, name, "stop", by, outbound.place)
            await self._log.ingest(stop, now)
            self._wake(name)

    def _later(self, outbound: Outbound, named_s: float | None) -> _Later:
        """After the seconds that the platform named and not before, else at our own pace."""
        if named_s is not None:
            self._held[outbound.conversation] = _now_s() + named_s
            return _Later(named_s)
        backoff_s = _FIRST_WAIT_S * 2.0 ** min(self._failures[outbound.conversation], 10)
        self._failures[outbound.conversation] += 1
        return _Later(min(backoff_s, _LONGEST_WAIT_S))

    def _retry(self, conversation: ConversationId, seconds: float | None) -> None:
        async def again() -> None:
            await self._clock.sleep(seconds or 0.0)
            del self._retries[conversation]
            self._held.pop(conversation, None)
            self.request(conversation)

        if former := self._retries.get(conversation):
            former.cancel()
        self._retries[conversation] = asyncio.create_task(again())


def _now_s() -> float:
    return asyncio.get_running_loop().time()
