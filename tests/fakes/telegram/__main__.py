"""The fake as a process of its own: prints its port, answers until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import signal

from tests.fakes.telegram.control import Control
from tests.fakes.telegram.server import TOKEN, FakeTelegram


async def _serve(arguments: argparse.Namespace) -> None:
    telegram = FakeTelegram(token=arguments.token, real_limits=arguments.real_limits)
    Control(telegram)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(await telegram.start(arguments.port), flush=True)
    await stop.wait()


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--real-limits", action="store_true", help="429 when it is too much")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
