"""What waits for a person's word: which questions are open, and what may answer them.

It reads the log and asks policy; it takes no answer itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from coworker.agent.act import Ports
from coworker.agent.fold import State, fold
from coworker.agent.receive import answered, answers, as_answered, decides
from coworker.policy.approvals import refusal
from coworker.store.forgetting import MARK
from coworker.store.log import InboxRow
from coworker.types import ConversationId, Heard, Inbound, Json, ask_key, reply_key


class Questions:
    """The open questions of every conversation."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def state(self, conversation: ConversationId) -> State:
        """What a conversation is so far."""
        log = self._ports.log
        row = log.conversation(conversation)
        return fold(log.entries(conversation, row.base_seq) if row else [])

    def here(self, conversation: ConversationId) -> list[Json]:
        """What people are asked in a conversation."""
        return self.state(conversation).questions

    def around(self, conversation: ConversationId) -> list[tuple[ConversationId, Json]]:
        """What people are asked in a chat, also by firings beside its own conversation."""
        beside = self._ports.log.schedules.waiting_around(conversation)
        return [(name, ask) for name in beside for ask in self.here(name)]

    def asking(self, inbound: Inbound) -> ConversationId | None:
        """The conversation of a chat that asks what this answers."""
        around = self.around(inbound.conversation)
        return next((name for name, ask in around if answers(inbound.body, ask)), None)

    def unheard(self, inbound: Inbound) -> Json | None:
        """The question that this message does not answer and has to wait for, if there is one."""
        now, state = self._ports.clock.now_ms(), self.state(inbound.conversation)
        row = InboxRow(inbound.source, inbound.event_id, inbound.kind, inbound.body, now)
        if inbound.body.get("when") or answered(row, state, self._ports):
            return None  # it was said when it is to count
        return next(iter(state.questions), None)

    def objection(self, inbound: Inbound) -> Heard | None:
        """Why an answer is not taken: had before, nobody asks that any more, or not theirs."""
        log, name = self._ports.log, inbound.conversation
        if log.inbox_row(inbound.source, inbound.event_id):
            return "known"
        given = [row.body for row in log.open_inbox(name) if row.kind == "answer"]
        state = self.state(name)  # read after them: what is taken meanwhile is in neither else
        ask = next((each for each in state.questions if answers(inbound.body, each)), None)
        if ask is None or any(answers(body, ask) and decides(body, ask) for body in given):
            return "ignored"
        if "on" in inbound.body and _was_forgotten(inbound.body, ask):
            return "ignored"
        person = self._ports.people.find(inbound.body["sender"])
        meant = as_answered(inbound.body, ask)
        return "forbidden" if refusal(person, state.senders, meant) else None

    def is_forbidden(self, inbound: Inbound) -> bool:
        """Whether a button of a reply was pressed by somebody who may not decide about its run."""
        if "on" not in inbound.body:
            return False
        entries = self._ports.log.entries(inbound.conversation)
        own = (e for e in entries if e.run == inbound.body["run"] and e.kind in ("user", "steer"))
        person = self._ports.people.find(inbound.body["sender"])
        return bool(refusal(person, [e.body["sender"] for e in own], {"approval": True}))

    def is_elsewhere(self, inbound: Inbound) -> bool:
        """Whether a button was pressed in another place, or on another message, than we put it."""
        log, on = self._ports.log, inbound.body.get("on")
        row = log.conversation(inbound.conversation)
        if on is None or row is None:
            return False
        here, there = inbound.place, row.place
        is_its_thread = there.thread in ("", here.thread)
        known = [self._is_known(key, on) for key in self.keys(inbound)] or [None]
        is_ours = all(is_its_thread if each is None else each for each in known)
        return here.room != there.room or not is_ours

    def _is_known(self, key: str, message: str) -> bool | None:
        """Whether what we said is that message; None when nobody knows: its arrival was not
        recorded, or it may have arrived twice.
        """
        log = self._ports.log
        if log.remote_id(key) == message:
            return True
        return None if not log.remote_id(key) or log.attempts(key) > 1 else False

    def keys(self, inbound: Inbound) -> Iterator[str]:
        """Of the message that has this button; none where any message there may have it."""
        name, body = inbound.conversation, inbound.body
        if inbound.kind == "answer":
            for ask in self.here(name):
                if answers(body, ask):
                    yield ask_key(name, ask["run"], ask["ask"])
        if inbound.kind == "action":
            for entry in self._ports.log.entries(name):
                if entry.kind == "reply" and entry.run == body["run"]:
                    yield reply_key(name, entry.run, entry.seq)


def _was_forgotten(body: Json, ask: Json) -> bool:
    """Whether a button still has words that were taken out of its question since."""
    options = ask["options"]
    return any(MARK in option for option in options) and body.get("text") not in options
