"""A conversation that goes both ways at once: what is typed goes out while what happens comes in.

It knows the order of things on the screen, neither keys nor colours.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from coworker.cli import message, question
from coworker.cli.conversation import Conversation, Message
from coworker.cli.events import Ask, Event, Progress, Reply
from coworker.cli.progress import Doing
from coworker.cli.screen import Screen
from coworker.cli.stream import Stream
from coworker.errors import CoworkerError

Show = Callable[[str], None]
"""Writes finished text above the prompt, through to the terminal."""


class Talk:
    """Between a prompt and a conversation."""

    def __init__(self, conversation: Conversation, screen: Screen, show: Show) -> None:
        self._conversation = conversation
        self._screen = screen
        self._show = show
        self._doing = Doing()
        self._stream = Stream()
        self._asks: deque[Ask] = deque()
        self._asked: set[object] = set()
        self._outgoing: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._interrupted = False

    async def run(self, open_asks: Sequence[Ask]) -> None:
        """Send and show until cancelled. Raises Unavailable when the link is lost."""
        for ask in open_asks:
            await self._question(ask)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send())
            group.create_task(self._watch())

    async def all_sent(self) -> None:
        """Wait until what was typed has been handed over."""
        await self._outgoing.join()

    def submit(self, text: str) -> None:
        """Something was typed: an answer, or a message, which steers a run that is under way."""
        self._interrupted = False
        self._outgoing.put_nowait(lambda: self._say(text))

    def interrupt(self) -> bool:
        """Ctrl-C: stop what runs; True when it was the second in a row, so the person leaves."""
        if self._interrupted:
            return True
        self._interrupted = True
        if self._conversation.id and (self._doing.busy or self._asks):
            self._show(self._screen.aside("Stopping. Ctrl-C again leaves."))
            self._outgoing.put_nowait(self._stop)
        else:
            self._show(self._screen.aside("Nothing runs. Ctrl-C again leaves."))
        return False

    def offers(self, number: int) -> bool:
        """Whether this number picks an option by itself. A permission needs Enter as well."""
        ask = self._asks[0] if self._asks else None
        return ask is not None and not ask.approval and number <= len(ask.options) <= 9

    def live_line(self) -> str:
        """What is going on; "" when nothing is."""
        return "waiting for your answer" if self._asks else self._doing.line()

    # Going out

    async def _send(self) -> None:
        while True:
            act = await self._outgoing.get()
            try:
                await act()
            except CoworkerError as error:
                if self._conversation.link.lost:
                    raise
                self._show(self._screen.error(str(error)))
            finally:
                self._outgoing.task_done()

    async def _say(self, text: str) -> None:
        text = message.checked(text, "the message")
        was_busy = self._doing.busy
        self._doing.begin()  # before it is sent, for the reply may be faster than our return
        try:
            await self._hand_over(text)
        except CoworkerError:
            if not was_busy:
                self._doing.end()
            raise

    async def _hand_over(self, text: str) -> None:
        ask = self._asks[0] if self._asks else None
        answer = question.answer(ask, text) if ask else None
        if ask is not None and answer is not None:
            self._asks.popleft()
            await self._conversation.answer(ask, answer)
            return
        said = await self._conversation.say(Message.of(text))
        if said.answer is not None:
            self._doing.end()
            self._show(self._screen.markdown(said.answer))
        elif ask is not None:
            self._show(self._screen.aside("Kept; the question above is still open."))

    async def _stop(self) -> None:
        await self._conversation.stop()

    # Coming in

    async def _watch(self) -> None:
        async for event in self._conversation.link.events():
            await self._take(event)

    async def _take(self, event: Event) -> None:
        match event:
            case Progress():
                self._progress(event)
            case Ask():
                await self._question(event)
            case Reply():
                await self._reply(event)

    def _progress(self, progress: Progress) -> None:
        self._doing.hear(progress)
        match progress.what:
            case "text":
                self._blocks(self._stream.hear(progress.text))
            case "tool" | "step":
                self._blocks(self._stream.pause())
            case "note":
                self._stream.restart()
                self._show(self._screen.aside(progress.text))

    def _blocks(self, blocks: Sequence[str]) -> None:
        for block in blocks:
            self._show(self._screen.markdown(block))

    async def _question(self, ask: Ask) -> None:
        if ask.ask not in self._asked:
            self._asked.add(ask.ask)
            self._asks.append(ask)
            self._doing.end()
            self._blocks(self._stream.pause())
            self._show(self._screen.question(ask))
        await self._conversation.shown(ask)

    async def _reply(self, reply: Reply) -> None:
        self._doing.end()
        self._asks.clear()
        rest = self._stream.remainder(reply.text)
        text = self._screen.markdown(rest) if rest.strip() else ""
        self._show(text + self._screen.receipt(reply))
        await self._conversation.shown(reply)
