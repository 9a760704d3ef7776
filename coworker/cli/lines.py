"""`coworker chat` without a terminal: each line of standard input is a message, answered in order.

It knows lines and streams, nothing of keys or colours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from coworker.cli import interrupt, message, output, question, words
from coworker.cli.conversation import NO_REPOSITORY, Conversation, Message, Start
from coworker.cli.events import Ask, Reply
from coworker.cli.interrupt import Interrupts
from coworker.cli.link import linked
from coworker.cli.message import Line
from coworker.cli.progress import Doing, LiveLine
from coworker.errors import CoworkerError, Denied
from coworker.settings import Config


def chat(config: Config, start: Start) -> int:
    """Exit status of the last message that failed; 77 when a question stays open at the end."""
    interrupts = Interrupts()
    return interrupt.run(_chat(config, start, interrupts), interrupts)


async def _chat(config: Config, start: Start, interrupts: Interrupts) -> int:
    async with linked(config) as link:
        conversation = Conversation(link, start)
        if start.cwd and not start.checkout():
            output.note(f"coworker: {NO_REPOSITORY}")
        dialogue = _Dialogue(conversation, interrupts)
        dialogue.go_on(await conversation.resume())
        async for line in message.lines():
            await dialogue.take(line)
            if interrupts.happened:
                return interrupt.INTERRUPTED
        return dialogue.status


class _Dialogue:
    """One line at a time, each answered before the next is taken."""

    def __init__(self, conversation: Conversation, interrupts: Interrupts) -> None:
        self._conversation = conversation
        self._interrupts = interrupts
        self._failure = 0
        self._open: deque[Ask] = deque()
        self._asked: set[object] = set()
        self._said_something = False

    @property
    def status(self) -> int:
        """The exit status, should the input end here."""
        return Denied.exit_status if self._open else self._failure

    def go_on(self, open_asks: Sequence[Ask]) -> None:
        """Begin with the questions that wait for an answer."""
        for ask in open_asks:
            self._question(ask)

    async def take(self, line: Line) -> None:
        """Send the line and show what comes back; a line that cannot be sent is only reported."""
        if not line.data.strip():
            return
        self._interrupts.stop_first(self._conversation.stop)
        try:
            await self._exchange(Message.of(message.from_line(line)))
        except CoworkerError as error:
            if self._conversation.link.lost:
                raise
            self._report(line, error)
        finally:
            self._interrupts.leave_at_once()

    async def _exchange(self, given: Message) -> None:
        ask = self._open[0] if self._open else None
        answer = question.answer(ask, given.text) if ask else None
        if ask is None:
            said = await self._conversation.say(given)
            if said.answer is None:
                await self._show_until(given)
            else:
                self._print(words.clean(said.answer))
        elif answer is None:
            await self._conversation.say(given)
            output.note("Kept; the question above is still open.")
        else:
            self._open.popleft()
            await self._conversation.answer(ask, answer)
            await self._show_until(None)

    async def _show_until(self, given: Message | None) -> None:
        """Show what comes back, up to a question, or the reply: to this message if one is given."""
        while not self._open:
            async with LiveLine(Doing()) as live:
                word = await self._conversation.word(live.hear)
            if isinstance(word, Ask):
                self._question(word)
                await self._conversation.shown(word)
            elif await self._reply(word, given):
                break

    def _question(self, ask: Ask) -> None:
        if ask.ask not in self._asked:
            self._asked.add(ask.ask)
            self._open.append(ask)
            self._print(question.text_of(ask))

    async def _reply(self, reply: Reply, given: Message | None) -> bool:
        """Whether this is the reply we wait for, and not one from before."""
        self._print(words.clean(reply.text))
        await self._conversation.shown(reply)
        if given and not await self._conversation.answers(reply, given):
            return False
        self._failure = reply.exit_status or self._failure
        return True

    def _print(self, text: str) -> None:
        output.say(f"\n{text}" if self._said_something else text)
        self._said_something = True

    def _report(self, line: Line, error: CoworkerError) -> None:
        self._failure = error.exit_status
        place = f"line {line.number}"
        text = str(error)
        output.complain(text if text.startswith(place) else f"{place}: {text}")
