"""The only loop: perform the next action, append what happened, repeat until nothing is left to do.

Every effect lies between two appends. It knows no platform, and only it appends to a conversation.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from coworker.agent import words
from coworker.agent.act import perform
from coworker.agent.fold import (
    Act,
    Action,
    Begin,
    Cancel,
    Conclude,
    Idle,
    OpenCall,
    Press,
    Receive,
    Steer,
    Think,
    Wait,
    next_action,
)
from coworker.agent.gate import Gate
from coworker.agent.journal import Draft
from coworker.agent.press import press
from coworker.agent.receive import Received, answered, decided
from coworker.agent.think import heard, opening, overheard, reminded
from coworker.agent.thinker import Interrupted, Thinker
from coworker.store.log import ConversationState, InboxRow
from coworker.store.schedules import asks_before
from coworker.types import Json, Parked, Progress

_MAX_CHECKS = 3
"""Rounds of checks in a run; after that the reply says how they ended."""


class Drive(Thinker):
    """One conversation, driven until it is idle or waits."""

    async def run(self) -> None:
        """Go on until nothing is left to do. Raises Conflict when somebody else drives too."""
        await self.count_lost()
        while True:
            await self.read_again()
            rows = self.ports.log.open_inbox(self.conversation.id)
            here = (self.state, self.ports)
            action = next_action(self.state, rows, [row for row in rows if answered(row, *here)])
            if isinstance(action, Idle | Wait):
                rest: ConversationState = "idle" if isinstance(action, Idle) else "waiting"
                return await self._settle(rest, len(rows))
            with contextlib.suppress(Interrupted):  # the stop is in the inbox: look again
                await self._perform(action)

    async def _perform(self, action: Action) -> None:
        match action:
            case Cancel(rows, by):
                await self._cancel(rows, by)
            case Receive(rows):
                await self._receive(rows)
            case Begin(rows):
                await self._begin(rows)
            case Steer(rows):
                said = await heard("steer", rows, self.conversation, self.ports)
                await self.append(*said, take=rows)
            case Act(calls):
                await self._act(calls)
            case Press(row):
                await press(self, row)
            case Conclude():
                await self._check_or_conclude()
            case Think():
                await self.think()

    async def fail(self, reference: str) -> None:
        """Close a run that broke inside us with a sentence; the details are in our own log."""
        results = dict.fromkeys(self.state.calls, words.BROKEN_CALL)
        broken: list[Draft] = [("error", {"what": "internal", "text": reference})]
        if results:
            broken.append(("cancelled", {"by": "coworker", "results": results}))
        waiting = self.ports.log.open_inbox(self.conversation.id)
        await self.conclude(words.broke(reference), "failed", *broken, take=waiting)

    async def _settle(self, state: ConversationState, waiting: int) -> None:
        if self.ports.log.state(self.conversation.id) != state:
            await self.ports.log.settle(self.conversation.id, state, waiting)

    # Beginning and ending

    async def _begin(self, rows: Sequence[InboxRow]) -> None:
        conversation, first = self.conversation, self.state.next_seq
        fresh: list[Draft] = []
        if not self.state.base:
            asks = asks_before(conversation.id)
            fresh = await opening(conversation, self.ports, {"asks": asks} if asks else None)
            fresh += await overheard(conversation, rows, self.ports)
        known = await reminded(self.state, rows, conversation, self.ports)
        said = await heard("user", rows, conversation, self.ports)
        await self.append(
            *fresh,
            *known,
            *said,
            take=rows,
            base_seq=first if fresh else None,
            outbox=[] if rows[0].kind == "due" else self.first_sign(first),
        )

    async def _receive(self, rows: Sequence[InboxRow]) -> None:
        received = Received(self.state, self.conversation, self.ports)
        await received.take(rows)
        for text in received.objections:
            self.emit(Progress("note", f"That answer does not count: {text}."))
        if self.state.run:
            await self.append(*received.drafts, take=rows, outbox=received.outbox)
        else:
            await self.append(*received.drafts, take=rows, state="idle", outcome="ignored")

    async def _cancel(self, rows: Sequence[InboxRow], by: str) -> None:
        self.stopped()
        if not self.state.run:
            is_due = any(row.kind == "due" for row in rows)
            text = words.STOPPED_UNBEGUN if is_due else words.NOTHING_RUNS
            return await self.conclude(text, "stopped", take=rows)
        results = dict.fromkeys(self.state.calls, words.STOPPED_CALL)
        cancelled: Draft = ("cancelled", {"by": by, "results": results})
        person = self.ports.people.find(by)
        who = person.name if person else by
        cards = [decided(ask, "Stopped", who, self.conversation) for ask in self.state.questions]
        text = words.stopped(self.state, self.ports.log.open_inbox(self.conversation.id))
        return await self.conclude(text, "stopped", cancelled, take=rows, outbox=cards)

    async def _check_or_conclude(self) -> None:
        """What was committed must pass the repository's checks before the last word counts."""
        state = self.state
        if state.final and state.final.get("stopped"):
            waiting = self.ports.log.open_inbox(self.conversation.id)
            return await self.conclude(words.stopped(state, waiting), "stopped")
        if state.final and state.final.get("pressed"):
            failed = any(result["is_error"] for result in state.done)
            text = "\n\n".join(result["text"] for result in state.done)
            return await self.conclude(text, "failed" if failed else "answered")
        if state.final and state.final.get("nothing"):
            return await self.conclude("", "nothing", by="model")
        if state.unchecked and state.checks < _MAX_CHECKS:
            self.emit(Progress("step", "running the checks"))
            results = await self.interruptible(self.ports.check(self.conversation))
            if results:
                return await self.append(("context", words.checked(results)))
        text = state.final["final"] if state.final else ""
        return await self.conclude(text, "answered", by="model")

    # Acting

    async def _act(self, calls: Sequence[OpenCall]) -> None:
        """Run the admitted calls side by side; each result is appended as it comes."""
        here = (self.state, self.conversation, self.ports)
        gate = Gate(*here)
        await gate.admit(calls)
        await self.append(*gate.drafts, outbox=gate.outbox)
        running = {
            asyncio.create_task(perform(admission, *here)): admission for admission in gate.calls
        }
        try:
            while running:
                wait = asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                done, _ = await self.interruptible(wait)
                for task in done:
                    await self._finished(running.pop(task).call.id, task.result())
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _finished(self, call: str, result: Json | Parked) -> None:
        if not isinstance(result, Parked):
            told = words.with_notes(result, self.ports.notes(self.conversation), self.state)
            return await self.append(("tool_done", words.with_nudge(told, self.state)))
        number = self.state.asks + 1
        body = {
            "ask": number,
            "call": call,
            "question": result.question,
            "options": result.options,
            "approval": False,
            "asker": self.state.senders[-1],
            "run": self.state.run,
        }
        return await self.park(body)
