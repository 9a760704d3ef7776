"""What comes in over one connection: accepted first, then acknowledged, then shown as seen."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters import render
from coworker.adapters.slack import calls, flow, home, messages
from coworker.adapters.slack.events import SOURCE, Reader
from coworker.adapters.slack.past import Past
from coworker.adapters.slack.text import fallback, harmless
from coworker.adapters.slack.voice import Voice
from coworker.errors import CoworkerError
from coworker.protocols import Intake
from coworker.types import Heard, Inbound, Json

_ANSWER_WITHIN_S = 2.2
_OBJECTIONS: dict[Heard, str] = {
    "ignored": "That is not open any more. Write in the thread what you want.",
    "forbidden": "That is open, but not yours to decide; an owner can.",
    "elsewhere": "That counts only where I asked. Go to my message there and press it.",
    "refused": "I do not know you, so that button does nothing. An owner can add you.",
}
_NOT_IN = "I am not in this channel. Invite me (`/invite @coworker`) and ask again."
_log = logging.getLogger(__name__)
_OUTSIDE = {"not_in_channel", "channel_not_found"}
Ack = Callable[..., Awaitable[Any]]


class Ears:
    """Passes on what people say and do. An error means that Slack shall deliver it again."""

    def __init__(
        self,
        client: AsyncWebClient,
        reader: Reader,
        intake: Intake,
        past: Past,
        voice: Voice,
        background: flow.Background,
    ) -> None:
        self._client = client
        self._reader = reader
        self._intake = intake
        self._past = past
        self._voice = voice
        self._background = background
        self.app = ""
        """The id of our app once the socket has told it."""
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def event(self, event: Json) -> None:
        """One event of the Events API or of the history; a room's events keep their order."""
        if event.get("type") == "app_home_opened":
            self._background.start(self._show_home(event))
            return
        async with self._turns.setdefault(_room(event), asyncio.Lock()):
            if inbound := await _read(self._reader.event(event), event.get("type")):
                await self._hear(inbound)

    async def clicked(self, ack: Ack, body: Json) -> None:
        """A button or a choice."""
        inbound = await _read(self._reader.clicked(body), "click")
        heard: Heard = "ignored"
        if inbound:
            is_foreign = self._reader.is_foreign(body, self.app)
            heard = "elsewhere" if is_foreign else await self._hear(inbound)
        await ack()
        self._background.start(self._after_click(body, heard))

    async def pointed(self, ack: Ack, respond: Ack, body: Json) -> None:
        """The message shortcut."""
        inbound = await _read(self._reader.pointed(body), "shortcut")
        if inbound and await self._is_outside(inbound.place.room):
            await ack()
            await respond(text=_NOT_IN)
            return
        if inbound:
            await self._hear(inbound)
        await ack()

    async def commanded(self, ack: Ack, respond: Ack, body: Json) -> None:
        """`/coworker verb`; what takes longer than Slack waits is answered later."""
        inbound = await _read(self._reader.commanded(body), "command")
        if inbound is None:
            await ack()
            return
        answering = self._background.start(self._command(inbound))
        done, _ = await asyncio.wait({answering}, timeout=_ANSWER_WITHIN_S)
        if done:
            await ack(**answering.result())
            return
        await ack(text="One moment …")
        self._background.start(_later(respond, answering))

    async def _hear(self, inbound: Inbound) -> Heard:
        heard = await self._intake.hear(inbound)
        if heard == "new":
            if message := inbound.kind == "message" and inbound.body["message"]:
                self._voice.marks.seen(inbound.place.room, message)
            await self._past.heard(inbound.place)
        return heard

    async def _command(self, inbound: Inbound) -> Json:
        """The answer as the arguments of an ephemeral message."""
        try:
            said = await self._intake.command(inbound)
        except CoworkerError as error:
            said = str(error)
        page = harmless(render.pages(said, messages.PAGE)[0])
        blocks = [{"type": "markdown", "text": page}] if page.strip() else None
        return {"text": fallback(said), "blocks": blocks, "response_type": "ephemeral"}

    async def _after_click(self, body: Json, heard: Heard) -> None:
        """Tell whoever clicked why nothing happened."""
        room = (body.get("channel") or {}).get("id")
        if room and (said := _OBJECTIONS.get(heard)):
            thread = (body.get("message") or {}).get("thread_ts") or ""
            await self._voice.whisper(room, thread, body["user"]["id"], said)

    async def _is_outside(self, room: str) -> bool:
        try:
            channel = (await calls.look(self._client.conversations_info(channel=room)))["channel"]
        except CoworkerError as error:
            return calls.code(error) in _OUTSIDE
        return channel.get("is_member") is False and not channel.get("is_im")

    async def _show_home(self, event: Json) -> None:
        if event.get("tab", "home") == "home":
            seen = self._intake.overview(f"{SOURCE}:{event['user']}")
            view = home.view(seen) if seen else home.stranger(event["user"])
            await calls.attempt(self._client.views_publish(user_id=event["user"], view=view))


def _room(event: Json) -> str:
    item = event.get("item")
    return str(event.get("channel") or (item.get("channel") if isinstance(item, dict) else ""))


async def _read(reading: Awaitable[Inbound | None], what: object) -> Inbound | None:
    """The inbound in what came. One of an unknown shape would be no better a second time."""
    try:
        return await reading
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        _log.warning("an event %s cannot be read: %r", what, error)
        return None


async def _later(respond: Ack, answering: asyncio.Task[Json]) -> None:
    await respond(**await answering)
