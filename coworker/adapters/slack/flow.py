"""Signs of life: progress messages, the status line, reactions. All best effort.

A progress message is a stream where that helps, else it is edited in place. It is written to once a
second at most, the newest wins, nothing queues up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.render import Doing
from coworker.adapters.slack import calls, messages
from coworker.adapters.slack.stream import Stream
from coworker.errors import CoworkerError, Unavailable
from coworker.protocols import Clock
from coworker.types import ConversationId, Place, Progress

_SPACING_MS = 1_000
_EDIT_S = 5.0
_log = logging.getLogger(__name__)
_SEEN, _DONE, _FAILED = "eyes", "white_check_mark", "x"


class Background:
    """Tasks that nobody waits for, kept until they end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do it soon."""
        task = asyncio.create_task(work, name=getattr(work, "__qualname__", None))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """Give up what is still under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.warning("%s failed: %s", task.get_name(), error)


@dataclass
class _Card:
    """A progress message and what is to be written into it. `free_ms`: not edited before."""

    run: int
    place: Place
    ts: str
    began_ms: int
    free_ms: int
    doing: Doing = field(default_factory=Doing)
    stream: Stream | None = None
    fresh: bool = False
    editing: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[Any] | None = None


class Cards:
    """The progress messages of the runs under way; none is a stream for longer than `stream_s`."""

    def __init__(
        self, client: AsyncWebClient, clock: Clock, background: Background, stream_s: float
    ) -> None:
        self._client = client
        self._clock = clock
        self._background = background
        self._stream_s = stream_s
        self._cards: dict[ConversationId, _Card] = {}

    def begin(self, place: Place, run: int, ts: str, *, streams: bool = False) -> None:
        """This message shows from now on what the run does."""
        now = self._clock.now_ms()
        card = _Card(run, place, ts, now, now + _SPACING_MS)
        self._cards[place.conversation] = card
        if streams:
            card.stream = Stream()
            loop = asyncio.get_running_loop()
            loop.call_later(self._stream_s, self._expire, card, card.stream)

    def hear(self, place: Place, progress: Progress) -> None:
        """Take in a sign of life; without a message to show it in, it is dropped."""
        card = self._cards.get(place.conversation)
        if card is None:
            return
        card.doing.hear(progress)
        if card.stream:
            card.stream.hear(progress)
        self._refresh(card)

    async def close(self) -> None:
        """Leave no stream open to which nobody would append any more."""
        cards, self._cards = self._cards, {}
        await asyncio.gather(*(self._settle(card) for card in cards.values() if card.stream))

    async def end(self, place: Place, run: int) -> None:
        """No edit of this run's message begins or is under way after this; nor is it a stream."""
        card = self._cards.get(place.conversation)
        if card is None or card.run != run:
            return
        del self._cards[place.conversation]
        async with card.editing:
            if card.task:
                card.task.cancel()
            if card.stream:
                stop = self._client.chat_stopStream(channel=card.place.room, ts=card.ts)
                await calls.attempt(stop)

    async def settle(self, **message: Any) -> None:
        """Turn a progress message into what stays of it, and be patient with it."""
        await self._clock.sleep(_SPACING_MS / 1000)
        try:
            await calls.ask(calls.edit(self._client, **message))
        except Unavailable as error:
            await self._clock.sleep(error.retry_after_s or 0)
            await calls.attempt(calls.edit(self._client, **message))
        except CoworkerError:
            return

    async def _edit(self, card: _Card) -> None:
        while card.fresh:
            await self._clock.sleep(max(card.free_ms - self._clock.now_ms(), 0) / 1000)
            async with card.editing:
                card.fresh = False
                wait_s = await self._show(card)
            card.free_ms = self._clock.now_ms() + max(round(wait_s * 1000), _SPACING_MS)
        card.task = None

    async def _show(self, card: _Card) -> float:
        """One write; the seconds that Slack wants us to wait, 0 if it does not."""
        try:
            async with asyncio.timeout(_EDIT_S):
                if not await self._appended(card):
                    await self._rewrite(card)
        except Unavailable as error:
            return error.retry_after_s or 0
        except (CoworkerError, TimeoutError):
            card.stream = None
        return 0

    async def _appended(self, card: _Card) -> bool:
        """Whether a stream took what is new; once it does not, the message is edited instead."""
        chunks = card.stream.take() if card.stream else None
        at = {"channel": card.place.room, "ts": card.ts}
        if chunks and await calls.attempt(self._client.chat_appendStream(chunks=chunks, **at)):
            chunks = None
        if chunks is None:
            card.stream = None
        return chunks is not None

    async def _rewrite(self, card: _Card) -> None:
        seconds = (self._clock.now_ms() - card.began_ms) / 1000
        shown = messages.shown(card.doing.shown(seconds), card.run, card.place)
        at = {"channel": card.place.room, "ts": card.ts}
        await calls.ask(calls.edit(self._client, **at, **shown))

    def _refresh(self, card: _Card) -> None:
        card.fresh = True
        if card.task is None:
            card.task = self._background.start(self._edit(card))

    def _expire(self, card: _Card, stream: Stream) -> None:
        stream.end()
        if self._cards.get(card.place.conversation) is card:
            self._refresh(card)

    async def _settle(self, card: _Card) -> None:
        async with card.editing:
            card.stream = None
            await self._show(card)


class Presence:
    """The status of a thread: the native one with its Stop button, else a line, else nothing.

    What a kind of room does not offer is not tried there again while we are connected.
    """

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._missing: set[tuple[str, str]] = set()

    async def show(self, place: Place, status: str) -> None:
        """Set it to "processing", "suspended" or "active"."""
        if not place.thread:
            return
        where = {"channel_id": place.room, "thread_ts": place.thread}
        if await self._try("agents.sessions.setStatus", place, {**where, "status": status}):
            return
        line = "is working…" if status == "processing" else ""
        await self._try("assistant.threads.setStatus", place, {**where, "status": line})

    async def _try(self, method: str, place: Place, arguments: dict[str, str]) -> bool:
        key = (method, place.room[:1])
        if key in self._missing:
            return False
        fault = await calls.attempt(self._client.api_call(method, json=arguments))
        if fault and fault not in ("unreachable", "ratelimited"):
            self._missing.add(key)
        return not fault


class Marks:
    """What people see on their messages: 👀, and then ✅ or ❌ instead."""

    def __init__(self, client: AsyncWebClient, background: Background) -> None:
        self._client = client
        self._background = background
        self._setting: dict[tuple[str, str], asyncio.Task[Any]] = {}

    def seen(self, room: str, message: str) -> None:
        """👀, soon."""
        key = (room, message)
        mark = self._client.reactions_add(channel=room, timestamp=message, name=_SEEN)
        self._setting[key] = task = self._background.start(calls.attempt(mark))
        task.add_done_callback(lambda _: self._setting.pop(key, None))

    async def finished(self, room: str, answered: Sequence[str], outcome: str) -> None:
        """✅ or ❌ on the messages that were dealt with, never before the 👀 that it replaces."""
        mark = _DONE if outcome == "answered" else _FAILED
        for message in filter(None, answered):
            if setting := self._setting.get((room, message)):
                await asyncio.wait({setting})
            at = {"channel": room, "timestamp": message}
            await calls.attempt(self._client.reactions_remove(name=_SEEN, **at))
            await calls.attempt(self._client.reactions_add(name=mark, **at))
