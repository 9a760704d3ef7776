"""What doctor says about Telegram: the token, the settings of the bot, and whoever else uses it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from telegram import Bot, User, WebhookInfo
from telegram.error import InvalidToken, TelegramError

from coworker.adapters.telegram.polling import REFUSED, quiet_wires, request
from coworker.settings import Telegram as Settings
from coworker.types import Json

_WEBHOOK = (
    "Another program has asked for this bot's messages there; they are taken from it when "
    "coworker runs. If that is not wanted, make another bot with @BotFather."
)
_PRIVACY = (
    "To be heard in followed topics without a mention: @BotFather, /setprivacy, Disable; "
    "then remove the bot from the group and add it again."
)


async def examine(settings: Settings, token: str) -> list[Json]:
    """One finding per check, in doctor's form."""
    quiet_wires()
    bot = Bot(
        token,
        base_url=settings.base_url,
        base_file_url=settings.base_file_url,
        request=request(),
        get_updates_request=request(),
    )
    try:
        async with bot:
            return [*_about(bot.bot, await bot.get_webhook_info()), *_transcriber(settings)]
    except InvalidToken:
        return [_finding("telegram token", False, "it is not accepted", REFUSED)]
    except TelegramError as error:
        fix = f"Check the network, a proxy, and telegram.base_url ({settings.base_url})."
        found = f"Telegram cannot be reached ({type(error).__name__})"
        return [_finding("telegram", False, found, fix)]


def _about(me: User, hook: WebhookInfo) -> Iterator[Json]:
    yield _finding("telegram token", True, f"@{me.username}")
    if me.can_read_all_group_messages:
        yield _finding("telegram privacy mode", True, "off: every message of a group is heard")
    else:
        found = "on: in groups only mentions, replies and commands are heard"
        yield _finding("telegram privacy mode", None, found, _PRIVACY)
    if hook.url:
        yield _finding("telegram webhook", False, "a webhook is set", _WEBHOOK)


def _transcriber(settings: Settings) -> Iterator[Json]:
    if not settings.transcribe:
        return
    program = settings.transcribe[0]
    found = shutil.which(program)
    fix = "Install it, or mend telegram.transcribe in the configuration."
    yield _finding("telegram transcriber", bool(found), found or f"{program} is not found", fix)


def _finding(check: str, ok: bool | None, found: str, fix: str = "") -> Json:
    return {"check": check, "ok": ok, "found": found, "fix": "" if ok else fix}
