"""What a conversation is so far, and the pen that adds to it. Only the loop holds it.

Appending is one transaction; the state and the transcript follow what was written.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any, TypeVar

from coworker import logs
from coworker.agent import words
from coworker.agent.act import Ports
from coworker.agent.context import render
from coworker.agent.evidence import gathered, marked, offered, red_checks
from coworker.agent.fold import State, fold
from coworker.agent.links import Links
from coworker.agent.think import receipt
from coworker.redact import LABEL, Stream
from coworker.repos.text import rendered
from coworker.store.log import Batch, Conversation, ConversationState
from coworker.types import Entry, EntryKind, Json, Outbound, Progress, progress_key, reply_key

_log = logging.getLogger(__name__)
Draft = tuple[EntryKind, Json]
Kind = TypeVar("Kind", bound=str)
_VERSIONS: dict[EntryKind, int] = {"assistant": 2, "summary": 2, "ask": 2, "answer": 2, "error": 2}
"""Of bodies that are not as they were at first: 2 knows `for`, and asks without a call."""


class Journal:
    """One conversation's log, as a state and as a transcript."""

    def __init__(self, conversation: Conversation, entries: Sequence[Entry], ports: Ports) -> None:
        self.conversation = conversation
        self.ports = ports
        self.links = Links(ports.config)
        self._forgotten = ports.log.lately.count
        self._read(entries)
        for entry in entries:
            self.links.apply(entry)
        self.stream = Stream(ports.log.redactor, self.links.inert)

    async def read_again(self) -> None:
        """Take the log as it is now, if anything was forgotten since it was read."""
        while self._forgotten != (count := self.ports.log.lately.count):
            self._read(await self.ports.log.load(self.conversation.id))
            self._forgotten = count

    def _read(self, entries: Sequence[Entry]) -> None:
        self.state = fold(entries)
        self.transcript = render(entries)

    async def append(
        self, *drafts: Draft, state: ConversationState = "ready", **batch: Any
    ) -> None:
        """Append entries in one transaction, then take them into account."""
        at, first = self.ports.clock.now_ms(), self.state.next_seq
        run = self.state.run or first
        batch["outbox"] = [
            dataclasses.replace(said, body=self._shown(said.op, said.body)[1])
            for said in batch.get("outbox", ())
        ]
        entries = [
            Entry(
                first + n,
                body["run"] if kind == "reply_sent" else run,
                kind,
                body,
                at,
                _VERSIONS.get(kind, 1),
            )
            for n, (kind, body) in enumerate(self._shown(*draft) for draft in drafts)
        ]
        made = Batch(entries, state=state, **batch)
        written = await self.ports.log.append(self.conversation.id, made)
        logs.about(conversation=self.conversation.id, run=entries[-1].run)
        for entry in written:
            _log.info("entry: %s", entry.kind, extra={"seq": entry.seq})
            self.state.apply(entry)
            self.transcript.apply(entry)
            self.links.apply(entry)
        if batch["outbox"]:
            self.ports.deliver(self.conversation.id)

    def _shown(self, kind: Kind, body: Json) -> tuple[Kind, Json]:
        """A question as people see it: no link in it leads astray. All else as it is."""
        if kind == "ask":
            body = {**body, "question": self._safe(body["question"])}
        return kind, body

    def _safe(self, text: str) -> str:
        """Secrets first: an address that has become text is not known for one with a password.

        One may also be written so that only a platform puts it together.
        """
        cut = self.ports.log.redactor.text
        safe, seen = cut(text), cut(rendered(text))
        if len(LABEL.findall(seen)) > len(LABEL.findall(safe)):
            safe = seen
        return self.links.inert(safe)

    def emit(self, progress: Progress) -> None:
        """Show a sign of life, if anybody waits for one."""
        self.ports.emit(self.conversation.id, progress)

    async def conclude(
        self,
        text: str,
        outcome: str,
        *before: Draft,
        by: str = "host",
        exit_status: int = 0,
        **batch: Any,
    ) -> None:
        """Append the reply and put it into the outbox: the run is over."""
        state, conversation = self.state, self.conversation
        if by == "model" and text:
            text = self._safe(marked(text, state.done))
            if red := red_checks(state.done):
                text, outcome = f"{text}\n\n{words.red(red)}", "failed"
        run, seq = state.run or state.next_seq, state.next_seq + len(before)
        body: Json = {
            "text": words.with_notices(text, state.notices),
            "by": by,
            "outcome": outcome,
            "exit_status": exit_status or (0 if outcome in ("answered", "nothing") else 1),
            "run": run,
            "receipt": receipt(state, before, self.ports.clock.now_ms()),
            "actions": offered(gathered(state.done), outcome, run),
            "messages": state.messages,
            "asker": state.senders[-1] if state.senders else "",
        }
        if silent := is_silent(state, by, outcome):
            body["silent"] = True
        body = self.ports.log.lately.body(conversation.id, body)  # before it is cut into messages
        key = reply_key(conversation.id, run, seq)
        outbound = Outbound(key, conversation.id, "reply", body, conversation.place)
        outbox = [*batch.pop("outbox", ())]
        outbox += [] if silent else self.ports.rooms.split(outbound)
        await self.append(
            *before, ("reply", body), outcome=outcome, outbox=outbox, state="idle", **batch
        )

    def first_sign(self, run: int) -> list[Outbound]:
        """The progress message of a run, where its place has one."""
        conversation = self.conversation
        if not self.ports.rooms.posts_progress(conversation.place):
            return []
        key, body = progress_key(conversation.id, run), {"run": run, "text": words.STARTED}
        return [Outbound(key, conversation.id, "progress", body, conversation.place)]


def is_silent(state: State, by: str, outcome: str) -> bool:
    """Whether nobody is told: of a scheduled run without news, or one that will be repeated."""
    return state.alone and (outcome == "nothing" or (by, outcome) == ("host", "failed"))
