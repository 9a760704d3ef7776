"""Slack as a platform: connect, listen, catch up, until cancelled.

It joins the parts over one connection and keeps nothing across two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.slack import (
    calls,
    checks,
    files,
    flow,
    listen,
    lookup,
    messages,
    readers,
    stream,
    threads,
)
from coworker.adapters.slack.ears import Ears
from coworker.adapters.slack.events import SOURCE, Reader, Us
from coworker.adapters.slack.past import Past
from coworker.adapters.slack.voice import Voice
from coworker.errors import Unavailable, Undeliverable
from coworker.protocols import Clock, Intake
from coworker.settings import Slack as Settings
from coworker.types import ConversationId, Health, Json, Line, Outbound, Place, Progress

_CONNECT_S = 30
_LOST_S = 30
"""The library connects again by itself; after this long we start afresh, with a new address."""
_AGAIN_S = 30
_HEAR_FIRST_S = 20
"""What waits is delivered at the latest after this long, even if the past is not read yet."""
_IN_ORDER_S = 1.5
"""So long what is said now waits for what was missed; Slack wants its answer within 3 s."""


@dataclass(frozen=True, slots=True)
class _Connection:
    """Everything that lives as long as one run of the platform."""

    client: AsyncWebClient
    http: aiohttp.ClientSession
    reader: Reader
    past: Past
    readers: readers.Readers
    voice: Voice
    ears: Ears
    background: flow.Background
    socket: listen.CommitThenAck


class Slack:
    """A Platform over Socket Mode. Every `ping_s` seconds it looks whether the socket lives.

    After `stream_s` seconds a progress message is a stream no more.
    """

    name = SOURCE

    def __init__(
        self,
        settings: Settings,
        bot_token: str,
        app_token: str,
        clock: Clock,
        ping_s: float = 5,
        stream_s: float = stream.LIFE_S,
    ) -> None:
        self._settings = settings
        self._bot_token = bot_token
        self._app_token = app_token
        self._clock = clock
        self._ping_s = ping_s
        self._stream_s = stream_s
        self._connection: _Connection | None = None
        self._hello = asyncio.Event()
        self._has_read = asyncio.Event()
        self._frame_ms = 0
        self._is_connected = False
        self._url = ""

    async def run(self, intake: Intake) -> None:
        """Connect, listen and catch up until cancelled.

        Raises Refused for a wrong token, Unavailable for what is worth another try.
        """
        async with self._connected(intake) as connection:
            self._connection = connection
            try:
                await self._listen(connection, intake)
            finally:
                self._connection, self._is_connected = None, False

    def health(self) -> Health:
        """How the connection is; `since` is the last frame or pong that came in."""
        since = self._last_proof_ms()
        if self._is_connected:
            return Health("connected", since)
        if self._connection is None:
            return Health("starting", since)
        return Health("reconnecting", since, "Slack's socket is closed; it is opened again.")

    def reachable(self, conversation: ConversationId) -> bool:
        """Whether we are let in; messages do not need the socket."""
        return self._connection is not None

    def posts_progress(self, place: Place) -> bool:
        """Always: it is edited in place and becomes the answer or its receipt."""
        return True

    def parts(self, outbound: Outbound) -> list[Json]:
        """The pages that it takes; a very long text is a page and a file."""
        return messages.parts(outbound)

    async def send(self, outbound: Outbound) -> str:
        """Say it and return the message's ts."""
        return await self._open().voice.send(outbound)

    async def find(self, outbound: Outbound) -> str | None:
        """The ts of the message with the outbound's key, "" if there is surely none."""
        return await self._open().voice.find(outbound)

    def progress(self, place: Place, progress: Progress) -> None:
        """Show a sign of life in the progress message, soon and at most once a second."""
        if self._connection:
            self._connection.voice.progress(place, progress)

    async def history(self, place: Place, before: str) -> Sequence[Line]:
        """The thread before that message: its first one and the last ones."""
        here = self._open()
        try:
            return await threads.history(here.client, here.reader, place, before)
        except Undeliverable:
            return []

    async def fetch(self, file: Json) -> bytes:
        """The bytes of a file that came with a message, 20 MB at most. Raises Unavailable."""
        here = self._open()
        try:
            return await files.fetch(here.client, here.http, file)
        except Undeliverable as error:
            raise Unavailable(f"Slack does not give that file out. {error}") from error

    async def readable(self, rooms: Sequence[str], here: str) -> Sequence[str]:
        """Of these rooms those that everybody who reads `here` could open, as far as Slack says."""
        if self._connection is None:
            return []
        return await self._connection.readers.readable(rooms, here)

    async def zone(self, person: str) -> str:
        """What their profile says."""
        return await self._connection.reader.zone(person) if self._connection else ""

    def is_us(self, person: str) -> bool:
        """Whether it is our user's."""
        return self._connection is not None and self._connection.reader.is_ours({"user": person})

    def link(self, place: Place, message: str) -> str:
        """The message's permalink; "" before we were connected for the first time."""
        if not self._url or not message:
            return ""
        is_reply = place.thread not in ("", message)
        thread = f"?thread_ts={place.thread}&cid={place.room}" if is_reply else ""
        return f"{self._url}archives/{place.room}/p{message.replace('.', '')}{thread}"

    async def examine(self, rooms: Sequence[str] = ()) -> list[Json]:
        """What is right and wrong with tokens, scopes, socket, clock and rooms."""
        async with calls.session() as http:
            client = calls.client(self._bot_token, self._settings.base_url, http)
            findings = await checks.examine(client, self._app_token)
            seen = await lookup.rooms(client, rooms) if findings[0]["ok"] else []
            return [*findings, *seen]

    def _open(self) -> _Connection:
        if self._connection is None:
            raise Unavailable("Slack is not connected.")
        return self._connection

    @asynccontextmanager
    async def _connected(self, intake: Intake) -> AsyncIterator[_Connection]:
        """Everything there is to one connection, closed again in order."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(calls.session())
            client = calls.client(self._bot_token, self._settings.base_url, http)
            answer = await calls.look(client.auth_test())
            us = Us(answer["team_id"], answer["user_id"], answer.get("bot_id") or "")
            self._url = answer.get("url") or ""
            background = flow.Background()
            stack.push_async_callback(background.stop)
            asking = readers.Readers(client)
            reader = Reader(client, us, intake.follows, asking.forget)
            past = Past(client, intake, self._clock)
            voice = Voice(client, self._clock, background, self._stream_s)
            stack.push_async_callback(voice.close)
            ears = Ears(client, reader, intake, past, voice, background)
            socket = await self._socket(us, ears, http)
            stack.push_async_callback(socket.close_async)
            yield _Connection(client, http, reader, past, asking, voice, ears, background, socket)

    async def _socket(
        self, us: Us, ears: Ears, http: aiohttp.ClientSession
    ) -> listen.CommitThenAck:
        """Socket Mode, not open yet; its first address shows whether the app token is right."""
        client = calls.client(None, self._settings.base_url, http)
        address = await calls.look(client.apps_connections_open(app_token=self._app_token))
        bolt = listen.app(
            client, us, click=ears.clicked, point=ears.pointed, command=ears.commanded
        )

        async def hear(event: Json) -> None:
            await _happens(self._has_read, _IN_ORDER_S)
            await ears.event(event)

        socket = listen.CommitThenAck(bolt, self._app_token, hear, self._ping_s)
        socket.client.wss_uri = address["url"]
        socket.client.message_listeners.append(self._frame)
        return socket

    async def _frame(self, _: AsyncBaseSocketModeClient, frame: Json, __: str | None) -> None:
        self._frame_ms = self._clock.now_ms()
        if frame.get("type") == "hello":
            if self._connection:
                self._connection.ears.app = (frame.get("connection_info") or {}).get("app_id") or ""
            self._has_read.clear()
            self._hello.set()

    async def _listen(self, here: _Connection, intake: Intake) -> None:
        try:
            async with asyncio.timeout(_CONNECT_S):
                await here.socket.connect_async()  # type: ignore[no-untyped-call]
        except TimeoutError:
            raise Unavailable("Slack's socket does not open.") from None
        lost_ms, reading = self._clock.now_ms(), here.background.start(asyncio.sleep(0))
        while True:
            if await self._hears_hello():
                reading.cancel()
                reading = here.background.start(self._catch_up(here, intake))
            now = self._clock.now_ms()
            self._is_connected = await here.socket.client.is_connected()
            if self._is_connected:
                lost_ms = now
                await here.past.alive(self._last_proof_ms() / 1000)
                continue
            here.past.lost()
            if now - lost_ms > _LOST_S * 1000:
                raise Unavailable("Slack's socket was lost and could not be opened again.")

    async def _hears_hello(self) -> bool:
        """Whether a new socket was opened just now; waits a little for it."""
        if not await _happens(self._hello, self._ping_s):
            return False
        self._hello.clear()
        return True

    async def _catch_up(self, here: _Connection, intake: Intake) -> None:
        """Read what we missed until that succeeds; meanwhile what waits is not held up for long."""
        while True:
            reading = here.background.start(here.past.catch_up(here.ears.event))
            try:
                await asyncio.wait({reading}, timeout=_HEAR_FIRST_S)
                intake.connected(SOURCE)
                await asyncio.wait({reading})
            finally:
                reading.cancel()
            self._has_read.set()
            if reading.exception() is None:
                return
            await self._clock.sleep(_AGAIN_S)

    def _last_proof_ms(self) -> int:
        """When something last came in: a frame, or the answer to a ping."""
        pong = self._connection.socket.client.last_ping_pong_time if self._connection else None
        return max(self._frame_ms, round((pong or 0) * 1000))


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    """Whether it happens within that time."""
    try:  # `wait_for` would lose a cancellation that comes together with the event
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
