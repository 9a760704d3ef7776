"""The Web API's methods by name, and how they find what their arguments name."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from tests.fakes.slack.world import BOT, Channel, Json, Message, Refused, User, World

Body = Callable[[World, Json], Json]
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Method:
    """`scope` may hold `{kind}` for the kind of the channel; empty means that none is needed."""

    scope: str
    body: Body


METHODS: dict[str, Method] = {}


def method(name: str, scope: str = "") -> Callable[[Body], Body]:
    """Register a function as the method of that name."""

    def register(body: Body) -> Body:
        METHODS[name] = Method(scope, body)
        return body

    return register


def needed(world: World, found: Method, args: Json) -> str:
    """The scope for this call."""
    channel = world.channels.get(str(args.get("channel", "")))
    return found.scope.format(kind=channel.scope if channel else "channels")


def channel_of(world: World, args: Json, key: str = "channel") -> Channel:
    """The channel that is named, in which the app is. Raises Refused."""
    name = str(args.get(key, ""))
    found = world.channels.get(name) or _by_name(world, name) or _direct(world, name)
    if found is None or (found.kind != "channel" and BOT not in found.members):
        raise Refused("channel_not_found")
    if BOT not in found.members:
        raise Refused("not_in_channel")
    return found


def message_of(world: World, args: Json, key: str = "ts") -> Message:
    """The message that is named. Raises Refused."""
    return world.find(channel_of(world, args).id, str(args.get(key, "")))


def user_of(world: World, args: Json, key: str = "user") -> User:
    """The user that is named. Raises Refused."""
    if user := world.users.get(str(args.get(key, ""))):
        return user
    raise Refused("user_not_found")


def thread_of(world: World, channel: Channel, args: Json) -> str:
    """The root of the thread that is named, or "". Raises Refused."""
    ts = str(args.get("thread_ts") or "")
    if not ts:
        return ""
    if not re.fullmatch(r"\d+\.\d{6}", ts):
        raise Refused("invalid_thread_ts")
    try:
        found = world.find(channel.id, ts)
    except Refused:
        raise Refused("thread_not_found") from None
    return found.thread_ts or found.ts


def true(value: object) -> bool:
    """A flag in any of the forms in which it is sent."""
    return str(value).lower() in ("1", "true")


def page(items: Iterable[_Item], args: Json, default: int) -> tuple[list[_Item], Json]:
    """A page of them, and the response's metadata. Raises Refused."""
    everything, limit = list(items), int(args.get("limit") or default)
    start = _position(str(args.get("cursor") or ""))
    rest = start + limit < len(everything)
    cursor = base64.b64encode(f"next:{start + limit}".encode()).decode() if rest else ""
    return everything[start : start + limit], {"next_cursor": cursor}


def _position(cursor: str) -> int:
    try:
        return int(base64.b64decode(cursor).decode().removeprefix("next:")) if cursor else 0
    except ValueError:
        raise Refused("invalid_cursor") from None


def _by_name(world: World, name: str) -> Channel | None:
    names = {f"#{channel.name}": channel for channel in world.channels.values()}
    return names.get(name)


def _direct(world: World, user: str) -> Channel | None:
    return world.channels[world.dm(user)] if user in world.users else None
