"""Where everybody's words arrive: who speaks, is it for us, what does it amount to.

What it accepts is on disk when it returns. It runs nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging

from coworker import notebook
from coworker.agent.act import Ports
from coworker.agent.words import notice
from coworker.dispatch import Dispatch
from coworker.errors import UsageError
from coworker.expiry import expire
from coworker.outage import Outage
from coworker.questions import Questions
from coworker.repos.registry import Registry
from coworker.store.aside import BEGUN
from coworker.store.homes import home
from coworker.store.said import place_of
from coworker.types import ConversationId, Heard, Inbound, Json, Outbound, Place, ask_key
from coworker.verbs import CHANGING, HELP, Verb, Verbs, prefixed, verb_in

MAX_MESSAGE_BYTES = 262_144
_STRANGER = (
    "I do not know {sender}, so I did not read that. "
    "An owner can let it in: `!pair {sender} NAME`, or in the configuration: "
    '[people.NAME] ids = ["{sender}"].'
)
_WAITS = (
    "I wait for a decision first, then I read that: press a button of my question, "
    "or say `!approve {ask}` or `!deny {ask}`."
)
_OPEN = (
    "I wait for an answer to my question first, then I read that. "
    "Whoever I asked can give it, or an owner, in words of their own or with a file."
)
_ORDERED = {"pair": "people", "unpair": "people", "schedules": "schedules"}
"""What is changed by verbs of which the last one said about the same must win."""
_OF_MEMORY = ("remember", "forget")
_OBJECTIONS: dict[Heard, str] = {
    "ignored": "That question is not open any more: it was answered, or its time is over.",
    "forbidden": "That is open, but not yours to decide; an owner can.",
}
_INTERRUPTED = (
    "I was ended in the middle of this, so it may be done or not. "
    "Look, and say it again if it is not."
)
_OVERTAKEN = (
    "Not done: I hear this late, and something newer of its kind was done meanwhile. "
    "Say it again if it still holds."
)
DONE_ALREADY = "That was said before and is not done twice. Look whether it took effect."
_UNBOUND = "Which repository is this about? Say `!repo NAME` and I begin. Known: {names}."


def stranger(sender: str) -> str:
    """The one fixed reply for somebody we do not know."""
    return _STRANGER.format(sender=sender)


def too_long(text: str) -> str | None:
    """Why a message is not taken because of its size, or None."""
    size = len(text.encode(errors="replace"))
    if size <= MAX_MESSAGE_BYTES:
        return None
    return (
        f"The message has {size:,} bytes, more than the limit of {MAX_MESSAGE_BYTES:,}, "
        "so it was not taken. Put it in a file of the repository and name the file."
    )


def _shows(text: str) -> bool:
    """Whether there is anything to see: blanks and marks without a width are not."""
    return any(char.isprintable() and not char.isspace() for char in text)


_log = logging.getLogger(__name__)


class Reception:
    """Turns what people say on any platform into inbox rows."""

    def __init__(
        self,
        ports: Ports,
        dispatch: Dispatch,
        registry: Registry,
        verbs: Verbs,
        outage: Outage,
    ) -> None:
        self._ports = ports
        self._dispatch = dispatch
        self._registry = registry
        self._verbs = verbs
        self._outage = outage
        self._questions = Questions(ports)
        self._deciding = asyncio.Lock()
        self._rooms = [
            (room, name) for name, repo in ports.config.repos.items() for room in repo.rooms
        ]

    async def hear(self, inbound: Inbound) -> Heard:
        """Accept what somebody said. Once this returns it is on disk."""
        inbound = self._at_home(inbound)
        if self._ports.people.find(inbound.body["sender"]) is None:
            return await self._refuse(inbound)
        if self._questions.is_elsewhere(inbound):
            return "elsewhere"
        match inbound.kind:
            case "edit":
                return await self._amend(inbound)
            case "message":
                return await self._message(inbound)
            case "answer":
                return await self._answered(inbound)
            case "action" if self._questions.is_forbidden(inbound):
                return "forbidden"
            case _:
                return await self._take(inbound)

    async def command(self, inbound: Inbound) -> str:
        """Do a verb for its sender alone and return the answer."""
        return self._ports.log.redactor.text(await self._command(self._at_home(inbound)))

    async def _command(self, inbound: Inbound) -> str:
        if self._ports.people.find(inbound.body["sender"]) is None:
            return stranger(inbound.body["sender"])
        verb = verb_in(f"!{inbound.body['text'].strip().lstrip('!') or 'help'}")
        if verb is None:
            return f"I do not know that. {HELP}"
        if not await self._is_first(verb, inbound, "answered"):
            return DONE_ALREADY
        meant = await self._meant(verb, inbound)
        if isinstance(meant, str):
            return meant
        heard = await self._set_off(meant)
        return _OBJECTIONS.get(heard, "Done.")

    def follows(self, conversation: ConversationId) -> bool:
        """Whether we take part in it."""
        log = self._ports.log
        if log.is_followed(conversation):
            return True
        home = log.at(place_of(conversation))
        return home is not None and log.is_followed(home)

    def overview(self, sender: str) -> Json | None:
        """What is going on, for somebody we know."""
        return self._verbs.overview() if self._ports.people.find(sender) else None

    async def recover(self) -> None:
        """Say of each verb that we were ended in the middle of that nobody knows how far it got."""
        for begun in self._ports.log.aside.begun():
            await self._say(begun, _INTERRUPTED)

    # Kinds

    async def _meant(self, verb: Verb, inbound: Inbound) -> Inbound | str:
        if await self._is_overtaken(verb, inbound):
            return _OVERTAKEN
        try:
            about = self._bound(inbound) if verb.name in notebook.VERBS else inbound
            return await self._verbs.obey(verb, about)
        except UsageError as error:
            return str(error)

    async def _is_overtaken(self, verb: Verb, inbound: Inbound) -> bool:
        """Whether a later one was obeyed: what an outage left is read beside what is new."""
        if verb.name not in _ORDERED:
            return False
        log, key = self._ports.log, f"{_ORDERED[verb.name]} {_object(verb)}"
        at = int(inbound.body.get("at") or self._ports.clock.now_ms())
        if at < int(log.cursor(f"verbs:{inbound.source}", key) or 0):
            return True
        await log.keep(f"verbs:{inbound.source}", key, str(at))
        return False

    async def _take(self, inbound: Inbound) -> Heard:
        return "new" if await self._dispatch.ingest(inbound) else "known"

    async def _set_off(self, meant: Inbound) -> Heard:
        """Take what a verb amounts to."""
        return await (self._answered(meant) if meant.kind == "answer" else self._take(meant))

    async def _answered(self, inbound: Inbound) -> Heard:
        """Of two answers at the same moment the second is one to nothing."""
        async with self._deciding:
            await expire(inbound.conversation, self._ports, self._dispatch)  # before the next look
            if objection := self._questions.objection(inbound):
                return objection
            await self._confirm(inbound)
            return await self._take(inbound)

    async def _confirm(self, inbound: Inbound) -> None:
        """Whoever presses a button of what we may have said has seen that it arrived."""
        if not (on := inbound.body.get("on")):
            return
        keys = set(self._questions.keys(inbound))
        for said, state in self._ports.log.undelivered(inbound.conversation):
            if state == "sending" and said.key in keys:
                await self._ports.log.sent(said, on, self._ports.clock.now_ms())

    async def _message(self, inbound: Inbound) -> Heard:
        text = inbound.body["text"]
        if self._is_stale(inbound):
            return await self._put_by(inbound)
        if verb := verb_in(text):
            return await self._verb(verb, inbound)
        if not (_shows(text) or inbound.body.get("files") or inbound.body.get("quoted")):
            return await self._say(inbound, HELP)
        if sentence := too_long(text):
            return await self._say(inbound, sentence)
        bound = self._bound(inbound)
        if bound.repo is None and self._registry.list():
            names = ", ".join(repo.name for repo in self._registry.list()[:20])
            return await self._answer(bound, "unbound", _UNBOUND.format(names=names))
        heard = await self._take(prefixed(bound))
        if heard == "new":
            await self._remind(prefixed(bound))
        return heard

    async def _remind(self, inbound: Inbound) -> None:
        """Say that a question waits, once to each person who says something else meanwhile."""
        if ask := self._questions.unheard(inbound):
            name = inbound.conversation
            key = f"{ask_key(name, ask['run'], ask['ask'])}:waits:{inbound.body['sender']}"
            sentence = _WAITS.format(ask=ask["ask"]) if ask["approval"] else _OPEN
            said = _notice(key, inbound, sentence)
            await self._ports.log.notice(said, self._ports.clock.now_ms())
            self._dispatch.deliver(name)

    async def _verb(self, verb: Verb, inbound: Inbound) -> Heard:
        heard: Heard = "known"
        if await self._is_first(verb, inbound, BEGUN):
            heard = await self._obey(verb, inbound)
        if verb.name == "repo":
            await self._take_up(inbound.place)
        return heard

    async def _is_first(self, verb: Verb, inbound: Inbound, outcome: str) -> bool:
        """Whether a verb is to be obeyed: platforms deliver again, and their history is read again.

        What changes something is on disk before it does, so that no death makes it happen twice.
        """
        if self._ports.log.inbox_row(inbound.source, inbound.event_id):
            return False
        return verb.name not in CHANGING or await self._close(_closed(inbound), outcome, None)

    async def _obey(self, verb: Verb, inbound: Inbound) -> Heard:
        meant = await self._meant(verb, inbound)
        if isinstance(meant, str):
            return await self._say(inbound, meant)
        heard = await self._set_off(meant)
        objection = _OBJECTIONS.get(heard)
        return await self._say(inbound, objection) if objection else heard

    async def _take_up(self, place: Place) -> None:
        """Hear again what waited until it was known which repository it is about."""
        for asked in self._ports.log.aside.unbound(place):
            bound = self._bound(dataclasses.replace(asked, event_id=f"{asked.event_id}:bound"))
            if bound.repo and not self._is_stale(bound):
                await self._take(prefixed(bound))

    async def _amend(self, inbound: Inbound) -> Heard:
        if inbound.body["text"] is not None:
            inbound = prefixed(inbound)
        amended = await self._ports.log.amend(inbound, self._ports.clock.now_ms())
        return "new" if amended else "ignored"

    async def _refuse(self, inbound: Inbound) -> Heard:
        """A stranger's words are not kept; what was said to us is answered once and for all."""
        sender = inbound.body["sender"]
        kept = dataclasses.replace(inbound, body={"sender": sender})
        key = f"stranger:{sender}:{inbound.place.room}"
        said = _notice(key, inbound, stranger(sender)) if inbound.body.get("direct") else None
        await self._close(kept, "refused", said)
        _log.info("refused a stranger", extra={"source": inbound.source})
        return "refused"

    async def _put_by(self, inbound: Inbound) -> Heard:
        is_new = await self._close(inbound, "stale", None)
        if is_new:
            self._outage.report()
        return "ignored" if is_new else "known"

    async def _say(self, inbound: Inbound, text: str) -> Heard:
        """Answer outside of any run."""
        return await self._answer(_closed(inbound), "answered", text)

    async def _answer(self, inbound: Inbound, outcome: str, text: str) -> Heard:
        """Accepting and answering are one commit."""
        key = f"{inbound.source}:{inbound.event_id}:answer"
        said = _notice(key, inbound, text)
        messages = [inbound.body["message"]] if inbound.body.get("message") else []
        said = dataclasses.replace(said, body={**said.body, "messages": messages})
        return "new" if await self._close(inbound, outcome, said) else "known"

    async def _close(self, inbound: Inbound, outcome: str, said: Outbound | None) -> bool:
        outbox = self._ports.rooms.split(said) if said else []
        now = self._ports.clock.now_ms()
        is_new = await self._ports.log.ingest(inbound, now, outcome, outbox)
        if is_new and said:
            self._dispatch.deliver(inbound.conversation)
        return is_new

    # Places and times

    def _at_home(self, inbound: Inbound) -> Inbound:
        """In the conversation whose first message was ours, where the thread began with it.

        Where a firing spoke beside others, what is about its messages, and answers to them, is its.
        """
        log, place = self._ports.log, inbound.place
        marked = inbound.body.get("about", {}).get("message", "")
        ours = inbound.body.get("on") or inbound.body.get("about_ours") or marked
        found = log.schedules.beside(inbound.conversation, ours)
        if marked and not found:
            found = log.schedules.heard_beside(inbound.conversation, marked)
        if found:
            return dataclasses.replace(inbound, conversation=found)
        if inbound.kind == "answer" and (found := self._questions.asking(inbound)):
            return dataclasses.replace(inbound, conversation=found)
        if not place.thread or log.conversation(inbound.conversation):
            return inbound
        found = log.at(place)
        return dataclasses.replace(inbound, conversation=found) if found else inbound

    def _bound(self, inbound: Inbound) -> Inbound:
        """With the repository it is about: the thread's own, the room's, or the only one there is.

        A terminal says itself where it is.
        """
        row = self._ports.log.conversation(inbound.conversation)
        room = inbound.place.here
        name = (row.repo if row else None) or inbound.repo
        name = name or self._ports.log.cursor("room", room) or self._configured(room)
        known = self._registry.list()
        if name is None and inbound.body.get("private") and len(known) == 1:
            name = known[0].name
        return dataclasses.replace(inbound, repo=name)

    def _configured(self, room: str) -> str | None:
        cursor = self._ports.log.cursor
        named = {home(cursor, each): name for each, name in self._rooms}
        return named.get(home(cursor, room))

    def _is_stale(self, inbound: Inbound) -> bool:
        written = inbound.body.get("at")
        limit_ms = self._ports.config.stale_hours * 3_600_000
        return bool(written and limit_ms and self._ports.clock.now_ms() - written > limit_ms)


def _object(verb: Verb) -> str:
    """What it is about: a person's id; of `!schedules pause ID`, the id."""
    words = verb.rest.split()
    return " ".join(words[1:2] if verb.name == "schedules" else words[:1])


def _closed(inbound: Inbound) -> Inbound:
    """What is answered outside of any run.

    Words to remember stand in one place only, the memory, so that they can be forgotten.
    """
    first = next(iter(str(inbound.body["text"]).lower().lstrip(" !/").split()), "")
    body = {**inbound.body, "text": f"!{first}"} if first in _OF_MEMORY else inbound.body
    return dataclasses.replace(inbound, kind="verb", repo=None, body=body)


def _notice(key: str, inbound: Inbound, text: str) -> Outbound:
    """Something said outside of any run, to what was said."""
    return Outbound(key, inbound.conversation, "reply", notice(text), inbound.place)
