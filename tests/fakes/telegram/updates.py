"""The queue behind getUpdates: what was not confirmed is delivered again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.telegram.wire import Json, Refused

NOT_BY_DEFAULT = {"chat_member", "message_reaction", "message_reaction_count"}
_LONGEST_POLL_S = 50


@dataclass(frozen=True)
class Queued:
    """An update and when it happened, in unix seconds."""

    id: int
    at: float
    body: Json


class Updates:
    """Updates in order. `keep_s` is how long they are kept; `allowed` was said by the last poll.

    A poll that was waiting collects for `batch_s` what arrives together.
    `conflict_pause_s` is the wait before a further 409 within that time, as the real server does.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.waiting: list[Queued] = []
        self.offsets: list[int] = []
        self.keep_s = 86_400.0
        self.batch_s = 0.005
        self.conflict_pause_s = 3.0
        self.webhook = ""
        self.allowed: set[str] | None = None
        self._now = now
        self._last_id = 700_000_000
        self._poller: asyncio.Future[bool] | None = None
        self._next_conflict = 0.0

    def add(self, kind: str, body: Json) -> bool:
        """Queue an update, unless the bot did not ask for its kind."""
        asked = kind in self.allowed if self.allowed else kind not in NOT_BY_DEFAULT
        if asked:
            self.push(kind, body)
        return asked

    def push(self, kind: str, body: Json) -> None:
        """Queue an update, whatever the bot asked for."""
        self._last_id += 1
        self.waiting.append(
            Queued(self._last_id, self._now(), {"update_id": self._last_id, kind: body})
        )
        self._wake(conflict=False)

    def allow(self, kinds: object) -> None:
        """Remember allowed_updates: none keeps what was said before, an empty list is default."""
        if isinstance(kinds, list):
            self.allowed = set(kinds) or None

    async def poll(self, args: Json) -> list[Json]:
        """One getUpdates. Raises Refused (409) for a set webhook or when another poll begins."""
        if self.webhook:
            await self._conflict(
                "can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first"
            )
        offset = int(args.get("offset") or 0)
        limit = min(max(int(args.get("limit") or 100), 1), 100)
        self.offsets.append(offset)
        self.allow(args.get("allowed_updates"))
        self._forget(offset)
        if not self.waiting and (timeout := min(float(args.get("timeout") or 0), _LONGEST_POLL_S)):
            await self._wait(timeout)
            self._forget(offset)
        return [update.body for update in self.waiting[:limit]]

    def clear(self) -> None:
        """Drop everything, as deleteWebhook(drop_pending_updates) does."""
        self.waiting.clear()

    def _forget(self, offset: int) -> None:
        if offset < 0:
            del self.waiting[:offset]
        oldest = self._now() - self.keep_s
        self.waiting = [u for u in self.waiting if u.id >= offset and u.at > oldest]

    async def _wait(self, timeout: float) -> None:
        self._wake(conflict=True)
        mine = self._poller = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout):
                displaced = await mine
        except TimeoutError:
            return
        finally:
            if self._poller is mine:
                self._poller = None
        if displaced:
            await self._conflict(
                "terminated by other getUpdates request; "
                "make sure that only one bot instance is running"
            )
        await asyncio.sleep(self.batch_s)

    def _wake(self, *, conflict: bool) -> None:
        if self._poller and not self._poller.done():
            self._poller.set_result(conflict)

    async def _conflict(self, why: str) -> None:
        now = time.monotonic()
        if now < self._next_conflict:
            await asyncio.sleep(self.conflict_pause_s)
        else:
            self._next_conflict = now + self.conflict_pause_s
        raise Refused(409, f"Conflict: {why}")
