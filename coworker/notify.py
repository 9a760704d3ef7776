"""What systemd is told of us: ready, stopping, still alive. Nothing, where nobody listens.

It knows the protocol, neither the environment nor what being alive means.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

_log = logging.getLogger(__name__)
_BEATS = 3
"""In one watchdog period, so that a slow one is no death."""


def tell(address: str, *words: str) -> None:
    """Send words such as `READY=1` to the service manager's socket; "" is nobody. Never waits."""
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.setblocking(False)
        notify.connect("\0" + address[1:] if address.startswith("@") else address)
        notify.send("\n".join(words).encode())


@asynccontextmanager
async def watched(
    address: str, period_s: float, is_well: Callable[[], Awaitable[bool]]
) -> AsyncIterator[None]:
    """While the context lasts, say that we are alive whenever `is_well` says so in time.

    A period of 0 is no watchdog.
    """
    if not period_s:
        yield
        return
    beating = asyncio.create_task(_beat(address, period_s / _BEATS, is_well))
    try:
        yield
    finally:
        beating.cancel()


async def _beat(address: str, every_s: float, is_well: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await is_well():
            tell(address, "WATCHDOG=1")
        else:
            _log.warning("the database does not answer, so the watchdog is not told that we live")
        await asyncio.sleep(every_s)
