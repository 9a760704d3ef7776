"""SIGTERM and SIGINT as the daemon means them: stop in order, and at once when asked twice.

It knows signals and time, not what has to be put in order.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading

_ASKING = (signal.SIGTERM, signal.SIGINT)
_IN_ORDER_S = 30
_log = logging.getLogger(__name__)


def stop_event() -> asyncio.Event:
    """Set by the first signal. The second one, or 30 seconds, end the process with status 0.

    That loses nothing: whatever was under way is rows.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first() -> None:
        for number in _ASKING:
            loop.remove_signal_handler(number)
            signal.signal(number, lambda *_: _end("asked twice"))
        late = threading.Timer(_IN_ORDER_S, _end, [f"not in order after {_IN_ORDER_S} s"])
        late.daemon = True
        late.start()
        asked.set()

    for number in _ASKING:
        loop.add_signal_handler(number, first)
    return asked


def _end(why: str) -> None:
    _log.warning("ending at once: %s", why)
    os._exit(0)
