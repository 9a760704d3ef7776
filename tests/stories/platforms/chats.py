"""One vocabulary for every place in which people talk to the coworker.

A Chat is one conversation: `opens` it as people do there, `says` something more without naming the
bot, and shows what was said back. `apart` is another conversation of the same kind.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.fakes.slack import ALICE, BOB, BOT, GENERAL, FakeSlack, Message
from tests.fakes.telegram import FakeTelegram, Person, Seen

DEADLINE_S = 30
Files = Sequence[tuple[str, bytes]]


@dataclass(frozen=True)
class Shown:
    """A message of ours as people see it. `raw` is the fake's own, `data` behind each button."""

    id: str
    text: str
    buttons: tuple[str, ...]
    file: str
    data: dict[str, Any]
    raw: Any


class Chat(ABC):
    """One conversation on one platform. People are named alice, bob, gus and mallory."""

    kind = ""
    sign = "!"
    """What a verb begins with."""
    has_progress_message = True
    shared = True
    """Whether others than alice can read and write here."""

    @property
    def is_new(self) -> bool:
        """Whether nobody addressed the coworker here yet."""
        return not self.shown()

    @abstractmethod
    async def opens(self, text: str, who: str = "alice", files: Files = ()) -> Any:
        """Address the coworker for the first time here, by mention where that is needed."""

    @abstractmethod
    async def says(self, text: str, who: str = "alice", files: Files = ()) -> Any:
        """Say something more, without a mention."""

    @abstractmethod
    async def names(self, other: str, text: str) -> Any:
        """Say something that opens with somebody else's @."""

    @abstractmethod
    async def bot_says(self, text: str) -> Any:
        """Another bot speaks here."""

    @abstractmethod
    async def edits(self, message: Any, text: str) -> None:
        """Alice changes her message."""

    @abstractmethod
    async def clicks(self, shown: Shown, label: str, who: str = "alice") -> Any:
        """Press the button that shows the label."""

    @abstractmethod
    async def clicks_again(self, shown: Shown, label: str, who: str = "alice") -> Any:
        """Press a button on a screen that was not refreshed since `shown`."""

    @abstractmethod
    async def forges(self, shown: Shown, label: str, on: Shown, data: str = "") -> Any:
        """Alice presses that button on another message, or with other data than it has."""

    @abstractmethod
    def shown(self) -> list[Shown]:
        """What we say here now, oldest first."""

    @abstractmethod
    def marks(self, message: Any) -> set[str]:
        """How we marked somebody's message: seen, good, bad."""

    @abstractmethod
    def working(self) -> str:
        """What the run under way is seen doing; "" if nothing."""

    @abstractmethod
    def whispers(self) -> list[str]:
        """What single persons were told beside the conversation."""

    @abstractmethod
    def apart(self) -> Chat:
        """Another conversation of the same kind."""

    @abstractmethod
    async def sends(self, names: Sequence[str], size: int = 0) -> Any:
        """Send files of these names and of that many bytes, together, with the word "look"."""

    @abstractmethod
    def pings(self, shown: Shown) -> list[str]:
        """Whom a message of ours notifies by its markup."""

    @abstractmethod
    def notifies(self, shown: Shown) -> bool:
        """Whether alice's phone rings for this message."""

    @abstractmethod
    async def upsets(self) -> None:
        """What no client sends: presses without a message, events that nobody knows."""

    @abstractmethod
    async def settled(self) -> None:
        """Everything people did has been taken from the platform."""

    async def until(self, condition: Callable[[], Any], within: float = DEADLINE_S) -> Any:
        """Wait for something to become true, and return it."""
        try:
            async with asyncio.timeout(within):
                while not (found := condition()):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            said = [each.text[:300] for each in self.shown()]
            raise AssertionError(f"{self.kind}: never came true; we said {said}") from None
        return found

    async def hears(self, part: str, within: float = DEADLINE_S) -> Shown:
        """Wait for a message of ours with these words; the newest of them."""
        return (await self.until(lambda: self.saying(part), within))[-1]

    async def asks(self, text: str, answer: str) -> Shown:
        """Say it and hear an answer with these words."""
        await self.opens(text)
        return await self.hears(answer)

    def saying(self, part: str) -> list[Shown]:
        """Messages of ours with these words; what a run is doing is not yet said."""
        return [m for m in self.shown() if part in m.text and "Stop" not in str(m.buttons)]


class SlackChat(Chat):
    """A thread in #general."""

    kind = "slack"
    _people: ClassVar = {"alice": ALICE, "bob": BOB, "gus": "U0GUS", "mallory": "U0MALLORY"}
    _marks: ClassVar = {"eyes": "seen", "white_check_mark": "good", "x": "bad"}

    def __init__(self, slack: FakeSlack, channel: str = GENERAL) -> None:
        self._slack = slack
        self.channel = channel
        self.root: Any = None

    @property
    def is_new(self) -> bool:
        return self.root is None

    async def opens(self, text: str, who: str = "alice", files: Files = ()) -> Any:
        mention = "" if self.channel.startswith("D") else f"<@{BOT}> "
        message = await self._post(f"{mention}{text}", who, files)
        self.root = self.root or message
        return message

    async def says(self, text: str, who: str = "alice", files: Files = ()) -> Any:
        return await self._post(text, who, files)

    async def names(self, other: str, text: str) -> Any:
        return await self._post(f"<@{self._people[other]}> {text}", "alice")

    async def bot_says(self, text: str) -> Any:
        return await self._slack.another_bot_says(self.channel, text, self.root.ts)

    async def edits(self, message: Any, text: str) -> None:
        await self._slack.edits(message, text)

    async def deletes(self, message: Any) -> None:
        await self._slack.deletes(message)

    async def reacts(self, message: Any, name: str, who: str = "alice") -> None:
        await self._slack.reacts(self._people[who], message, name)

    async def clicks(self, shown: Shown, label: str, who: str = "alice") -> Any:
        now = next(each for each in self.shown() if each.id == shown.id)
        return await self.clicks_again(now, label, who)

    async def clicks_again(self, shown: Shown, label: str, who: str = "alice") -> Any:
        message = self._slack.world.find(self.channel, shown.id)
        return self._interacts(shown.data[label], message, who)

    async def forges(self, shown: Shown, label: str, on: Shown, data: str = "") -> Any:
        button = shown.data[label] | ({"value": data} if data else {})
        return self._interacts(button, on.raw, "alice")

    def presses_from(self, shown: Shown, label: str, **origin: Any) -> Any:
        """Alice presses a button, and Slack says this of where that was."""
        return self._interacts(shown.data[label], shown.raw, "alice", **origin)

    def _interacts(self, button: Any, message: Message, who: str, **origin: Any) -> Any:
        action = {**button, "action_ts": self._slack.world.tick()}
        about = {**self._slack._who(self._people[who]), **self._slack._about(message)}
        container = {"message_ts": message.ts, "channel_id": message.channel}
        more = {"container": {"type": "message", **container}, "actions": [action]}
        return self._slack.interact({"type": "block_actions", **about, **more, **origin})

    def shown(self) -> list[Shown]:
        if self.root is None:
            return []
        own = self._slack.thread(self.channel, self.root.ts)
        return [_on_slack(each) for each in own if each.user == BOT]

    def marks(self, message: Any) -> set[str]:
        ours = (name for name, users in message.reactions.items() if BOT in users)
        return {self._marks[name] for name in ours}

    def working(self) -> str:
        return next((each.text for each in self.shown() if "Stop" in each.buttons), "")

    def whispers(self) -> list[str]:
        return [message.shown for message in self._slack.ephemerals]

    def apart(self) -> SlackChat:
        return SlackChat(self._slack, self.channel)

    async def sends(self, names: Sequence[str], size: int = 0) -> Any:
        return await self.opens("look", files=[(name, b"x" * (size or 10)) for name in names])

    def pings(self, shown: Shown) -> list[str]:
        sent = str([shown.raw.text, shown.raw.blocks])
        return re.findall(r"<[!@#][^>]*>", sent)

    def notifies(self, shown: Shown) -> bool:
        return f"<@{ALICE}>" in str(shown.raw.blocks) and not shown.raw.edited

    async def upsets(self) -> None:
        click = {"type": "block_actions", **self._slack._who(ALICE)}
        mark = {"type": "button", "action_ts": self._slack.world.tick(), "text": {"text": "Allow"}}
        for value in ("", "7", "push", "{}", "x" * 2_000):
            actions = [{**mark, "action_id": "answer:0", "value": value}]
            self._slack.interact({**click, "container": {"type": "view"}, "actions": actions})
        self._slack.event({"type": "brand_new_event", "channel": self.channel, "user": ALICE})
        self._slack.event({"type": "message", "subtype": "brand_new", "channel": self.channel})
        self._slack.event({"type": "message", "channel": self.channel, "ts": "not a time"})
        self._slack.event({"type": "reaction_added", "item": None, "user": ALICE})
        self._slack.event({"type": "message", "channel": self.channel, "user": ALICE, "text": None})
        self._slack.event({})

    async def settled(self) -> None:
        await self._slack.settled(DEADLINE_S)

    async def _post(self, text: str, who: str, files: Files = ()) -> Any:
        person = self._people[who]
        return await self._slack.says(person, self.channel, text, self.root, files)


class DirectChat(SlackChat):
    """Direct messages with one person."""

    kind = "slack-direct"
    shared = False

    def __init__(self, slack: FakeSlack, who: str) -> None:
        super().__init__(slack, slack.dm(self._people[who]))

    def apart(self) -> SlackChat:
        return DirectChat(self._slack, "alice")


def _on_slack(message: Message) -> Shown:
    data = {button["text"]["text"]: button for button in message.buttons if "text" in button}
    file = "\n".join(file.content.decode() for file in message.files)
    return Shown(message.ts, message.shown, tuple(data), file, data, message)


class TelegramChat(Chat):
    """A private chat, a group, or a topic of a forum."""

    sign = "/"
    _marks: ClassVar = {"👀": "seen", "👌": "good", "💔": "bad"}

    def __init__(
        self, telegram: FakeTelegram, room: Any, people: dict[str, Person], *, topic: str = ""
    ) -> None:
        self._telegram = telegram
        self._room = room
        self._people = people
        self._topic = telegram.topic(room, topic, people["alice"]) if topic else None
        self._presses: list[str] = []

    async def opens(self, text: str, who: str = "alice", files: Files = ()) -> Any:
        return await self._post(f"@{self._telegram.world.bot.username} {text}", who, files)

    async def says(self, text: str, who: str = "alice", files: Files = ()) -> Any:
        return await self._post(text, who, files)

    async def names(self, other: str, text: str) -> Any:
        return await self._post(f"@{self._people[other].username} {text}", "alice")

    async def bot_says(self, text: str) -> Any:
        return await self._post(text, "robot")

    async def edits(self, message: Any, text: str) -> None:
        await self._telegram.edits(self._people["alice"], message, text)

    async def clicks(self, shown: Shown, label: str, who: str = "alice") -> Any:
        query = await self._telegram.clicks(self._people[who], shown.raw, label)
        self._presses.append(query)
        return query

    async def clicks_again(self, shown: Shown, label: str, who: str = "alice") -> Any:
        data = shown.data[label]
        query = await self._telegram.clicks(self._people[who], shown.raw, data=data)
        self._presses.append(query)
        return query

    async def forges(self, shown: Shown, label: str, on: Shown, data: str = "") -> Any:
        pressed, query = data or shown.data[label], f"9{len(self._presses)}"
        markup = {"inline_keyboard": [[{"text": label, "callback_data": pressed}]]}
        about = {"id": query, "from": self._people["alice"].json(), "chat_instance": "1"}
        message = {**on.raw.json, "reply_markup": markup}
        self._telegram.world.queries[query] = self._telegram.world.now()
        self._telegram.delivers("callback_query", {**about, "data": pressed, "message": message})
        self._presses.append(query)

    def shown(self) -> list[Shown]:
        return [_on_telegram(each) for each in self._telegram.replies(self._room, self._topic)]

    def marks(self, message: Any) -> set[str]:
        seen = self._telegram.chat(self._room)
        given = next(each.reactions for each in seen if each.id == message["message_id"])
        return {self._marks[emoji] for emoji in given if emoji in self._marks}

    def working(self) -> str:
        drafts = self._telegram.drafts(self._room, self._topic)
        shown = (each.text for each in self.shown() if "🛑 Stop" in each.buttons)
        return next(iter([*drafts, *shown]), "")

    def whispers(self) -> list[str]:
        answers = (self._telegram.answer(query) or {} for query in self._presses)
        return [str(answer.get("text", "")) for answer in answers]

    async def sends(self, names: Sequence[str], size: int = 0) -> Any:
        album = {"media_group_id": "album"} if len(names) > 1 else {}
        for number, name in enumerate(names):
            sent = await self._telegram.says(
                self._people["alice"],
                self._room,
                "" if number else f"@{self._telegram.world.bot.username} look",
                topic=self._topic,
                document=(name, b"x" * 10),
                size=size,
                more=album,
            )
        return sent

    def pings(self, shown: Shown) -> list[str]:
        marked = [e for e in shown.raw.entities if e["type"] in ("mention", "text_mention")]
        names = re.findall(r"(?<![\w.`])@\w+|\]\(tg:[^)]*\)", shown.text)
        return [str(each) for each in marked] + names

    def notifies(self, shown: Shown) -> bool:
        return not shown.raw.edited and (not self.shared or shown.raw.reply_to is not None)

    async def upsets(self) -> None:
        telegram, alice = self._telegram, self._people["alice"]
        about = {"from": alice.json(), "chat_instance": "1", "data": "ask:1:0"}
        telegram.delivers("callback_query", {"id": "1", **about})
        telegram.delivers("callback_query", {"id": "2", **about, "data": "x" * 64})
        telegram.delivers("callback_query", {"id": "3", **about, "data": None})
        telegram.delivers("brand_new_update", {"id": 1})
        telegram.delivers("message", {"message_id": 1, "date": 0, "chat": self._room_json()})
        telegram.delivers("edited_message", {"message_id": 1, "date": 0, "chat": self._room_json()})

    def _room_json(self) -> Any:
        return self._telegram._room(self._room).json()

    async def settled(self) -> None:
        await self._telegram.until(lambda: not self._telegram.updates.waiting, DEADLINE_S)

    async def _post(self, text: str, who: str, files: Files = (), reply_to: Any = None) -> Any:
        pictures = [data for name, data in files if name.endswith(".jpg")]
        documents = [(name, data) for name, data in files if not name.endswith(".jpg")]
        return await self._telegram.says(
            self._people[who],
            self._room,
            text,
            topic=self._topic,
            reply_to=reply_to,
            photo=pictures[0] if pictures else None,
            document=documents[0] if documents else None,
        )


def _on_telegram(seen: Seen) -> Shown:
    rows = seen.json.get("reply_markup", {}).get("inline_keyboard", [])
    data = {button["text"]: button["callback_data"] for row in rows for button in row}
    return Shown(str(seen.id), seen.text, tuple(data), seen.data.decode(), data, seen)


class PrivateChat(TelegramChat):
    """Alice alone with the bot."""

    kind = "telegram-private"
    has_progress_message = False
    shared = False

    def __init__(self, telegram: FakeTelegram, people: dict[str, Person], who: str = "alice"):
        super().__init__(telegram, people[who], people)
        self._who = who

    async def opens(self, text: str, who: str = "", files: Files = ()) -> Any:
        return await self._post(text, self._who, files)

    async def says(self, text: str, who: str = "", files: Files = ()) -> Any:
        return await self._post(text, self._who, files)

    def apart(self) -> PrivateChat:
        return PrivateChat(self._telegram, self._people, "bob")


class GroupChat(TelegramChat):
    """A group, in which only mentions and replies are for the bot."""

    kind = "telegram-group"

    async def says(self, text: str, who: str = "alice", files: Files = ()) -> Any:
        return await self._post(text, who, files, reply_to=self.shown()[-1].raw)

    def apart(self) -> GroupChat:
        people = self._people
        other = next(
            chat
            for chat in self._telegram.world.chats.values()
            if chat.kind == "group" and chat is not self._room
        )
        return GroupChat(self._telegram, other, people)


class TopicChat(TelegramChat):
    """A topic of a forum whose bot hears everything."""

    kind = "telegram-topic"

    def apart(self) -> TopicChat:
        return TopicChat(self._telegram, self._room, self._people, topic="Another")
