"""What goes wrong between the app and Slack, one call at a time."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

Kind = Literal["ratelimited", "500", "502", "hang", "reset", "slow", "garbage", "error"]


@dataclass
class Fault:
    """`seconds` are the Retry-After of `ratelimited` or the delay of `slow`, `error` Slack's word.

    `after_effect` lets the call do its work first, so that only the reply is lost.
    """

    method: str
    kind: Kind
    times: int = 1
    seconds: float = 1.0
    error: str = "internal_error"
    after_effect: bool = False

    def take(self, method: str) -> bool:
        """Whether it strikes this call; it is used up by that."""
        if not self.times or self.method not in (method, "*"):
            return False
        self.times -= 1
        return True


async def inflict(fault: Fault, http: web.Request) -> web.StreamResponse | None:
    """What the app gets instead of its reply; None means its reply, later."""
    match fault.kind:
        case "ratelimited":
            return ratelimited(fault.seconds)
        case "500":
            return web.json_response({"ok": False, "error": "fatal_error"}, status=500)
        case "502":
            page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
            return web.Response(status=502, text=page, content_type="text/html")
        case "hang":
            await asyncio.Event().wait()
        case "reset":
            reset(http)
        case "slow":
            await asyncio.sleep(fault.seconds)
            return None
        case "garbage":
            return web.Response(text='{"ok": tr', content_type="application/json")
    if fault.kind == "error":
        return web.json_response({"ok": False, "error": fault.error})
    return web.Response()  # nobody reads it


def ratelimited(seconds: float) -> web.Response:
    """429, with the whole seconds to wait."""
    headers = {"Retry-After": str(round(seconds))}
    return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)


def reset(http: web.BaseRequest) -> None:
    """Break the TCP connection off without an orderly end."""
    assert http.transport
    sock, at_once = http.transport.get_extra_info("socket"), struct.pack("ii", 1, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    http.transport.abort()
