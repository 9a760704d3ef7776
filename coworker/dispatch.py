"""Which conversation runs, and the delivery of what they say.

A busy conversation is one task; an idle or waiting one is only rows. It knows no platform.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import uuid
from collections.abc import Mapping

from coworker import logs
from coworker.agent.act import Ports
from coworker.agent.drive import Drive
from coworker.agent.words import broke
from coworker.delivery import Delivery
from coworker.errors import Conflict, DiskFull
from coworker.protocols import Adapter
from coworker.tasks import Tasks
from coworker.types import ConversationId, Inbound, Outbound, Progress

_log = logging.getLogger(__name__)
_DISK_FULL_WAIT_S = 5.0
_STANDING_AT_ONCE = 20
"""Standing work waits for itself, so that whoever writes meanwhile does not."""


class Dispatch:
    """Accept inbounds, drive conversations, deliver outbounds."""

    def __init__(self, ports: Ports, adapters: Mapping[str, Adapter]) -> None:
        self._adapters = adapters
        self._drives: dict[ConversationId, Drive] = {}
        self._standing = asyncio.Semaphore(_STANDING_AT_ONCE)
        self._driving = Tasks(self._drive, "drive", self._queue)
        self._delivery = Delivery(ports.log, ports.clock, adapters, self.wake)
        self.deliver = self._delivery.request
        self.deliver_all = self._delivery.request_all
        self._ports = dataclasses.replace(ports, emit=self._emit, deliver=self.deliver)

    async def ingest(self, inbound: Inbound) -> bool:
        """Accept an inbound; once this returns it is on disk. False when it was known."""
        if not await self._ports.log.ingest(inbound, self._ports.clock.now_ms()):
            return False
        ids = {"conversation": inbound.conversation, "source": inbound.source}
        _log.info("accepted: %s", inbound.kind, extra=ids)
        ends = inbound.kind == "stop" or inbound.body.get("when") == "instead"
        if ends and inbound.conversation in self._drives:
            self._drives[inbound.conversation].interrupt()
        self.wake(inbound.conversation)
        return True

    def wake(self, conversation: ConversationId) -> None:
        """Drive it soon. Waking twice, or for nothing, is harmless."""
        self._driving.request(conversation)

    def is_running(self, conversation: ConversationId) -> bool:
        """Whether a task works on it now."""
        return conversation in self._driving.running

    async def driven(self, conversation: ConversationId) -> None:
        """Once nothing works on it any more: it is idle, waits, or we stop."""
        if driving := self._driving.running.get(conversation):
            await asyncio.wait({driving})

    async def recover(self) -> None:
        """Wake whatever was open when we stopped. Those that may have ended us go first, alone."""
        for conversation in self._ports.log.suspects():
            _log.warning("running alone after two deaths", extra={"conversation": conversation})
            if driving := self._driving.request(conversation):
                await driving
        for conversation in self._ports.log.ready_conversations():
            self.wake(conversation)
        self._delivery.request_all()

    async def stop(self) -> None:
        """Stop in order; nothing is lost, for everything is rows."""
        await self._driving.stop()
        await self._delivery.stop()

    def _queue(self, conversation: ConversationId) -> asyncio.Semaphore | None:
        rows = self._ports.log.open_inbox(conversation)
        is_standing = bool(rows) and all(row.kind == "due" for row in rows)
        return self._standing if is_standing else None

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

    def _emit(self, conversation: ConversationId, progress: Progress) -> None:
        drive = self._drives.get(conversation)
        if drive and drive.state.alone:
            return  # nobody waits for it, and its thread may not be there yet
        if self._ports.log.lately.holds(conversation) and progress.kind in ("text", "thinking"):
            return  # in pieces nobody can tell what was forgotten; whole it will be clean
        place = drive.conversation.place if drive else None
        adapter = self._adapters.get(place.adapter) if place else None
        if drive and place and adapter:
            for sign in drive.stream.take(progress):
                adapter.progress(place, sign)
