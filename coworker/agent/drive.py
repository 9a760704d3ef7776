"""The only loop: perform the next action, append what happened, repeat until nothing is left to do.

Every effect lies between two appends. It knows no platform, and only it appends to a conversation.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from coworker.agent import words
from coworker.agent.act import Admitted, Ports, admit, perform
from coworker.agent.compact import summarise
from coworker.agent.context import render
from coworker.agent.evidence import gathered, marked
from coworker.agent.fold import (
    Act,
    Action,
    Begin,
    Cancel,
    Conclude,
    Idle,
    Receive,
    Steer,
    Think,
    Undo,
    Wait,
    carried,
    fold,
    next_action,
    outgrown,
)
from coworker.agent.receive import receive
from coworker.agent.think import assistant, heard, left_s, limit, opening, receipt, requested
from coworker.errors import ContextTooLong, ModelError, RateLimited
from coworker.store.log import Batch, Conversation, ConversationState, InboxRow
from coworker.types import Answer, Entry, EntryKind, Json, Outbound, Parked, Progress, Request

Result = TypeVar("Result")
Draft = tuple[EntryKind, Json]
_MAX_CHECKS = 3
"""Rounds of checks in a run; after that the reply says how they ended."""


class _Interrupted(Exception):
    """Somebody said stop while an effect was under way."""


class Drive:
    """One conversation, driven until it is idle or waits."""

    def __init__(self, conversation: Conversation, entries: Sequence[Entry], ports: Ports) -> None:
        self.conversation = conversation
        self._ports = ports
        self._state = fold(entries)
        self._transcript = render(entries)
        self._effect: asyncio.Task[Any] | None = None
        self._interrupted = False

    def interrupt(self) -> None:
        """End the effect under way; the stop itself is already in the inbox."""
        self._interrupted = True
        if self._effect:
            self._effect.cancel()

    async def run(self) -> None:
        """Go on until nothing is left to do. Raises Conflict when somebody else drives too."""
        while True:
            action = next_action(self._state, self._ports.log.open_inbox(self.conversation.id))
            if isinstance(action, Idle | Wait):
                return await self._settle("idle" if isinstance(action, Idle) else "waiting")
            with contextlib.suppress(_Interrupted):  # the stop is in the inbox: look again
                await self._perform(action)

    async def _perform(self, action: Action) -> None:
        match action:
            case Cancel(rows):
                await self._cancel(rows)
            case Receive(rows):
                await self._receive(rows)
            case Begin(rows):
                await self._begin(rows)
            case Steer(rows):
                await self._append(*heard("steer", rows, self._ports), take=rows)
            case Act(calls):
                await self._act(await admit(self._state, calls, self.conversation, self._ports))
            case Undo(row):
                await self._undo(row)
            case Conclude():
                await self._check_or_conclude()
            case Think():
                await self._think()

    async def fail(self, reference: str) -> None:
        """Close a run that broke inside us with a sentence; the details are in our own log."""
        results = dict.fromkeys(self._state.calls, words.BROKEN_CALL)
        broken: list[Draft] = [("error", {"what": "internal", "text": reference})]
        if results:
            broken.append(("cancelled", {"by": "coworker", "results": results}))
        waiting = self._ports.log.open_inbox(self.conversation.id)
        await self._conclude(words.broke(reference), "failed", *broken, take=waiting)

    async def _settle(self, state: ConversationState) -> None:
        if self._ports.log.state(self.conversation.id) != state:
            await self._ports.log.settle(self.conversation.id, state)

    # Beginning and ending

    async def _begin(self, rows: Sequence[InboxRow]) -> None:
        fresh = [] if self._state.base else await opening(self.conversation, self._ports)
        first = self._state.next_seq if fresh else None
        await self._append(*fresh, *heard("user", rows, self._ports), take=rows, base_seq=first)

    async def _receive(self, rows: Sequence[InboxRow]) -> None:
        drafts = receive(self._state, rows, self._ports.people)
        for kind, body in drafts:
            if kind == "error":
                self._emit(Progress("note", f"That answer does not count: {body['text']}."))
        if self._state.run:
            await self._append(*drafts, take=rows)
        else:
            await self._append(*drafts, take=rows, state="idle", outcome="ignored")

    async def _cancel(self, rows: Sequence[InboxRow]) -> None:
        self._interrupted = False
        if not self._state.run:
            return await self._conclude(words.NOTHING_RUNS, "stopped", take=rows)
        results = dict.fromkeys(self._state.calls, words.STOPPED_CALL)
        cancelled: Draft = ("cancelled", {"by": rows[0].body["sender"], "results": results})
        return await self._conclude(words.stopped(self._state), "stopped", cancelled, take=rows)

    async def _undo(self, row: InboxRow) -> None:
        """Repeating it after a crash changes nothing more, so it needs no intent of its own."""
        run = int(row.body["run"])
        entries = self._ports.log.entries(self.conversation.id)
        evidence = gathered([e.body for e in entries if e.run == run and e.kind == "tool_done"])
        text = await self._ports.undo(self.conversation, run)
        await self._conclude(words.undone(run, text, evidence), "answered", take=[row])

    async def _conclude(
        self,
        text: str,
        outcome: str,
        *before: Draft,
        by: str = "host",
        exit_status: int = 0,
        take: Sequence[InboxRow] = (),
    ) -> None:
        """Append the reply and put it into the outbox: the run is over."""
        state, conversation = self._state, self.conversation
        if by == "model":
            text = marked(text, state.done)
        run, seq = state.run or state.next_seq, state.next_seq + len(before)
        body: Json = {
            "text": words.with_notices(text, state.notices),
            "by": by,
            "outcome": outcome,
            "exit_status": exit_status or (0 if outcome == "answered" else 1),
            "run": run,
            "receipt": receipt(state, before, self._ports.clock.now_ms()),
        }
        key = f"{conversation.id}:{run}:{seq}"
        outbound = Outbound(key, conversation.id, "reply", body, conversation.place)
        await self._append(
            *before, ("reply", body), take=take, outcome=outcome, outbox=[outbound], state="idle"
        )

    # Thinking

    async def _think(self) -> None:
        request = requested(self._state, self._transcript, self.conversation, self._ports)
        if sentence := limit(self._state, request, self._transcript.tokens, self._ports):
            return await self._conclude(words.limited(sentence, self._state), "stopped")
        if outgrown(self._state):
            return await self._compact(request)
        self._emit(Progress("step", "thinking"))
        thinking = self._ports.router.respond(request, self._emit)
        try:
            answer = await self._interruptible(
                asyncio.wait_for(thinking, left_s(self._state, self._ports))
            )
        except TimeoutError:
            sentence = words.TOO_SLOW.format(minutes=self._ports.config.budget.run_minutes)
            return await self._conclude(words.limited(sentence, self._state), "stopped")
        except ContextTooLong as error:
            return await self._too_long(error)
        except ModelError as error:
            status = 75 if isinstance(error, RateLimited) else 69
            failure: Draft = ("error", {"what": "model", "text": str(error)})
            return await self._conclude(str(error), "failed", failure, exit_status=status)
        return await self._answered(answer)

    async def _answered(self, answer: Answer) -> None:
        body = assistant(answer)
        if answer.notice and answer.notice not in self._state.notices:
            self._state.notices.append(answer.notice)
        final = words.final(answer)
        if final is None:
            return await self._append(("assistant", body))
        text, outcome, by = final
        said: Draft = ("assistant", body)
        if answer.is_stopgap:
            return await self._conclude(text, "failed", said, by=by, exit_status=69)
        if by == "model" and self._state.unchecked:
            return await self._append(("assistant", {**body, "final": text}))
        return await self._conclude(text, outcome, said, by=by)

    async def _check_or_conclude(self) -> None:
        """What was committed must pass the repository's checks before the last word counts."""
        state = self._state
        if state.unchecked and state.checks < _MAX_CHECKS:
            self._emit(Progress("step", "running the checks"))
            results = await self._interruptible(self._ports.check(self.conversation))
            if results:
                return await self._append(("context", words.checked(results)))
        text = state.final["final"] if state.final else ""
        return await self._conclude(text, "answered", by="model")

    async def _too_long(self, error: ContextTooLong) -> None:
        await self._append(("error", {"what": "context_too_long", "text": str(error)}))

    async def _compact(self, request: Request) -> None:
        """Go on from a summary: a new base, deliberately, that carries the run under way."""
        self._emit(Progress("step", "summarising the conversation so far"))
        state = self._state
        state.compactions += 1
        summary = await self._interruptible(summarise(request, state, self._ports.router))
        fresh = await opening(self.conversation, self._ports, carry=carried(state))
        await self._append(*fresh, ("summary", summary), base_seq=state.next_seq)

    # Acting

    async def _act(self, admitted: Admitted) -> None:
        """Run the admitted calls side by side; each result is appended as it comes."""
        conversation = self.conversation
        await self._append(*admitted.drafts, outbox=admitted.outbox)
        running = {
            asyncio.create_task(
                perform(admission, self._ports, conversation, self._state.run)
            ): admission
            for admission in admitted.calls
        }
        try:
            while running:
                wait = asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                done, _ = await self._interruptible(wait)
                for task in done:
                    await self._finished(running.pop(task).call.id, task.result())
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _finished(self, call: str, result: Json | Parked) -> None:
        if not isinstance(result, Parked):
            told = words.with_notes(result, self._ports.notes(self.conversation), self._state)
            return await self._append(("tool_done", words.with_nudge(told, self._state)))
        number = self._state.asks + 1
        body = {
            "ask": number,
            "call": call,
            "question": result.question,
            "options": result.options,
            "approval": False,
            "run": self._state.run,
        }
        outbound = self._question(body)
        return await self._append(("ask", body), outbox=[outbound])

    def _question(self, body: Json) -> Outbound:
        key = f"{self.conversation.id}:{self._state.run}:ask{body['ask']}"
        return Outbound(key, self.conversation.id, "ask", body, self.conversation.place)

    # The two primitives

    async def _interruptible(self, effect: Coroutine[Any, Any, Result]) -> Result:
        """Await an effect that a stop may end. Raises _Interrupted."""
        self._effect = task = asyncio.ensure_future(effect)
        if self._interrupted:
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            own = asyncio.current_task()
            if not self._interrupted or (own and own.cancelling()):
                raise
            self._interrupted = False
            raise _Interrupted from None
        finally:
            self._effect = None

    async def _append(
        self, *drafts: Draft, state: ConversationState = "ready", **batch: Any
    ) -> None:
        """Append entries in one transaction, then take them into account."""
        at, first = self._ports.clock.now_ms(), self._state.next_seq
        run = self._state.run or first
        entries = [
            Entry(first + n, body["run"] if kind == "reply_sent" else run, kind, body, at)
            for n, (kind, body) in enumerate(drafts)
        ]
        await self._ports.log.append(self.conversation.id, Batch(entries, state=state, **batch))
        for entry in entries:
            self._state.apply(entry)
            self._transcript.apply(entry)
        if batch.get("outbox"):
            self._ports.deliver(self.conversation.id)

    def _emit(self, progress: Progress) -> None:
        self._ports.emit(self.conversation.id, progress)
