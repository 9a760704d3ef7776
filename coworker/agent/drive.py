"""The only loop: perform the next action, append what happened, repeat until nothing is left to do.

Every effect lies between two appends. It knows no platform, and only it appends to a conversation.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from coworker.agent import words
from coworker.agent.act import Ports, perform
from coworker.agent.compact import summarise
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
    carried,
    next_action,
    outgrown,
)
from coworker.agent.gate import Gate, asked
from coworker.agent.journal import Draft, Journal
from coworker.agent.press import press
from coworker.agent.receive import Received, decided
from coworker.agent.spending import accounts, purpose, question
from coworker.agent.think import (
    assistant,
    heard,
    left_s,
    limit,
    opening,
    overheard,
    reminded,
    requested,
)
from coworker.errors import ContextTooLong, ModelError, RateLimited
from coworker.policy.budget import Account
from coworker.store.log import Conversation, ConversationState, InboxRow
from coworker.types import (
    Answer,
    Bill,
    Entry,
    Json,
    Parked,
    Progress,
    Request,
)

Result = TypeVar("Result")
_MAX_CHECKS = 3
"""Rounds of checks in a run; after that the reply says how they ended."""


class _Interrupted(Exception):
    """Somebody said stop while an effect was under way."""


class Drive(Journal):
    """One conversation, driven until it is idle or waits."""

    def __init__(self, conversation: Conversation, entries: Sequence[Entry], ports: Ports) -> None:
        super().__init__(conversation, entries, ports)
        self._left_at = entries[-1].at if entries else 0
        self._effect: asyncio.Task[Any] | None = None
        self._interrupted = False

    def interrupt(self) -> None:
        """End the effect under way; the stop itself is already in the inbox."""
        self._interrupted = True
        if self._effect:
            self._effect.cancel()

    async def run(self) -> None:
        """Go on until nothing is left to do. Raises Conflict when somebody else drives too."""
        await self._count_lost()
        while True:
            await self.read_again()
            rows = self.ports.log.open_inbox(self.conversation.id)
            action = next_action(self.state, rows)
            if isinstance(action, Idle | Wait):
                rest: ConversationState = "idle" if isinstance(action, Idle) else "waiting"
                return await self._settle(rest, len(rows))
            with contextlib.suppress(_Interrupted):  # the stop is in the inbox: look again
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
                await self._think()

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
            fresh = await opening(conversation, self.ports)
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
        self._interrupted = False
        if not self.state.run:
            return await self.conclude(words.NOTHING_RUNS, "stopped", take=rows)
        results = dict.fromkeys(self.state.calls, words.STOPPED_CALL)
        cancelled: Draft = ("cancelled", {"by": by, "results": results})
        person = self.ports.people.find(by)
        who = person.name if person else by
        cards = [decided(ask, "Stopped", who, self.conversation) for ask in self.state.questions]
        text = words.stopped(self.state)
        return await self.conclude(text, "stopped", cancelled, take=rows, outbox=cards)

    # Thinking

    async def _think(self) -> None:
        if sentence := limit(self.state, self.ports):
            return await self.conclude(words.limited(sentence, self.state), "stopped")
        request = requested(self.state, self.transcript, self.conversation, self.ports)
        usd = self.ports.router.bound_usd(request)
        claim = await self._interruptible(self.ports.ledger.claim(usd, self._accounts))
        if isinstance(claim, Account):
            return await self._park(question(claim, usd, self.state))
        with self.ports.ledger.held(claim):
            if outgrown(self.state):
                return await self._compact(request)
            return await self._respond(request)

    def _accounts(self) -> list[Account]:
        return accounts(self.state, self.conversation, self.ports)

    async def _respond(self, request: Request) -> None:
        self.emit(Progress("step", "thinking"))
        bill = Bill()
        thinking = self.ports.router.respond(request, self.emit, bill)
        try:
            async with asyncio.timeout(left_s(self.state, self.ports)):
                answer = await self._billed(thinking, bill)
        except TimeoutError:
            sentence = words.TOO_SLOW.format(minutes=self.ports.config.budget.run_minutes)
            late = self._lost("too slow", sentence, bill.usd)
            return await self.conclude(words.limited(sentence, self.state), "stopped", late)
        except ContextTooLong as error:
            return await self.append(self._lost("context_too_long", str(error), bill.usd))
        except ModelError as error:
            status = 75 if isinstance(error, RateLimited) else 69
            failure = self._lost("model", str(error), bill.usd)
            return await self.conclude(str(error), "failed", failure, exit_status=status)
        return await self._answered(answer, bill)

    async def _billed(self, request: Coroutine[Any, Any, Result], bill: Bill) -> Result:
        """Await a request; what it cost counts also when somebody says stop."""
        try:
            return await self._interruptible(request)
        except _Interrupted:
            if bill.usd:
                await self.append(self._lost("stopped", words.STOPPED_REQUEST, bill.usd))
            raise

    async def _answered(self, answer: Answer, bill: Bill) -> None:
        body = assistant(answer, self._price(bill.usd))
        if answer.notice and answer.notice not in self.state.notices:
            self.state.notices.append(answer.notice)
        final = words.final(answer)
        if final is None:
            return await self.append(("assistant", body))
        text, outcome, by = final
        said: Draft = ("assistant", body)
        if answer.stopgap or (answer.model == "offline" and self.state.alone):
            schedule = self.ports.log.schedules.get(self.state.schedule)
            is_last = schedule is None or schedule.next_at is None
            text, outcome, by = words.offline(self.state, answer, text, is_last=is_last)
            status = 69 if outcome in ("failed", "offline") else 0
            return await self.conclude(text, outcome, said, by=by, exit_status=status)
        if by == "model" and self.state.unchecked:
            return await self.append(("assistant", {**body, "final": text}))
        return await self.conclude(text, outcome, said, by=by)

    async def _check_or_conclude(self) -> None:
        """What was committed must pass the repository's checks before the last word counts."""
        state = self.state
        if state.final and state.final.get("stopped"):
            return await self.conclude(words.stopped(state), "stopped")
        if state.final and state.final.get("pressed"):
            failed = any(result["is_error"] for result in state.done)
            text = "\n\n".join(result["text"] for result in state.done)
            return await self.conclude(text, "failed" if failed else "answered")
        if state.final and state.final.get("nothing"):
            return await self.conclude("", "nothing", by="model")
        if state.unchecked and state.checks < _MAX_CHECKS:
            self.emit(Progress("step", "running the checks"))
            results = await self._interruptible(self.ports.check(self.conversation))
            if results:
                return await self.append(("context", words.checked(results)))
        text = state.final["final"] if state.final else ""
        return await self.conclude(text, "answered", by="model")

    async def _count_lost(self) -> None:
        """When we were ended while a request may have been under way, it may have cost something.

        How much nobody can say any more: what could be written until now.
        """
        if not isinstance(next_action(self.state, ()), Think):
            return
        seconds = (self.ports.clock.now_ms() - self._left_at) / 1000
        request = requested(self.state, self.transcript, self.conversation, self.ports)
        usd = self.ports.router.bound_usd(request, seconds)
        if 0 < usd < math.inf:
            await self.append(self._lost("ended", words.LOST_REQUEST, usd))

    def _lost(self, what: str, text: str, usd: float) -> Draft:
        """A request that brought nothing, with what it cost all the same."""
        return "error", {"what": what, "text": text, **self._price(usd)}

    def _price(self, usd: float) -> Json:
        return {"cost_usd": usd, "for": purpose(self.state, self.conversation)}

    async def _compact(self, request: Request) -> None:
        """Go on from a summary: a new base, deliberately, that carries the run under way."""
        self.emit(Progress("step", "summarising the conversation so far"))
        state = self.state
        state.compactions += 1
        bill = Bill()
        summary = await self._billed(summarise(request, state, self.ports.router, bill), bill)
        summary |= self._price(bill.usd)
        fresh = await opening(self.conversation, self.ports, carry=carried(state))
        await self.append(*fresh, ("summary", summary), base_seq=state.next_seq)

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
                done, _ = await self._interruptible(wait)
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
        return await self._park(body)

    async def _park(self, body: Json) -> None:
        """Ask, and leave the rest to rows until somebody answers."""
        outbox = asked(body, self.conversation, self.ports)
        await self.append(("ask", body), outbox=outbox)

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
