"""Inbox rows that answer us: a person's answer to a question, and word that a message arrived.

It drafts entries and decides whose answer counts by asking policy; it acts on nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from coworker.agent.act import done
from coworker.agent.fold import OpenCall, State, takes_words
from coworker.policy.approvals import is_yes, refusal
from coworker.policy.people import People
from coworker.store.log import InboxRow
from coworker.types import EntryKind, Json, ToolResult

_NOT_SAVED = "Not saved. Find out what is to be different, then propose it again. "
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


def _answer(state: State, row: InboxRow, people: People, drafts: Sequence[Draft]) -> list[Draft]:
    waiting = _asked(state, row, drafts)
    if waiting is None or waiting.ask is None:
        return [_refused("that question is not open any more")]
    ask, text = waiting.ask, row.body["text"]
    person = people.find(row.body["sender"])
    if reason := refusal(person, state.senders, approval=ask["approval"]):
        return [_refused(reason)]
    answer: Json = {"ask": ask["ask"], "call": ask["call"], "text": text, "by": row.body["sender"]}
    is_saved = ask.get("card") and text.strip().lower() == ask["options"][0].lower()
    decided = True if is_saved else is_yes(text)
    if not decided and takes_words(waiting):
        name = person.name if person else "somebody"
        result = ToolResult(f"{_NOT_SAVED if ask.get('card') else ''}{name} answered: {text}")
        return [("answer", answer), ("tool_done", done(waiting.call, result, 0))]
    if decided is None:
        return [_refused("only allow or deny answers this question")]
    return [("answer", {**answer, "verdict": "allow" if decided else "deny"})]


def _asked(state: State, row: InboxRow, drafts: Sequence[Draft]) -> OpenCall | None:
    """The open call this row answers: by its number, or the first question for plain words."""
    answered = {body["call"] for kind, body in drafts if kind == "answer"}
    for waiting in state.calls.values():
        if waiting.ask is None or waiting.call.id in answered:
            continue
        if row.kind == "message" and takes_words(waiting):
            return waiting
        if row.kind == "answer" and str(waiting.ask["ask"]) == str(row.body["ask"]):
            return waiting
    return None


def _refused(reason: str) -> Draft:
    return ("error", {"what": "answer", "text": reason})
