"""State directories with a past: recorded entries of one real run, written down many times over.

It writes through the product's own log and knows nothing of what the entries mean beyond their run.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.rig import Bot
from benchmarks.talk import Coworker, task
from coworker.store.log import Batch, ConversationState, Log
from coworker.types import ConversationId, Entry, Inbound, Outbound, Place

Recorded = list[dict[str, Any]]
_AT_ONCE = 200
_numbers = itertools.count(1)


async def record(bot: Bot, **what: Any) -> Recorded:
    """The entries of one real conversation that was given this task."""
    async with bot.talker() as talker:
        assert isinstance(talker, Coworker)
        await talker.ask(task(**what))
        entries: Recorded = await talker.call("log", conversation=talker.conversation)
    return entries


def repeated(entries: Recorded, times: int, result: str) -> Recorded:
    """A conversation that had this run so often, its tools with this result."""
    opening = [entry for entry in entries if entry["kind"] in ("base", "context")]
    run = [e for e in entries if e["kind"] not in ("base", "context", "reply_sent")]
    for entry in run:
        if entry["kind"] == "tool_done":
            entry["body"]["text"] = result
    return opening + run * times


class Past:
    """A state directory that is being written."""

    def __init__(self, state: Path) -> None:
        state.mkdir(exist_ok=True)
        self._log = Log(state, _fatal)

    async def close(self) -> None:
        """Everything is on disk."""
        await self._log.close()

    async def write(self, entries: Recorded, state: ConversationState) -> ConversationId:
        """One conversation with these entries, its message taken, its question not yet shown."""
        conversation = ConversationId(f"past-{next(_numbers)}")
        place = Place("terminal", conversation)
        sender = next(e["body"]["sender"] for e in entries if e["kind"] == "user")
        body = {"text": "…", "sender": sender}
        event = Inbound("past", conversation, conversation, "message", body, place, repo="shop")
        at = entries[-1]["at"]
        await self._log.ingest(event, at)
        kept = list(_renumbered(entries))
        asked = [
            Outbound(f"{conversation}:{e.run}:ask1", conversation, "ask", e.body, place)
            for e in kept
            if e.kind == "ask"
        ]
        take = self._log.open_inbox(conversation)
        await self._log.append(conversation, Batch(kept, take, outbox=asked, state=state))
        return conversation

    async def write_many(
        self, entries: Recorded, state: ConversationState, number: int
    ) -> list[ConversationId]:
        """The same so many times."""
        written: list[ConversationId] = []
        while len(written) < number:
            count = min(_AT_ONCE, number - len(written))
            written += await asyncio.gather(*(self.write(entries, state) for _ in range(count)))
        return written


def _renumbered(entries: Recorded) -> Sequence[Entry]:
    """Entries in a row; each run is named after the seq of its first entry."""
    run, kept = 1, []
    for seq, entry in enumerate(entries, 1):
        run = seq if entry["kind"] == "user" and seq > 1 and kept[-1].kind == "reply" else run
        body = {**entry["body"], "run": run} if "run" in entry["body"] else entry["body"]
        kept.append(Entry(seq, run, entry["kind"], body, entry["at"], entry["v"]))
    return kept


def _fatal(error: BaseException) -> None:
    print(f"the past cannot be written: {error}", flush=True)
    os._exit(1)
