"""The fake as a process of its own: prints its port, serves until SIGTERM or SIGINT.

POST /control/{what people do, or fault, kill, freeze, disconnect} with a JSON object of arguments;
a message is named by `[channel, ts]`. GET /control/state tells what happened so far.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import signal

import msgspec
from aiohttp import web

from tests.fakes.slack.people import FakeSlack
from tests.fakes.slack.world import Json, Refused

_VERBS = (
    "says edits deletes reacts unreacts clicks command shortcut submits opens_home stops user "
    "channel group dm join event another_bot_says fault kill freeze disconnect"
)


class Control:
    """The people's side over HTTP."""

    def __init__(self, slack: FakeSlack) -> None:
        self._slack = slack
        slack.app.router.add_get("/control/state", self._state)
        slack.app.router.add_post("/control/{verb}", self._do)

    async def _do(self, http: web.Request) -> web.Response:
        verb = http.match_info["verb"]
        if verb not in _VERBS.split():
            return web.Response(status=404, text=f"{verb} is none of {_VERBS}")
        try:
            done = getattr(self._slack, verb)(**self._named(await http.json()))
            return _answer(await done if inspect.isawaitable(done) else done)
        except (Refused, LookupError, TypeError) as error:
            return web.Response(status=400, text=str(error))

    async def _state(self, _: web.Request) -> web.Response:
        slack = self._slack
        return _answer(
            {
                "calls": slack.calls,
                "acks": slack.acks,
                "deliveries": slack.deliveries,
                "connections": len(slack.connections),
                "messages": {name: slack.messages(name) for name in slack.world.channels},
                "ephemerals": slack.ephemerals,
                "statuses": {f"{room} {ts}": now for (room, ts), now in slack.statuses.items()},
            }
        )

    def _named(self, arguments: Json) -> Json:
        """The arguments with messages in place of their names."""
        if place := arguments.get("message"):
            arguments["message"] = self._slack.world.find(*place)
        if files := arguments.get("files"):
            arguments["files"] = [(name, content.encode()) for name, content in files]
        return arguments


def _answer(done: object) -> web.Response:
    body = msgspec.json.encode(done, enc_hook=lambda _: None)  # for what only this process can use
    return web.Response(body=body, content_type="application/json")


async def _serve(arguments: argparse.Namespace) -> None:
    retries = tuple(float(pause) for pause in arguments.retries.split(","))
    slack = FakeSlack(ack_deadline=arguments.ack_deadline, retries=retries)
    Control(slack)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(await slack.start(arguments.port), flush=True)
    await stop.wait()
    await slack.stop()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ack-deadline", type=float, default=3.0, help="seconds")
    parser.add_argument("--retries", default="0,60,300", help="pauses in seconds")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
