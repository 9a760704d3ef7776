"""What the bot can ask for: each method checks like the platform, then changes the world."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from telegram.constants import ReactionEmoji

from tests.fakes.telegram.text import keyboard
from tests.fakes.telegram.wire import Json, bad
from tests.fakes.telegram.world import GENERAL, PRESENT, Chat, World

Method = Callable[[World, Json], Any]
METHODS: dict[str, Method] = {}
"""By lower-case name, as the platform looks them up. getUpdates is the server's."""
_DOWNLOAD_BYTES = 20 * 1024 * 1024
_DELETABLE_S = 48 * 3600
_ACTIONS = (
    "typing upload_photo record_video upload_video record_voice upload_voice upload_document "
    "choose_sticker find_location record_video_note upload_video_note"
)
_RIGHTS = (
    "can_be_edited is_anonymous can_manage_chat can_delete_messages can_manage_video_chats "
    "can_restrict_members can_promote_members can_change_info can_invite_users can_post_stories "
    "can_edit_stories can_delete_stories can_pin_messages can_manage_topics"
)

_GIFTS = "unlimited_gifts limited_gifts unique_gifts premium_subscription gifts_from_channels"


def method(function: Method) -> Method:
    """Offer a function under its own name."""
    METHODS[function.__name__.lower()] = function
    return function


@method
def getMe(world: World, _: Json) -> Json:
    return {
        **world.bot.json(),
        "can_join_groups": True,
        "can_read_all_group_messages": not world.privacy,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": world.private_topics,
        "allows_users_to_create_topics": world.private_topics,
    }


@method
def setMyCommands(world: World, args: Json) -> bool:
    commands = args.get("commands")
    if not isinstance(commands, list):
        raise bad("expected an Array of BotCommand")
    if len(commands) > 100:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        if not re.fullmatch(r"/?[a-z0-9_]{1,32}", command["command"]):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(command["description"]) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    world.commands[_scope(args)] = commands
    return True


@method
def getMyCommands(world: World, args: Json) -> list[Json]:
    return world.commands.get(_scope(args), [])


@method
def deleteMyCommands(world: World, args: Json) -> bool:
    world.commands.pop(_scope(args), None)
    return True


@method
def editMessageReplyMarkup(world: World, args: Json) -> Json:
    chat, message = own_message(world, args)
    markup = keyboard(args)
    if markup == message.get("reply_markup"):
        raise not_modified()
    show_buttons(message, markup)
    return chat.messages[message["message_id"]]


@method
def deleteMessage(world: World, args: Json) -> bool:
    chat = world.reachable(args.get("chat_id"))
    message = chat.messages.get(int(args.get("message_id") or 0))
    if not message:
        raise bad("message to delete not found")
    mine = message["message_id"] in chat.ours
    admin = chat.person or chat.members.get(world.bot.id) == "administrator"
    if message["date"] < world.now() - _DELETABLE_S or not (mine or admin):
        raise bad("message can't be deleted")
    del chat.messages[message["message_id"]]
    return True


@method
def answerCallbackQuery(world: World, args: Json) -> bool:
    query = str(args.get("callback_query_id"))
    asked = world.queries.get(query, float("-inf"))
    if asked < world.now() - world.query_s:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    if len(str(args.get("text") or "")) > 200:
        raise bad("MESSAGE_TOO_LONG")
    world.answers[query] = {k: v for k, v in args.items() if k != "callback_query_id"}
    return True


@method
def setMessageReaction(world: World, args: Json) -> bool:
    chat = world.reachable(args.get("chat_id"))
    number = int(args.get("message_id") or 0)
    if number not in chat.messages:
        raise bad("message to react not found")
    kinds = args.get("reaction") or []
    if len(kinds) > 1:
        raise bad("REACTIONS_TOO_MANY")
    emoji = [kind.get("emoji") for kind in kinds]
    if not set(emoji) <= set(ReactionEmoji):
        raise bad("REACTION_INVALID")
    chat.reactions.setdefault(number, {})[world.bot.id] = emoji
    return True


@method
def sendChatAction(world: World, args: Json) -> bool:
    if args.get("action") not in _ACTIONS.split():
        raise bad("wrong parameter action in request")
    chat = world.reachable(args.get("chat_id"))
    thread = _number(args, "message_thread_id")
    topic = None if thread == GENERAL else world.topic(chat, thread)  # here General has an id
    chat.actions[topic] = (world.now(), args["action"])
    return True


@method
def getFile(world: World, args: Json) -> Json:
    if not args.get("file_id"):
        raise bad("file_id not specified")
    kept = world.files.get(args["file_id"])
    if not kept:
        raise bad("invalid file_id")
    if kept.size > _DOWNLOAD_BYTES:
        raise bad("file is too big")
    return {
        "file_id": kept.id,
        "file_unique_id": f"u{kept.id[-6:]}",
        "file_size": kept.size,
        "file_path": kept.path,
    }


@method
def getChat(world: World, args: Json) -> Json:
    chat = world.reachable(args.get("chat_id"), write=False)
    accepted = dict.fromkeys(_GIFTS.split(), False)
    full = {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": accepted}
    pinned = chat.messages.get(chat.pinned[-1]) if chat.pinned else None
    return chat.json() | full | ({"pinned_message": pinned} if pinned else {})


@method
def getChatMember(world: World, args: Json) -> Json:
    chat = world.reachable(args.get("chat_id"), write=False)
    who = world.people.get(_number(args, "user_id") or 0)
    if not who:
        raise bad("user not found")
    status = chat.members.get(who.id, "left")
    return member(who.json(), "member" if chat.person else status)


@method
def getChatAdministrators(world: World, args: Json) -> list[Json]:
    chat = world.reachable(args.get("chat_id"), write=False)
    if chat.person:
        raise bad("there are no administrators in the private chat")
    leading = {who: s for who, s in chat.members.items() if s in ("creator", "administrator")}
    return [member(world.people[who].json(), status) for who, status in leading.items()]


@method
def pinChatMessage(world: World, args: Json) -> bool:
    chat, number = _pinnable(world, args)
    if number not in chat.messages:
        raise bad("message to pin not found")
    chat.pinned.append(number)
    return True


@method
def unpinChatMessage(world: World, args: Json) -> bool:
    chat, number = _pinnable(world, args)
    if not chat.pinned:
        raise bad("message to unpin not found")
    chat.pinned.remove(number or chat.pinned[-1])
    return True


@method
def createForumTopic(world: World, args: Json) -> Json:
    chat = world.reachable(args.get("chat_id"))
    if not (chat.forum or (chat.person and world.private_topics)):
        raise bad("the chat is not a forum")
    if not chat.person and chat.members[world.bot.id] != "administrator":
        raise bad("not enough rights to create a topic")
    name = str(args.get("name") or "")
    if not name:
        raise bad("TOPIC_TITLE_EMPTY")
    return {
        "message_thread_id": open_topic(world, chat, name, world.bot.json()),
        "name": name,
        "icon_color": 7322096,
    }


@method
def leaveChat(world: World, args: Json) -> bool:
    world.reachable(args.get("chat_id"), write=False).members[world.bot.id] = "left"
    return True


def open_topic(world: World, chat: Chat, name: str, by: Json) -> int:
    """Make a topic; its id is that of the service message that opens it."""
    opened = {"name": name, "icon_color": 7322096}
    message = world.post(chat, by, forum_topic_created=opened)
    topic: int = message["message_id"]
    message |= {"message_thread_id": topic, "is_topic_message": True}
    chat.topics[topic] = name
    return topic


def member(user: Json, status: str) -> Json:
    """A ChatMember."""
    found: Json = {"user": user, "status": status}
    match status:
        case "creator":
            found |= {"is_anonymous": False}
        case "administrator":
            found |= dict.fromkeys(_RIGHTS.split(), True) | {"is_anonymous": False}
        case "kicked":
            found |= {"until_date": 0}
    return found


def own_message(world: World, args: Json) -> tuple[Chat, Json]:
    """The message a request wants to edit. Raises Refused when it is not the bot's."""
    chat = world.reachable(args.get("chat_id"))
    message = chat.messages.get(int(args.get("message_id") or 0))
    if not message:
        raise bad("message to edit not found")
    if message["message_id"] not in chat.ours:
        raise bad("message can't be edited")
    return chat, message


def show_buttons(message: Json, markup: Json | None) -> None:
    """Replace a message's keyboard."""
    message.pop("reply_markup", None)
    if markup:
        message["reply_markup"] = markup


def not_modified() -> Exception:
    """The refusal of an edit that changes nothing."""
    return bad(
        "message is not modified: specified new message content and reply markup are exactly "
        "the same as a current content and reply markup of the message"
    )


def _pinnable(world: World, args: Json) -> tuple[Chat, int]:
    chat = world.reachable(args.get("chat_id"))
    status = chat.members.get(world.bot.id)
    if chat.kind == "supergroup" and status in PRESENT and status != "administrator":
        raise bad("not enough rights to manage pinned messages in the chat")
    return chat, _number(args, "message_id") or 0


def _number(args: Json, name: str) -> int | None:
    return int(args[name]) if args.get(name) else None


def _scope(args: Json) -> str:
    scope = args.get("scope") or {"type": "default"}
    place = f"{scope['type']} {scope.get('chat_id', '')} {scope.get('user_id', '')}".strip()
    return f"{place} {args.get('language_code') or ''}".strip()
