"""Which messages reach the bot: membership, other bots and privacy mode decide."""

from __future__ import annotations

from tests.fakes.telegram.screen import entities_of
from tests.fakes.telegram.wire import Json, cut
from tests.fakes.telegram.world import ANONYMOUS_ADMIN, CHANNEL_BOT, PRESENT, Chat, World

_SERVICE = {
    *("migrate_to_chat_id", "migrate_from_chat_id", "forum_topic_created", "pinned_message"),
    *("new_chat_members", "left_chat_member"),
}


def reaches(world: World, chat: Chat, message: Json) -> bool:
    """Whether the bot hears it: membership, other bots and privacy mode decide."""
    bot, sender = world.bot, message.get("from", {})
    status = "member" if chat.person else chat.members.get(bot.id)
    if status not in PRESENT or sender.get("id") == bot.id:
        return False
    posing = sender.get("id") in (ANONYMOUS_ADMIN["id"], CHANNEL_BOT["id"])
    if sender.get("is_bot") and not posing and not world.hears_bots:
        return False
    open_to_it = chat.kind in ("private", "channel") or status == "administrator"
    return open_to_it or not world.privacy or _is_meant(world, chat, message)


def _is_meant(world: World, chat: Chat, message: Json) -> bool:
    """What a bot in privacy mode hears: mentions, commands, replies to it, service messages."""
    if _SERVICE & set(message) or any(_names_us(world, message, e) for e in entities_of(message)):
        return True
    words = message.get("text", "")
    if words.startswith("/") and "@" not in words.split()[0]:
        bots = [m["from"] for m in chat.messages.values() if m.get("from", {}).get("is_bot")]
        return not bots or bots[-1]["id"] == world.bot.id
    answered = chat.messages.get(message.get("reply_to_message", {}).get("message_id", 0))
    if not answered or "forum_topic_created" in answered:
        return False
    ours = answered.get("from", {}).get("id") == world.bot.id
    return ours or any(_names_us(world, answered, e) for e in entities_of(answered))


def _names_us(world: World, message: Json, entity: Json) -> bool:
    words = message.get("text") or message.get("caption") or ""
    part = cut(words, entity["offset"], entity["length"]).lower()
    named = part.endswith("@" + world.bot.username.lower())
    kinds = entity["type"] in ("mention", "bot_command")
    linked = entity["type"] == "text_mention" and entity["user"]["id"] == world.bot.id
    return (kinds and named) or linked
