"""Long polling that never confirms an update which is not on disk."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import ssl
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import httpx
from telegram import Bot, Update
from telegram.error import Conflict, TelegramError
from telegram.ext import Updater
from telegram.request import HTTPXRequest

from coworker.adapters.telegram import legible
from coworker.errors import Refused
from coworker.settings import Telegram as Settings
from coworker.types import Json

_log = logging.getLogger(__name__)
POLL_S = 30
_CONNECTIONS = 256
_CONNECT_S, _READ_S, _POOL_S, _UPLOAD_S = 10.0, 20.0, 5.0, 60.0
_SETTLE_S = 0.1
"""After a refusal the updater's task ends by itself; stopped before, it complains in the log."""
_STOP_S = 2.0
"""After failures the updater sleeps up to half a minute, and would do so to its end."""
_KINDS = ["message", "edited_message", "callback_query", "message_reaction", "chat_member"]
"""Channels, guests and business accounts are not among them: nobody we know speaks there."""
REFUSED = (
    "Telegram does not accept TELEGRAM_BOT_TOKEN. "
    "Ask @BotFather for the token (/mybots, API Token) and set it."
)
_AWAY = "Telegram does not answer ({what}); I keep trying. Check the network."
_CONFLICT = (
    "Another program receives this bot's messages ({what}), so I do not. "
    "Stop that program, or give one of the two a bot of its own from @BotFather."
)


Take = Callable[[Update], Awaitable[None]]
Trouble = tuple[Literal["broken", "reconnecting"], str]
"""How the connection is since a request failed, and what is wrong."""


class Wire:
    """The connection on which updates come in: what it last said, and how it broke."""

    def __init__(self, alive: Callable[[], None], back: Callable[[], None]) -> None:
        self.trouble: Trouble | None = None
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._alive = alive
        self._back = back

    def answered(self, status: int) -> None:
        """A request for updates was answered with this HTTP status."""
        if status == 200:
            before, self.trouble = self.trouble, None
            self._alive()
            if before:
                _log.warning("Telegram answers again.")
                self._back()
        elif status in (401, 404):
            asyncio.get_running_loop().call_later(_SETTLE_S, self.breaks, Refused(REFUSED))

    def failed(self, error: TelegramError) -> None:
        """A request for updates failed; the updater tries again after 1 to 30 s."""
        trouble: Trouble = ("reconnecting", _AWAY.format(what=type(error).__name__))
        if isinstance(error, Conflict):
            trouble = ("broken", _CONFLICT.format(what=error.message))
        if self.trouble is None or self.trouble[0] != trouble[0]:
            _log.warning("%s", trouble[1])
        self.trouble = trouble

    def breaks(self, error: Exception) -> None:
        """Nothing more can come in this way."""
        if not self.broken.done():
            self.broken.set_exception(error)


class _Request(HTTPXRequest):
    """Tells the wire how each request ended: the updater itself is silent about successes.

    One update that the library cannot read would make the updater ask for it again at once, for
    ever, and in silence. It gets as much of such a one as can be read, at least the id, which it
    then confirms.
    """

    def __init__(self, wire: Wire) -> None:
        super().__init__(
            connection_pool_size=1,
            connect_timeout=_CONNECT_S,
            read_timeout=_CONNECT_S,
            httpx_kwargs={"verify": _trusted()},
        )
        self._wire = wire

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        status, payload = await super().do_request(*args, **kwargs)
        if status == 200:
            payload = self._readable(payload)
        self._wire.answered(status)
        return status, payload

    def _readable(self, payload: bytes) -> bytes:
        told = self.parse_json_payload(payload)
        kept = [_readable(each) for each in told["result"]]
        same = kept == told["result"]
        return payload if same else json.dumps({**told, "result": kept}).encode()


def _readable(update: Json) -> Json:
    """As much of an update as can be read."""
    fault = legible.fault(update)
    if not fault:
        return update
    eased, key = legible.eased(update), str(update["update_id"])
    is_lost = bool(legible.fault(eased))
    what, kinds = (
        "an update" if is_lost else "a part of an update",
        sorted({*update} - {"update_id"}),
    )
    _log.warning("%s (%s) cannot be read: %s", what, ", ".join(kinds), fault, extra={"key": key})
    return {"update_id": update["update_id"]} if is_lost else eased


class _Inbox(asyncio.Queue[object]):
    """Stands where the updater puts updates: it awaits put() before it moves the offset.

    When taking fails, put() never returns. Returning would confirm the update, and raising would
    end the updater's task unnoticed.
    """

    def __init__(self, take: Take, wire: Wire) -> None:
        super().__init__()
        self._take = take
        self._wire = wire

    async def put(self, item: object) -> None:
        if not isinstance(item, Update):
            return
        try:
            await self._take(item)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must end run() and not this task
            self._wire.breaks(error)
            await asyncio.Event().wait()


def connection(settings: Settings, token: str, wire: Wire) -> Bot:
    """A bot whose requests for updates are watched by the wire."""
    return Bot(
        token,
        base_url=settings.base_url,
        base_file_url=settings.base_file_url,
        request=request(),
        get_updates_request=_Request(wire),
    )


def request() -> HTTPXRequest:
    """For everything but polling. It never repeats a request by itself."""
    return HTTPXRequest(
        connection_pool_size=_CONNECTIONS,
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        write_timeout=_READ_S,
        pool_timeout=_POOL_S,
        media_write_timeout=_UPLOAD_S,
        httpx_kwargs={"verify": _trusted()},
    )


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The certificates that all requests share: reading them takes 20 ms each time."""
    return httpx.create_ssl_context()


async def listen(bot: Bot, take: Take, wire: Wire) -> None:
    """Hand each update to `take` and confirm it only afterwards, until the wire breaks.

    Raises what broke it; Telegram then delivers again what was not taken.
    """
    async with Updater(bot, _Inbox(take, wire)) as updater:
        await updater.start_polling(
            timeout=POLL_S, allowed_updates=_KINDS, error_callback=wire.failed
        )
        try:
            await wire.broken
        finally:
            await _stop(updater)


async def _stop(updater: Updater) -> None:
    try:
        async with asyncio.timeout(_STOP_S):
            await updater.stop()
    except (TelegramError, TimeoutError):  # its task had failed; or nobody is there any more
        _log.info("polling had ended already")


def quiet_wires() -> None:
    """Their log lines contain addresses with the token, and messages; a flood is no deprecation."""
    for name in ("httpx", "httpcore", "telegram"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", "Deprecated since version v22.2.*retry_after")
