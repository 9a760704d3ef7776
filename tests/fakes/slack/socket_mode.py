"""Socket Mode: connections, envelopes, acknowledgements, redelivery."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from tests.fakes.slack.faults import reset
from tests.fakes.slack.world import APP, Json

_DEBUG = {"host": "applink-1", "build_number": 10, "approximate_connection_time": 18060}
_MOST = 10
"""Connections that an app may have at a time."""


@dataclass
class Ack:
    """An acknowledgement as it came; `at` is monotonic seconds, late ones change nothing."""

    envelope_id: str
    payload: Json
    at: float
    late: bool


@dataclass
class Delivery:
    """An event, click or command on its way: `ack` is None until it is acknowledged.

    `envelopes` are the ids of its attempts; `lost` means that Slack has given up. `heard` takes
    the payload of the acknowledgement.
    """

    kind: str
    payload: Json
    envelopes: list[str] = field(default_factory=list)
    ack: Ack | None = None
    lost: bool = False
    heard: Callable[[Json], None] | None = None

    @property
    def done(self) -> bool:
        """Acknowledged or given up."""
        return self.ack is not None or self.lost

    @property
    def event(self) -> Json:
        """The inner event; empty for anything else."""
        event: Json = self.payload.get("event", {})
        return event


class Connection:
    """One WebSocket of the app. `frozen` looks alive and is not; `leaving` was told to go."""

    def __init__(self, http: web.Request, ws: web.WebSocketResponse) -> None:
        self.frozen = False
        self.leaving = False
        self.sent: list[Json] = []
        self._http = http
        self._ws = ws

    async def send(self, message: Json) -> None:
        """Send it, or lose it in silence, as a network does."""
        self.sent.append(message)
        if not self.frozen:
            with suppress(ConnectionError):
                await self._ws.send_json(message)

    async def close(self) -> None:
        """An orderly end, from our side."""
        await self._ws.close()

    def kill(self) -> None:
        """A TCP reset."""
        if self._http.transport:
            reset(self._http)


class SocketMode:
    """Hands every event to one connection until it is acknowledged.

    `ack_deadline` and the pauses in `retries` are seconds.
    """

    def __init__(self, ack_deadline: float, retries: tuple[float, ...]) -> None:
        self.ack_deadline = ack_deadline
        self.retries = retries
        self.connections: list[Connection] = []
        self.deliveries: list[Delivery] = []
        self.acks: list[Ack] = []
        self._tickets: set[str] = set()
        self._open: dict[str, asyncio.Future[Ack]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = itertools.count()

    def ticket(self) -> str:
        """The right to connect once."""
        ticket = uuid.uuid4().hex
        self._tickets.add(ticket)
        return ticket

    def deliver(self, kind: str, payload: Json) -> Delivery:
        """Send it, and again if nobody acknowledges: events only, the rest is tried once."""
        delivery = Delivery(kind, payload)
        self.deliveries.append(delivery)
        task = asyncio.create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return delivery

    async def accept(self, http: web.Request) -> web.StreamResponse:
        """A connection's life, from hello to its end."""
        ticket = http.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401)
        self._tickets.discard(ticket)
        ws = web.WebSocketResponse(autoping=False, autoclose=False)
        await ws.prepare(http)
        connection = Connection(http, ws)
        self.connections.append(connection)
        try:
            await self._greet(connection)
            await self._listen(connection, ws)
        finally:
            self.connections.remove(connection)
        return ws

    async def stop(self) -> None:
        """Break everything off."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in [*self.connections]:
            connection.kill()

    async def _greet(self, connection: Connection) -> None:
        if len(self.connections) > _MOST:
            await goodbye(connection, "too_many_websockets")
            await connection.close()
            return
        info = {"num_connections": len(self.connections), "connection_info": {"app_id": APP}}
        await connection.send({"type": "hello", **info, "debug_info": _DEBUG})

    async def _listen(self, connection: Connection, ws: web.WebSocketResponse) -> None:
        async for message in ws:
            if connection.frozen:
                continue
            if message.type == WSMsgType.PING:
                await ws.pong(message.data)
            elif message.type == WSMsgType.TEXT:
                self._acknowledged(message.json())
        if connection.frozen:
            await asyncio.Event().wait()  # even the closing handshake gets no answer

    def _acknowledged(self, message: Json) -> None:
        envelope = message.get("envelope_id", "")
        waiting = self._open.pop(envelope, None)
        ack = Ack(envelope, message.get("payload") or {}, time.monotonic(), waiting is None)
        self.acks.append(ack)
        if waiting and not waiting.done():
            waiting.set_result(ack)

    async def _deliver(self, delivery: Delivery) -> None:
        pauses = self.retries if delivery.kind == "events_api" else ()
        for number, pause in enumerate((0.0, *pauses)):
            await asyncio.sleep(pause)
            if await self._attempt(delivery, number):
                return
        delivery.lost = True

    async def _attempt(self, delivery: Delivery, number: int) -> bool:
        connection = self._pick()
        if connection is None:
            return False
        envelope = _envelope(delivery, number)
        name = envelope["envelope_id"]
        delivery.envelopes.append(name)
        waiting = self._open[name] = asyncio.get_running_loop().create_future()
        await connection.send(envelope)
        try:
            async with asyncio.timeout(self.ack_deadline):
                delivery.ack = await waiting
        except TimeoutError:
            return False
        finally:
            self._open.pop(name, None)
        if delivery.heard:
            delivery.heard(delivery.ack.payload)
        return True

    def _pick(self) -> Connection | None:
        staying = [c for c in self.connections if not c.leaving] or self.connections
        return staying[next(self._turn) % len(staying)] if staying else None


def _envelope(delivery: Delivery, number: int) -> Json:
    """A new one for each attempt."""
    envelope: Json = {"envelope_id": str(uuid.uuid4()), "payload": delivery.payload}
    events = delivery.kind == "events_api"
    envelope |= {"type": delivery.kind, "accepts_response_payload": not events}
    if events:
        envelope |= {"retry_attempt": number, "retry_reason": "timeout" if number else ""}
    return envelope


async def goodbye(connection: Connection, reason: str) -> None:
    """Ask the app to connect anew: warning, refresh_requested, link_disabled …"""
    connection.leaving = True
    await connection.send({"type": "disconnect", "reason": reason, "debug_info": _DEBUG})
