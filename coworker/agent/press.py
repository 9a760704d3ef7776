"""The buttons of a reply, and the same in words: push, open a pull request, undo, start afresh.

A press is a person's own decision, so nobody is asked again;
whether it counts is asked of policy like any approval.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from coworker.agent import words
from coworker.agent.act import Ports
from coworker.agent.context import head
from coworker.agent.evidence import LABELS, Evidence, gathered
from coworker.agent.journal import Draft, Journal
from coworker.agent.think import opening
from coworker.policy.approvals import refusal
from coworker.policy.rules import Case
from coworker.store.log import Conversation, InboxRow
from coworker.types import Entry, Json

_TOOLS = {"push": "git_push", "open_pr": "open_pr"}


@dataclass(frozen=True, slots=True)
class Past:
    """A run that is over: who asked for it, and what it did."""

    run: int
    askers: list[str] = field(default_factory=list)
    evidence: Evidence = field(default_factory=Evidence)


async def press(journal: Journal, row: InboxRow) -> None:
    """Do what a button says, if the person who pressed it may decide that."""
    action = row.body["action"]
    if action in ("new", "repo"):
        return await _afresh(journal, row)
    done = _past(int(row.body["run"]), journal.ports.log.entries(journal.conversation.id))
    if sentence := _objection(row, done, journal.conversation, journal.ports):
        return await journal.conclude(sentence, "failed", take=[row])
    if action == "undo":
        return await _undo(journal, row, done)
    return await journal.append(
        *_published(row, done, journal.ports),
        take=[row],
        outbox=journal.first_sign(journal.state.next_seq),
    )


async def _undo(journal: Journal, row: InboxRow, done: Past) -> None:
    """Repeating it after a crash changes nothing more, so it needs no intent of its own."""
    text = await journal.ports.undo(journal.conversation, done.run)
    await journal.conclude(words.undone(done.run, text, done.evidence), "answered", take=[row])


async def _afresh(journal: Journal, row: InboxRow) -> None:
    """Begin anew in the same place, perhaps with another repository."""
    repo = row.body.get("repo")
    entries = journal.ports.log.entries(journal.conversation.id)
    if repo and any(e.kind == "tool_done" and e.body.get("receipt") for e in entries):
        text = words.HAS_WORK.format(repo=journal.conversation.repo)
        return await journal.conclude(text, "failed", take=[row])
    if repo:
        journal.conversation = dataclasses.replace(journal.conversation, repo=repo)
    first, kept = journal.state.next_seq, _not_washed_off(journal.state.taint, entries)
    fresh = await opening(journal.conversation, journal.ports, kept)
    text = words.bound(repo) if repo else words.AFRESH + (words.STILL_MARKED if kept else "")
    return await journal.conclude(text, "answered", *fresh, take=[row], base_seq=first, repo=repo)


def _not_washed_off(taint: list[str], entries: Sequence[Entry]) -> Json | None:
    """What a base carries on: outside words may be in work that was not pushed since."""
    found = gathered([entry.body for entry in entries if entry.kind == "tool_done"])
    worked = [each["order"] for each in (*found.commands, *found.edits, *found.commits)]
    pushed = max((each["order"] for each in found.pushes), default=-1)
    return {"taint": taint} if taint and max(worked, default=-1) > pushed else None


def _past(run: int, entries: Sequence[Entry]) -> Past:
    """What is known of a run, with what was published since: a button pushes in a later one."""
    own = [entry for entry in entries if entry.run == run]
    askers = [entry.body["sender"] for entry in own if entry.kind in ("user", "steer")]
    since = [entry for entry in entries if entry.run >= run and entry.kind == "tool_done"]
    pushes = gathered([entry.body for entry in since]).pushes
    mine = gathered([entry.body for entry in since if entry.run == run])
    return Past(run, askers, dataclasses.replace(mine, pushes=pushes))


def _objection(row: InboxRow, done: Past, conversation: Conversation, ports: Ports) -> str | None:
    """Why this press has no effect, or None when it counts."""
    person = ports.people.find(row.body["sender"])
    if reason := refusal(person, done.askers, {"approval": True}):
        return f"Nothing was done: {reason}."
    tool = _TOOLS.get(row.body["action"])
    if tool is None and row.body["action"] != "undo":
        return "Nothing was done: that button is none of mine. Say in words what you want."
    if person and tool:
        repo, room = conversation.repo, conversation.place.here
        verdict = ports.book.decide(Case(tool, "world", {}, (), [person], repo, room))
        if verdict.verdict == "deny":
            return f"Nothing was done: {verdict.reason}."
    return None


def _published(row: InboxRow, done: Past, ports: Ports) -> list[Draft]:
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
