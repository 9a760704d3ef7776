"""A scripted model behind the Messages API: the adversary that tests and benchmarks talk to.

It keeps what it was asked, and knows nothing of coworker. A script is a list of steps, used up in
order, or a function from the request to a step, so that runs may interleave. Steps add up:

    think("hm", signature="s1") + say("I look.") + call("read_file", path="a") + usage(output=9)
    [overloaded(2), say("Now it works."), say("half of") + cut_stream(after=3)]
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import re
import signal
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
from aiohttp import web

Json = dict[str, Any]
Fault = Literal["", "cut", "reset", "hang", "end", "overloaded"]
_DELTA = 40
"""Characters in one streamed delta."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One answer, or what goes wrong instead; `after` counts the events sent before a fault.

    `stop_reason` "" means the one that fits the content. `times` repeats the step in a list.
    """

    content: tuple[Json, ...] = ()
    stop_reason: str = ""
    usage: Json = field(default_factory=dict)
    delay: float = 0.0
    status: int = 200
    headers: Json = field(default_factory=dict)
    body: Any = None
    fault: Fault = ""
    after: int = 0
    times: int = 1

    def __add__(self, other: Step) -> Step:
        """Both in one answer; what the second sets wins."""
        mine = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        theirs = {f.name: getattr(other, f.name) for f in dataclasses.fields(self)}
        changed = {name: value for name, value in theirs.items() if value != getattr(_BLANK, name)}
        return Step(**{**mine, **changed, "content": self.content + other.content})


_BLANK = Step()
Script = Sequence[Step] | Callable[[Json], Step]


def say(text: str) -> Step:
    """Text for the person."""
    return block(type="text", text=text)


def think(text: str, signature: str = "signed") -> Step:
    """A thinking block, which is only accepted back unchanged."""
    return block(type="thinking", thinking=text, signature=signature)


def call(tool: str, /, **arguments: Any) -> Step:
    """A tool call; its id is made when it is sent."""
    return block(type="tool_use", name=tool, input=arguments)


def half_json(tool: str, text: str) -> Step:
    """A tool call whose arguments are exactly this text, whatever that is."""
    return block(type="tool_use", name=tool, partial_json=text)


def block(**content_block: Any) -> Step:
    """Any content block, in the form in which it is replayed."""
    return Step(content=(content_block,))


def usage(**tokens: int) -> Step:
    """Token counts: input, output, cache_read, cache_write (for an hour), cache_write_5m."""
    return Step(usage=tokens)


def slow(seconds: float) -> Step:
    """Say nothing for that long."""
    return Step(delay=seconds)


def status(code: int, headers: Json | None = None, body: Any = None) -> Step:
    """An HTTP status and body instead of an answer; text goes out as HTML unless headers differ."""
    return Step(status=code, headers=headers or {}, body=body)


def overloaded(times: int = 1) -> Step:
    """529, that many times."""
    body = _error("overloaded_error", "Overloaded")
    return dataclasses.replace(status(529, body=body), times=times)


# Each takes `after`, the events that are sent first.
hang = partial(Step, fault="hang")  # then nothing more, until the client goes away
reset = partial(Step, fault="reset")  # the connection is reset, at 0 before any header
cut_stream = partial(Step, fault="cut", after=4)  # the connection closes within the body
overload_midstream = partial(Step, fault="overloaded", after=4)  # an error event
no_stop_reason = partial(Step, fault="end", after=-2)  # an orderly end, but too early
# Each is added to what was said before.
max_tokens = partial(Step, stop_reason="max_tokens")
pause_turn = partial(Step, stop_reason="pause_turn")
refusal = partial(Step, stop_reason="refusal")


def looper(tool: str, /, **arguments: Any) -> Script:
    """A model that makes the same call for ever."""
    return lambda _: call(tool, **arguments)


def spendthrift(tool: str, /, **arguments: Any) -> Script:
    """A model that makes the same call for ever and burns 900,000 tokens each time."""
    return lambda _: call(tool, **arguments) + usage(input=880_000, output=20_000)


def stories(table: dict[str, list[Step]]) -> Script:
    """Answer by what a person said last: the first story whose pattern occurs in it.

    Its n-th step comes after n answers since those words, so asking again after a crash gives the
    same step. The last step repeats.
    """

    def script(request: Json) -> Step:
        words, answered = _latest_words(request["messages"])
        for pattern, steps in table.items():
            if re.search(pattern, words, re.IGNORECASE):
                return steps[min(answered, len(steps) - 1)]
        return status(400, body=_error("invalid_request_error", f"no story for {words!r}"))

    return script


class FakeAnthropic:
    """A Messages API server on 127.0.0.1: `async with FakeAnthropic(script) as fake: fake.url`.

    `requests` and `headers` are what was asked, oldest first. `dropped` counts the answers whose
    client went away. `strict` rejects what the real server would reject. `delay` is seconds
    before every answer; `keep` bounds how many requests are remembered.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        strict: bool = False,
        delay: float = 0.0,
        keep: int | None = None,
    ) -> None:
        self.requests: deque[Json] = deque(maxlen=keep)
        self.headers: deque[Json] = deque(maxlen=keep)
        self.dropped = 0
        self.url = ""
        self._script = script if callable(script) else _queue(script)
        self._strict = strict
        self._delay = delay
        self._served = 0
        app = web.Application(client_max_size=256 * 2**20)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/requests", self._remembered)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )

    async def start(self, port: int = 0) -> int:
        """Listen, and return the port; 0 picks a free one."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, backlog=2048).start()
        found: int = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{found}"
        return found

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _messages(self, http: web.Request) -> web.StreamResponse:
        raw = await http.read()
        request: Json = msgspec.json.decode(raw)
        self.requests.append(request)
        self.headers.append(dict(http.headers))
        if self._strict and (complaint := rejection(request)):
            return _json(400, _error("invalid_request_error", complaint))
        step = self._script(request)
        self._served += 1
        try:
            if wait := self._delay + step.delay:
                await asyncio.sleep(wait)
            if step.status != 200 or step.body is not None:
                return _json(step.status, step.body, step.headers)
            events = [_sse(event) for event in _events(step, request, len(raw), self._served)]
            if step.fault:
                return await _break_off(step, events, http)
            return web.Response(body=b"".join(events), headers=_STREAM)
        except asyncio.CancelledError:
            self.dropped += 1
            raise

    async def _models(self, _: web.Request) -> web.Response:
        names = ("claude-opus-5-5", "claude-haiku-5-5")
        data = [{"type": "model", "id": name, "display_name": name} for name in names]
        return _json(200, {"data": data, "has_more": False})

    async def _remembered(self, _: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(list(self.requests)))


_STREAM = {"content-type": "text/event-stream; charset=utf-8"}


async def _break_off(step: Step, events: list[bytes], http: web.Request) -> web.StreamResponse:
    """Stream the first events, then do what the fault says."""
    response, transport = web.StreamResponse(headers=_STREAM), http.transport
    assert transport
    if step.after or step.fault != "reset":
        await response.prepare(http)
        await response.write(b"".join(events[: step.after]))
    match step.fault:
        case "hang":
            await asyncio.Event().wait()
        case "overloaded":
            await response.write(_sse(_error("overloaded_error", "Overloaded")))
        case "cut":
            transport.close()
        case "reset":
            sock, at_once = transport.get_extra_info("socket"), struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            transport.abort()
    return response


def _events(step: Step, request: Json, size: int, number: int) -> Iterator[Json]:
    usage = _usage(step.usage, size)
    start = {"id": f"msg_{number:05}", "type": "message", "role": "assistant", "content": []}
    rest = {"model": request["model"], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": start | rest}
    yield {"type": "ping"}
    turn = len(request["messages"])
    for index, item in enumerate(step.content):
        first, deltas = _streamed(item, f"toolu_{turn:03}_{number:05}_{index}")
        yield {"type": "content_block_start", "index": index, "content_block": first}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    calls = any(item["type"] == "tool_use" for item in step.content)
    reason = step.stop_reason or ("tool_use" if calls else "end_turn")
    ending = {"stop_reason": reason, "stop_sequence": None}
    final = {"output_tokens": usage["output_tokens"]}
    yield {"type": "message_delta", "delta": ending, "usage": final}
    yield {"type": "message_stop"}


def _usage(tokens: Json, size: int) -> Json:
    hour, short = tokens.get("cache_write", 0), tokens.get("cache_write_5m", 0)
    return {
        "input_tokens": tokens.get("input", size // 4),
        "cache_creation_input_tokens": hour + short,
        "cache_read_input_tokens": tokens.get("cache_read", 0),
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": hour},
        "output_tokens": tokens.get("output", 50),
    }


def _streamed(item: Json, call: str) -> tuple[Json, list[Json]]:
    """A content block as its start and its deltas."""
    match item["type"]:
        case "text":
            return {**item, "text": ""}, _deltas("text", item["text"])
        case "thinking":
            signed = {"type": "signature_delta", "signature": item["signature"]}
            deltas = [*_deltas("thinking", item["thinking"]), signed]
            return {**item, "thinking": "", "signature": ""}, deltas
        case "tool_use":
            first = {"type": "tool_use", "id": call, "name": item["name"], "input": {}}
            given = item.get("partial_json", item.get("input"))
            text = given if isinstance(given, str) else msgspec.json.encode(given).decode()
            parts = _deltas("partial_json", "" if given == {} else text)
            return first, [{"type": "input_json_delta", "partial_json": ""}, *parts]
    return item, []


def _deltas(field: str, text: str) -> list[Json]:
    kind = "input_json_delta" if field == "partial_json" else f"{field}_delta"
    return [{"type": kind, field: text[n : n + _DELTA]} for n in range(0, len(text), _DELTA)]


def _sse(event: Json) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event["type"].encode(), msgspec.json.encode(event))


def _json(code: int, body: Any, headers: Json | None = None) -> web.Response:
    sent = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    kind = {"content-type": "text/html" if isinstance(body, str) else "application/json"}
    return web.Response(status=code, body=sent, headers=kind | (headers or {}))


def _error(kind: str, message: str) -> Json:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _queue(steps: Sequence[Step]) -> Callable[[Json], Step]:
    waiting = deque(step for step in steps for _ in range(step.times))
    spent = status(400, body=_error("invalid_request_error", "the script has no more steps"))
    return lambda _: waiting.popleft() if waiting else spent


def _latest_words(messages: list[Json]) -> tuple[str, int]:
    """The last text block of the last message in which a person speaks; answers since then."""
    answers = 0
    for message in reversed(messages):
        texts = [b["text"] for b in _blocks(message) if b["type"] == "text"]
        if message["role"] == "assistant":
            answers += 1
        elif texts:
            return texts[-1], answers
    return "", answers


def _blocks(message: Json) -> list[Json]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


_KNOWN_KEYS = (
    "cache_control container diagnostics inference_geo max_tokens messages metadata model "
    "output_config service_tier stop_sequences stream system thinking tool_choice tools"
)


def rejection(request: Json) -> str | None:
    """Why the real server would answer 400, as far as that can be told from the request alone."""
    if unknown := set(request) - set(_KNOWN_KEYS.split()):
        return f"{min(unknown)}: Extra inputs are not permitted"
    if request["messages"][0]["role"] != "user":
        return "messages: first message must use the user role"
    calls: set[str] = set()
    for _, run in itertools.groupby(request["messages"], key=lambda message: message["role"]):
        blocks = [b for message in run for b in _blocks(message)]
        if not all(b.get("text", "x").strip() for b in blocks) or not blocks:
            return "messages: text content blocks must be non-empty"
        answered = {b["tool_use_id"] for b in blocks if b["type"] == "tool_result"}
        if calls - answered:
            return f"`tool_use` ids without `tool_result` blocks after: {calls - answered}"
        if answered - calls:
            return f"unexpected `tool_use_id` in `tool_result` blocks: {answered - calls}"
        calls = {b["id"] for b in blocks if b["type"] == "tool_use"}
    return f"`tool_use` ids without `tool_result` blocks after: {calls}" if calls else None


def load(path: Path) -> Script:
    """A script file: a JSON list of steps, or an object of `stories`; fields are those of Step."""
    raw = msgspec.json.decode(path.read_bytes())
    if isinstance(raw, list):
        return msgspec.convert(raw, list[Step])
    return stories(msgspec.convert(raw, dict[str, list[Step]]))


async def _serve(arguments: argparse.Namespace) -> None:
    script = load(arguments.script)
    fake = FakeAnthropic(script, strict=arguments.strict, delay=arguments.delay, keep=1_000)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(await fake.start(arguments.port), flush=True)
    await stop.wait()


def main() -> None:
    """The fake as a process of its own: prints its port, answers until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path, required=True, help="JSON: see load()")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--strict", action="store_true", help="reject what the real API would")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
