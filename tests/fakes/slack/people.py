"""What people do in the workspace and what they see: the side from which stories are told."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tests.fakes import until
from tests.fakes.slack.server import Call, Reply, Server
from tests.fakes.slack.socket_mode import Ack, Connection, Delivery, goodbye
from tests.fakes.slack.world import (
    ALICE,
    APP,
    BOB,
    BOT,
    GENERAL,
    TEAM,
    Channel,
    File,
    Json,
    Message,
    User,
    rich,
    typed,
)

_T = TypeVar("_T")
_TEAM = {"id": TEAM, "domain": "team"}


class FakeSlack(Server):
    """The server and its people; the package's docstring tells all."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.user("alice")
        self.user("bob")
        self.channel("general", ALICE, BOB)

    # Who is there

    def user(self, name: str, *, bot: bool = False, guest: bool = False) -> str:
        """Somebody, not yet a member of anything."""
        user = User(f"U0{name.upper()}", name, bot, guest)
        self.world.users[user.id] = user
        return user.id

    def channel(self, name: str, *members: str, private: bool = False, bot: bool = True) -> str:
        """A channel with these members; `bot=False` leaves the app out."""
        kind = "group" if private else "channel"
        found = [*members, *([BOT] if bot else [])]
        return self.world.add(Channel(f"C0{name.upper()}", name, kind, found))

    def group(self, *users: str) -> str:
        """Direct messages of several users and the app."""
        return self.world.group(*users)

    def dm(self, user: str) -> str:
        """The direct messages between a user and the app."""
        return self.world.dm(user)

    def join(self, user: str, channel: str) -> None:
        """Make somebody, or the app, a member."""
        self.world.channels[channel].members.append(user)

    # What people do

    async def joins(self, user: str, channel: str) -> None:
        """Come into a channel, which says so."""
        self.join(user, channel)
        words = f"<@{user}> has joined the channel"
        self.world.post(Message(channel, self.world.tick(), user, words, subtype="channel_join"))
        event = {"type": "member_joined_channel", "user": user, "channel": channel}
        more = {"channel_type": "C", "team": TEAM, "event_ts": self.world.tick()}
        self.world.emit("member_joined_channel", channel, event | more)

    async def says(
        self,
        user: str,
        channel: str,
        text: str,
        thread: Message | str | None = None,
        files: Sequence[tuple[str, bytes]] = (),
    ) -> Message:
        """Write a message, in the thread of another one if given, with files (name, content)."""
        root = thread.thread_ts or thread.ts if isinstance(thread, Message) else thread or ""
        words = typed(text)
        message = Message(channel, self.world.tick(), user, words, root, blocks=rich(text))
        message.files = [self._file(user, name, content) for name, content in files]
        message.subtype = "file_share" if files else ""
        return self.world.post(message)

    async def another_bot_says(self, channel: str, text: str, thread: str = "") -> Message:
        """A message of a bot that is not the app."""
        message = Message(channel, self.world.tick(), "", typed(text), thread, "bot_message")
        message.bot_id = "B0OTHER"
        return self.world.post(message)

    async def edits(self, message: Message, text: str) -> None:
        """Change the words of one's message."""
        self.world.edit(message, message.user, text=typed(text), blocks=rich(text))

    async def deletes(self, message: Message) -> None:
        """Delete one's message."""
        self.world.delete(message)

    async def reacts(self, user: str, message: Message, name: str) -> None:
        """Add a reaction."""
        self.world.react(user, message, name)

    async def unreacts(self, user: str, message: Message, name: str) -> None:
        """Take a reaction back."""
        self.world.react(user, message, name, add=False)

    async def clicks(
        self, user: str, message: Message, action_id: str, value: str | None = None
    ) -> Delivery:
        """Click a button of a message. Raises LookupError if there is none of that name."""
        button = next((b for b in message.buttons if b["action_id"] == action_id), None)
        if button is None:
            raise LookupError(f"no button {action_id!r} among {message.buttons}")
        action = {**button, "action_ts": self.world.tick()}
        action |= {} if value is None else {"value": value}
        return self.interact(
            {
                "type": "block_actions",
                **self._who(user),
                **self._about(message),
                "container": _container(message),
                "state": {"values": {}},
                "response_url": self.response_url(message.channel, user, message),
                "actions": [action],
            }
        )

    async def command(self, user: str, channel: str, command: str, text: str = "") -> Delivery:
        """Give a slash command; text in its acknowledgement is shown to that person alone."""
        payload = {
            "token": "fake",
            "team_id": TEAM,
            "team_domain": "team",
            "channel_id": channel,
            "channel_name": self.world.channels[channel].name or "directmessage",
            "user_id": user,
            "user_name": self.world.users[user].name,
            "command": command,
            "text": typed(text),
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": self.response_url(channel, user),
            "trigger_id": self.trigger(),
        }
        delivery = self.sockets.deliver("slash_commands", payload)
        reply = Reply(channel, user, None, time.monotonic() + 1_800)
        delivery.heard = lambda answer: self.show(reply, answer) if answer.get("text") else None
        return delivery

    async def shortcut(
        self, user: str, callback_id: str, message: Message | None = None
    ) -> Delivery:
        """Use a global shortcut, or one on a message."""
        payload = {"callback_id": callback_id, "action_ts": self.world.tick(), **self._who(user)}
        if message is None:
            return self.interact({"type": "shortcut", **payload})
        url = self.response_url(message.channel, user, message)
        about = {"message_ts": message.ts, "response_url": url, **self._about(message)}
        return self.interact({"type": "message_action", **payload, **about})

    async def submits(self, user: str, view_id: str, values: Json) -> Delivery:
        """Submit a view, with its values by block and action."""
        view = {**self.world.views[view_id], "state": {"values": values}, "team_id": TEAM}
        payload = {"type": "view_submission", "view": view, "response_urls": []}
        return self.interact({**payload, **self._who(user)})

    async def opens_home(self, user: str, tab: str = "home") -> None:
        """Open the app's home, or its messages."""
        channel = self.dm(user)
        event: Json = {"type": "app_home_opened", "user": user, "channel": channel, "tab": tab}
        event |= {"event_ts": self.world.tick()}
        if view := self.world.homes.get(user):
            event["view"] = view
        self.world.emit("app_home_opened", channel, event)

    async def stops(self, user: str, message: Message) -> None:
        """Press the stop button of the session in the message's thread."""
        thread, channel = message.thread_ts or message.ts, message.channel
        streams = [m for m in self.thread(channel, thread) if m.streaming == "in_progress"]
        for stream in streams:
            stream.streaming = "stopped"
        event = {"type": "agent_session_stopped", "channel": channel, "thread_ts": thread}
        more = {"user": user, "streaming_message_ts": [stream.ts for stream in streams]}
        self.world.emit(event["type"], channel, event | more | {"event_ts": self.world.tick()})

    def event(self, event: Json) -> Delivery:
        """Deliver any event, whatever the app has subscribed to."""
        return self._event(str(event.get("type")), {"event_ts": self.world.tick(), **event})

    # What people see

    def messages(self, channel: str) -> list[Message]:
        """All messages of a channel, threads included, oldest first."""
        return self.world.messages(channel)

    def thread(self, channel: str, ts: str) -> list[Message]:
        """A thread as it stands now: root and replies, oldest first."""
        return self.world.thread(channel, ts)

    @property
    def ephemerals(self) -> list[Message]:
        """Messages shown to one person, `only_for`."""
        return self.world.ephemerals

    @property
    def homes(self) -> dict[str, Json]:
        """The home view of each user."""
        return self.world.homes

    @property
    def views(self) -> dict[str, Json]:
        """Open modals by id."""
        return self.world.views

    @property
    def statuses(self) -> dict[tuple[str, str], str]:
        """The status line of threads, by channel and root."""
        return self.world.statuses

    @property
    def sessions(self) -> dict[tuple[str, str], Json]:
        """The agent session of threads, by channel and root."""
        return self.world.sessions

    @property
    def events(self) -> set[str]:
        """What the app has subscribed to."""
        return self.world.events

    async def until(self, predicate: Callable[[], _T], within: float = 20) -> _T:
        """Wait for something true and return it. Raises TimeoutError after that many seconds."""
        await until(predicate, within)
        return predicate()

    async def sees(
        self,
        pattern: str,
        thread: Message | None = None,
        channel: str = GENERAL,
        within: float = 20,
    ) -> Message:
        """Wait for a message of the app that shows the pattern. Raises TimeoutError."""
        where = thread.channel if thread else channel
        root = (thread.thread_ts or thread.ts) if thread else ""

        def found() -> Message | None:
            here = self.thread(where, root) if root else self.messages(where)
            ours = (m for m in here if m.user == BOT and re.search(pattern, m.shown))
            return next(ours, None)

        try:
            await until(found, within)
        except TimeoutError:
            shown = [message.shown for message in self.messages(where)]
            raise TimeoutError(f"nobody saw {pattern!r}, only {shown}") from None
        message = found()
        assert message
        return message

    async def settled(self, within: float = 20) -> None:
        """Wait until every event was acknowledged or given up. Raises TimeoutError."""
        await until(lambda: all(delivery.done for delivery in self.deliveries), within)

    # What the app did, and what happens to its connections

    @property
    def deliveries(self) -> list[Delivery]:
        """All that was sent through the sockets, oldest first."""
        return self.sockets.deliveries

    @property
    def acks(self) -> list[Ack]:
        """Every acknowledgement as it came."""
        return self.sockets.acks

    @property
    def connections(self) -> list[Connection]:
        """The app's open sockets."""
        return self.sockets.connections

    def called(self, method: str) -> list[Call]:
        """The calls of one method, oldest first."""
        return [call for call in self.calls if call.method == method]

    async def connected(self, count: int = 1, within: float = 20) -> None:
        """Wait for that many open sockets. Raises TimeoutError."""
        await until(lambda: len(self.connections) == count, within)

    def kill(self) -> None:
        """Reset the TCP connection of every socket."""
        for connection in [*self.connections]:
            connection.kill()

    def freeze(self) -> None:
        """Let every open socket look alive but neither read, answer nor deliver."""
        for connection in self.connections:
            connection.frozen = True

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask the app to connect anew; `warning` is the other usual reason."""
        for connection in [*self.connections]:
            await goodbye(connection, reason)

    def _file(self, user: str, name: str, content: bytes) -> File:
        number = f"F0{uuid.uuid4().hex[:8].upper()}"
        file = File(number, name, content, f"{self.url}/files/{number}/{name}", user)
        self.world.files[number] = file
        return file

    def _who(self, user: str) -> Json:
        name = self.world.users[user].name
        return {
            "user": {"id": user, "username": name, "name": name, "team_id": TEAM},
            "team": _TEAM,
        }

    def _about(self, message: Message) -> Json:
        name = self.world.channels[message.channel].name or "directmessage"
        return {"channel": {"id": message.channel, "name": name}, "message": message.json()}


def _container(message: Message) -> Json:
    where = {"type": "message", "message_ts": message.ts, "channel_id": message.channel}
    thread = {"thread_ts": message.thread_ts} if message.thread_ts else {}
    return {**where, **thread, "is_ephemeral": bool(message.only_for)}
