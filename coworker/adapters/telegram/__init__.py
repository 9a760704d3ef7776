"""Telegram as a platform: it connects, and lends a mouth and ears to whoever runs it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from telegram import Bot
from telegram.error import InvalidToken, TelegramError

from coworker.adapters import render
from coworker.adapters.telegram import checks, events, lookup, messages, polling
from coworker.adapters.telegram.attachments import TRANSCRIPT
from coworker.adapters.telegram.calls import Calls, refuse_big
from coworker.adapters.telegram.controls import Recent
from coworker.adapters.telegram.events import Us
from coworker.adapters.telegram.flow import Errands
from coworker.adapters.telegram.hearing import Hearing
from coworker.adapters.telegram.readers import Readers
from coworker.adapters.telegram.rooms import NAME, Rooms, apart, is_private
from coworker.adapters.telegram.speaking import Speaking
from coworker.adapters.telegram.voice import transcribe
from coworker.errors import Refused, Unavailable
from coworker.protocols import Intake
from coworker.settings import Telegram as Settings
from coworker.types import ConversationId, Health, Json, Line, Outbound, Place, Progress

_SUPERGROUP = "-100"
_SILENT_MS = 1000 * (2 * polling.POLL_S + 15)


class Telegram:
    """A Platform. `token` is the bot's, from @BotFather."""

    name = NAME

    def __init__(self, settings: Settings, token: str) -> None:
        self._settings = settings
        self._token = token
        self._rooms = Rooms()
        self._recent = Recent()
        self._wire: polling.Wire | None = None
        self._calls: Calls | None = None
        self._readers: Readers | None = None
        self._speaking: Speaking | None = None
        self._alive_ms = 0
        self._refusal = ""

    async def run(self, intake: Intake) -> None:
        """Listen until cancelled. Raises Refused for a wrong token, else what ended it."""
        polling.quiet_wires()
        wire = self._wire = polling.Wire(self._lives_on, lambda: intake.connected(self.name))
        try:
            async with polling.connection(self._settings, self._token, wire) as bot:
                self._lives_on()
                await self._listen(intake, bot, wire)
        except (InvalidToken, Refused):
            self._refusal = polling.REFUSED
            raise Refused(polling.REFUSED) from None
        except TelegramError as error:
            what = type(error).__name__
            raise Unavailable(f"Telegram cannot be reached ({what}).") from None

    async def _listen(self, intake: Intake, bot: Bot, wire: polling.Wire) -> None:
        errands, calls = Errands(), Calls(bot, self._rooms, intake)
        us = Us(bot.id, bot.username, hears=bool(self._settings.transcribe))
        self._readers = Readers(calls)
        hearing = Hearing(intake, us, calls, self._rooms, self._recent, errands, self._readers)
        self._speaking = Speaking(calls, self._rooms, self._recent, errands)
        self._calls = calls
        errands.start(calls.offer(events.COMMANDS))
        intake.connected(self.name)
        try:
            await polling.listen(bot, hearing.take, wire)
        finally:
            self._speaking.close()
            self._speaking = self._calls = self._readers = None
            await errands.close()

    def reachable(self, conversation: ConversationId) -> bool:
        """Whether we are connected."""
        return self._speaking is not None

    def posts_progress(self, place: Place) -> bool:
        """In groups; a private chat shows drafts instead."""
        return not is_private(place)

    def parts(self, outbound: Outbound) -> list[Json]:
        """Pages, of which a person gets at most three; the whole of a longer text is a file."""
        return messages.parts(outbound)

    async def send(self, outbound: Outbound) -> str:
        """Say it; see Adapter."""
        if self._speaking is None:
            raise Unavailable("Telegram is not connected.")
        return await self._speaking.send(outbound)

    async def find(self, outbound: Outbound) -> str | None:
        """A bot cannot look up what it said; only writing over a message is safe to repeat."""
        over = outbound.over and outbound.op == "reply" and messages.is_quick(outbound.body)
        return "" if over or outbound.op == "decided" else None

    def progress(self, place: Place, progress: Progress) -> None:
        """Show a sign of life."""
        if self._speaking:
            self._speaking.progress(place, progress)

    async def history(self, place: Place, before: str) -> Sequence[Line]:
        """A bot cannot read what was said before it was asked."""
        return []

    async def fetch(self, file: Json) -> bytes:
        """The bytes of a file; of a voice note's transcript, what the transcriber prints."""
        refuse_big(file["size"])
        if self._calls is None:
            raise Unavailable("Telegram is not connected, so the file cannot be fetched now.")
        data = await self._calls.download(file["id"].removeprefix(TRANSCRIPT))
        if file["id"].startswith(TRANSCRIPT):
            return await transcribe(self._settings.transcribe, data)
        return data

    async def readable(self, rooms: Sequence[str], here: str) -> Sequence[str]:
        """In a private chat the groups that the person is in; a group's members nobody can list."""
        return await self._readers.readable(rooms, here) if self._readers else []

    async def zone(self, person: str) -> str:
        """Nobody's: Telegram does not tell."""
        return ""

    def is_us(self, person: str) -> bool:
        """Whether it is the bot's: its token begins with it."""
        return person == self._token.partition(":")[0]

    def link(self, place: Place, message: str) -> str:
        """The message's address in a supergroup; other chats have none."""
        chat, number = apart(place, message)
        if not chat.startswith(_SUPERGROUP) or not number:
            return ""
        path = filter(None, (chat.removeprefix(_SUPERGROUP), place.thread, number))
        return f"https://t.me/c/{'/'.join(path)}"

    async def examine(self, rooms: Sequence[str] = ()) -> list[Json]:
        """What doctor should know about the token, the bot's settings, its rooms and rivals."""
        findings = await checks.examine(self._settings, self._token)
        ours = rooms if findings[0]["ok"] else ()
        return [*findings, *await lookup.rooms(self._settings, self._token, ours)]

    def health(self) -> Health:
        """How the connection is, by when Telegram last answered a request for updates."""
        if self._refusal:
            return Health("refused", self._alive_ms, self._refusal)
        if self._wire and (trouble := self._wire.trouble):
            return Health(trouble[0], self._alive_ms, trouble[1])
        silent_ms = _now_ms() - self._alive_ms
        if self._speaking and silent_ms < _SILENT_MS:
            return Health("connected", self._alive_ms)
        if not self._alive_ms:
            return Health("starting", 0, "Telegram has not answered yet.")
        silent = render.duration(silent_ms / 1000)
        detail = f"Telegram has not answered for {silent}; I keep trying. Check the network."
        return Health("reconnecting", self._alive_ms, detail)

    def _lives_on(self) -> None:
        self._alive_ms = _now_ms()
        self._refusal = ""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
