"""A stand-in for the owner of the state directory: a real socket and a script for the coworker."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from coworker import __version__

Json = dict[str, Any]


class Run:
    """One run as its script sees it."""

    def __init__(self, talk: Talk, text: str, number: int, event_id: str) -> None:
        self.event_id = event_id
        self.talk = talk
        self.text = text
        self.number = number
        self.stopped = asyncio.Event()
        self.steering: asyncio.Queue[str] = asyncio.Queue()
        self.body: Json | None = None
        self.answered: asyncio.Future[str] | None = None

    def progress(self, what: str, text: str = "") -> None:
        self.talk.show({"kind": "progress", "what": what, "text": text})

    def reply(self, text: str, **more: Any) -> None:
        self.body = {
            "text": text,
            "outcome": "answered",
            "exit_status": 0,
            "run": self.number,
            "receipt": {"seconds": 2.5, "steps": 1, "cost_usd": 0.04, "model": "tiny-1"},
            **more,
        }
        self.talk.entry("reply", self.number, self.body)
        self.talk.post({"kind": "reply", **self.body})

    async def ask(self, question: str, options: list[str], *, approval: bool = False) -> str:
        number = self.talk.asks = self.talk.asks + 1
        body = {"ask": number, "question": question, "options": options, "approval": approval}
        body["run"] = self.number
        self.answered = asyncio.get_running_loop().create_future()
        self.talk.entry("ask", self.number, body)
        self.talk.post({"kind": "ask", **body})
        answer = await self.answered
        self.talk.entry("answer", self.number, {"ask": number, "text": answer})
        return answer


Script = Callable[[Run], Awaitable[None]]


class Talk:
    """One conversation: its log, its outbox, and who is attached."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: list[Json] = []
        self.outbox: deque[Json] = deque()
        self.screens: list[asyncio.StreamWriter] = []
        self.run: Run | None = None
        self.asks = 0
        self.attached = asyncio.Event()
        self._in_flight = ""

    def entry(self, kind: str, run: int, body: Json) -> None:
        seq = len(self.entries) + 1
        self.entries.append({"seq": seq, "run": run, "kind": kind, "body": body, "at": 0, "v": 1})

    def post(self, event: Json) -> None:
        key = f"{self.name}:{len(self.entries)}"
        self.outbox.append({**event, "key": key, "maybe_duplicate": False})
        self.deliver()

    def deliver(self) -> None:
        """One at a time, as the real one: the next when a screen has confirmed the last."""
        if self.outbox and self.screens and not self._in_flight:
            self._in_flight = self.outbox[0]["key"]
            self.show(self.outbox[0])

    def shown(self, key: str) -> None:
        if self._in_flight == key:
            event, self._in_flight = self.outbox.popleft(), ""
            if event["kind"] == "reply":
                self.entry("reply_sent", event["run"], {"key": key})
            self.deliver()

    def detach(self, screen: asyncio.StreamWriter) -> None:
        if screen in self.screens:
            self.screens.remove(screen)
        if not self.screens and self._in_flight:
            self._in_flight = ""
            self.outbox[0]["maybe_duplicate"] = True

    def show(self, event: Json) -> None:
        for screen in self.screens:
            screen.write(_line({"event": {"conversation": self.name, **event}}))


class FakeOwner:
    """`async with FakeOwner(state_dir, script)`: `calls` and `shown` tell what clients did."""

    def __init__(self, state_dir: Path, script: Script) -> None:
        self.path = state_dir / "coworker.sock"
        self.calls: list[tuple[str, Json]] = []
        self.shown: list[str] = []
        self.results: dict[str, Any] = {}
        self.errors: dict[str, tuple[str, int]] = {}
        self.talks: dict[str, Talk] = {}
        self._known: dict[str, tuple[Talk, Run]] = {}
        self._script = script
        self._tasks: set[asyncio.Task[Any]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> FakeOwner:
        self._server = await asyncio.start_unix_server(self._connected, self.path, limit=2**24)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.hang_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang_up(self) -> None:
        """Die as far as clients can tell."""
        for writer in self._writers:
            writer.transport.abort()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that clients do."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    def said(self) -> list[str]:
        """The distinct messages, in order."""
        messages = {p["event_id"]: p["text"] for verb, p in self.calls if verb == "say"}
        return list(messages.values())

    def calls_of(self, verb: str) -> list[Json]:
        return [params for name, params in self.calls if name == verb]

    def say(self, text: str, conversation: str | None = None, event_id: str = "") -> Talk:
        """A message that comes in, as from another terminal."""
        talk = self.talks.setdefault(conversation or f"t-{len(self.talks) + 1}", Talk(""))
        talk.name = next(name for name, each in self.talks.items() if each is talk)
        waits = talk.run and talk.run.answered
        if talk.run and waits and not waits.done() and not talk.entries[-1]["body"]["approval"]:
            waits.set_result(text)
        elif talk.run and talk.run.body is None:
            talk.run.steering.put_nowait(text)
        else:
            talk.entry("user", len(talk.entries) + 1, {"text": text})
            talk.run = Run(talk, text, len(talk.entries), event_id)
            self._start(self._play(talk.run))
        assert talk.run
        self._known[event_id] = (talk, talk.run)
        return talk

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        while line := await reader.readline():
            request = json.loads(line)
            self.calls.append((request["verb"], request["params"]))
            answer = self._answer(request["verb"], request["params"], writer)
            writer.write(_line({"id": request["id"], **answer}))
        self._writers.discard(writer)
        for talk in self.talks.values():
            talk.detach(writer)
        writer.close()

    def _answer(self, verb: str, params: Json, writer: asyncio.StreamWriter) -> Json:
        if verb in self.errors:
            message, status = self.errors[verb]
            return {"error": {"message": message, "exit_status": status}}
        if verb in self.results:
            return {"result": self.results[verb]}
        if params.get("conversation", "t-1") not in {"t-1", *self.talks}:
            return {"error": {"message": "There is no such conversation.", "exit_status": 66}}
        return {"result": getattr(self, f"_on_{verb}")(writer, **params)}

    def _on_hello(self, _: object) -> Json:
        return {"version": __version__, "pid": 1}

    def _on_say(
        self, _: object, event_id: str, text: str, conversation: str | None = None, **__: str
    ) -> Json:
        if event_id in self._known:
            talk, run = self._known[event_id]
            reply = {"reply": run.body} if run.body else {}
            sent = any(e["kind"] == "reply_sent" and e["run"] == run.number for e in talk.entries)
            return {"conversation": talk.name, "accepted": False, **reply, "delivered": sent}
        return {"conversation": self.say(text, conversation, event_id).name, "accepted": True}

    def _on_attach(self, writer: asyncio.StreamWriter, conversation: str) -> Json:
        talk = self.talks[conversation]
        talk.screens.append(writer)
        talk.attached.set()
        asyncio.get_running_loop().call_soon(talk.deliver)
        return {}

    def _on_shown(self, _: object, key: str) -> Json:
        self.shown.append(key)
        for talk in self.talks.values():
            talk.shown(key)
        return {}

    def _on_stop(self, _: object, conversation: str) -> Json:
        run = self.talks[conversation].run
        assert run
        run.stopped.set()
        return {"was_running": run.body is None}

    def _on_answer(self, _: object, conversation: str, ask: int, text: str) -> Json:
        run = self.talks[conversation].run
        if run is None or run.answered is None or run.answered.done():
            return {"accepted": False, "reason": "somebody else was first"}
        run.answered.set_result(text)
        return {"accepted": True}

    def _on_log(self, _: object, conversation: str) -> list[Json]:
        return self.talks[conversation].entries

    async def _play(self, run: Run) -> None:
        """A passing sign of life is for whoever looks, so let them look before there is any."""
        if run.event_id:
            await run.talk.attached.wait()
        await self._script(run)

    def _start(self, script: Any) -> None:
        task = asyncio.ensure_future(script)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _line(message: Json) -> bytes:
    return json.dumps(message).encode() + b"\n"
