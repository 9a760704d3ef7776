"""One request to the model and what becomes of it, within the money there is and until a stop.

It does not know what comes before or after: that is the loop's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from coworker.agent import words
from coworker.agent.act import Ports
from coworker.agent.compact import summarise
from coworker.agent.fold import Think, carried, next_action, outgrown
from coworker.agent.gate import asked
from coworker.agent.journal import Draft, Journal
from coworker.agent.spending import accounts, purpose, question
from coworker.agent.think import assistant, left_s, limit, opening, requested
from coworker.errors import ContextTooLong, ModelError, RateLimited
from coworker.policy.budget import Account
from coworker.store.log import Conversation
from coworker.types import Answer, Bill, Entry, Json, Progress, Request

Result = TypeVar("Result")


class Interrupted(Exception):
    """Somebody said stop while an effect was under way."""


class Thinker(Journal):
    """A journal whose next entries come from a model."""

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

    def stopped(self) -> None:
        """The stop was taken out of the inbox: what comes next is not meant by it."""
        self._interrupted = False

    async def think(self) -> None:
        """Ask the model for the next step, or a person for more money; append what came of it."""
        if sentence := limit(self.state, self.ports):
            return await self.conclude(words.limited(sentence, self.state), "stopped")
        request = requested(self.state, self.transcript, self.conversation, self.ports)
        usd = self.ports.router.bound_usd(request)
        claim = await self.interruptible(self.ports.ledger.claim(usd, self._accounts))
        if isinstance(claim, Account):
            return await self.park(question(claim, usd, self.state))
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
            return await self.interruptible(request)
        except Interrupted:
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

    async def count_lost(self) -> None:
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

    async def park(self, body: Json) -> None:
        """Ask, and leave the rest to rows until somebody answers."""
        outbox = asked(body, self.conversation, self.ports)
        await self.append(("ask", body), outbox=outbox)

    async def interruptible(self, effect: Coroutine[Any, Any, Result]) -> Result:
        """Await an effect that a stop may end. Raises Interrupted."""
        self._effect = task = asyncio.ensure_future(effect)
        if self._interrupted:
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            own = asyncio.current_task()
            if not self._interrupted or (own and own.cancelling()):
                raise
            self.stopped()
            raise Interrupted from None
        finally:
            self._effect = None
