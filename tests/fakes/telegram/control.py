"""The story told from another process: verbs as JSON, for rigs that kill what they test.

    POST /control/<verb>   one of the story's verbs, `fail`, `heal` or `set`, arguments by name
    GET  /control/calls    what the bot asked for
    GET  /control/chat?chat=Team&topic=7    what people see
    GET  /control/state    ids of updates that were not confirmed, offsets that were polled with

People are named by their names and exist once they are named; chats by title, name or id;
messages by {"chat": {"id": …}, "message_id": …}, as `says` returns them; bytes are base64.
A fault is {"method": …, "fault": "flood", "with": {"seconds": 3}, "times": 2}; `set` takes
attributes of the world, such as {"privacy": false}.
"""

from __future__ import annotations

import base64
import inspect
from typing import Any

import msgspec
from aiohttp import web

from tests.fakes.telegram.faults import FAULTS
from tests.fakes.telegram.server import FakeTelegram
from tests.fakes.telegram.wire import Json
from tests.fakes.telegram.world import Chat, Person

_VERBS = (
    "person other_bot group supergroup channel topic promotes kicks adds blocks says posts edits "
    "deletes clicks answer reacts migrates delivers drafts action"
)
_BYTES = ("photo", "document", "voice")


class Control:
    """The endpoints beside the Bot API's."""

    def __init__(self, telegram: FakeTelegram) -> None:
        self._telegram = telegram
        router = telegram.app.router
        router.add_get("/control/calls", self._calls)
        router.add_get("/control/chat", self._chat)
        router.add_get("/control/state", self._state)
        router.add_post("/control/{verb}", self._verb)

    async def _verb(self, http: web.Request) -> web.Response:
        verb, args = http.match_info["verb"], await http.json()
        try:
            result = await self._do(verb, args)
        except (LookupError, TypeError, ValueError) as error:
            return web.Response(status=400, text=f"{verb}: {error}")
        return _json(result.json() if isinstance(result, Person | Chat) else result)

    async def _do(self, verb: str, args: Json) -> Any:
        match verb:
            case "fail":
                fault = FAULTS[args["fault"]](**args.get("with", {}))
                return self._telegram.fail(args["method"], fault, args.get("times", 1))
            case "heal":
                return self._telegram.heal()
            case "set":
                for name, value in args.items():
                    setattr(self._telegram.world, _known(self._telegram.world, name), value)
                return None
        if verb not in _VERBS.split():
            raise LookupError(f"there is no such verb; there are {_VERBS}")
        members = [self._person(name) for name in args.pop("members", [])]
        given = {name: self._named(name, value) for name, value in args.items()}
        title = [given.pop("title")] if "title" in given else []
        result = getattr(self._telegram, verb)(*title, *members, **given)
        return await result if inspect.isawaitable(result) else result

    def _named(self, name: str, value: Any) -> Any:
        """An argument as the story wants it."""
        if name in ("user", "by", "who", "mentions"):
            return self._person(value)
        if name in ("chat", "as_channel", "channel"):
            return self._room(value)
        if name in _BYTES:
            return base64.b64decode(value)
        return value

    def _person(self, name: str) -> Person:
        for person in self._telegram.world.people.values():
            if person.name == name:
                return person
        return self._telegram.person(name)

    def _room(self, name: str | int | None) -> Chat | Person | None:
        if name is None:
            return None
        for chat in self._telegram.world.chats.values():
            if name == chat.id or (chat.title == name and not chat.moved_to):
                return chat
        return self._person(str(name))

    async def _calls(self, _: web.Request) -> web.Response:
        return _json(list(self._telegram.calls))

    async def _chat(self, http: web.Request) -> web.Response:
        name = http.query["chat"]
        place = self._room(int(name) if name.lstrip("-").isdigit() else name)
        topic = int(http.query["topic"]) if "topic" in http.query else None
        return _json(self._telegram.chat(place, topic))

    async def _state(self, _: web.Request) -> web.Response:
        updates = self._telegram.updates
        return _json({"waiting": [u.id for u in updates.waiting], "offsets": updates.offsets})


def _known(world: object, name: str) -> str:
    if not hasattr(world, name):
        raise LookupError(f"the world has no {name}")
    return name


def _json(body: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
