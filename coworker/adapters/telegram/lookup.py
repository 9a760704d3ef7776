"""Who or what an id is on Telegram, for `coworker setup` and `coworker doctor`.

It confirms no update, so that nothing is lost to the daemon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from telegram import Bot, Message
from telegram.error import BadRequest, Conflict, Forbidden, TelegramError

from coworker.adapters.render import one_line
from coworker.adapters.telegram.polling import quiet_wires, request
from coworker.errors import Unavailable
from coworker.settings import Telegram as Settings
from coworker.types import Json

_AGAIN_S = 1.0
_POLL_S = 10
_TAKEN = (
    "Another program receives this bot's messages, so yours cannot be seen. "
    "Stop it (a running coworker too) and run `coworker setup` again, or type your id."
)


async def writer(settings: Settings, token: str, words: str) -> tuple[int, str]:
    """Whoever writes these words to the bot in private: their id and name. Waits for ever.

    Raises Unavailable when the messages go elsewhere or Telegram cannot be reached.
    """
    try:
        async with _bot(settings, token) as bot:
            while True:
                updates = await bot.get_updates(timeout=_POLL_S)
                for update in updates:
                    if (said := update.message) and _says(said, words) and said.from_user:
                        return said.from_user.id, one_line(said.from_user.full_name)
                if updates:  # without a confirmation these come again at once
                    await asyncio.sleep(_AGAIN_S)
    except Conflict:
        raise Unavailable(_TAKEN) from None
    except TelegramError as error:
        raise Unavailable(f"Telegram cannot be reached ({type(error).__name__}).") from None


async def rooms(settings: Settings, token: str, ids: Sequence[str]) -> list[Json]:
    """One finding per room: whether it is there and we are in it. The token must be right."""
    if not ids:
        return []
    async with _bot(settings, token) as bot:
        return [await _room(bot, room) for room in ids]


async def _room(bot: Bot, room: str) -> Json:
    check = f"telegram room {room}"
    add = "Add the bot to the group, or mend repos.….rooms: `coworker inbox` shows a group's id."
    try:
        chat = await bot.get_chat(int(room) if room.lstrip("-").isdigit() else room)
    except (BadRequest, Forbidden) as error:
        found = f"not for us: {error.message}"
        return {"check": check, "ok": False, "found": found, "fix": add}
    except (TelegramError, TypeError, KeyError) as error:  # also what the library cannot read
        found = f"Telegram did not answer as expected ({type(error).__name__})"
        return {"check": check, "ok": False, "found": found, "fix": "Try again later."}
    return {"check": check, "ok": True, "found": one_line(chat.effective_name or room), "fix": ""}


def _says(message: Message, words: str) -> bool:
    return message.chat.type == "private" and words in (message.text or "")


def _bot(settings: Settings, token: str) -> Bot:
    quiet_wires()
    return Bot(
        token,
        base_url=settings.base_url,
        base_file_url=settings.base_file_url,
        request=request(),
        get_updates_request=request(),
    )
