"""The buttons of a reply, and the same in words: push, open a pull request, undo, start afresh.

It drafts what a press amounts to. A press is a person's own decision, so nobody is asked again;
whether it counts is asked of policy like any approval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from coworker.agent.act import Ports
from coworker.agent.context import head
from coworker.agent.evidence import Evidence, gathered
from coworker.policy.approvals import refusal
from coworker.policy.rules import decide
from coworker.store.log import Conversation, InboxRow
from coworker.types import Entry, EntryKind, Json

Draft = tuple[EntryKind, Json]
LABELS = {"push": "Push", "open_pr": "Open PR", "undo": "Undo", "retry": "Retry"}
_TOOLS = {"push": "git_push", "open_pr": "open_pr"}


@dataclass(frozen=True, slots=True)
class Past:
    """A run that is over: who asked for it, and what it did."""

    run: int
    askers: list[str] = field(default_factory=list)
    evidence: Evidence = field(default_factory=Evidence)


def offered(evidence: Evidence, outcome: str, run: int) -> list[Json]:
    """The buttons under a reply."""
    names: list[str] = []
    if evidence.commits:
        published = {each["kind"] for each in evidence.pushes}
        names += [
            name for name, kind in (("push", "push"), ("open_pr", "pr")) if kind not in published
        ]
    if evidence.commits or evidence.edits:
        names.append("undo")
    if outcome == "failed":
        names.append("retry")
    return [{"action": name, "label": LABELS[name], "run": run} for name in names]


def past(run: int, entries: Sequence[Entry]) -> Past:
    """What is known of a run."""
    own = [entry for entry in entries if entry.run == run]
    askers = [entry.body["sender"] for entry in own if entry.kind in ("user", "steer")]
    done = [entry.body for entry in own if entry.kind == "tool_done"]
    return Past(run, askers, gathered(done))


def objection(row: InboxRow, done: Past, conversation: Conversation, ports: Ports) -> str | None:
    """Why this press has no effect, or None when it counts."""
    person = ports.people.find(row.body["sender"])
    if reason := refusal(person, done.askers, approval=True):
        return f"Nothing was done: {reason}."
    tool = _TOOLS.get(row.body["action"])
    if person and tool:
        verdict = decide(tool, "world", person.role, conversation.repo, ports.config.rules)
        if verdict.verdict == "deny":
            return f"Nothing was done: {verdict.reason}."
    return None


def published(row: InboxRow, done: Past, ports: Ports) -> list[Draft]:
    """A press of Push or Open PR as a run of its own: words, a call by the host, a decision."""
    action, sender = row.body["action"], row.body["sender"]
    person = ports.people.find(sender)
    assert person is not None, "an objection would have been raised"  # noqa: S101
    call = {
        "type": "tool_use",
        "id": f"press_{row.event_id}"[:60],
        "name": _TOOLS[action],
        "input": _proposal(done) if action == "open_pr" else {},
    }
    said = {
        "text": f"({person.name} pressed {LABELS[action]}.)",
        "sender": sender,
        "head": head(person, row.received_at, ports.config.zone),
    }
    decision = {
        "call": call["id"],
        "tool": call["name"],
        "verdict": "allow",
        "reason": f"{person.name} pressed {LABELS[action]}",
    }
    return [("user", said), ("assistant", _by_host(call)), ("decision", decision)]


def _by_host(call: Json) -> Json:
    usage = {"input": 0, "output": 0, "cache_read": 0, "cache_write": 0}
    return {
        "content": [call],
        "stop_reason": "tool_use",
        "model": "host",
        "usage": usage,
        "cost_usd": 0.0,
        "pressed": True,
    }


def _proposal(done: Past) -> Json:
    subjects = [str(each.get("subject", "")) for each in done.evidence.commits]
    title = next(filter(None, reversed(subjects)), "Changes by coworker")
    return {"title": title, "body": "\n".join(f"- {subject}" for subject in subjects if subject)}
