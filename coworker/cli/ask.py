"""`coworker ask`: one message in, the reply on stdout.

It knows what goes to which stream, not how a run is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
from collections.abc import Awaitable, Callable

from coworker.cli import interrupt, message, output, question, words
from coworker.cli.conversation import Conversation, Message, Start
from coworker.cli.events import Ask, Reply, read_reply
from coworker.cli.interrupt import Interrupts
from coworker.cli.link import Lost, linked
from coworker.cli.progress import Doing, LiveLine
from coworker.errors import Denied
from coworker.settings import Config
from coworker.types import Json

_OWNERS = 5
_OWNERS_APART_S = 0.1
_DECISION = re.compile(r"!(?P<verb>approve|deny)\s+#?(?P<number>[0-9]{1,9})")
_DECIDED = {"approve": "allow", "deny": "deny"}
WAITS_FOR_A_PERSON = Denied.exit_status


def ask(
    config: Config, text: str | None, start: Start, *, as_json: bool, event_id: str | None
) -> int:
    """Exit status of the reply, or 77 when the coworker asks something back."""
    given = message.from_pipe() if text in (None, "-") else message.from_argument(text or "")
    interrupts = Interrupts()
    asked = _ask(config, Message.of(given, event_id), start, interrupts, as_json)
    return interrupt.run(asked, interrupts)


async def _ask(
    config: Config, given: Message, start: Start, interrupts: Interrupts, as_json: bool
) -> int:
    """Whoever owned the directory may have left with its own work done: the next owner goes on."""
    for _ in range(_OWNERS):
        try:
            return await _ask_owner(config, given, start, interrupts, as_json)
        except Lost:
            await asyncio.sleep(_OWNERS_APART_S)
    return await _ask_owner(config, given, start, interrupts, as_json)


async def _ask_owner(
    config: Config, given: Message, start: Start, interrupts: Interrupts, as_json: bool
) -> int:
    async with linked(config) as link:
        exchange = _Exchange(Conversation(link, start), interrupts)
        word = await exchange.put(given)
        name = exchange.conversation.id or ""
        if as_json:
            output.say(words.as_json(_document(word, name)))
        elif isinstance(word, Reply):
            output.say(words.clean(word.text))
            _say_what_was_done(word, name)
            _warn_of_repetition(word)
        if isinstance(word, Ask):
            output.note(_how_to_answer(word, name))
        with contextlib.suppress(Lost):  # it is on the screen: that is what counts
            await exchange.conversation.shown(word)
        return word.exit_status if isinstance(word, Reply) else WAITS_FOR_A_PERSON


class _Exchange:
    """One message and the word that comes back for it."""

    def __init__(self, conversation: Conversation, interrupts: Interrupts) -> None:
        self.conversation = conversation
        self._interrupts = interrupts
        self._open: list[Ask] = []

    async def put(self, given: Message) -> Reply | Ask:
        """Say it, or take it as the answer to the question that is open; and wait."""
        self._open = await self.conversation.resume()
        self._interrupts.stop_first(self.conversation.stop)
        if not self._open or given.text.startswith("!"):
            return await self._by_verb(given)
        first, *others = self._open
        answer = question.answer(first, given.text)
        if first.approval and answer is not None:
            return await self._decide(first, answer, others)
        if first.approval or others:
            await self.conversation.say(Message(answer or given.text, given.event_id))
            return first if first.approval else others[0]
        return await self._say(Message(answer or given.text, given.event_id))

    async def _by_verb(self, given: Message) -> Reply | Ask:
        """Say it; `!approve N` and `!deny N` decide as they do in a chat."""
        verb = _DECISION.fullmatch(given.text.strip())
        for ask in self._open if verb else ():
            if verb and ask.ask == int(verb["number"]):
                others = [other for other in self._open if other is not ask]
                return await self._decide(ask, _DECIDED[verb["verb"]], others)
        return await self._say(given)

    async def _say(self, given: Message) -> Reply | Ask:
        said = await self.conversation.say(given)
        if said.answer is not None:
            return read_reply({"text": said.answer})
        if said.reply and said.delivered:
            return read_reply(said.reply)

        async def is_ours(word: Reply | Ask) -> bool:
            if isinstance(word, Ask):
                return self._is_new(word)
            return await self.conversation.answers(word, given)

        return await self._wait(is_ours)

    async def _decide(self, ask: Ask, decision: str, others: list[Ask]) -> Reply | Ask:
        await self.conversation.answer(ask, decision)
        if others:
            return others[0]

        async def is_ours(word: Reply | Ask) -> bool:
            if isinstance(word, Ask):
                return self._is_new(word)
            return word.run is None or ask.run is None or word.run >= ask.run

        return await self._wait(is_ours)

    async def _wait(self, is_ours: Callable[[Reply | Ask], Awaitable[bool]]) -> Reply | Ask:
        """The word that is ours; others had not been shown yet, and are shown beside it."""
        while True:
            async with LiveLine(Doing()) as live:
                word = await self.conversation.word(live.hear)
            if await is_ours(word):
                return word
            text = question.text_of(word) if isinstance(word, Ask) else words.clean(word.text)
            output.note(f"From before, not shown until now:\n{text}\n")
            await self.conversation.shown(word)

    def _is_new(self, ask: Ask) -> bool:
        return all(ask.ask != known.ask for known in self._open)


def _say_what_was_done(reply: Reply, conversation: str) -> None:
    """The receipt of a run that worked on something, and what can be done with it."""
    receipt = reply.receipt or {}
    if receipt.get("commands") or receipt.get("commit"):
        output.say(f"\n{words.receipt_line(reply.outcome, receipt)}")
    if receipt.get("commit"):
        name = shlex.quote(words.one_line(conversation))
        output.note(f'Next: coworker ask --conversation {name} "!push" (or !pr, !undo)')


def _warn_of_repetition(reply: Reply) -> None:
    if reply.maybe_duplicate:
        output.note("coworker: this reply was perhaps shown before")


def _document(word: Reply | Ask, conversation: str) -> Json:
    if isinstance(word, Ask):
        return {
            "reply": None,
            "conversation": conversation,
            "outcome": "waiting",
            "ask": word.ask,
            "question": word.question,
            "options": word.options,
            "approval": word.approval,
            "exit_status": WAITS_FOR_A_PERSON,
        }
    receipt = word.receipt or {}
    return {
        "reply": word.text,
        "conversation": conversation,
        "run": word.run,
        "outcome": word.outcome,
        "model": receipt.get("model"),
        "receipt": receipt,
        "maybe_duplicate": word.maybe_duplicate,
        "exit_status": word.exit_status,
    }


def _how_to_answer(ask: Ask, conversation: str) -> str:
    name = shlex.quote(words.one_line(conversation))
    answer = "allow" if ask.approval else "…"
    otherwise = " (or deny)" if ask.approval else ""
    return (
        f"{question.text_of(ask)}\n"
        f'Answer with: coworker ask --conversation {name} "{answer}"{otherwise}\n'
        f"or in:       coworker chat --conversation {name}"
    )
