"""The people, the chats and what was said in them: one account of what the bot and people see."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field

from tests.fakes.telegram.wire import Json, Refused, bad, forbidden, units

ANONYMOUS_ADMIN = {
    "id": 1087968824,
    "is_bot": True,
    "first_name": "Group",
    "username": "GroupAnonymousBot",
}
CHANNEL_BOT = {
    "id": 136817688,
    "is_bot": True,
    "first_name": "Channel",
    "username": "Channel_Bot",
}
GENERAL = 1
"""The id of a forum's General topic, which no message carries."""
PRESENT = {"creator", "administrator", "member"}
_DRAFT_S = 30
_ACTION_S = 5


@dataclass(eq=False)
class Person:
    """Somebody with an account. `started`: has written to the bot, which may then answer."""

    id: int
    name: str
    username: str
    is_bot: bool = False
    started: bool = False
    blocked: bool = False
    deactivated: bool = False

    def json(self) -> Json:
        """As a User."""
        return {
            "id": self.id,
            "is_bot": self.is_bot,
            "first_name": self.name,
            "username": self.username,
        }


@dataclass(eq=False)
class Chat:
    """A room. `members` maps user ids to a status; `topics` ids to names.

    Kinds are private, group, supergroup and channel. `muted`: members may not write. `ours` are
    the bot's messages, `markdown` the sources of the rich ones among them.
    """

    id: int
    kind: str
    title: str = ""
    person: Person | None = None
    forum: bool = False
    muted: bool = False
    moved_to: int = 0
    members: dict[int, str] = field(default_factory=dict)
    topics: dict[int, str] = field(default_factory=dict)
    closed_topics: set[int] = field(default_factory=set)
    messages: dict[int, Json] = field(default_factory=dict)
    ours: set[int] = field(default_factory=set)
    markdown: dict[int, str] = field(default_factory=dict)
    reactions: dict[int, dict[int, list[str]]] = field(default_factory=dict)
    pinned: list[int] = field(default_factory=list)
    drafts: dict[tuple[int | None, int], tuple[float, str]] = field(default_factory=dict)
    actions: dict[int | None, tuple[float, str]] = field(default_factory=dict)
    last_id: int = 1  # the message that made the chat

    def json(self) -> Json:
        """As a Chat."""
        if self.person:
            who = self.person
            return {
                "id": self.id,
                "type": "private",
                "first_name": who.name,
                "username": who.username,
            }
        forum = {"is_forum": True} if self.forum else {}
        return {"id": self.id, "type": self.kind, "title": self.title, **forum}


@dataclass(frozen=True)
class Stored:
    """A file on the platform; `size` in bytes may be more than what is kept of it."""

    id: str
    name: str
    mime_type: str
    data: bytes
    size: int
    path: str


class World:
    """Everything there is. `ahead_s` moves the clock, to let things grow old."""

    def __init__(self, username: str = "coworker_bot", bot_id: int = 7_000_001) -> None:
        self.bot = Person(bot_id, "coworker", username, is_bot=True)
        self.people: dict[int, Person] = {bot_id: self.bot}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, Stored] = {}
        self.queries: dict[str, float] = {}
        self.answers: dict[str, Json] = {}
        self.commands: dict[str, list[Json]] = {}
        self.privacy = True
        self.hears_bots = True
        self.private_topics = False
        self.rich = True
        self.query_s = 15.0
        self.ahead_s = 0.0
        self._user_ids = itertools.count(4711)
        self._room_ids = itertools.count(10_042)
        self._files = itertools.count(1)
        self._account_ids = 100

    def now(self) -> float:
        """Unix seconds."""
        return time.time() + self.ahead_s

    def person(self, name: str, *, is_bot: bool = False, user_id: int = 0) -> Person:
        """A new account and its private chat with the bot."""
        short = "_".join(name.lower().split())
        username = f"{short}_bot" if is_bot else short
        who = Person(user_id or next(self._user_ids), name, username, is_bot)
        self.people[who.id] = who
        self.chats[who.id] = Chat(who.id, "private", person=who)
        return who

    def room(self, kind: str, title: str, members: tuple[Person, ...]) -> Chat:
        """A new room with the bot in it as a member (of a channel: as an administrator)."""
        number = next(self._room_ids)
        chat_id = -number if kind == "group" else -1_000_000_000_000 - number
        chat = self.chats[chat_id] = Chat(chat_id, kind, title)
        chat.members = {member.id: "member" for member in members}
        chat.members[self.bot.id] = "administrator" if kind == "channel" else "member"
        chat.last_id = GENERAL  # its first message is the one that tells of its creation
        return chat

    def reachable(self, chat_id: object, *, write: bool = True) -> Chat:
        """The chat a request names. Raises Refused when the bot cannot read or write there."""
        name = str(chat_id or "")
        if not name:
            raise bad("chat_id is empty")
        chat = self.chats.get(int(name)) if name.lstrip("-").isdigit() else None
        if not chat:
            raise bad("chat not found")
        if chat.person:
            _check_private(chat.person, write)
        else:
            _check_room(chat, chat.members.get(self.bot.id, "left"), write)
        return chat

    def topic(self, chat: Chat, thread: int | None) -> int | None:
        """The topic a request goes to. Raises Refused when there is none of that id."""
        if not thread or not (chat.forum or chat.person):
            return None  # other groups take no notice of it
        if thread not in chat.topics:
            raise bad("message thread not found")
        if thread in chat.closed_topics:
            raise bad("TOPIC_CLOSED")
        return thread

    def post(
        self,
        chat: Chat,
        sender: Json | None,
        *,
        topic: int | None = None,
        reply_to: int | None = None,
        **content: object,
    ) -> Json:
        """A new message in a chat, also kept there."""
        message: Json = {"message_id": self._next_id(chat), "date": int(self.now())}
        message |= {"from": sender} if sender else {}
        message["chat"] = chat.json()
        message |= {key: value for key, value in content.items() if value not in (None, [], "")}
        message |= self._placed(chat, topic, reply_to)
        chat.messages[message["message_id"]] = message
        return message

    def keep(self, name: str, mime_type: str, data: bytes, size: int = 0) -> Stored:
        """A file, from now on known by its id."""
        number = next(self._files)
        folder = "photos" if mime_type.startswith("image/") else "documents"
        kept = Stored(
            id=f"BQACAgIAAx{number:06}",
            name=name,
            mime_type=mime_type,
            data=data,
            size=size or len(data),
            path=f"{folder}/file_{number}{'.' + name.rpartition('.')[2] if '.' in name else ''}",
        )
        self.files[kept.id] = kept
        return kept

    def drafts(self, chat: Chat, topic: int | None = None) -> list[str]:
        """The drafts that are on the person's screen now; they vanish after 30 s."""
        oldest = self.now() - _DRAFT_S
        return [t for (place, _), (at, t) in chat.drafts.items() if place == topic and at > oldest]

    def action(self, chat: Chat, topic: int | None = None) -> str:
        """What the bot is seen doing, such as typing; it lasts 5 s or until it writes."""
        at, action = chat.actions.get(topic, (0.0, ""))
        return action if at > self.now() - _ACTION_S else ""

    def _next_id(self, chat: Chat) -> int:
        if chat.kind in ("private", "group"):  # these share the account's counter
            self._account_ids += 1
            return self._account_ids
        chat.last_id += 1
        return chat.last_id

    def _placed(self, chat: Chat, topic: int | None, reply_to: int | None) -> Json:
        """Where in a chat a message stands: its topic and what it answers."""
        place: Json = {}
        if topic and topic != GENERAL:
            place = {"message_thread_id": topic, "is_topic_message": True}
        answered = chat.messages.get(reply_to or 0)
        if not answered and place and chat.forum:
            answered = chat.messages.get(topic or 0)  # the service message that opened the topic
        if answered:
            shown = {k: v for k, v in answered.items() if k != "reply_to_message"}
            place["reply_to_message"] = shown
            if chat.kind == "supergroup" and not chat.forum:
                root = answered.get("message_thread_id", answered["message_id"])
                place["message_thread_id"] = root
        return place


def quoted(message: Json, words: str) -> Json:
    """A part of a message as a TextQuote. Raises Refused when it does not occur there."""
    text = message.get("text") or message.get("caption") or ""
    if words not in text:
        raise bad("QUOTE_TEXT_INVALID")
    position = units(text[: text.index(words)])
    return {"text": words, "position": position, "is_manual": True}


def _check_private(who: Person, write: bool) -> None:
    if who.deactivated and write:
        raise forbidden("user is deactivated")
    if who.is_bot and write:
        raise forbidden("bot can't send messages to bots")
    if who.blocked and write:
        raise forbidden("bot was blocked by the user")
    if not who.started:
        raise (
            forbidden("bot can't initiate conversation with a user")
            if write
            else bad("chat not found")
        )


def _check_room(chat: Chat, status: str, write: bool) -> None:
    name = chat.kind
    if chat.moved_to and write:
        why = "Bad Request: group chat was upgraded to a supergroup chat"
        raise Refused(400, why, migrate_to_chat_id=chat.moved_to)
    if status == "kicked":
        raise forbidden(f"bot was kicked from the {name} chat")
    if status not in PRESENT:
        raise forbidden(f"bot is not a member of the {name} chat")
    if write and chat.kind == "channel" and status != "administrator":
        raise bad("need administrator rights in the channel chat")
    if write and chat.muted and status != "administrator":
        raise bad("not enough rights to send text messages to the chat")
