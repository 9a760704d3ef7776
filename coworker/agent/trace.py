"""From a reply back to what brought it about: a run's entries as one account. It only reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from coworker.agent.fold import calls_of
from coworker.errors import NotFound, UsageError
from coworker.store.log import Log
from coworker.types import ConversationId, Entry, Json


async def find(what: str, log: Log) -> tuple[ConversationId, int]:
    """The run that is meant: CONVERSATION/RUN, a conversation for its last, or a message's id.

    Raises NotFound, and UsageError for an id that several rooms have.
    """
    name, _, number = what.rpartition("/")
    if log.conversation(ConversationId(name)) and number.isdigit():
        return ConversationId(name), int(number)
    if log.conversation(ConversationId(what)):
        runs = [each.run for each in log.entries(ConversationId(what)) if each.kind == "user"]
        return ConversationId(what), max(runs, default=0)
    found = await log.runs_of(what) or await log.runs_of(what.rpartition(":")[2])
    if not found:
        raise NotFound(
            f"There is no run, conversation or message {what}. `coworker inbox` lists what came."
        )
    if len(found) > 1:
        several = ", ".join(f"{conversation}/{run}" for conversation, run in found[:5])
        raise UsageError(f"{len(found)} runs have to do with {what}. Say which: {several}.")
    return found[0]


def traced(run: int, entries: Sequence[Entry], name_of: Callable[[str], str]) -> Json:
    """Who asked what, what was recalled, each step with its calls, the checks, the reply.

    `entries` are all of the conversation, for the prompt may be older than the run.
    Raises NotFound.
    """
    own = [entry for entry in entries if entry.run == run]
    if not own:
        raise NotFound(f"There is no run {run} in it. `coworker log` shows the entries.")
    calls = _Calls(own, name_of)
    last = [entry for entry in own if entry.kind == "reply"][-1:]
    return {
        "run": run,
        "asked": [_said(entry) for entry in own if entry.kind in ("user", "steer")],
        "known": [_known(entry) for entry in own if entry.kind in ("context", "summary")],
        "prompt": _prompt(entry for entry in entries if entry.seq <= own[-1].seq),
        "steps": [_step(entry, calls) for entry in own if entry.kind in ("assistant", "summary")],
        "questions": calls.questions,
        "checks": [check for entry in own for check in _checks(entry)],
        "reply": {"seq": last[0].seq, "at": last[0].at, **last[0].body} if last else None,
        "delivery": _delivery(own, last[0].seq) if last else None,
    }


class _Calls:
    """What became of each tool call, and of each question."""

    def __init__(self, entries: Iterable[Entry], name_of: Callable[[str], str]) -> None:
        self._name_of = name_of
        self.of: dict[str, Json] = {}
        self.questions: list[Json] = []
        for entry in entries:
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        body, call = entry.body, self.of.setdefault(str(entry.body.get("call", "")), {})
        match entry.kind:
            case "decision":
                call |= {"verdict": body["verdict"], "reason": body["reason"]}
            case "ask":
                names = ("ask", "question", "options", "limit")
                asked = {name: body[name] for name in names if name in body}
                self.questions.append({**asked, "at": entry.at, "answer": None, "by": None})
            case "answer":
                answer = {"answer": body["text"], "by": self._name_of(body["by"])}
                call |= answer
                for asked in self.questions:
                    asked |= answer if asked["ask"] == body["ask"] else {}
            case "tool_start":
                call["started_at"] = entry.at
            case "tool_done":
                names = ("ms", "is_error", "text", "receipt")
                call |= {name: body.get(name) for name in names} | {"done_at": entry.at}
            case "cancelled":
                for name, text in body["results"].items():
                    self.of.setdefault(name, {}).update(is_error=True, text=text)


def _said(entry: Entry) -> Json:
    names = ("sender", "head", "text", "schedule")
    body = {name: entry.body[name] for name in names if entry.body.get(name)}
    return {"seq": entry.seq, "at": entry.at, **body}


def _known(entry: Entry) -> Json:
    """What the model was told of its own place, or reminded of; `ids` are of memories."""
    source = entry.body.get("source", "summary of this conversation so far")
    return {"seq": entry.seq, "source": source, "ids": entry.body.get("recalled", [])}


def _prompt(entries: Iterable[Entry]) -> Json | None:
    """The base that was in force: prompt and tools, the same for every conversation."""
    bases = [entry for entry in entries if entry.kind == "base"][-1:]
    tools = [tool["name"] for tool in bases[0].body["tools"]] if bases else []
    return {"seq": bases[0].seq, "tier": bases[0].body["tier"], "tools": tools} if bases else None


def _step(entry: Entry, calls: _Calls) -> Json:
    body = entry.body
    called = calls_of(body) if entry.kind == "assistant" else []
    return {
        "seq": entry.seq,
        "at": entry.at,
        "kind": "answer" if entry.kind == "assistant" else "summary",
        "model": body.get("model", ""),
        "tokens": sum(body.get("usage", {}).values()),
        "cost_usd": body["cost_usd"],
        "for": body.get("for", {}),
        "calls": [
            {"call": each.id, "tool": each.name, "input": each.input, **calls.of.get(each.id, {})}
            for each in called
        ],
    }


def _checks(entry: Entry) -> list[Json]:
    results: list[Json] = entry.body.get("checks", []) if entry.kind == "context" else []
    return [each["receipt"] for each in results]


def _delivery(own: Sequence[Entry], seq: int) -> Json | None:
    """When the reply arrived, and the platform's id of it; None when nobody knows of it yet."""
    for entry in own:
        if entry.kind == "reply_sent" and str(entry.body["key"]).endswith(f":{seq}"):
            return {"at": entry.at, "remote_id": entry.body["remote_id"]}
    return None
