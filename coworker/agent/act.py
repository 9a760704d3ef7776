"""Tool calls that may run now, and what the loop needs of the world outside it.

It knows no model and appends nothing.
"""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from coworker.agent.fold import State
from coworker.errors import ToolError
from coworker.models.router import Router
from coworker.policy.budget import Ledger
from coworker.policy.people import People
from coworker.policy.rules import Book, Case
from coworker.protocols import Clock, Tool, ToolContext
from coworker.settings import Config
from coworker.store.log import Conversation, Log
from coworker.tools.knowledge import Knowledge
from coworker.types import (
    Call,
    ConversationId,
    Json,
    Line,
    Outbound,
    Parked,
    Place,
    Progress,
    Repo,
    ToolResult,
)

_log = logging.getLogger(__name__)


class Rooms(Protocol):
    """The places where conversations happen, whatever platform they are on."""

    def posts_progress(self, place: Place) -> bool:
        """Whether a run there begins with a progress message."""

    def split(self, outbound: Outbound) -> list[Outbound]:
        """The messages it takes there to say this, in order."""

    def is_us(self, sender: str) -> bool:
        """Whether that is our own account."""

    async def history(self, place: Place, before: str) -> Sequence[Line]:
        """What was said there before that message. Raises Unavailable."""

    async def fetch(self, place: Place, file: Json) -> bytes:
        """The bytes of a file that came with a message. Raises Unavailable."""


Introduce = Callable[[Repo | None], Awaitable[list[tuple[str, str]]]]
"""What a conversation about that repository is told at its beginning: (source, text) each."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside of the loop that the loop needs."""

    log: Log
    router: Router
    tools: Mapping[str, Tool]
    people: People
    ledger: Ledger
    book: Book
    config: Config
    clock: Clock
    knowledge: Knowledge
    place_of: Callable[[Conversation], Repo | None]
    check: Callable[[Conversation], Coroutine[Any, Any, list[Json]]]
    notes: Callable[[Conversation], Sequence[str]]
    undo: Callable[[Conversation, int], Awaitable[str]]
    diff: Callable[[ConversationId], Awaitable[str]]
    introduce: Introduce
    rooms: Rooms
    emit: Callable[[ConversationId, Progress], None]
    deliver: Callable[[ConversationId], None]


@dataclass(frozen=True, slots=True)
class Admission:
    """A call that may run now, with its arguments in the tool's own type.

    `is_again` when an earlier process died in it, so that its effect must be looked for first.
    """

    call: Call
    tool: Tool
    args: Any
    is_again: bool = False
    is_approved: bool = False


async def perform(
    admission: Admission, state: State, conversation: Conversation, ports: Ports
) -> Json | Parked:
    """Run one admitted call; a `tool_done` body, or Parked when it waits for somebody."""
    call, tool = admission.call, admission.tool
    context = context_of(admission, state, conversation, ports)
    began = time.monotonic()
    try:
        context.emit(Progress("tool", tool.describe(admission.args)))
        result = await _run(admission, context)
    except ToolError as error:
        result = ToolResult(str(error), is_error=True)
    except Exception:  # noqa: BLE001 - a bug in one tool must not end the run
        reference = uuid.uuid4().hex[:8]
        _log.exception("tool %s broke", call.name, extra={"ref": reference})
        text = f"{call.name} broke inside coworker (reference {reference}). Go on without it."
        result = ToolResult(text, is_error=True)
    if isinstance(result, Parked):
        return result
    return done(call, result, round((time.monotonic() - began) * 1000))


def done(call: Call, result: ToolResult, ms: int) -> Json:
    """The body of a `tool_done`. `key` is the same for the same call with the same result."""
    same = msgspec.json.encode([call.name, call.input, result.text])
    tainted = {"taint": [result.taint]} if result.taint else {}
    return {
        **tainted,
        "call": call.id,
        "tool": call.name,
        "text": result.text,
        "is_error": result.is_error,
        "receipt": result.receipt,
        "ms": ms,
        "key": hashlib.sha256(same).hexdigest()[:16],
    }


async def _run(admission: Admission, context: ToolContext) -> ToolResult | Parked:
    if admission.is_again:
        found = await admission.tool.probe(admission.args, context)
        if found:
            return found
    return await admission.tool.run(admission.args, context)


def context_of(
    admission: Admission, state: State, conversation: Conversation, ports: Ports
) -> ToolContext:
    """What a tool is given besides its arguments."""

    def emit(progress: Progress) -> None:
        ports.emit(conversation.id, progress)

    return ToolContext(
        repo=ports.place_of(conversation),
        conversation=conversation.id,
        call_id=admission.call.id,
        emit=emit,
        run=state.run,
        taint=tuple(state.taint),
        senders=tuple(state.senders),
        is_approved=admission.is_approved,
        guard=ports.book.guard(case_of(admission, state, conversation, ports)),
    )


def case_of(admission: Admission, state: State, conversation: Conversation, ports: Ports) -> Case:
    """A call as the gate sees it, without the files that it touches."""
    return Case(
        tool=admission.call.name,
        effect=admission.tool.effect_of(admission.args, "\n".join(state.said)),
        args=admission.call.input,
        paths=(),
        people=ports.people.behind(state.senders),
        repo=conversation.repo,
        room=conversation.place.here,
        taint=state.taint,
    )
