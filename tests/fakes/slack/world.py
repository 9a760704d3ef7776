"""What is in a workspace, and what the app is told when it changes."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TEAM, APP, BOT, BOT_ID = "T0TEAM", "A0COWORKER", "U0COWORKER", "B0COWORKER"
ALICE, BOB, GENERAL = "U0ALICE", "U0BOB", "C0GENERAL"


class Refused(Exception):
    """Slack answers `ok: false` with this error, and more fields."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.more = more


@dataclass
class User:
    """Somebody, or a bot."""

    id: str
    name: str
    bot: bool = False
    guest: bool = False
    tz: str = "UTC"

    def json(self) -> Json:
        """As users.info shows it."""
        profile = {"real_name": self.name.title(), "display_name": self.name}
        return {
            "id": self.id,
            "team_id": TEAM,
            "name": self.name,
            "real_name": self.name.title(),
            "deleted": False,
            "tz": self.tz,
            "profile": {**profile, "team": TEAM},
            "is_bot": self.bot,
            "is_restricted": self.guest,
            "is_ultra_restricted": False,
        }


@dataclass
class Channel:
    """A public or private channel, a group of people or a direct message."""

    id: str
    name: str
    kind: str  # channel | group | mpim | im: the `channel_type` of events
    members: list[str]
    archived: bool = False

    @property
    def scope(self) -> str:
        """The prefix of the scopes and event names for such a channel."""
        return {"channel": "channels", "group": "groups"}.get(self.kind, self.kind)

    def json(self) -> Json:
        """As conversations.info shows it."""
        shared = {"id": self.id, "created": 1_700_000_000, "is_archived": self.archived}
        if self.kind == "im":
            other = next(member for member in self.members if member != BOT)
            return {**shared, "is_im": True, "user": other, "is_open": True}
        return {
            **shared,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_im": False,
            "is_mpim": self.kind == "mpim",
            "is_private": self.kind != "channel",
            "is_member": BOT in self.members,
            "num_members": len(self.members),
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass
class File:
    """A file and its bytes."""

    id: str
    name: str
    content: bytes
    url: str
    user: str
    title: str = ""

    def json(self) -> Json:
        """As it stands in a message."""
        ending = self.name.rpartition(".")[2]
        return {
            "id": self.id,
            "created": 1_700_000_000,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": "text/plain"
            if ending in ("txt", "md", "log")
            else "application/octet-stream",
            "filetype": ending,
            "user": self.user,
            "size": len(self.content),
            "mode": "hosted",
            "is_external": False,
            "url_private": self.url,
            "url_private_download": f"{self.url}?download=1",
        }


@dataclass
class Message:
    """A message as it stands now; `only_for` makes it ephemeral."""

    channel: str
    ts: str
    user: str
    text: str
    thread_ts: str = ""
    subtype: str = ""
    bot_id: str = ""
    only_for: str = ""
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    edited: Json = field(default_factory=dict)
    streaming: str = ""  # in_progress | completed | stopped, by a person
    streaming_mode: str = ""  # markdown_text | chunks, as it was opened
    streaming_until: float = 0.0  # monotonic seconds
    plan: str = ""
    tasks: dict[str, Json] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The words that a person reads: those of the blocks, else the text; then the tasks."""
        words = "\n".join(_words(self.blocks)) or self.text
        return html.unescape("\n".join([words, *(task["title"] for task in self.tasks.values())]))

    @property
    def buttons(self) -> list[Json]:
        """The elements that can be clicked, each with its `block_id`."""
        return [
            {"block_id": block.get("block_id", ""), **element}
            for block in self.blocks
            for element in [*block.get("elements", ()), block.get("accessory", {})]
            if "action_id" in element
        ]

    def json(self, *, metadata: bool = True) -> Json:
        """As the Web API and events show it."""
        shared: Json = {"type": "message", "user": self.user, "ts": self.ts, "text": self.text}
        more = {
            "subtype": self.subtype,
            "thread_ts": self.thread_ts,
            "blocks": self.blocks,
            "attachments": self.attachments,
            "files": [file.json() for file in self.files],
            "edited": self.edited,
            "reactions": [
                {"name": name, "users": users, "count": len(users)}
                for name, users in self.reactions.items()
            ],
            "metadata": self.metadata if metadata else {},
            "streaming_state": self.streaming,
        }
        who = {"team": TEAM, **(self._bot() if self.bot_id else {})}
        return {**shared, **who, **{name: value for name, value in more.items() if value}}

    def _bot(self) -> Json:
        profile = {"id": self.bot_id, "app_id": APP, "name": "coworker", "team_id": TEAM}
        return {"bot_id": self.bot_id, "app_id": APP, "bot_profile": profile}


def _words(blocks: list[Json]) -> Iterator[str]:
    """The readable texts in blocks, without those on buttons."""
    for block in blocks:
        match block.get("text"):
            case str(text):
                yield text
            case {"text": str(text)} if "action_id" not in block:
                yield text
        yield from _words(block.get("fields", []))
        yield from _words(block.get("elements", []))


_MARKUP = re.compile(r"(<(?:[@#!][^>]+|https?://[^>]+|mailto:[^>]+)>)")


def typed(text: str) -> str:
    """What Slack stores when a person types this: escaped, mentions and links aside."""
    parts = _MARKUP.split(text)
    return "".join(p if n % 2 else html.escape(p, quote=False) for n, p in enumerate(parts))


def rich(text: str) -> list[Json]:
    """The blocks that Slack adds to what a person types."""
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return [{"type": "rich_text", "block_id": "typed", "elements": [section]}]


class World:
    """Users, channels, messages and files. `emit(subscription, event)` tells the app."""

    def __init__(self, emit: Callable[[str, Json], object]) -> None:
        self.users = {BOT: User(BOT, "coworker", bot=True)}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, File] = {}
        self.ephemerals: list[Message] = []
        self.homes: dict[str, Json] = {}
        self.views: dict[str, Json] = {}
        self.triggers: dict[str, float] = {}
        self.statuses: dict[tuple[str, str], str] = {}
        self.sessions: dict[tuple[str, str], Json] = {}
        self.stream_life = 300.0
        self.events: set[str] = set()
        self.url = ""
        self._emit = emit
        self._messages: dict[str, list[Message]] = {}
        self._last_us = 0

    def tick(self) -> str:
        """A new timestamp, later than all before."""
        self._last_us = max(self._last_us + 1, time.time_ns() // 1000)
        return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06}"

    def add(self, channel: Channel) -> str:
        """Make it known and return its id."""
        self.channels.setdefault(channel.id, channel)
        self._messages.setdefault(channel.id, [])
        return channel.id

    def dm(self, user: str) -> str:
        """The direct messages between a user and the app."""
        return self.add(Channel(f"D{user[1:]}", "", "im", [user, BOT]))

    def group(self, *users: str) -> str:
        """Direct messages of several users and the app."""
        names = sorted(self.users[user].name for user in users)
        found = Channel(f"G0{''.join(names).upper()}", f"mpdm-{'--'.join(names)}-1", "mpim", [])
        found.members = [*users, BOT]
        return self.add(found)

    def messages(self, channel: str) -> list[Message]:
        """All that stand in a channel, threads included, oldest first."""
        return self._messages[channel]

    def find(self, channel: str, ts: str) -> Message:
        """A message. Raises Refused."""
        for message in self._messages.get(channel, ()):
            if message.ts == ts:
                return message
        raise Refused("message_not_found")

    def thread(self, channel: str, ts: str) -> list[Message]:
        """The message and its replies, oldest first."""
        return [m for m in self._messages[channel] if ts in (m.ts, m.thread_ts)]

    def post(self, message: Message) -> Message:
        """Put it where it belongs and tell the app."""
        self._messages[message.channel].append(message)
        if message.thread_ts and (root := self._root(message)):
            root.thread_ts = root.ts
        if message.bot_id == BOT_ID:
            self.statuses.pop((message.channel, message.thread_ts), None)
        event = {**message.json(), "event_ts": message.ts, "channel": message.channel}
        self.announce(message.channel, event)
        kind = self.channels[message.channel].kind
        if f"<@{BOT}>" in message.text and kind != "im" and message.bot_id != BOT_ID:
            mention = {key: value for key, value in event.items() if key != "subtype"}
            self.emit("app_mention", message.channel, {**mention, "type": "app_mention"})
        return message

    def edit(self, message: Message, by: str, **changes: Any) -> None:
        """Change fields and tell the app."""
        before = message.json()
        for name, value in changes.items():
            setattr(message, name, value)
        now = self.tick()
        message.edited = {"user": by, "ts": now}
        if message.only_for:
            return  # nobody is told of what one person sees
        self._changed(message, "message_changed", now, before, message=message.json())

    def delete(self, message: Message) -> None:
        """Remove it and tell the app; a thread keeps a tombstone as its root."""
        if message.only_for:
            self.ephemerals.remove(message)
            return
        before, here = message.json(), self._messages[message.channel]
        if len(self.thread(message.channel, message.ts)) > 1:
            place = here.index(message)
            words = "This message was deleted."
            here[place] = Message(message.channel, message.ts, "USLACKBOT", words, message.ts)
            here[place].subtype = "tombstone"
        else:
            here.remove(message)
        self._changed(message, "message_deleted", self.tick(), before, deleted_ts=message.ts)

    def react(self, user: str, message: Message, name: str, *, add: bool = True) -> None:
        """Add or take back a reaction and tell the app. Raises Refused."""
        users = message.reactions.setdefault(name, [])
        if add == (user in users):
            raise Refused("already_reacted" if add else "no_reaction")
        users.append(user) if add else users.remove(user)
        if not users:
            del message.reactions[name]
        kind = "reaction_added" if add else "reaction_removed"
        item = {"type": "message", "channel": message.channel, "ts": message.ts}
        event = {"type": kind, "user": user, "reaction": name, "item": item}
        more = {"item_user": message.user, "event_ts": self.tick()}
        self.emit(kind, message.channel, event | more)

    def announce(self, channel: str, event: Json) -> None:
        """Tell the app of a message event in a channel."""
        kind = self.channels[channel].kind
        name = f"message.{self.channels[channel].scope}"
        self.emit(name, channel, {**event, "channel_type": kind})

    def emit(self, name: str, channel: str, event: Json) -> None:
        """Tell the app if it is in the channel and wants such events."""
        if name in self.events and BOT in self.channels[channel].members:
            self._emit(name, event)

    def _root(self, message: Message) -> Message | None:
        root = (m for m in self._messages[message.channel] if m.ts == message.thread_ts)
        return next(root, None)

    def _changed(self, old: Message, /, subtype: str, now: str, before: Json, **more: Any) -> None:
        event = {"type": "message", "subtype": subtype, "hidden": True, "ts": now, "event_ts": now}
        where = {"channel": old.channel, "previous_message": before}
        self.announce(old.channel, {**event, **where, **more})
