"""The HTTP side: every call is recorded, may go wrong, and is checked before it has an effect."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from aiohttp import web

from tests.fakes.slack import chat, places
from tests.fakes.slack.checks import content
from tests.fakes.slack.faults import Fault, Kind, inflict, ratelimited
from tests.fakes.slack.methods import METHODS, needed
from tests.fakes.slack.socket_mode import Delivery, SocketMode
from tests.fakes.slack.world import (
    APP,
    BOT,
    BOT_ID,
    TEAM,
    File,
    Json,
    Message,
    Refused,
    World,
)

SCOPES = (
    "app_mentions:read assistant:write chat:write commands channels:history channels:read "
    "groups:history groups:read im:history im:read im:write mpim:history mpim:read files:read "
    "files:write reactions:read reactions:write users:read team:read"
)
EVENTS = (
    "agent_session_stopped app_context_changed app_home_opened app_mention message.channels "
    "message.groups message.im message.mpim reaction_added "
    "member_joined_channel member_left_channel"
)
_REGISTERED = (chat, places)
"""Importing them registers their methods."""
_ENCODED = ("attachments", "blocks", "chunks", "files", "manifest", "metadata", "view")
"""Arguments that may come as JSON within a string."""


Effect = Callable[[], web.Response]


@dataclass
class Call:
    """A call of the Web API, or of a URL for files or responses.

    `at` is monotonic seconds, `error` is Slack's word or the kind of the fault, "" if ok.
    """

    method: str
    arguments: Json
    at: float
    error: str = ""


@dataclass
class Reply:
    """Where the app may answer a click or command: five times, for half an hour."""

    channel: str
    user: str
    message: Message | None
    until: float
    left: int = 5


class Server:
    """Serves the Web API, files, response URLs and the WebSocket on 127.0.0.1."""

    bot_token = "xoxb-fake"
    app_token = "xapp-fake"

    def __init__(
        self,
        *,
        ack_deadline: float = 3.0,
        retries: tuple[float, ...] = (0, 60, 300),
        stream_life: float = 300.0,
        trigger_life: float = 3.0,
        real_limits: bool = False,
    ) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.scopes = set(SCOPES.split())
        self.revoked = False
        self.real_limits = real_limits
        self.trigger_life = trigger_life
        self.sockets = SocketMode(ack_deadline, retries)
        self.world = World(self._event)
        self.world.stream_life = stream_life
        self.world.events = set(EVENTS.split())
        self._replies: dict[str, Reply] = {}
        self._posted: dict[str, float] = {}
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/link", self.sockets.accept)
        app.router.add_get("/files/{file}/{name}", self._download)
        app.router.add_post("/upload/{file}", self._upload)
        app.router.add_post("/response/{reply}", self._respond)
        self.app = app
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )

    @property
    def base_url(self) -> str:
        """What AsyncWebClient takes."""
        return f"{self.url}/api/"

    async def start(self, port: int = 0) -> int:
        """Listen, and return the port; 0 picks a free one."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        found: int = self._runner.addresses[0][1]
        self.url = self.world.url = f"http://127.0.0.1:{found}"
        return found

    async def stop(self) -> None:
        """Break the sockets off and listen no more."""
        await self.sockets.stop()
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def fault(self, method: str, kind: Kind, times: int = 1, **more: Any) -> Fault:
        """Let the next calls of a method ("*": of any) go wrong; `more` as in `Fault`.

        Files are `files.download` and `files.upload`, response URLs `respond`.
        """
        self.faults.append(Fault(method, kind, times, **more))
        return self.faults[-1]

    def trigger(self) -> str:
        """A trigger id, which opens one view within a few seconds."""
        name = f"{uuid.uuid4().int % 10**13}.fake"
        self.world.triggers[name] = time.monotonic() + self.trigger_life
        return name

    def response_url(self, channel: str, user: str, message: Message | None = None) -> str:
        """Where the app may answer what this user did."""
        name = uuid.uuid4().hex
        self._replies[name] = Reply(channel, user, message, time.monotonic() + 1_800)
        return f"{self.url}/response/{name}"

    def interact(self, payload: Json) -> Delivery:
        """Deliver a click or another interactive payload."""
        shared = {"token": "fake", "api_app_id": APP, "trigger_id": self.trigger()}
        whole = {"enterprise": None, "is_enterprise_install": False, **shared, **payload}
        return self.sockets.deliver("interactive", whole)

    def _event(self, name: str, event: Json) -> Delivery:
        us = {"enterprise_id": None, "team_id": TEAM, "user_id": BOT, "is_bot": True}
        payload = {
            "token": "fake",
            "team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{uuid.uuid4().hex[:11].upper()}",
            "event_time": int(time.time()),
            "authorizations": [{**us, "is_enterprise_install": False}],
            "is_ext_shared_channel": False,
            "event_context": f"4-{name}",
        }
        return self.sockets.deliver("events_api", payload)

    async def _api(self, http: web.Request) -> web.StreamResponse:
        call = self._called(http.match_info["method"], await _arguments(http))
        return await self._faulty(http, call, lambda: self._answer(http, call))

    def _called(self, method: str, arguments: Json) -> Call:
        self.calls.append(Call(method, arguments, time.monotonic()))
        return self.calls[-1]

    async def _faulty(self, http: web.Request, call: Call, effect: Effect) -> web.StreamResponse:
        """The effect and its answer, unless a fault for this method is due."""
        fault = next((fault for fault in self.faults if fault.take(call.method)), None)
        if fault is None:
            return effect()
        answer = effect() if fault.after_effect else None
        call.error = call.error or (fault.error if fault.kind == "error" else fault.kind)
        if (instead := await inflict(fault, http)) is not None:
            return instead
        call.error = ""
        return effect() if answer is None else answer

    def _answer(self, http: web.Request, call: Call) -> web.Response:
        if self.real_limits and self._too_fast(call):
            call.error = "ratelimited"
            return ratelimited(1)
        try:
            body = {"ok": True, **self._perform(_token(http, call.arguments), call)}
        except Refused as refused:
            call.error = refused.error
            body = {"ok": False, "error": refused.error, **refused.more}
        scopes = {"x-oauth-scopes": ",".join(sorted(self.scopes))}
        return web.Response(body=msgspec.json.encode(body), headers={**_JSON, **scopes})

    def _perform(self, token: str, call: Call) -> Json:
        if call.method == "apps.connections.open":
            self._authenticate(token, self.app_token)
            link = self.url.replace("http", "ws", 1)
            return {"url": f"{link}/link?ticket={self.sockets.ticket()}&app_id={APP}"}
        if (found := METHODS.get(call.method)) is None:
            raise Refused("unknown_method", req_method=call.method)
        self._authenticate(token, self.bot_token)
        scope = needed(self.world, found, call.arguments)
        if scope and scope not in self.scopes:
            provided = ",".join(sorted(self.scopes))
            raise Refused("missing_scope", needed=scope, provided=provided)
        return found.body(self.world, call.arguments)

    def _authenticate(self, token: str, right: str) -> None:
        if not token:
            raise Refused("not_authed")
        if token in (self.bot_token, self.app_token) and token != right:
            raise Refused("not_allowed_token_type")
        if token != right or self.revoked:
            raise Refused("token_revoked" if token == right else "invalid_auth")

    def _too_fast(self, call: Call) -> bool:
        if call.method not in ("chat.postMessage", "chat.startStream"):
            return False
        channel = str(call.arguments.get("channel"))
        if call.at - self._posted.get(channel, float("-inf")) < 1:
            return True
        self._posted[channel] = call.at
        return False

    async def _download(self, http: web.Request) -> web.StreamResponse:
        call = self._called("files.download", dict(http.match_info))
        return await self._faulty(http, call, lambda: self._content(http))

    def _content(self, http: web.Request) -> web.Response:
        file = self.world.files.get(http.match_info["file"])
        if file is None:
            return web.Response(status=404)
        allowed = _token(http, {}) == self.bot_token and not self.revoked
        if not allowed or "files:read" not in self.scopes:
            # Slack shows a page to sign in instead of an error.
            return web.Response(
                text="<!DOCTYPE html><title>Sign in</title>", content_type="text/html"
            )
        return web.Response(body=file.content, content_type=file.json()["mimetype"])

    async def _upload(self, http: web.Request) -> web.StreamResponse:
        content = await _uploaded(http)
        file = self.world.files.get(http.match_info["file"])
        call = self._called("files.upload", dict(http.match_info))
        return await self._faulty(http, call, lambda: _keep(file, content))

    async def _respond(self, http: web.Request) -> web.StreamResponse:
        call = self._called("respond", await _arguments(http))
        reply = self._replies.get(http.match_info["reply"])
        return await self._faulty(http, call, lambda: self._answer_reply(reply, call))

    def _answer_reply(self, reply: Reply | None, call: Call) -> web.Response:
        try:
            self._take_reply(reply, call.arguments)
        except Refused as refused:
            call.error = refused.error
            status = 404 if refused.error in ("used_url", "expired_url") else 400
            body = {"ok": False, "error": refused.error}
            return web.json_response(body, status=status)
        return web.Response(text="ok")

    def _take_reply(self, reply: Reply | None, args: Json) -> None:
        if reply is None or not reply.left:
            raise Refused("used_url")
        if time.monotonic() > reply.until:
            raise Refused("expired_url")
        reply.left -= 1
        if args.get("delete_original") and reply.message:
            self.world.delete(reply.message)
            return
        content(args)
        self.show(reply, args)

    def show(self, reply: Reply, args: Json) -> None:
        """Put what the app answered where the person sees it."""
        text, blocks = args.get("text") or "", args.get("blocks") or []
        if args.get("replace_original") and reply.message:
            self.world.edit(reply.message, BOT, text=text, blocks=blocks)
            return
        thread = str(args.get("thread_ts") or "")
        message = Message(reply.channel, self.world.tick(), BOT, text, thread, bot_id=BOT_ID)
        message.blocks = blocks
        if args.get("response_type") == "in_channel":
            self.world.post(message)
        else:
            message.only_for = reply.user
            self.world.ephemerals.append(message)


_JSON = {"content-type": "application/json; charset=utf-8"}


def _token(http: web.Request, args: Json) -> str:
    bearer = http.headers.get("authorization", "").removeprefix("Bearer ")
    return bearer or str(args.get("token", ""))


async def _arguments(http: web.Request) -> Json:
    """Query, form or JSON body as one; arguments that were encoded twice are decoded."""
    args: Json = dict(http.query)
    if http.content_type == "application/json":
        args |= msgspec.json.decode(await http.read() or b"{}")
    elif http.can_read_body:
        args |= dict(await http.post())
    for name in _ENCODED:
        if isinstance(args.get(name), str):
            try:
                args[name] = msgspec.json.decode(args[name])
            except msgspec.DecodeError:
                continue
    return args


async def _uploaded(http: web.Request) -> bytes:
    if http.content_type != "multipart/form-data":
        return await http.read()
    for part in (await http.post()).values():
        if isinstance(part, web.FileField):
            return part.file.read()
    return b""


def _keep(file: File | None, content: bytes) -> web.Response:
    if file is None:
        return web.Response(status=404)
    file.content = content
    return web.Response(text=f"OK - {len(content)}")
