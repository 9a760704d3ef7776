"""Inbox rows that answer us: a person's answer to a question, and word that a message arrived.

It drafts entries and decides whose answer counts by asking policy; it appends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from coworker.agent.act import Ports, done
from coworker.agent.fold import State
from coworker.agent.gate import Gate
from coworker.agent.think import came_along
from coworker.policy.approvals import ALWAYS, CLOCK, is_expired, refusal, says_yes, seal
from coworker.policy.rules import in_words
from coworker.settings import Rule
from coworker.store.log import Conversation, InboxRow
from coworker.types import SEAL_SHOWN, EntryKind, Json, Outbound, Person, ToolResult, ask_key

Draft = tuple[EntryKind, Json]
_WORDLESS = "with what is attached"
_CLOCK = Person(CLOCK, "nobody in time", "owner")
_TOO_LATE = "Expired"
_EXPIRED = "Nobody decided within {hours:g} hours, so it was not done. Say so and do not repeat it."
_IN_VAIN = "Not done although {name} allowed it: {reason}."
_NOT_SAVED = (
    "Not saved. {name} answered: {text}. Find out what is to be different, then propose it again."
)


@dataclass(slots=True)
class Received:
    """The entries that some rows amount to, at least one for each, and what is shown of it."""

    state: State
    conversation: Conversation
    ports: Ports
    drafts: list[Draft] = field(default_factory=list)
    outbox: list[Outbound] = field(default_factory=list)

    async def take(self, rows: Sequence[InboxRow]) -> None:
        """Take these rows in."""
        for row in rows:
            if row.kind == "sent":
                self.drafts.append(("reply_sent", row.body))
            else:
                await self._answer(row)

    @property
    def objections(self) -> list[str]:
        """Why some answers do not count."""
        return [body["text"] for kind, body in self.drafts if kind == "error"]

    async def _answer(self, row: InboxRow) -> None:
        ask, person = self._asked(row), self._person(row)
        if ask is None:
            return self._object("that question is not open any more")
        if person is None:
            return self._object("I do not know who that was")
        if reason := self._objection(ask, person, row):
            return self._object(reason)
        text = _words(row.body, ask)
        answer: Json = {"ask": ask["ask"], "call": ask["call"], "text": text, "by": person.id}
        if row.body.get("message"):
            answer["messages"] = [row.body["message"]]
        answer |= await came_along(row.body, person, self.conversation, self.ports)
        in_vain = await self._in_vain(ask, text)
        if in_vain:
            said = _IN_VAIN.format(name=person.name, reason=in_vain)
            answer |= {"verdict": "deny", "denial": f"{said} Say so.", "notice": said}
        elif ask["approval"]:
            answer |= await self._verdict(ask, text, person)
        self.drafts.append(("answer", answer))
        text = text or _WORDLESS
        if not ask["approval"]:
            result = ToolResult(f"{person.name} answered: {text}")
            self.drafts.append(("tool_done", done(self.state.calls[ask["call"]].call, result, 0)))
        word = _shown(ask, text, person)
        word = f"{word}, but not done: {in_vain}" if in_vain else word
        return self.outbox.append(decided(ask, word, person.name, self.conversation))

    def _object(self, reason: str) -> None:
        self.drafts.append(("error", {"what": "answer", "text": reason}))

    def _objection(self, ask: Json, person: Person, row: InboxRow) -> str | None:
        """Why this answer has no effect, or None when it counts."""
        hours = self.ports.config.approvals.expire_hours
        if person is _CLOCK:
            return None
        if is_expired(ask, row.received_at, hours):
            return f"that question expired after {hours:g} hours"
        if not decides(row.body, ask):
            return f"only {' or '.join(ask['options'])} answers this question"
        return refusal(person, self.state.senders, as_answered(row.body, ask))

    async def _in_vain(self, ask: Json, text: str) -> str:
        """Why what is allowed is not done all the same; "" when it is, or is not allowed."""
        if not (ask["approval"] and ask["call"] and says_yes(text, ask)):
            return ""
        call = self.state.calls[ask["call"]].call
        if ask.get("seal") not in (None, seal(self.conversation.id, ask["run"], call)):
            return "words of it were forgotten after it was shown"
        gate = Gate(self.state, self.conversation, self.ports)
        reason = await gate.denial(call)
        gone = [each for each in self.state.senders if self.ports.people.find(each) is None]
        return f"{gone[0]} was sent away meanwhile" if reason and gone else reason

    async def _verdict(self, ask: Json, text: str, person: Person) -> Json:
        """What an approval changes; a rule is on disk before the answer that made it."""
        if person is _CLOCK:
            hours = self.ports.config.approvals.expire_hours
            return {"verdict": "deny", "denial": _EXPIRED.format(hours=hours)}
        if ask.get("card") and not says_yes(text, ask):
            return {"verdict": "deny", "denial": _NOT_SAVED.format(name=person.name, text=text)}
        if not says_yes(text, ask):
            return {"verdict": "deny"}
        if text.strip().lower() != ALWAYS.lower() or not ask.get("rule"):
            return {"verdict": "allow"}
        rule = msgspec.convert(ask["rule"], Rule)
        number = await self.ports.book.standing.add_rule(rule, person.id)
        notice = f"From now on: {in_words(rule)}. `!unrule {number}` takes that back."
        return {"verdict": "allow", "notice": notice}

    def _person(self, row: InboxRow) -> Person | None:
        sender = row.body["sender"]
        return _CLOCK if sender == CLOCK else self.ports.people.find(sender)

    def _asked(self, row: InboxRow) -> Json | None:
        """The question this row answers: by its number, or the one that takes these words."""
        if row.kind == "message":
            return answered(row, self.state, self.ports)
        given = {body["ask"] for kind, body in self.drafts if kind == "answer"}
        still = [ask for ask in self.state.questions if ask["ask"] not in given]
        return next((ask for ask in still if answers(row.body, ask)), None)


def answered(row: InboxRow, state: State, ports: Ports) -> Json | None:
    """The open question that a message answers, said in time by somebody who may decide it.

    Any other message waits until the questions are decided.
    """
    said, hours = row.body, ports.config.approvals.expire_hours
    if row.kind != "message" or said.get("when"):
        return None
    person = ports.people.find(said["sender"])
    meant = [ask for ask in state.questions if _is_meant(said, ask)]
    for ask in meant:
        may = refusal(person, state.senders, as_answered(said, ask)) is None
        if may and not is_expired(ask, row.received_at, hours):
            return ask
    return None


def _is_meant(body: Json, ask: Json) -> bool:
    """Whether a message can be an answer: to a plain question words or a file, to the card of what
    is to be saved words, to a limit one of its options, and to a permission nothing.
    """
    words = body["text"].strip()
    if not ask["call"]:
        return words in ask["options"]
    if ask["approval"]:
        return bool(words and ask.get("card"))
    return bool(words or body.get("files"))


def decides(body: Json, ask: Json) -> bool:
    """Whether these words are an answer at all: a permission takes yes and no, in its own words."""
    is_free = not ask["approval"] or ask.get("card") or body["sender"] == CLOCK
    return bool(is_free) or says_yes(_words(body, ask), ask) is not None


def as_answered(body: Json, ask: Json) -> Json:
    """The question as it matters to that answer: a no is for whoever asked, too."""
    is_no = ask["approval"] and says_yes(_words(body, ask), ask) is False
    return {**ask, "owner": False} if is_no else ask


def _words(body: Json, ask: Json) -> str:
    """What was said; of an option that is only known by its place, what stands there."""
    options = ask["options"][body["option"] :] if "option" in body else []
    return str(options[0] if options else body["text"])


def decided(ask: Json, word: str, who: str, conversation: Conversation) -> Outbound:
    """What a question's card turns into."""
    key = f"{ask_key(conversation.id, ask['run'], ask['ask'])}:decided"
    names = ("ask", "run", "question", "approval")
    body = {**{name: ask[name] for name in names}, "word": word, "who": who}
    return Outbound(key, conversation.id, "decided", body, conversation.place)


def _shown(ask: Json, word: str, person: Person) -> str:
    """A decision as its button says it, however it was said."""
    if person is _CLOCK:
        return _TOO_LATE
    decided = says_yes(word, ask) if ask["approval"] else None
    if decided is None:
        return word
    if decided and ask.get("rule") and word.strip().lower() == ALWAYS.lower():
        return ALWAYS
    return str(ask["options"][0 if decided else -1])


def answers(body: Json, ask: Json) -> bool:
    """Whether an answer is meant for this question: by its number, a button's also by its seal."""
    seal, shown = str(ask.get("seal", ""))[:SEAL_SHOWN], str(body.get("seal", ""))
    return str(ask["ask"]) == str(body["ask"]) and (shown == seal or "on" not in body)
