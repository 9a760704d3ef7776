"""The HTTP side: decodes calls, applies faults and limits, remembers what was asked."""

from __future__ import annotations

import copy
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
from aiohttp import web

from tests.fakes.telegram import sending  # noqa: F401  (offers its methods)
from tests.fakes.telegram.faults import Fault, Limits, answer, cut_off
from tests.fakes.telegram.methods import METHODS
from tests.fakes.telegram.story import Story
from tests.fakes.telegram.wire import Json, Refused, Upload
from tests.fakes.telegram.world import World

TOKEN = "7000001:AAF0-fake_token_of_thirty_five_signs"
_TOKEN_FORM = re.compile(r"\d+:[\w-]{30,}")
_WORDS = (
    "text caption parse_mode action url title name description callback_query_id file_id document "
    "photo language_code secret_token"
)
"""Arguments that are never JSON."""
_SPEAKING = re.compile(r"send(?!chataction)|editmessage")


@dataclass
class Call:
    """One call of the bot's: the method as written, decoded arguments, monotonic seconds.

    `result` is what it did; `refused` why it did not; a fault can leave both empty.
    """

    method: str
    args: Json
    at: float = field(default_factory=time.monotonic)
    result: Any = None
    refused: str = ""


class FakeTelegram(Story):
    """A Bot API server on 127.0.0.1; see the package for how it is used.

    `down`: while it is set, every connection is reset. `keep` bounds how many calls are remembered.
    """

    def __init__(
        self, *, token: str = TOKEN, real_limits: bool = False, keep: int = 10_000
    ) -> None:
        super().__init__(World(bot_id=int(token.partition(":")[0])))
        self.token = token
        self.calls: deque[Call] = deque(maxlen=keep)
        self.url = ""
        self.down = False
        self._limits = Limits() if real_limits else None
        self._faults: dict[str, deque[Fault]] = {}
        self.app = web.Application(client_max_size=64 * 2**20)
        self.app.router.add_route("*", "/bot{token}/{method}", self._called)
        self.app.router.add_get("/file/bot{token}/{path:.+}", self._download)
        self._runner = web.AppRunner(
            self.app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )

    @property
    def base_url(self) -> str:
        """For ApplicationBuilder.base_url."""
        return f"{self.url}/bot"

    @property
    def base_file_url(self) -> str:
        """For ApplicationBuilder.base_file_url."""
        return f"{self.url}/file/bot"

    async def start(self, port: int = 0) -> int:
        """Listen, and return the port; 0 picks a free one."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, backlog=512).start()
        found: int = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{found}"
        return found

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def fail(self, method: str, fault: Fault, times: int = 1) -> None:
        """Let the next calls of a method (or of any: "*"; of downloads: "file") go wrong."""
        self._faults.setdefault(method.lower(), deque()).extend([fault] * times)

    def heal(self) -> None:
        """Forget all faults that are still to come."""
        self._faults.clear()

    def called(self, method: str) -> list[Call]:
        """The calls of one method, oldest first."""
        return [call for call in self.calls if call.method.lower() == method.lower()]

    async def _called(self, http: web.Request) -> web.Response:
        call = Call(http.match_info["method"], await _arguments(http))
        self.calls.append(call)
        response = None if self.down else await self._answer(call, http)
        if response and not self.down:  # it may have begun while the call waited
            return response
        call.refused = "connection reset"
        return cut_off(http)

    async def _answer(self, call: Call, http: web.Request) -> web.Response:
        fault = self._next_fault(call.method)
        if fault and not fault.effect and (spoiled := await fault.show(http)):
            return spoiled
        response = await self._perform(call, http.match_info["token"])
        if fault and fault.effect and (spoiled := await fault.show(http)):
            return spoiled
        return response

    async def _perform(self, call: Call, token: str) -> web.Response:
        try:
            self._check_token(token)
            call.result = copy.deepcopy(await self._result(call.method.lower(), call.args))
        except Refused as refused:
            call.refused = refused.description
            return answer(refused.code, refused.answer())
        return answer(200, {"ok": True, "result": call.result})

    async def _result(self, method: str, args: Json) -> Any:
        match method:
            case "getupdates":
                return await self.updates.poll(args)
            case "setwebhook":
                self.updates.webhook = str(args.get("url") or "")
                self.updates.allow(args.get("allowed_updates"))
                return True
            case "deletewebhook":
                self.updates.webhook = ""
                if args.get("drop_pending_updates"):
                    self.updates.clear()
                return True
            case "getwebhookinfo":
                return self._webhook_info()
        if method not in METHODS:
            raise Refused(404, "Not Found: method not found")
        if self._limits and _SPEAKING.match(method):
            self._limits.check(args.get("chat_id"), self.world.now())
        return METHODS[method](self.world, args)

    def _webhook_info(self) -> Json:
        return {
            "url": self.updates.webhook,
            "has_custom_certificate": False,
            "pending_update_count": len(self.updates.waiting),
            **({"allowed_updates": sorted(self.updates.allowed)} if self.updates.allowed else {}),
        }

    async def _download(self, http: web.Request) -> web.Response:
        if self.down:
            return cut_off(http)
        path = http.match_info["path"]
        self.calls.append(Call("file", {"path": path}))
        fault = self._next_fault("file")
        if fault and (spoiled := await fault.show(http)):
            return spoiled
        kept = [file for file in self.world.files.values() if file.path == path]
        if http.match_info["token"] != self.token or not kept:
            return answer(404, Refused(404, "Not Found").answer())
        return web.Response(body=kept[0].data, content_type="application/octet-stream")

    def _check_token(self, token: str) -> None:
        if token != self.token:
            known = _TOKEN_FORM.fullmatch(token)
            raise Refused(401, "Unauthorized") if known else Refused(404, "Not Found")

    def _next_fault(self, method: str) -> Fault | None:
        for key in (method.lower(), "*"):
            if waiting := self._faults.get(key):
                return waiting.popleft()
        return None


async def _arguments(http: web.Request) -> Json:
    """Arguments from the query, a form, a multipart form or JSON, as values."""
    given: Json = dict(http.query)
    if http.content_type == "application/json":
        return {**given, **await http.json()}
    for name, value in (await http.post()).items():
        if isinstance(value, web.FileField):
            given[name] = Upload(value.filename, value.content_type, value.file.read())
        else:
            given[name] = value
    return {name: _value(name, value) for name, value in given.items()}


def _value(name: str, value: Any) -> Any:
    if name in _WORDS.split() or not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
