"""A message of Telegram's as an Inbound: whether it is for us, and what its sender said in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from telegram import Message, MessageEntity, User
from telegram.constants import ChatType

from coworker.adapters import render
from coworker.adapters.telegram import attachments, legible
from coworker.adapters.telegram.rooms import named
from coworker.types import Inbound, Json, Place

COMMANDS = {  # what Telegram suggests; as `/status` they mean what `!status` means elsewhere
    "help": "what I can do",
    "status": "what is going on",
    "queue": "what waits here",
    "stop": "end what is running here",
    "approve": "allow what question N asks for",
    "deny": "refuse what question N asks for",
    "diff": "what was committed here",
    "push": "push what the last run committed",
    "pr": "open a pull request for it",
    "undo": "take the last run back",
    "why": "how the last reply came about",
    "schedules": "what I do by the clock",
    "cost": "what was spent",
    "remember": "keep something about this repository",
    "forget": "remove it for good",
    "memory": "what is remembered",
    "repo": "which repository this chat is about",
    "new": "a fresh start",
    "rules": "what I may do",
    "unrule": "take rule N back",
    "pair": "let somebody in",
    "unpair": "send somebody away again",
}
_COMMAND = re.compile(r"/(\w+)(?:@(\w+))?(?=\s|$)")
Call = Literal["direct", "followed", ""]
"""Why a message is for us: said to us, or in a topic that we take part in; or not at all."""


@dataclass(frozen=True, slots=True)
class Us:
    """Who we are there. `hears` says whether a program turns voice notes into text for us."""

    id: int
    username: str
    hears: bool = False


def place_topic(message: Message) -> int | None:
    """The topic a message stands in. Threads of replies in a plain supergroup are none."""
    return message.message_thread_id if message.is_topic_message else None


def call(message: Message, us: Us, *, follows: bool) -> Call:
    """Whether and why a message is for us; `follows` says that we take part in its conversation."""
    if message.chat.type == ChatType.PRIVATE:
        return "direct"
    command = _COMMAND.match(message.text or "")
    if command:
        theirs = command[2] and command[2].lower() != us.username.lower()
        ours = command[2] or command[1].lower() in COMMANDS
        return "direct" if ours and not theirs else ""
    mentions = [(entity.offset, _names(message, entity, us)) for entity in _mentions(message)]
    if (0, False) in mentions:
        return ""  # it opens with somebody else's name
    if any(is_us for _, is_us in mentions) or _answers_us(message, us):
        return "direct"
    return "followed" if _is_our_topic(message, us, follows=follows) else ""


def has_content(message: Message) -> bool:
    """Whether somebody said anything; a service message only tells what happened to the chat."""
    said = (message.text or message.caption) is not None
    return said or bool(message.effective_attachment or legible.unread(message))


def is_by_person(message: Message) -> bool:
    """Whether a person wrote it as such: no bot, no channel, no anonymous administrator."""
    user = message.from_user
    return bool(user and not user.is_bot and not message.sender_chat)


def heard(update_id: int, message: Message, place: Place, us: Us, *, direct: bool) -> Inbound:
    """What somebody wrote, with their own words apart from everybody else's."""
    body: Json = {
        **_signed(message, place),
        "text": "" if attachments.is_foreign(message) else said(message, us),
        "at": round(message.date.timestamp() * 1000),
        "direct": direct,
        **_about_ours(message, place, us),
    }
    if message.chat.type == ChatType.PRIVATE:
        body["private"] = True
    body["text"] = body["text"] or attachments.described(message, transcribed=us.hears)
    if found := attachments.files(message, transcribed=us.hears):
        body["files"] = found
    if words := attachments.quoted(message, us.id):
        body["quoted"] = [{**each, "text": render.clean(each["text"])} for each in words]
    return Inbound("telegram", str(update_id), place.conversation, "message", body, place)


def edited(update_id: int, message: Message, place: Place, us: Us) -> Inbound:
    """What somebody wrote instead."""
    about = {**_signed(message, place), **_about_ours(message, place, us)}
    body = {**about, "text": said(message, us)}
    return Inbound("telegram", str(update_id), place.conversation, "edit", body, place)


def sender(user: User | None) -> str:
    """Somebody's id among all adapters'."""
    return f"telegram:{user.id}" if user else "telegram:"


def said(message: Message, us: Us) -> str:
    """The words as they were written: without our name, with links and code as Markdown."""
    raw = (message.text or message.caption or "").encode("utf-16-le", "surrogatepass")
    begun = len(raw)
    for entity in sorted(_entities(message), key=lambda each: each.offset, reverse=True):
        start, end = 2 * entity.offset, 2 * (entity.offset + entity.length)
        words = raw[start:end].decode("utf-16-le", "replace")
        written = _written(message, entity, words, us)
        if written != words and end <= begun:
            raw = raw[:start] + written.encode("utf-16-le", "surrogatepass") + raw[end:]
            begun = start
    return _command(render.clean(raw.decode("utf-16-le", "surrogatepass")).strip())


def _command(text: str) -> str:
    """`/status@coworker_bot x` as `!status x`."""
    found = _COMMAND.match(text)
    if not found:
        return text
    verb = "help" if found[1] == "start" else found[1].lower()
    rest = "" if found[1] == "start" else text[found.end() :]
    return f"!{verb}{rest}"


def _written(message: Message, entity: MessageEntity, words: str, us: Us) -> str:
    match entity.type:
        case MessageEntity.MENTION | MessageEntity.TEXT_MENTION:
            return "" if _names(message, entity, us) else words
        case MessageEntity.TEXT_LINK:
            return f"[{words}]({entity.url})"
        case MessageEntity.PRE:
            return f"```{entity.language or ''}\n{words}\n```"
        case MessageEntity.CODE:
            return f"`{words}`"
    return words


def _signed(message: Message, place: Place) -> Json:
    name = named(place, message.chat.id, message.message_id)
    return {"sender": sender(message.from_user), "message": name}


def _entities(message: Message) -> tuple[MessageEntity, ...]:
    return tuple(message.entities or message.caption_entities or ())


def _mentions(message: Message) -> list[MessageEntity]:
    kinds = (MessageEntity.MENTION, MessageEntity.TEXT_MENTION)
    return [entity for entity in _entities(message) if entity.type in kinds]


def _names(message: Message, entity: MessageEntity, us: Us) -> bool:
    if entity.user:
        return entity.user.id == us.id
    parse = message.parse_entity if message.text else message.parse_caption_entity
    return parse(entity).lower() == f"@{us.username.lower()}"


def _answers_us(message: Message, us: Us) -> bool:
    original = message.reply_to_message
    if not original or original.forum_topic_created or not original.from_user:
        return False
    return original.from_user.id == us.id


def _about_ours(message: Message, place: Place, us: Us) -> Json:
    original = message.reply_to_message
    if original and _answers_us(message, us):
        return {"about_ours": named(place, message.chat.id, original.message_id)}
    return {}


def _is_our_topic(message: Message, us: Us, *, follows: bool) -> bool:
    """Whether nobody needs to name us there: we take part in the topic, or have opened it."""
    if not place_topic(message):
        return False
    first = message.reply_to_message
    opened = first and first.forum_topic_created and first.from_user
    return follows or bool(opened and opened.id == us.id)
