"""Tool calls: the gate before, the tool itself, and the recovery of calls that died.

It knows no model and appends nothing: it drafts entries and hands them to the loop.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from coworker.agent.fold import OpenCall, State
from coworker.config import Config
from coworker.errors import ToolError
from coworker.models.router import Router
from coworker.policy.people import People
from coworker.policy.rules import decide
from coworker.protocols import Clock, Tool, ToolContext
from coworker.store.log import Conversation, Log
from coworker.types import (
    Call,
    ConversationId,
    Decision,
    EntryKind,
    Json,
    Line,
    Outbound,
    Parked,
    Place,
    Progress,
    Repo,
    ToolResult,
)

MAX_CALLS = 32
"""More calls than this in one step are a fault of the model, not work."""
MAX_STARTS = 3
"""A call that was begun this often and never finished ends the process itself."""
_UNKNOWN_EFFECT = (
    "Interrupted: the process ended during this call, so its effect is unknown. "
    "Look before you repeat it."
)
_log = logging.getLogger(__name__)


class Rooms(Protocol):
    """The places where conversations happen, whatever platform they are on."""

    def posts_progress(self, place: Place) -> bool:
        """Whether a run there begins with a progress message."""

    def split(self, outbound: Outbound) -> list[Outbound]:
        """The messages it takes there to say this, in order."""

    async def history(self, place: Place, before: str) -> Sequence[Line]:
        """What was said there before that message. Raises Unavailable."""

    async def fetch(self, place: Place, file: Json) -> bytes:
        """The bytes of a file that came with a message. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside of the loop that the loop needs."""

    log: Log
    router: Router
    tools: Mapping[str, Tool]
    people: People
    config: Config
    clock: Clock
    place_of: Callable[[Conversation], Repo | None]
    check: Callable[[Conversation], Coroutine[Any, Any, list[Json]]]
    notes: Callable[[Conversation], Sequence[str]]
    undo: Callable[[Conversation, int], Awaitable[str]]
    introduce: Callable[[Repo | None], Awaitable[list[tuple[str, str]]]]
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


@dataclass(slots=True)
class Admitted:
    """What the gate made of some calls: entries to append first, questions, calls to run."""

    drafts: list[tuple[EntryKind, Json]] = field(default_factory=list)
    outbox: list[Outbound] = field(default_factory=list)
    calls: list[Admission] = field(default_factory=list)

    def refuse(self, call: Call, text: str) -> None:
        """Give the model an error instead of running the call."""
        self.drafts.append(("tool_done", done(call, ToolResult(text, is_error=True), 0)))

    def start(self, admission: Admission) -> None:
        """Write the intent ahead of the effect."""
        call = admission.call
        self.drafts.append(("tool_start", {"call": call.id, "tool": call.name}))
        self.calls.append(admission)


async def admit(
    state: State, calls: Sequence[OpenCall], conversation: Conversation, ports: Ports
) -> Admitted:
    """Take each call through recovery and the gate."""
    admitted = Admitted()
    for number, waiting in enumerate(calls):
        if number >= MAX_CALLS:
            admitted.refuse(waiting.call, f"Not run: at most {MAX_CALLS} calls fit in one step.")
        elif admission := _resolve(waiting.call, ports.tools, admitted):
            await _admit_one(admitted, waiting, admission, state, conversation, ports)
    return admitted


async def perform(
    admission: Admission, ports: Ports, conversation: Conversation, run: int
) -> Json | Parked:
    """Run one admitted call; a `tool_done` body, or Parked when it waits for somebody."""
    call, tool = admission.call, admission.tool
    context = _context(call, ports, conversation, run)
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
    return {
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


def _context(call: Call, ports: Ports, conversation: Conversation, run: int) -> ToolContext:
    def emit(progress: Progress) -> None:
        ports.emit(conversation.id, progress)

    return ToolContext(ports.place_of(conversation), conversation.id, call.id, emit, run)


def _resolve(call: Call, tools: Mapping[str, Tool], admitted: Admitted) -> Admission | None:
    """The tool and its parsed arguments, or an error the model can act on."""
    tool = tools.get(call.name)
    if tool is None:
        admitted.refuse(call, f"There is no tool {call.name!r}. Tools: {', '.join(tools)}.")
        return None
    if call.fault:
        admitted.refuse(call, f"Not run: {call.fault} Send the whole call again.")
        return None
    try:
        return Admission(call, tool, tool.parse(call.input))
    except ToolError as error:
        admitted.refuse(call, str(error))
        return None


async def _admit_one(
    admitted: Admitted,
    waiting: OpenCall,
    admission: Admission,
    state: State,
    conversation: Conversation,
    ports: Ports,
) -> None:
    if waiting.starts:
        return _recover(admitted, waiting, admission)
    if waiting.verdict == "allow":
        return admitted.start(admission)
    if waiting.verdict == "deny":
        return admitted.refuse(
            admission.call, "Denied by a person. Do not look for a way around it."
        )
    return await _gate(admitted, admission, state, conversation, ports)


def _recover(admitted: Admitted, waiting: OpenCall, admission: Admission) -> None:
    """The process died inside this call: what may be repeated depends on the tool."""
    if admission.tool.rerun == "never":
        return admitted.refuse(admission.call, _UNKNOWN_EFFECT)
    if waiting.starts >= MAX_STARTS:
        text = f"Not run again: the process ended {waiting.starts} times during this call."
        return admitted.refuse(admission.call, text)
    return admitted.start(dataclasses.replace(admission, is_again=True))


async def _gate(
    admitted: Admitted, admission: Admission, state: State, conversation: Conversation, ports: Ports
) -> None:
    call, tool = admission.call, admission.tool
    role = ports.people.least(state.senders)
    verdict = decide(call.name, tool.effect, role, conversation.repo, ports.config.rules)
    if tool.card and verdict.verdict == "allow":
        verdict = Decision("ask", "a person saves it")
    decision = {
        "call": call.id,
        "tool": call.name,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
    }
    admitted.drafts.append(("decision", decision))
    match verdict.verdict:
        case "allow":
            admitted.start(admission)
        case "deny":
            admitted.refuse(call, f"Denied: {verdict.reason}.")
        case "ask" if tool.card:
            await _show_card(admitted, admission, state, conversation, ports)
        case "ask":
            preview = await _preview(admission, ports, conversation, state.run)
            question = f"May I do this: {tool.describe(admission.args)}? ({verdict.reason})"
            _ask(admitted, admission, state, conversation, f"{question}\n{preview}".strip())


async def _show_card(
    admitted: Admitted, admission: Admission, state: State, conversation: Conversation, ports: Ports
) -> None:
    """Let a person decide by the card alone; what makes none is for the model to mend."""
    context = _context(admission.call, ports, conversation, state.run)
    try:
        card = await admission.tool.preview(admission.args, context)
    except ToolError as error:
        admitted.refuse(admission.call, str(error))
    else:
        _ask(admitted, admission, state, conversation, card)


async def _preview(admission: Admission, ports: Ports, conversation: Conversation, run: int) -> str:
    """The effect in words before anybody decides; a tool that cannot say so says why."""
    context = _context(admission.call, ports, conversation, run)
    try:
        return await admission.tool.preview(admission.args, context)
    except ToolError as error:
        return f"(What it would do cannot be shown: {error})"


def _ask(
    admitted: Admitted,
    admission: Admission,
    state: State,
    conversation: Conversation,
    question: str,
) -> None:
    number = state.asks + len(admitted.outbox) + 1
    body: Json = {
        "ask": number,
        "call": admission.call.id,
        "question": question,
        "options": [*admission.tool.card] or ["Allow once", "Deny"],
        "approval": True,
        "card": bool(admission.tool.card),
        "asker": state.senders[-1],
        "run": state.run,
    }
    key = f"{conversation.id}:{state.run}:ask{number}"
    admitted.drafts.append(("ask", body))
    admitted.outbox.append(Outbound(key, conversation.id, "ask", body, conversation.place))
