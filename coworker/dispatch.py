"""Which conversation runs, and the delivery of what they say.

A busy conversation is one task; an idle or waiting one is only rows. It knows no platform.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from coworker import logs
from coworker.agent.act import Ports
from coworker.agent.drive import Drive
from coworker.agent.words import broke
from coworker.errors import Conflict, DiskFull, Unavailable, Unconfirmed
from coworker.protocols import Adapter
from coworker.types import ConversationId, Inbound, Outbound, Progress

_log = logging.getLogger(__name__)
_DISK_FULL_WAIT_S = 5.0
_GRACE_S = 0.5
_AT_ONCE = 4_000
"""Each busy conversation holds a connection to its model; more of them wait for their turn."""


class _Tasks:
    """At most one task per conversation; a request while it runs means once more."""

    def __init__(self, work: Callable[[ConversationId], Awaitable[None]], name: str) -> None:
        self._work = work
        self._name = name
        self._again: set[ConversationId] = set()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._stopped = False
        self.running: dict[ConversationId, asyncio.Task[None]] = {}

    def request(self, conversation: ConversationId) -> asyncio.Task[None] | None:
        """Make sure the work is done after now."""
        if conversation in self.running:
            self._again.add(conversation)
        elif not self._stopped:
            loop = self._loop(conversation)
            task = asyncio.create_task(loop, name=f"{self._name} {conversation}")
            self.running[conversation] = task
        return self.running.get(conversation)

    async def _loop(self, conversation: ConversationId) -> None:
        try:
            while True:
                self._again.discard(conversation)
                async with self._turns:
                    await self._work(conversation)
                if conversation not in self._again or self._stopped:
                    return
        finally:
            del self.running[conversation]

    async def stop(self) -> None:
        """Let what is nearly done finish; cancel the rest: it is rows and goes on next time."""
        self._stopped = True
        tasks = list(self.running.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=_GRACE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class Dispatch:
    """Accept inbounds, drive conversations, deliver outbounds."""

    def __init__(self, ports: Ports, adapters: Mapping[str, Adapter]) -> None:
        self._ports = dataclasses.replace(ports, emit=self._emit, deliver=self.deliver)
        self._adapters = adapters
        self._drives: dict[ConversationId, Drive] = {}
        self._driving = _Tasks(self._drive, "drive")
        self._delivering = _Tasks(self._deliver, "deliver")

    async def ingest(self, inbound: Inbound) -> Literal["new", "known", "refused"]:
        """Accept an inbound; once this returns it is on disk. A stranger's words are not kept."""
        log, now = self._ports.log, self._ports.clock.now_ms()
        ids = {"conversation": inbound.conversation, "source": inbound.source}
        if self._ports.people.find(inbound.body["sender"]) is None:
            refused = dataclasses.replace(inbound, body={"sender": inbound.body["sender"]})
            await log.ingest(refused, now, outcome="refused")
            _log.info("refused a stranger", extra=ids)
            return "refused"
        if not await log.ingest(inbound, now):
            return "known"
        _log.info("accepted: %s", inbound.kind, extra=ids)
        if inbound.kind == "stop" and inbound.conversation in self._drives:
            self._drives[inbound.conversation].interrupt()
        self.wake(inbound.conversation)
        return "new"

    def wake(self, conversation: ConversationId) -> None:
        """Drive it soon. Waking twice, or for nothing, is harmless."""
        self._driving.request(conversation)

    def deliver(self, conversation: ConversationId) -> None:
        """Send what waits in its outbox, in order, if its platform can be reached."""
        self._delivering.request(conversation)

    def is_running(self, conversation: ConversationId) -> bool:
        """Whether a task works on it now."""
        return conversation in self._driving.running

    async def recover(self) -> None:
        """Wake whatever was open when we stopped. Those that may have ended us go first, alone."""
        for conversation in self._ports.log.suspects():
            _log.warning("running alone after two deaths", extra={"conversation": conversation})
            if driving := self._driving.request(conversation):
                await driving
        for conversation in self._ports.log.ready_conversations():
            self.wake(conversation)
        for conversation in {o.conversation for o, _ in self._ports.log.undelivered()}:
            self.deliver(conversation)

    async def stop(self) -> None:
        """Stop in order; nothing is lost, for everything is rows."""
        await self._driving.stop()
        await self._delivering.stop()

    async def _drive(self, conversation: ConversationId) -> None:
        logs.about(conversation=conversation)
        try:
            await self._drive_once(conversation)
        except Conflict:
            _log.warning("another writer was first")
        except Exception:  # noqa: BLE001 - the outer edge: one broken run must not take the others down
            reference = uuid.uuid4().hex[:8]
            _log.exception("a run broke", extra={"ref": reference})
            await self._close_broken(conversation, reference)

    async def _drive_once(self, conversation: ConversationId) -> None:
        drive = await self._load(conversation)
        if drive is None:
            return
        self._drives[conversation] = drive
        try:
            await drive.run()
        except DiskFull as error:
            self._emit(conversation, Progress("note", f"{error} What you wrote is kept."))
            await self._ports.clock.sleep(_DISK_FULL_WAIT_S)
            self.wake(conversation)
        finally:
            del self._drives[conversation]

    async def _close_broken(self, conversation: ConversationId, reference: str) -> None:
        try:
            drive = await self._load(conversation)
            if drive:
                await drive.fail(reference)
        except Exception:  # noqa: BLE001 - a log that cannot be folded must not be tried for ever
            _log.exception("a conversation is parked", extra={"ref": reference})
            await self._park(conversation, reference)

    async def _park(self, conversation: ConversationId, reference: str) -> None:
        """Say so without the log, and leave the conversation alone until somebody writes again."""
        row = self._ports.log.conversation(conversation)
        if row is None:
            return
        body = {"text": broke(reference), "outcome": "failed", "exit_status": 1, "run": 0}
        key = f"{conversation}:broken:{reference}"
        outbound = Outbound(key, conversation, "reply", body, row.place)
        await self._ports.log.park(outbound, self._ports.clock.now_ms())
        self.deliver(conversation)

    async def _load(self, conversation: ConversationId) -> Drive | None:
        row = self._ports.log.conversation(conversation)
        if row is None:
            return None
        return Drive(row, await self._ports.log.load(conversation), self._ports)

    async def _deliver(self, conversation: ConversationId) -> None:
        logs.about(conversation=conversation)
        for outbound, state in self._ports.log.undelivered(conversation):
            adapter = self._adapters.get(outbound.place.adapter)
            if adapter is None or not adapter.reachable(conversation):
                return
            if not await self._deliver_one(adapter, outbound, state):
                return

    async def _deliver_one(self, adapter: Adapter, outbound: Outbound, state: str) -> bool:
        """One outbound; False when the rest must wait as well."""
        remote_id = None
        if state == "sending":  # a crash lies between request and record: look before repeating
            remote_id = await adapter.find(outbound)
            outbound = dataclasses.replace(outbound, maybe_duplicate=remote_id is None)
        if remote_id is None:
            remote_id = await self._send(adapter, outbound)
        if remote_id is None:
            return False
        await self._ports.log.sent(outbound, remote_id, self._ports.clock.now_ms())
        _log.info("sent: %s", outbound.op, extra={"key": outbound.key})
        if self._ports.log.state(outbound.conversation) == "ready":
            self.wake(outbound.conversation)
        return True

    async def _send(self, adapter: Adapter, outbound: Outbound) -> str | None:
        await self._ports.log.sending(outbound.key)
        try:
            return await adapter.send(outbound)
        except Unavailable:
            await self._ports.log.unsent(outbound.key, "pending")
        except Unconfirmed:
            _log.info("outcome of a message unknown", extra={"key": outbound.key})
        return None

    def _emit(self, conversation: ConversationId, progress: Progress) -> None:
        drive = self._drives.get(conversation)
        adapter = self._adapters.get(drive.conversation.place.adapter) if drive else None
        if adapter:
            adapter.progress(conversation, progress)
