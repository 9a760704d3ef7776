"""What we say on Telegram: answers, questions, and what we are doing meanwhile."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field

from coworker.adapters.telegram import controls, messages
from coworker.adapters.telegram.calls import Calls
from coworker.adapters.telegram.controls import Recent
from coworker.adapters.telegram.flow import Errands, Live
from coworker.adapters.telegram.messages import Said
from coworker.adapters.telegram.rooms import Rooms, is_private
from coworker.errors import Displaced, Unavailable, Undeliverable
from coworker.types import ConversationId, Outbound, Place, Progress

_DRAFT_SPACING_S, _EDIT_SPACING_S = 1.0, 3.0
"""A group takes 20 messages and edits a minute."""
_DRAFT_REFRESH_S = 20.0
_NOTHING = "-"
"""The id of what needed no message."""


@dataclass(slots=True)
class Speaking:
    """Outbounds to messages. Raises what `calls` raises."""

    calls: Calls
    rooms: Rooms
    recent: Recent
    errands: Errands
    _lives: dict[ConversationId, Live] = field(default_factory=dict)
    _drafts: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def send(self, outbound: Outbound) -> str:
        """Say it; returns the message's id."""
        match outbound.op:
            case "progress":
                message = await self._begin(outbound)
            case "ask":
                message = await self._ask(outbound)
            case "decided":
                message = await self._settle(outbound)
            case _:
                message = await self._reply(outbound)
        is_card = outbound.op == "ask" and messages.is_last(outbound.body)
        body = outbound.body
        ask = controls.question(body["ask"], body.get("seal")) if is_card else None
        self.recent.note(message, outbound.place, ask)
        return message

    def progress(self, place: Place, progress: Progress) -> None:
        """Show a sign of life: in a draft in private, else in the run's progress message."""
        live = self._lives.get(place.conversation)
        if is_private(place) and (live is None or live.is_over):
            live = self._lives[place.conversation] = self._draft(place)
        if live:
            live.hear(progress)

    def close(self) -> None:
        """Show nothing more."""
        for live in self._lives.values():
            live.drop()

    async def _begin(self, outbound: Outbound) -> str:
        place = outbound.place
        said = messages.working(outbound.body.get("text") or "👀")
        message = await self.calls.post(place, said)
        await self._be_still(place)

        async def show(text: str) -> None:
            await self.calls.edit(place, message, messages.working(text))

        self._lives[place.conversation] = Live(show, _EDIT_SPACING_S)
        return message

    def _draft(self, place: Place) -> Live:
        number = next(self._drafts)

        async def show(text: str) -> None:
            await self.calls.draft(place, number, messages.working(text))

        return Live(show, _DRAFT_SPACING_S, _DRAFT_REFRESH_S)

    async def _ask(self, outbound: Outbound) -> str:
        place = outbound.place
        if is_private(place):
            await self._be_still(place)
        repeated, ping = outbound.maybe_duplicate, not is_private(place)
        said = messages.question(outbound.body, ping=ping, repeated=repeated)
        return await self.calls.post(place, said)

    async def _settle(self, outbound: Outbound) -> str:
        """Take the buttons off a question's card; one that was deleted or never found has none."""
        if not outbound.over:
            return _NOTHING
        try:
            await self.calls.edit(outbound.place, outbound.over, messages.decided(outbound.body))
        except Undeliverable:
            return _NOTHING
        return outbound.over

    async def _reply(self, outbound: Outbound) -> str:
        if outbound.body.get("run"):
            await self._be_still(outbound.place)
        message = await self._answer(outbound)
        if messages.is_last(outbound.body):
            self.errands.start(self._mark(outbound))
            if outbound.over and message != outbound.over:
                self.errands.start(self._leave_receipt(outbound))
        return message

    async def _answer(self, outbound: Outbound) -> str:
        """Over the progress message if that is recent, for people saw it; else as news."""
        body, place = outbound.body, outbound.place
        if outbound.over and messages.is_quick(body):
            try:
                await self.calls.edit(place, outbound.over, messages.reply(body))
            except Undeliverable as error:  # somebody deleted it
                self.errands.start(self._leave_receipt(outbound))
                raise Displaced(str(error)) from None
            return outbound.over
        said = messages.reply(body, repeated=outbound.maybe_duplicate)
        return await self.calls.post(place, said, _answered(outbound))

    async def _leave_receipt(self, outbound: Outbound) -> None:
        """Turn the progress message into the receipt, at the pace of its other edits."""
        said = Said(messages.receipt(outbound.body) or "✓")
        await asyncio.sleep(_EDIT_SPACING_S)
        try:
            await self.calls.edit(outbound.place, outbound.over, said)
        except Unavailable as error:
            await asyncio.sleep(error.retry_after_s or _EDIT_SPACING_S)
            await self.calls.edit(outbound.place, outbound.over, said)

    async def _mark(self, outbound: Outbound) -> None:
        """Turn 👀 into how it ended."""
        body, place = outbound.body, outbound.place
        mark = controls.GOOD if body.get("outcome") == "answered" else controls.BAD
        for each in body.get("messages") or []:
            await self.calls.mark(place, str(each), mark)

    async def _be_still(self, place: Place) -> None:
        """Let what is being shown arrive, so that it cannot be written over the answer."""
        if live := self._lives.pop(place.conversation, None):
            await live.end()


def _answered(outbound: Outbound) -> str:
    """The message that ours cites, which notifies its writer; needless in private."""
    asked = outbound.body.get("messages") or []
    first = outbound.body.get("part", 1) == 1
    return str(asked[-1]) if asked and first and not is_private(outbound.place) else ""
