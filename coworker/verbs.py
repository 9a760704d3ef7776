"""The verbs of the chat, the same on every platform: `!status`, `!stop`, `!repo NAME` …

A verb either answers from the log at once, or is another way to say something that drives a
conversation (a stop, an answer, a press). It never wakes a model.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from coworker import notebook
from coworker.adapters.render import dollars, duration, receipt_line
from coworker.admission import Admission
from coworker.agent.act import Ports
from coworker.agent.spending import accounts, name_of, whose
from coworker.agent.trace import traced
from coworker.agent.words import NOTHING_RUNS, midnight
from coworker.dispatch import Dispatch
from coworker.errors import UsageError
from coworker.notebook import Notebook
from coworker.planning import Planning
from coworker.questions import Questions
from coworker.repos.registry import Registry
from coworker.store.log import Conversation
from coworker.types import ConversationId, Inbound, InboundKind, Json

HELP = """\
Write what you want to know or have done. While I work, what you write joins the work; \
`queue: …` waits its turn, `instead: …` replaces it, `stop` ends it.
`!status` what is going on · `!queue` what waits here · `!stop`
`!approve N` `!deny N` answer question N
`!diff` what was committed here · `!push` `!pr` `!undo` for the last run here
`!remember …` `!forget ID` `!memory [WORDS]` what I know of the repository
`!rules` what I may do · `!pair ID NAME` lets somebody in
`!why` how the last reply came about · `!cost` what was spent
`!schedules` what I do by the clock
`!repo NAME` which repository this is about · `!new` a fresh start"""
_VERB = re.compile(r"!([a-z]+)(?:\s+(.*))?\s*", re.DOTALL | re.IGNORECASE)
_STOP = re.compile(r"(please\s+)?/?stop(\s+(it|that|please|now))?[\s.!]*", re.IGNORECASE)
_PREFIX = re.compile(r"(queue|instead):\s*(.+)", re.DOTALL | re.IGNORECASE)
_OWNERS_BIND = "Only an owner binds a room. In a thread, `!repo NAME` is for that thread alone."
CHANGING = frozenset(["remember", "forget", "pair", "unpair", "unrule", "schedules"])
"""Verbs that change something before they are answered: a second time would not be the same."""
_STOP_WHICH = (
    "{count} are at work or wait here: {names}. "
    "Say stop in the thread of the one that is meant, or as a reply to its message; "
    "`!schedules stop NAME` ends standing work that has not spoken yet."
)
_DECIDE_WHICH = "Say the number of the question as well."
_PRESSES = {"push": "push", "pr": "open_pr", "undo": "undo"}


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb and what stands behind it."""

    name: str
    rest: str = ""


def verb_in(text: str) -> Verb | None:
    """The verb that a message is, if it is one; `!important` is just a word."""
    if _STOP.fullmatch(text.strip()):
        return Verb("stop")
    found = _VERB.fullmatch(text.strip())
    if not found:
        return None
    name = found[1].lower()
    near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.8)
    return Verb(name, (found[2] or "").strip()) if name in NAMES or near else None


def prefixed(inbound: Inbound) -> Inbound:
    """A message with `queue:` or `instead:` taken off and noted."""
    found = _PREFIX.fullmatch(inbound.body["text"].strip())
    if not found:
        return inbound
    body = {**inbound.body, "when": found[1].lower(), "text": found[2]}
    return dataclasses.replace(inbound, body=body)


class Verbs:
    """Answers to verbs."""

    def __init__(
        self,
        ports: Ports,
        dispatch: Dispatch,
        registry: Registry,
        adapters: Callable[[], list[Json]],
        planning: Planning,
        notes: Notebook,
    ) -> None:
        self._ports = ports
        self._admission = Admission(ports.people, ports.book, ports.rooms.is_us)
        self._questions = Questions(ports)
        self._dispatch = dispatch
        self._registry = registry
        self._adapters = adapters
        self._notebook = notes
        self._doing: dict[str, Callable[[str, Inbound], Awaitable[Inbound | str]]] = {
            "diff": self._diff,
            "repo": self._repo,
            "schedules": planning.verb,
        }

    async def obey(self, verb: Verb, inbound: Inbound) -> Inbound | str:
        """What a verb amounts to: something that drives a conversation, or its answer.

        Raises UsageError that says how it is meant.
        """
        match verb.name:
            case "stop":
                return self._stop(inbound)
            case "approve" | "deny":
                return self._decision(verb, inbound)
            case "push" | "pr" | "undo":
                return self._press(_PRESSES[verb.name], inbound)
            case "new":
                return _become(inbound, "action", action="new", run=0)
            case name if name in self._doing:
                return await self._doing[name](verb.rest, inbound)
            case name if name in _ANSWERS:
                return _ANSWERS[name](self, inbound)
            case name if name in notebook.VERBS:
                return await self._notebook.obey(name, verb.rest, inbound)
            case name if name in self._admission.verbs:
                by = self._ports.people.behind([inbound.body["sender"]])[0]
                return await self._admission.verbs[name](verb.rest, by)
        near = difflib.get_close_matches(verb.name, NAMES, n=1)[0]
        raise UsageError(f"There is no `!{verb.name}`. Did you mean `!{near}`? `!help` lists all.")

    def overview(self) -> Json:
        """What is going on, for people."""
        log, ports = self._ports.log, self._ports
        rows = log.conversations()
        now = ports.clock.now_ms()
        return {
            "adapters": self._adapters(),
            "running": [row.id for row in rows if self._dispatch.is_running(row.id)],
            "waiting": [row.id for row in rows if row.state == "waiting"],
            "conversations": len(rows),
            "schedules": log.schedules.count(),
            "undelivered": len(log.undelivered()),
            "spend_today_usd": round(log.spending.since(midnight(now, ports.config.zone)), 6),
        }

    def status(self, inbound: Inbound) -> str:
        """What is going on, in a few lines."""
        seen = self.overview()
        adapters = ", ".join(
            f"{each['name']} {each['state']}" + (f" ({each['detail']})" if each["detail"] else "")
            for each in seen["adapters"]
        )
        lines = [
            f"Running: {self._told(seen['running'], inbound)}."
            f" Waiting for an answer: {self._told(seen['waiting'], inbound)}.",
            f"Spent today: {self._of_the_day(seen['spend_today_usd'])}.",
            f"Connected: {adapters}.",
        ]
        if asks := [str(ask["ask"]) for _, ask in self._questions.around(inbound.conversation)]:
            lines.append(
                f"Open here: question {', '.join(asks)}. `!queue` shows what waits for it."
            )
        if seen["undelivered"]:
            lines.append(f"Not delivered yet: {seen['undelivered']}.")
        return "\n".join(lines)

    def _told(self, conversations: list[ConversationId], inbound: Inbound) -> str:
        """Which they are; of other rooms only how many, but to an owner who is alone with us."""
        if self._is_owner_alone(inbound):
            return self._few(conversations)
        rows = filter(None, map(self._ports.log.conversation, conversations))
        room = dataclasses.replace(inbound.place, thread="")
        here = [row.id for row in rows if dataclasses.replace(row.place, thread="") == room]
        more = len(conversations) - len(here)
        return f"{self._few(here)} here, {more} elsewhere" if more else self._few(here)

    def _is_owner_alone(self, inbound: Inbound) -> bool:
        person = self._ports.people.find(inbound.body["sender"])
        is_alone = inbound.place.adapter == "terminal" or inbound.body.get("private")
        return bool(is_alone and person and person.role == "owner")

    def _few(self, names: Sequence[ConversationId]) -> str:
        """Conversations as people know them: standing work by its name."""
        known = [self._ports.log.schedules.running_in(name) for name in names[:5]]
        told = [f"“{name}”" if name else each for name, each in zip(known, names, strict=False)]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return f"{', '.join(told)}{more}" or "nothing"

    def _by(self, conversation: ConversationId) -> str:
        name = self._ports.log.schedules.running_in(conversation)
        return f"“{name}”: " if name else ""

    def queue(self, inbound: Inbound) -> str:
        """What waits in this conversation, and the questions of firings beside it."""
        rows = self._ports.log.open_inbox(inbound.conversation)
        waiting = [f"· {_short(row.body['text'])}" for row in rows if row.kind == "message"]
        asks = [
            f"· question {ask['ask']}: {self._by(name)}{_short(ask['question'])}"
            for name, ask in self._questions.around(inbound.conversation)
        ]
        parts = [
            "Open questions (`!approve N`, `!deny N`):\n" + "\n".join(asks) if asks else "",
            "Waiting messages:\n" + "\n".join(waiting) if waiting else "",
        ]
        return "\n".join(filter(None, parts)) or "Nothing waits here."

    def why(self, inbound: Inbound) -> str:
        """How the last reply here came about."""
        entries = self._ports.log.entries(inbound.conversation)
        replies = [entry for entry in entries if entry.kind == "reply"]
        if not replies:
            return "There is no reply here yet."
        last = replies[-1]
        seen = traced(last.run, entries, lambda sender: name_of(sender, self._ports))
        calls = [f"· {_came_about(call)}" for step in seen["steps"] for call in step["calls"]]
        raised = [
            f"· {ask['by']} said {ask['answer']}: {_short(ask['question'])}"
            for ask in seen["questions"]
            if ask.get("limit") and ask["by"]
        ]
        head = receipt_line(last.body["outcome"], last.body.get("receipt") or {})
        own = [entry for entry in entries if entry.run == last.run]
        notes = [f"· recalled {', '.join(e.body['recalled'])}" for e in own if "recalled" in e.body]
        where = f"`coworker why {inbound.conversation}/{last.run}` tells all of it."
        return "\n".join([f"Run {last.run}: {head}", *notes, *calls[-15:], *raised, where])

    def cost(self, inbound: Inbound) -> str:
        """What this conversation and this day have cost."""
        log, ports = self._ports.log, self._ports
        here = log.spending.of_conversation(inbound.conversation)
        today = log.spending.since(midnight(ports.clock.now_ms(), ports.config.zone))
        said = f"This conversation: {dollars(here)}. Today: {self._of_the_day(today)}."
        return " ".join([said, *self._left(inbound)])

    def _left(self, inbound: Inbound) -> list[str]:
        """What may still be spent here under each limit, beside that of the day."""
        row = self._ports.log.conversation(inbound.conversation)
        state = self._questions.state(inbound.conversation)
        state.senders = state.senders or [inbound.body["sender"]]
        found = accounts(state, row, self._ports) if row else []
        return [
            f"{dollars(max(0.0, each.limit_usd - each.spent_usd))} left {whose(each)}."
            for each in found
            if each.name != "day" and (state.run or each.name != "run")
        ]

    def _of_the_day(self, usd: float) -> str:
        limit = self._ports.config.budget.day_usd
        return f"{dollars(usd)} of {dollars(limit)}" if limit else dollars(usd)

    def help(self, _: Inbound) -> str:
        """The verbs."""
        return HELP

    # What drives a conversation

    def _stop(self, inbound: Inbound) -> Inbound | str:
        if self._ports.log.state(inbound.conversation) not in (None, "idle"):
            return _become(inbound, "stop")
        busy = self._busy(inbound)
        if len(busy) == 1:
            moved = dataclasses.replace(inbound, conversation=busy[0].id, place=busy[0].place)
            return _become(moved, "stop")
        names = self._few([row.id for row in busy])
        return _STOP_WHICH.format(count=len(busy), names=names) if busy else NOTHING_RUNS

    def _busy(self, inbound: Inbound) -> list[Conversation]:
        """What runs or waits in that room; where it was said in a thread, beside it.

        Said to a room of threads, it is for what has none yet: standing work that has not spoken.
        """
        log, room = self._ports.log, dataclasses.replace(inbound.place, thread="")
        beside = log.schedules.waiting_around(inbound.conversation)
        person = self._ports.people.find(inbound.body["sender"])
        is_to_room = _speaks_to_room(inbound) and person is not None and person.role != "guest"
        return [
            row
            for row in log.conversations()
            if row.state != "idle"
            and (
                row.id in beside
                or not inbound.place.thread
                or (is_to_room and not row.place.thread)
            )
            and dataclasses.replace(row.place, thread="") == room
        ]

    def _decision(self, verb: Verb, inbound: Inbound) -> Inbound | str:
        number = verb.rest.lstrip("#")
        around = self._questions.around(inbound.conversation)
        open_asks = {str(ask["ask"]): name for name, ask in around}
        if not number and len(open_asks) == 1:
            number = next(iter(open_asks))
        if number not in open_asks:
            known = f"Open here: {', '.join(open_asks)}." if open_asks else "None is open here."
            told = f"There is no open question {number}." if number else _DECIDE_WHICH
            return f"{told} {known}"
        text = "allow" if verb.name == "approve" else "deny"
        moved = dataclasses.replace(inbound, conversation=open_asks[number])
        return _become(moved, "answer", ask=int(number), text=text)

    def _press(self, action: str, inbound: Inbound) -> Inbound | str:
        entries = self._ports.log.entries(inbound.conversation)
        pressed = {each.run for each in entries if each.body.get("pressed")}
        runs = [e.run for e in entries if e.kind == "user" and e.run not in pressed]
        if not runs:
            return "There is no run here yet."
        return _become(inbound, "action", action=action, run=runs[-1])

    async def _diff(self, _: str, inbound: Inbound) -> str:
        return await self._ports.diff(inbound.conversation)

    async def _repo(self, name: str, inbound: Inbound) -> Inbound | str:
        known = [repo.name for repo in self._registry.list()]
        row = self._ports.log.conversation(inbound.conversation)
        if not name:
            here = f"This conversation is about {row.repo}." if row and row.repo else ""
            return f"{here} Known: {', '.join(known) or 'none'}. Say `!repo NAME`.".strip()
        if name not in known:
            return f"There is no repository {_short(name)}. Known: {', '.join(known) or 'none'}."
        person = self._ports.people.find(inbound.body["sender"])
        if person is None or person.role == "guest":
            return "Guests cannot choose the repository; a member can."
        if _speaks_to_room(inbound):
            if person.role != "owner" and not inbound.body.get("private"):
                return _OWNERS_BIND
            await self._ports.log.keep("room", inbound.place.here, name)
        return self._bound(name, inbound, row)

    def _bound(self, name: str, inbound: Inbound, row: Conversation | None) -> Inbound | str:
        """What is left to do for a conversation once its repository is chosen."""
        if _speaks_to_room(inbound) and (row is None or row.next_seq == 1):
            return f"This room is about {name} from now on."
        if row and row.repo == name:
            return f"This conversation is about {name}."
        moved = _become(inbound, "action", action="repo", repo=name, run=0)
        return dataclasses.replace(moved, repo=name)


def _speaks_to_room(inbound: Inbound) -> bool:
    """Whether this was said to a whole room and not in a thread of it."""
    place = inbound.place
    return place.adapter != "terminal" and place.thread in ("", inbound.body.get("message"))


def _become(inbound: Inbound, kind: InboundKind, **body: object) -> Inbound:
    kept: Json = {key: inbound.body[key] for key in ("sender", "message") if key in inbound.body}
    return dataclasses.replace(inbound, kind=kind, body={**kept, **body})


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"{line[:119]}…" if len(line) > 120 else line


def _came_about(call: Json) -> str:
    """A call in a line: what it was, how it ended, and who or what decided that it may be."""
    receipt = call.get("receipt") or {}
    told = f"exit {receipt['exit_code']}, " if "exit_code" in receipt else ""
    ended = f"{told}{'failed, ' if call.get('is_error') else ''}"
    why = f"{call['verdict']}, {call['reason']}" if "verdict" in call else ""
    who = f"{call['by']} said {_short(call['answer'])}" if call.get("by") else ""
    decided = "; ".join(filter(None, [why, who]))
    took = duration(call.get("ms", 0) / 1000)
    return f"{call['tool']}: {ended}{took}{f' ({decided})' if decided else ''}"


_ANSWERS: dict[str, Callable[[Verbs, Inbound], str]] = {
    "help": Verbs.help,
    "status": Verbs.status,
    "queue": Verbs.queue,
    "why": Verbs.why,
    "cost": Verbs.cost,
}
NAMES = [
    *_ANSWERS,
    *notebook.VERBS,
    "pair",
    "unpair",
    "rules",
    "unrule",
    "schedules",
    "stop",
    "approve",
    "deny",
    "diff",
    "new",
    "repo",
    *_PRESSES,
]
