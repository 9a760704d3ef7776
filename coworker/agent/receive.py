"""Inbox rows that answer us: a person's answer to a question, and word that a message arrived.

It drafts entries and decides whose answer counts by asking policy; it acts on nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from coworker.agent.act import done
from coworker.agent.fold import OpenCall, State
from coworker.agent.spending import MORE
from coworker.policy.approvals import is_yes, refusal
from coworker.policy.budget import refusal_to_raise
from coworker.policy.people import People
from coworker.store.log import InboxRow
from coworker.types import EntryKind, Json, Person, ToolResult

Draft = tuple[EntryKind, Json]


def receive(state: State, rows: Sequence[InboxRow], people: People) -> list[Draft]:
    """The entries that these rows amount to; at least one for each row."""
    drafts: list[Draft] = []
    for row in rows:
        if row.kind == "sent":
            drafts.append(("reply_sent", row.body))
        else:
            drafts.extend(_answer(state, row, people, drafts))
    return drafts


def objection(ask: Json, person: Person | None, askers: Sequence[str]) -> str | None:
    """Why this person's answer to that question does not count, or None when it does."""
    if limit := ask.get("limit"):
        return refusal_to_raise(limit, person, askers)
    return refusal(person, askers, approval=ask["approval"])


def _answer(state: State, row: InboxRow, people: People, drafts: Sequence[Draft]) -> list[Draft]:
    if _is_about_money(state, row, drafts):
        return [_go_on_or_stop(state, row, people)]
    waiting = _asked(state, row, drafts)
    if waiting is None or waiting.ask is None:
        return [_refused("that question is not open any more")]
    ask, text = waiting.ask, row.body["text"]
    person = people.find(row.body["sender"])
    if reason := objection(ask, person, state.senders):
        return [_refused(reason)]
    answer: Json = {"ask": ask["ask"], "call": ask["call"], "text": text, "by": row.body["sender"]}
    if not ask["approval"]:
        name = person.name if person else "somebody"
        result = ToolResult(f"{name} answered: {text}")
        return [("answer", answer), ("tool_done", done(waiting.call, result, 0))]
    decided = is_yes(text)
    if decided is None:
        return [_refused("only allow or deny answers this question")]
    return [("answer", {**answer, "verdict": "allow" if decided else "deny"})]


def _is_about_money(state: State, row: InboxRow, drafts: Sequence[Draft]) -> bool:
    """Whether it answers the limit that the run waits at, by number or by one of its options."""
    if not state.parked or any(kind == "answer" for kind, _ in drafts):
        return False
    return row.kind == "message" or str(state.parked["ask"]) == str(row.body["ask"])


def _go_on_or_stop(state: State, row: InboxRow, people: People) -> Draft:
    ask, text, sender = state.parked or {}, row.body["text"].strip(), row.body["sender"]
    if reason := objection(ask, people.find(sender), state.senders):
        return _refused(reason)
    decided = text == MORE if text in ask["options"] else is_yes(text)
    if decided is None:
        return _refused(f"only {' or '.join(ask['options'])} answers this question")
    verdict = "allow" if decided else "deny"
    return (
        "answer",
        {"ask": ask["ask"], "call": "", "text": text, "by": sender, "verdict": verdict},
    )


def _asked(state: State, row: InboxRow, drafts: Sequence[Draft]) -> OpenCall | None:
    """The open call this row answers: by its number, or the first question for plain words."""
    answered = {body["call"] for kind, body in drafts if kind == "answer"}
    for waiting in state.calls.values():
        if waiting.ask is None or waiting.call.id in answered:
            continue
        if row.kind == "message" and not waiting.ask["approval"]:
            return waiting
        if row.kind == "answer" and str(waiting.ask["ask"]) == str(row.body["ask"]):
            return waiting
    return None


def _refused(reason: str) -> Draft:
    return ("error", {"what": "answer", "text": reason})
