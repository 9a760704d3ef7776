"""What was said while we did not listen, read from Slack's history after every (re)connect.

Slack delivers an event three times more at most, and not at all while no socket is open.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial

from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.slack import calls
from coworker.adapters.slack.events import SOURCE
from coworker.errors import Undeliverable
from coworker.protocols import Clock, Intake
from coworker.types import Json, Place

_ALIVE, _THREADS = "alive", "threads"
_OVERLAP_S = 600
"""Read twice, as a delivery may still have been under way: known event ids make that harmless."""
_PARENTS_S = 86_400
"""How far back threads are noticed in which somebody answered while we were away."""
_KEEP_EVERY_S = 300
_THREADS_KEPT = 200
_KINDS = "public_channel,private_channel,mpim,im"
Hear = Callable[[Json], Awaitable[None]]


class Past:
    """How far we have listened, and the reading of what came after that."""

    def __init__(self, client: AsyncWebClient, intake: Intake, clock: Clock) -> None:
        self._client = client
        self._intake = intake
        self._clock = clock
        self._alive_s = float(intake.cursor(SOURCE, _ALIVE) or 0)
        self._threads: list[str] = json.loads(intake.cursor(SOURCE, _THREADS) or "[]")
        self._behind = True

    async def heard(self, place: Place) -> None:
        """Somebody spoke to us there: its thread is looked at after an outage."""
        thread = f"{place.room}:{place.thread}"
        if place.thread and thread not in self._threads:
            self._threads = [*self._threads[1 - _THREADS_KEPT :], thread]
            await self._intake.keep(SOURCE, _THREADS, json.dumps(self._threads))

    async def alive(self, at_s: float) -> None:
        """We listen, and did up to that moment, in seconds UTC; nothing before it is missing."""
        if not self._behind and at_s - self._alive_s >= _KEEP_EVERY_S:
            await self._keep(at_s)

    def lost(self) -> None:
        """We do not listen any more."""
        self._behind = True

    async def catch_up(self, hear: Hear) -> None:
        """Hear what was said since we last listened. Raises Unavailable when it must be repeated.

        At the very first start there is no past.
        """
        self._behind = True
        now_s = self._clock.now_ms() / 1000
        if self._alive_s:
            for message in sorted(await self._missed(self._alive_s - _OVERLAP_S), key=_time):
                await hear(message)
        await self._keep(now_s)
        self._behind = False

    async def _missed(self, since: float) -> list[Json]:
        """What was said since then in all rooms: what is said in one may matter in another."""
        return [
            {"type": "message", "channel": room, **message}
            async for room in self._rooms()
            for message in await self._said(room, since)
        ]

    async def _keep(self, at_s: float) -> None:
        self._alive_s = at_s
        await self._intake.keep(SOURCE, _ALIVE, str(at_s))

    async def _rooms(self) -> AsyncIterator[str]:
        """The rooms we are in, those where we are known to have talked first."""
        known = dict.fromkeys(thread.partition(":")[0] for thread in reversed(self._threads))
        for room in known:
            yield room
        method = self._client.users_conversations
        kinds = {"types": _KINDS, "exclude_archived": True}
        member_of = calls.pages(method, "channels", self._clock, **kinds)
        async for channel in member_of:
            if channel["id"] not in known:
                yield channel["id"]

    async def _said(self, room: str, since: float) -> list[Json]:
        """A room's messages since then, also those in threads that are ours or lively."""
        listed = partial(calls.pages, key="messages", clock=self._clock, channel=room)
        try:
            first = str(since - _PARENTS_S)
            parents = [m async for m in listed(self._client.conversations_history, oldest=first)]
            found = {m["ts"]: m for m in parents if _time(m) > since}
            for thread in self._lively(room, parents, since):
                told = listed(self._client.conversations_replies, ts=thread, oldest=str(since))
                found |= {m["ts"]: m async for m in told if _time(m) > since}
        except Undeliverable:  # we were put out, or the room is gone
            return []
        return list(found.values())

    def _lively(self, room: str, parents: list[Json], since: float) -> Iterator[str]:
        ours = [each.partition(":")[2] for each in self._threads if each.startswith(f"{room}:")]
        lively = [m["ts"] for m in parents if float(m.get("latest_reply") or 0) > since]
        yield from dict.fromkeys([*ours, *lively])


def _time(message: Json) -> float:
    return float(message["ts"])
