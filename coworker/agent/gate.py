"""The way of a tool call before it runs: recovery, the gate, and the question to a person.

It drafts entries and hands them to the loop; what is allowed is policy's to say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from coworker.agent.act import Admission, Ports, case_of, context_of, done
from coworker.agent.fold import OpenCall, State
from coworker.errors import ToolError
from coworker.policy.approvals import ALWAYS, DENY, KEEP, ONCE, seal
from coworker.policy.rules import Case, in_words
from coworker.protocols import Tool, ToolContext
from coworker.repos.text import code, fenced
from coworker.settings import Rule
from coworker.store.log import Conversation
from coworker.types import Call, Decision, EntryKind, Json, Outbound, ToolResult, ask_key

MAX_CALLS = 32
"""More calls than this in one step are a fault of the model, not work."""
MAX_STARTS = 3
"""A call that was begun this often and never finished ends the process itself."""
_MOST_SHOWN = 8_000
"""Characters of a question: what a person cannot be shown whole is not asked."""
_UNKNOWN_EFFECT = (
    "Interrupted: the process ended during this call, so its effect is unknown. "
    "Look before you repeat it."
)
_DENIED = "Denied by a person. Do not look for a way around it."


@dataclass(slots=True)
class Gate:
    """What becomes of a step's calls: entries to append first, questions, calls to run."""

    state: State
    conversation: Conversation
    ports: Ports
    drafts: list[tuple[EntryKind, Json]] = field(default_factory=list)
    outbox: list[Outbound] = field(default_factory=list)
    calls: list[Admission] = field(default_factory=list)

    async def admit(self, calls: Sequence[OpenCall]) -> None:
        """Take each call through recovery and the gate."""
        for number, waiting in enumerate(calls):
            if number >= MAX_CALLS:
                self._refuse(waiting.call, f"Not run: at most {MAX_CALLS} calls fit in one step.")
                continue
            try:
                await self._admit(waiting, _resolved(waiting.call, self.ports.tools))
            except ToolError as error:
                self._refuse(waiting.call, str(error))

    async def denial(self, call: Call) -> str:
        """Why a call would be denied whoever allows it; "" when it would not be, or cannot be."""
        try:
            admission = _resolved(call, self.ports.tools)
            context = context_of(admission, self.state, self.conversation, self.ports)
            decision = self.ports.book.decide(await self._case(admission, context))
        except ToolError:
            return ""
        return decision.reason if decision.verdict == "deny" else ""

    async def _admit(self, waiting: OpenCall, admission: Admission) -> None:
        if waiting.starts:
            again = _recovered(waiting, admission)
            return self._start(dataclasses.replace(again, is_approved=waiting.is_approved))
        if waiting.verdict == "deny":
            raise ToolError(waiting.denial or _DENIED)
        context = context_of(admission, self.state, self.conversation, self.ports)
        case = await self._case(admission, context)
        decision = self.ports.book.decide(case)
        if decision.verdict == "deny":
            self._decide(waiting.call, decision)
            raise ToolError(f"Denied: {decision.reason}.")
        if waiting.verdict == "allow":
            return self._start(dataclasses.replace(admission, is_approved=waiting.is_approved))
        if admission.tool.card:
            decision = Decision("ask", "a person saves it")
        if decision.verdict == "ask":
            return await self._ask(admission, case, decision, context)
        self._decide(waiting.call, decision)
        return self._start(admission)

    async def _case(self, admission: Admission, context: ToolContext) -> Case:
        case = case_of(admission, self.state, self.conversation, self.ports)
        if not self.ports.book.have_paths:
            return case
        touched = await admission.tool.touched(admission.args, context)
        return dataclasses.replace(case, paths=touched)

    async def _ask(
        self, admission: Admission, case: Case, decision: Decision, context: ToolContext
    ) -> None:
        """Put the question to a person: all that the call would do, bound to just this call."""
        call, state, card = admission.call, self.state, admission.tool.card
        rule = None if card else _for_ever(admission.tool.lasting(admission.args), case)
        question = await _question(admission, decision, context, rule)
        yes = KEEP if case.effect == "rule" else ONCE
        body: Json = {
            "ask": state.asks + sum(kind == "ask" for kind, _ in self.drafts) + 1,
            "call": call.id,
            "question": question,
            "options": [*card] or [yes, *([ALWAYS] if rule else []), DENY],
            "approval": True,
            "card": bool(card),
            "asker": state.senders[0],
            "run": state.run,
            "seal": seal(self.conversation.id, state.run, call),
            "owner": case.effect == "final",
            "rule": rule,
        }
        self._decide(call, decision)
        self.drafts.append(("ask", body))
        self.outbox += asked(body, self.conversation, self.ports)

    def _decide(self, call: Call, decision: Decision) -> None:
        body = {"verdict": decision.verdict, "reason": decision.reason}
        self.drafts.append(("decision", {"call": call.id, "tool": call.name, **body}))

    def _refuse(self, call: Call, text: str) -> None:
        """Give the model an error instead of running the call."""
        self.drafts.append(("tool_done", done(call, ToolResult(text, is_error=True), 0)))

    def _start(self, admission: Admission) -> None:
        """Write the intent ahead of the effect."""
        call = admission.call
        self.drafts.append(("tool_start", {"call": call.id, "tool": call.name}))
        self.calls.append(admission)


def asked(body: Json, conversation: Conversation, ports: Ports) -> list[Outbound]:
    """The messages that ask an `ask` entry's question, the last of which takes the answer."""
    key = ask_key(conversation.id, body["run"], body["ask"])
    return ports.rooms.split(Outbound(key, conversation.id, "ask", body, conversation.place))


def _resolved(call: Call, tools: Mapping[str, Tool]) -> Admission:
    """The tool and its parsed arguments. Raises ToolError that the model can act on."""
    tool = tools.get(call.name)
    if tool is None:
        raise ToolError(f"There is no tool {call.name!r}. Tools: {', '.join(tools)}.")
    if call.fault:
        raise ToolError(f"Not run: {call.fault} Send the whole call again.")
    return Admission(call, tool, tool.parse(call.input))


def _recovered(waiting: OpenCall, admission: Admission) -> Admission:
    """The process died inside this call: what may be repeated depends on the tool."""
    if admission.tool.rerun == "never":
        raise ToolError(_UNKNOWN_EFFECT)
    if waiting.starts >= MAX_STARTS:
        times = f"the process ended {waiting.starts} times during this call"
        raise ToolError(f"Not run again: {times}.")
    return dataclasses.replace(admission, is_again=True)


async def _question(
    admission: Admission, decision: Decision, context: ToolContext, rule: Json | None
) -> str:
    """The effect first, then why it is asked. Raises ToolError when it cannot be shown whole."""
    tool, args = admission.tool, admission.args
    effect = await tool.preview(args, context) or _arguments(admission.call)
    why = "" if tool.card else f"May I do this: {code(tool.describe(args))}? ({decision.reason})"
    outside = f"This run has read {', '.join(context.taint)}." if context.taint else ""
    for_ever = f"“{ALWAYS}” means: {in_words(msgspec.convert(rule, Rule))}." if rule else ""
    question = "\n\n".join(filter(None, [effect, why, outside, for_ever]))
    if len(question) > _MOST_SHOWN:
        raise ToolError(
            f"Not asked: a person would have to read {len(question):,} characters to decide this, "
            f"and {_MOST_SHOWN:,} are the limit. Make the call smaller."
        )
    return question


def _arguments(call: Call) -> str:
    lines = [f"{name}: {_plain(value)}" for name, value in call.input.items()]
    return fenced("\n".join(lines)) if lines else ""


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _for_ever(args: Json | None, case: Case) -> Json | None:
    """The narrowest rule that would allow this again, here, to these people; None for no rule."""
    if args is None or case.taint or case.effect == "final":
        return None
    names = sorted({person.name for person in case.people})
    rule = Rule(
        then="allow",
        tool=case.tool,
        repo=case.repo or "*",
        people=names,
        rooms=[case.room],
        args=args,
    )
    found: Json = msgspec.to_builtins(rule)
    return found
