"""What people do, and what they see: the verbs of a test's story."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Callable
from typing import TypeVar

from tests.fakes.telegram.hearing import reaches
from tests.fakes.telegram.methods import member, open_topic
from tests.fakes.telegram.screen import Seen, seen
from tests.fakes.telegram.sending import document as as_document
from tests.fakes.telegram.sending import photo_size
from tests.fakes.telegram.text import detected
from tests.fakes.telegram.updates import Updates
from tests.fakes.telegram.wire import Json, units
from tests.fakes.telegram.world import (
    ANONYMOUS_ADMIN,
    CHANNEL_BOT,
    GENERAL,
    PRESENT,
    Chat,
    Person,
    World,
    quoted,
)

Place = Chat | Person | int | None
Found = TypeVar("Found")


Said = Seen | Json


class Story:
    """People, chats, and what happens there."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.updates = Updates(world.now)
        self._queries = itertools.count(1)

    def person(self, name: str, *, user_id: int = 0, started: bool = False) -> Person:
        """Somebody new. `started`: has already written to the bot some time ago."""
        who = self.world.person(name, user_id=user_id)
        who.started = started
        return who

    def other_bot(self, name: str) -> Person:
        """Another bot."""
        return self.world.person(name, is_bot=True)

    def group(self, title: str, *members: Person) -> Chat:
        """A basic group with the bot in it."""
        return self.world.room("group", title, members)

    def supergroup(self, title: str, *members: Person, forum: bool = False) -> Chat:
        """A supergroup with the bot in it; a forum has topics."""
        chat = self.world.room("supergroup", title, members)
        chat.forum = forum
        return chat

    def channel(self, title: str, *members: Person) -> Chat:
        """A channel in which the bot is an administrator."""
        return self.world.room("channel", title, members)

    def topic(self, chat: Place, name: str, by: Person | None = None) -> int:
        """The id of a topic, which is opened if there is none of that name."""
        room = self._room(chat)
        if not room.forum and not (room.person and self.world.private_topics):
            raise ValueError(f"there are no topics in {room.title or 'this private chat'}")
        for number, known in room.topics.items():
            if known == name:
                return number
        opener = by or room.person or self.world.bot
        number = open_topic(self.world, room, name, opener.json())
        self._deliver(room, "message", room.messages[number])
        return number

    def promotes(self, chat: Chat, who: Person | None = None) -> None:
        """Make somebody, or the bot, an administrator."""
        self._becomes(chat, who or self.world.bot, "administrator")

    def kicks(self, chat: Chat) -> None:
        """Throw the bot out."""
        self._becomes(chat, self.world.bot, "kicked")

    def adds(self, chat: Chat) -> None:
        """Take the bot in (again)."""
        self._becomes(chat, self.world.bot, "member")

    async def leaves(self, user: Person, chat: Chat, *, quietly: bool = False) -> None:
        """Go out of a group, which says so, or tells its administrators alone."""
        who, chat.members[user.id] = user.json(), "left"
        if quietly:
            change = (member(who, "member"), member(who, "left"))
            self._member_update(chat, who, *change, kind="chat_member")
        else:
            self._deliver(chat, "message", self.world.post(chat, who, left_chat_member=who))

    def blocks(self, user: Person, blocked: bool = True) -> None:
        """Stop the bot from writing to somebody, or let it again."""
        user.blocked = blocked
        who = self.world.bot.json()
        states = [member(who, "member"), member(who, "kicked")]
        old, new = states if blocked else reversed(states)
        self._member_update(self.world.chats[user.id], user.json(), old, new)

    async def says(
        self,
        user: Person,
        chat: Place = None,
        text: str = "",
        *,
        topic: int | None = None,
        reply_to: Said | None = None,
        quote: str = "",
        photo: bytes | None = None,
        document: tuple[str, bytes] | bytes | None = None,
        voice: bytes | None = None,
        sticker: str = "",
        size: int = 0,
        forward_from: Person | Chat | str | None = None,
        mentions: Person | None = None,
        anonymous: bool = False,
        as_channel: Chat | None = None,
        more: Json | None = None,
    ) -> Json:
        """Write; no chat is the private one. Returns the message, whether or not the bot hears it.

        `size` is the file's claimed size in bytes; `forward_from` as text is a hidden user;
        `mentions` links somebody's name within the text; `more` are any other fields of a Message.
        """
        room = self._speaking(user, chat, topic)
        media = self._media(photo, document, voice, sticker, size)
        field = "caption" if media else "text"
        entities = detected(text) + ([_mention(text, mentions)] if mentions else [])
        answered = _number(reply_to) if reply_to else None
        sender, chat_as = _author(user, room, anonymous, as_channel)
        fields = {
            "forward_origin": _origin(forward_from, int(self.world.now())),
            "quote": quoted(room.messages[answered], quote) if answered and quote else None,
            field: text,
            "entities" if field == "text" else "caption_entities": entities,
            **media,
            **(more or {}),
        }
        message = self.world.post(
            room, sender, topic=topic, reply_to=answered, sender_chat=chat_as, **fields
        )
        self._deliver(room, "message", message)
        return message

    async def posts(self, channel: Chat, text: str) -> Json:
        """Publish in a channel."""
        entities = detected(text)
        author = channel.json()
        message = self.world.post(channel, None, sender_chat=author, text=text, entities=entities)
        self._deliver(channel, "channel_post", message)
        return message

    async def edits(self, user: Person, message: Said, text: str) -> Json:
        """Change one's own message."""
        room, kept = self._found(message)
        if kept.get("from", {}).get("id") not in (user.id, ANONYMOUS_ADMIN["id"]):
            raise ValueError(f"{user.name} did not write that")
        field = "text" if "text" in kept else "caption"
        kept |= {field: text, "edit_date": int(self.world.now())}
        kept["entities" if field == "text" else "caption_entities"] = detected(text)
        self._deliver(room, "edited_message", kept)
        return kept

    async def deletes(self, message: Said) -> None:
        """Remove a message; a bot is never told."""
        room, kept = self._found(message)
        del room.messages[kept["message_id"]]

    async def clicks(
        self,
        user: Person,
        message: Said,
        button: str = "",
        *,
        data: str = "",
        inaccessible: bool = False,
        inline: bool = False,
    ) -> str:
        """Press a button, named by its label or data. Returns the query's id, see `answer`.

        `data` sends anything, as a changed client can; `inaccessible` and `inline` are clicks on
        a message that the bot cannot read, or that came by inline mode.
        """
        room, kept = self._found(message, missing=inaccessible)
        pressed = data or _button(kept, button)
        query = f"{user.id}{next(self._queries):06}"
        body = {"id": query, "from": user.json(), "chat_instance": str(room.id), "data": pressed}
        if inline:
            body["inline_message_id"] = f"inline-{kept['message_id']}"
        elif inaccessible:
            body["message"] = {"chat": room.json(), "message_id": kept["message_id"], "date": 0}
        else:
            body["message"] = kept
        self.world.queries[query] = self.world.now()
        self.updates.add("callback_query", copy.deepcopy(body))
        return query

    def answer(self, query: str) -> Json | None:
        """What the bot answered to a click; None while the button still spins."""
        return self.world.answers.get(query)

    async def reacts(
        self, user: Person, message: Said, emoji: str = "", *, anonymous: bool = False
    ) -> None:
        """Set one's reaction, or take it back. The bot is told in private or as administrator."""
        room, kept = self._found(message)
        given = room.reactions.setdefault(kept["message_id"], {})
        old, new = given.get(user.id, []), [emoji] if emoji else []
        given[user.id] = new
        if not room.person and room.members.get(self.world.bot.id) != "administrator":
            return
        body = {
            "chat": room.json(),
            "message_id": kept["message_id"],
            "date": int(self.world.now()),
            "old_reaction": [{"type": "emoji", "emoji": e} for e in old],
            "new_reaction": [{"type": "emoji", "emoji": e} for e in new],
        }
        body |= {"actor_chat": room.json()} if anonymous else {"user": user.json()}
        self.updates.add("message_reaction", body)

    async def migrates(self, chat: Chat) -> Chat:
        """Turn a group into a supergroup; the old one only says where it went."""
        new = self.world.room("supergroup", chat.title, ())
        new.members = dict(chat.members)
        by = self.world.people[next(iter(chat.members))].json()
        leaving = self.world.post(chat, by, migrate_to_chat_id=new.id)
        arriving = self.world.post(new, by, migrate_from_chat_id=chat.id)
        self._deliver(chat, "message", leaving)
        self._deliver(new, "message", arriving)
        chat.moved_to = new.id
        return new

    def delivers(self, kind: str, body: Json) -> None:
        """Queue any update, also of a kind that nobody knows yet or that nobody asked for."""
        self.updates.push(kind, body)

    def chat(self, chat: Place, topic: int | None = None) -> list[Seen]:
        """The messages on the screen, oldest first; of one topic, or of the whole chat."""
        room = self._room(chat)
        shown = [seen(self.world, room, message) for message in room.messages.values()]
        return [message for message in shown if topic in (None, message.topic)]

    def replies(self, chat: Place, topic: int | None = None) -> list[Seen]:
        """Those of them that the bot wrote."""
        return [message for message in self.chat(chat, topic) if message.by_bot]

    def drafts(self, chat: Place, topic: int | None = None) -> list[str]:
        """The drafts that are streaming on the screen now."""
        return self.world.drafts(self._room(chat), topic)

    def action(self, chat: Place, topic: int | None = None) -> str:
        """What the bot is seen doing, such as "typing", or nothing."""
        return self.world.action(self._room(chat), topic)

    async def until(self, predicate: Callable[[], Found], within: float = 20) -> Found:
        """Wait until something holds, and return it. Raises TimeoutError after `within` s."""
        async with asyncio.timeout(within):
            while not (found := predicate()):
                await asyncio.sleep(0.005)
        return found

    async def hears(
        self, chat: Place, part: str = "", topic: int | None = None, within: float = 20
    ) -> Seen:
        """Wait for a message of the bot with these words in it; the newest of them."""

        def last() -> list[Seen]:
            return [found for found in self.replies(chat, topic) if part in found.text]

        return (await self.until(last, within))[-1]

    def _room(self, chat: Place) -> Chat:
        if isinstance(chat, Chat):
            return chat
        number = chat.id if isinstance(chat, Person) else chat
        return self.world.chats[number or 0]

    def _speaking(self, user: Person, chat: Place, topic: int | None) -> Chat:
        """Where somebody speaks, if they can."""
        room = self._room(chat or user)
        if topic not in (None, GENERAL) and topic not in room.topics:
            raise ValueError(f"there is no topic {topic} in {room.title}")
        if room.person:
            if user.blocked:
                raise ValueError(f"{user.name} has blocked the bot")
            user.started = True
        elif room.moved_to or room.members.get(user.id) not in PRESENT:
            raise ValueError(f"{user.name} cannot write in {room.title}")
        return room

    def _found(self, message: Said, *, missing: bool = False) -> tuple[Chat, Json]:
        """A message's chat, and the message as it is there now. Raises LookupError without it."""
        chat_id = message.chat_id if isinstance(message, Seen) else message["chat"]["id"]
        room, number = self.world.chats[chat_id], _number(message)
        if not missing and number not in room.messages:
            raise LookupError(f"there is no message {number} any more")
        return room, room.messages.get(number, {"message_id": number})

    def _deliver(self, chat: Chat, kind: str, message: Json) -> None:
        if reaches(self.world, chat, message):
            self.updates.add(kind, copy.deepcopy(message))

    def _becomes(self, chat: Chat, who: Person, status: str) -> None:
        old = member(who.json(), chat.members.get(who.id, "left"))
        chat.members[who.id] = status
        if who is self.world.bot:
            people = [self.world.people[number] for number in chat.members if number != who.id]
            by = people[0].json() if people else ANONYMOUS_ADMIN
            self._member_update(chat, by, old, member(who.json(), status))

    def _member_update(
        self, chat: Chat, by: Json, old: Json, new: Json, kind: str = "my_chat_member"
    ) -> None:
        body = {"chat": chat.json(), "from": by, "date": int(self.world.now())}
        body |= {"old_chat_member": old, "new_chat_member": new}
        self.updates.add(kind, body)

    def _media(
        self,
        photo: bytes | None,
        document: tuple[str, bytes] | bytes | None,
        voice: bytes | None,
        sticker: str,
        size: int,
    ) -> Json:
        keep = self.world.keep
        if photo is not None:
            kept = [keep("photo.jpg", "image/jpeg", photo, size) for _ in range(3)]
            return {"photo": [photo_size(k, w) for k, w in zip(kept, (90, 320, 1280), strict=True)]}
        if document is not None:
            name, data = ("file.bin", document) if isinstance(document, bytes) else document
            return {"document": as_document(keep(name, "application/octet-stream", data, size))}
        if voice is not None:
            spoken = as_document(keep("voice.oga", "audio/ogg", voice, size))
            del spoken["file_name"]
            return {"voice": {**spoken, "duration": 3}}
        if sticker:
            drawn = photo_size(keep("sticker.webp", "image/webp", b"webp"), 512)
            flat = {"is_animated": False, "is_video": False, "type": "regular", "emoji": sticker}
            return {"sticker": {**drawn, **flat}}
        return {}


def _number(message: Said) -> int:
    return message.id if isinstance(message, Seen) else message["message_id"]


def _mention(text: str, who: Person) -> Json:
    offset = units(text[: text.index(who.name)])
    return {
        "type": "text_mention",
        "offset": offset,
        "length": units(who.name),
        "user": who.json(),
    }


def _author(
    user: Person, chat: Chat, anonymous: bool, as_channel: Chat | None
) -> tuple[Json, Json | None]:
    """As whom somebody appears."""
    if anonymous:
        return ANONYMOUS_ADMIN, chat.json()
    if as_channel:
        return CHANNEL_BOT, as_channel.json()
    return user.json(), None


def _origin(source: Person | Chat | str | None, at: int) -> Json | None:
    match source:
        case Person():
            return {"type": "user", "date": at, "sender_user": source.json()}
        case Chat(kind="channel"):
            return {"type": "channel", "date": at, "chat": source.json(), "message_id": 1}
        case Chat():
            return {"type": "chat", "date": at, "sender_chat": source.json()}
        case str():
            return {"type": "hidden_user", "date": at, "sender_user_name": source}
    return None


def _button(message: Json, wanted: str) -> str:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    buttons = [button for row in rows for button in row]
    for button in buttons:
        if wanted in (button["text"], button.get("callback_data")):
            return str(button["callback_data"])
    raise LookupError(f"no button {wanted!r} among {[button['text'] for button in buttons]}")
