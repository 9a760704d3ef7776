"""What can go wrong on the way, and how much the platform takes at once."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections import deque
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from tests.fakes.telegram.wire import Json, Refused, flooded

_ONE_S, _MINUTE_S = 1.0, 60.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to one call. `effect`: the method is performed before the fault shows.

    `pause` is in seconds; a fault without anything else answers normally after its pause.
    """

    effect: bool = False
    pause: float = 0.0
    refused: Refused | None = None
    status: int = 0
    body: bytes = b""
    reset: bool = False

    async def show(self, http: web.Request) -> web.Response | None:
        """The spoiled answer; None when the true one may go out."""
        await asyncio.sleep(self.pause)
        if self.refused:
            return answer(self.refused.code, self.refused.answer())
        if self.reset:
            return cut_off(http)
        if self.status:
            kind = "text/html" if self.body.startswith(b"<") else "application/json"
            return web.Response(status=self.status, body=self.body, content_type=kind)
        return None


def flood(seconds: int = 1) -> Fault:
    """429 with retry_after."""
    return Fault(refused=flooded(seconds))


def refuse(code: int, description: str) -> Fault:
    """Any refusal of the platform's, such as (400, "Bad Request: ...")."""
    return Fault(refused=Refused(code, description))


def server_error(code: int = 500, *, effect: bool = False) -> Fault:
    """5xx with the platform's JSON."""
    refused = Refused(code, "Internal Server Error")
    return Fault(refused=refused, effect=effect)


def bad_gateway(*, effect: bool = False) -> Fault:
    """502 with the HTML of a proxy."""
    page = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
    return Fault(status=502, body=page, effect=effect)


def garbage(*, effect: bool = True) -> Fault:
    """200 with a body that breaks off."""
    return Fault(status=200, body=b'{"ok":true,"result":{"message_id', effect=effect)


def reset() -> Fault:
    """The connection is reset and nothing has happened."""
    return Fault(reset=True)


def lost_reply() -> Fault:
    """It has happened, and the connection is reset before the answer."""
    return Fault(reset=True, effect=True)


def hang(*, effect: bool = False) -> Fault:
    """No answer, ever."""
    return Fault(pause=math.inf, effect=effect)


def slow(seconds: float) -> Fault:
    """It happens only after that long."""
    return Fault(pause=seconds)


def late(seconds: float) -> Fault:
    """It happens at once, the answer comes after that long."""
    return Fault(pause=seconds, effect=True)


FAULTS = {
    made.__name__: made
    for made in (
        flood,
        refuse,
        server_error,
        bad_gateway,
        garbage,
        reset,
        lost_reply,
        hang,
        slow,
        late,
    )
}


@dataclass
class Limits:
    """The real limits: 1 message a second per chat, 20 a minute per group, 30 a second overall."""

    _sent: dict[object, deque[float]] = field(default_factory=dict)

    def check(self, chat_id: object, now: float) -> None:
        """Count a message, at unix seconds. Raises Refused (429) when it is one too many."""
        windows: list[tuple[object, int, float]] = [("all", 30, _ONE_S), (chat_id, 1, _ONE_S)]
        if str(chat_id).startswith("-"):
            windows.append((f"group {chat_id}", 20, _MINUTE_S))
        for key, count, span in windows:
            sent = self._sent.setdefault(key, deque(maxlen=count))
            if len(sent) == count and (wait := sent[0] + span - now) > 0:
                raise flooded(max(1, math.ceil(wait)))
        for key, _, _ in windows:
            self._sent[key].append(now)


def answer(status: int, body: Json) -> web.Response:
    """A JSON response."""
    headers = {}
    if seconds := body.get("parameters", {}).get("retry_after"):
        headers["Retry-After"] = str(seconds)
    sent = msgspec.json.encode(body)
    return web.Response(status=status, body=sent, content_type="application/json", headers=headers)


def cut_off(http: web.Request) -> web.Response:
    """Reset the connection of a request; nobody gets to see the answer."""
    transport = http.transport
    assert transport
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    return web.Response()
