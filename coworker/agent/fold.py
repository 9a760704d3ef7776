"""The state of a conversation as a pure function of its entries, and the next action.

It knows no clock, no store and no model: the same entries always give the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from coworker.store.log import InboxRow
from coworker.types import Call, Entry, Json, Verdict

NOTHING = "nothing_new"
"""The tool by which a scheduled run ends without a word."""
_OF_ALL = ("base", "next_seq", "context_tokens", "too_long", "asks")
_READ = ("told", "recalled", "taint", "said")
"""What of a state belongs to the whole conversation, and not to a run."""


@dataclass(slots=True)
class OpenCall:
    """A tool call without a result. `starts` counts how often it was begun."""

    call: Call
    verdict: Verdict | None = None
    starts: int = 0
    ask: Json | None = None
    is_approved: bool = False
    """Whether it was a person who allowed it."""
    denial: str = ""
    """What the model is told when the answer was no."""


@dataclass(slots=True)
class State:
    """What the entries so far amount to. `run` is 0 between runs, else its first entry's seq."""

    base: Json = field(default_factory=dict)
    next_seq: int = 1
    run: int = 0
    started_at: int = 0
    heard_at: int = 0
    """When a person last spoke; waiting for them is not working time."""
    senders: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    """The platform's ids of the messages that this run answers."""
    words: list[Json] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Everything that people said in this conversation, as far as its base does not replace it."""
    schedule: str = ""
    """The schedule that began this run, if one did."""
    alone: bool = False
    """Whether this is a scheduled run that no person has joined: nobody waits for it."""
    steps: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    allowance: dict[str, float] = field(default_factory=dict)
    """Dollars by which people let this run pass a limit."""
    parked: Json | None = None
    """The question that the whole run waits for; questions of a tool are with its call."""
    context_tokens: int = 0
    calls: dict[str, OpenCall] = field(default_factory=dict)
    done: list[Json] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    taint: list[str] = field(default_factory=list)
    """What this conversation has read that came from outside; it stays as long as the text does."""
    told: list[str] = field(default_factory=list)
    """What this conversation has been told of its workspace, once for all runs."""
    recalled: list[str] = field(default_factory=list)
    """Ids of what the model was reminded of since the base, so that it is told once."""
    too_long: bool = False
    final: Json | None = None
    """The model's last word, while something must still be done before it is the reply."""
    unchecked: bool = False
    """Whether something was committed since the repository's checks were last run."""
    checks: int = 0
    compactions: int = 0
    asks: int = 0
    """How many questions this conversation has ever asked; they are numbered from 1."""

    def apply(self, entry: Entry) -> None:
        """Take one more entry into account."""
        self.next_seq = entry.seq + 1
        step = _STEPS.get(entry.kind)
        if step:
            step(self, entry)

    @property
    def questions(self) -> list[Json]:
        """What people are asked and have not answered."""
        asks = [call.ask for call in self.calls.values() if call.ask]
        return [*asks, self.parked] if self.parked else asks

    @property
    def repeats(self) -> int:
        """How often the most repeated call of this run returned exactly the same."""
        return max(self.seen.values(), default=0)


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody must answer first."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody said stop, in these rows, or `instead:` or `!new`, which stay in the inbox."""

    rows: Sequence[InboxRow]
    by: str


@dataclass(frozen=True, slots=True)
class Receive:
    """Answers to questions, and word that something we said has arrived."""

    rows: Sequence[InboxRow]


@dataclass(frozen=True, slots=True)
class Begin:
    """A run starts with these messages."""

    rows: Sequence[InboxRow]


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody pressed a button of a reply, or said the same in words."""

    row: InboxRow


@dataclass(frozen=True, slots=True)
class Steer:
    """These messages join the run that is under way."""

    rows: Sequence[InboxRow]


@dataclass(frozen=True, slots=True)
class Act:
    """These calls need the gate, their tool, or their recovery."""

    calls: Sequence[OpenCall]


@dataclass(frozen=True, slots=True)
class Conclude:
    """The model has had its last word."""


@dataclass(frozen=True, slots=True)
class Think:
    """Ask the model."""


Action = Idle | Wait | Cancel | Receive | Begin | Press | Steer | Act | Conclude | Think


def fold(entries: Iterable[Entry]) -> State:
    """The state after these entries, oldest first."""
    state = State()
    for entry in entries:
        state.apply(entry)
    return state


def next_action(
    state: State, inbox: Sequence[InboxRow], answers: Sequence[InboxRow] = ()
) -> Action:
    """What to do next, given the inbox. The model is asked only when no call is open.

    `answers` are those messages of it whose words answer an open question.
    """
    if stops := _of_kind(inbox, "stop"):
        unbegun = [] if state.run else _of_kind(inbox, "due")
        return Cancel([*stops, *unbegun], stops[0].body["sender"])
    if news := _of_kind(inbox, "answer", "sent"):
        return Receive(news)
    messages = _of_kind(inbox, "message")
    if not state.run:
        return _between_runs(inbox, messages)
    ends = ("instead", "new") if state.questions else ("instead",)
    if instead := [row for row in inbox if row.body.get("when", row.body.get("action")) in ends]:
        return Cancel((), instead[0].body["sender"])
    if state.parked or state.calls:
        return _with_open_calls(state, answers)
    steering = [row for row in messages if row.body.get("when") != "queue"]
    if steering and not (state.final or {}).get("stopped"):  # what waited does not join its end
        return Steer(steering)
    return Conclude() if state.final else Think()


def _between_runs(inbox: Sequence[InboxRow], messages: Sequence[InboxRow]) -> Action:
    if presses := _of_kind(inbox, "action"):
        return Press(presses[0])
    together = [*takewhile(lambda row: row.body.get("when") != "queue", messages)]
    begins = together or messages[:1] or _of_kind(inbox, "due")[:1]
    return Begin(begins) if begins else Idle()


def _with_open_calls(state: State, answers: Sequence[InboxRow]) -> Action:
    actionable = [call for call in state.calls.values() if call.ask is None]
    if actionable:
        return Act(actionable)
    return Receive(answers[:1]) if answers else Wait()


def _of_kind(inbox: Sequence[InboxRow], *kinds: str) -> list[InboxRow]:
    return [row for row in inbox if row.kind in kinds]


def _base(state: State, entry: Entry) -> None:
    """A base starts afresh; one made by a compaction carries the run it interrupted."""
    carried = entry.body.get("carry", {})
    state.base, state.taint, state.recalled, state.said = entry.body, [], [], []
    state.context_tokens, state.too_long = 0, False
    for name, value in carried.items():
        setattr(state, name, value)


def _user(state: State, entry: Entry) -> None:
    if not state.run:
        state.run, state.started_at = entry.run, entry.at
        state.schedule = entry.body.get("schedule", "")
    state.heard_at, state.final = entry.at, None
    state.senders.append(entry.body["sender"])
    state.words.append({"head": entry.body["head"], "text": entry.body["text"]})
    state.said.append(entry.body["text"])
    _tainted(state, entry)
    state.messages.extend(entry.body.get("messages", ()))
    state.alone = bool(entry.body.get("schedule"))


def _assistant(state: State, entry: Entry) -> None:
    body = entry.body
    usage: dict[str, int] = body["usage"]
    state.steps += 1
    state.tokens += sum(usage.values())
    state.cost_usd += body["cost_usd"]
    state.context_tokens = sum(usage.values())
    state.too_long = body["stop_reason"] == "model_context_window_exceeded"
    if body.get("notice") and body["notice"] not in state.notices:
        state.notices.append(body["notice"])
    state.calls = {call.id: OpenCall(call) for call in calls_of(body)}
    state.final = body if body.get("final") or body.get("pressed") else None


def calls_of(body: Json) -> list[Call]:
    """The tool calls of an assistant entry, with what makes one impossible to try."""
    faults: dict[str, str] = body.get("malformed", {})
    return [
        Call(block["id"], block["name"], block["input"], faults.get(block["id"], ""))
        for block in body["content"]
        if block["type"] == "tool_use"
    ]


def _decision(state: State, entry: Entry) -> None:
    state.calls[entry.body["call"]].verdict = entry.body["verdict"]


def _tool_start(state: State, entry: Entry) -> None:
    state.calls[entry.body["call"]].starts += 1


def _tool_done(state: State, entry: Entry) -> None:
    state.calls.pop(entry.body["call"], None)
    state.done.append(entry.body)
    _tainted(state, entry)
    notes: list[str] = entry.body.get("notes", [])
    state.told += notes
    state.notices += notes
    receipt = entry.body.get("receipt") or {}
    state.unchecked = state.unchecked or receipt.get("kind") in ("commit", "setup")
    if state.alone and entry.body["tool"] == NOTHING:
        state.final = {"nothing": True}
    key = entry.body["key"]
    state.seen[key] = state.seen.get(key, 0) + 1


def _ask(state: State, entry: Entry) -> None:
    state.asks = entry.body["ask"]
    asked = {**entry.body, "at": entry.at}
    if entry.body["call"]:
        state.calls[entry.body["call"]].ask = asked
    else:
        state.parked = asked


def _answer(state: State, entry: Entry) -> None:
    state.heard_at = entry.at
    state.messages.extend(entry.body.get("messages", ()))
    _tainted(state, entry)
    if state.parked and not entry.body["call"]:
        _go_on_or_stop(state, state.parked, entry.body)
    else:
        waiting = state.calls[entry.body["call"]]
        waiting.ask, waiting.verdict = None, entry.body.get("verdict", waiting.verdict)
        waiting.is_approved = waiting.verdict == "allow"
        waiting.denial = entry.body.get("denial", "")
    if notice := entry.body.get("notice"):
        state.notices.append(notice)


def _go_on_or_stop(state: State, asked: Json, answer: Json) -> None:
    state.parked = None
    if answer["verdict"] == "allow":
        raised = state.allowance.get(asked["limit"], 0.0) + asked["usd"]
        state.allowance = {**state.allowance, asked["limit"]: raised}
    else:
        state.final = {"stopped": True}


def _context(state: State, entry: Entry) -> None:
    """Checks that fail give the model another chance to mend what it did."""
    _tainted(state, entry)
    state.recalled += entry.body.get("recalled", [])
    state.notices += entry.body.get("notices", [])
    results: list[Json] = entry.body.get("checks", [])
    if results:
        state.done.extend(results)
        state.notices += [note for note in results[0].get("notes", []) if note not in state.notices]
        state.checks += 1
        state.unchecked = False
        if any(result["receipt"]["exit_code"] for result in results):
            state.final = None


def _tainted(state: State, entry: Entry) -> None:
    sources: list[str] = entry.body.get("taint", [])
    state.taint += [source for source in sources if source not in state.taint]


def _summary(state: State, entry: Entry) -> None:
    state.cost_usd += entry.body["cost_usd"]


def _error(state: State, entry: Entry) -> None:
    state.too_long = state.too_long or entry.body["what"] == "context_too_long"
    state.cost_usd += entry.body.get("cost_usd", 0.0)


def _cancelled(state: State, _: Entry) -> None:
    state.calls = {}


def _reply(state: State, _: Entry) -> None:
    """The run is over; what belonged to it alone goes."""
    fresh = State(**{name: getattr(state, name) for name in (*_OF_ALL, *_READ)})
    for name in State.__slots__:
        setattr(state, name, getattr(fresh, name))


_STEPS = {
    "base": _base,
    "context": _context,
    "user": _user,
    "steer": _user,
    "assistant": _assistant,
    "decision": _decision,
    "tool_start": _tool_start,
    "tool_done": _tool_done,
    "ask": _ask,
    "answer": _answer,
    "summary": _summary,
    "error": _error,
    "cancelled": _cancelled,
    "reply": _reply,
}


def outgrown(state: State) -> bool:
    """Whether the history has become too long to go on with."""
    limit: int = state.base.get("compact_at", 0)
    return state.too_long or bool(limit and state.context_tokens > limit)


def carried(state: State) -> Json:
    """What a base made in the middle of a run must carry so that the run goes on."""
    names = ("run", "started_at", "heard_at", "senders", "words", "steps", "tokens", "cost_usd")
    more = ("messages", "done", "seen", "notices", "compactions", "asks", "told", "unchecked")
    last = ("checks", "taint", "schedule", "alone", "allowance")
    return {name: getattr(state, name) for name in (*names, *more, *last)}
