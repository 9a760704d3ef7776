"""One conversation as seen from the terminal: say, listen, answer, stop.

It knows the verbs of the control protocol, not how anything is typed or shown.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coworker.cli.events import Ask, Progress, Reply, Said, read_event, read_said
from coworker.cli.link import Link
from coworker.errors import Denied
from coworker.types import Json

NO_REPOSITORY = "not in a git repository: nothing to read here (--repo names one)"


@dataclass(frozen=True, slots=True)
class Start:
    """Where a conversation begins: an old one by id, a repository, or where the person stands."""

    conversation: str | None = None
    repo: str | None = None
    cwd: str | None = None

    @classmethod
    def here(cls, conversation: str | None, repo: str | None) -> Start:
        """A repository that is written as a path becomes absolute; any other word is a name."""
        if repo and (os.sep in repo or repo[0] in ".~"):
            repo = absolute(repo)
        stands = None if conversation or repo else _working_directory()
        return cls(conversation, repo, stands)

    def checkout(self) -> Path | None:
        """The git checkout in which the person stands, if it is one."""
        if not self.cwd:
            return None
        here = Path(self.cwd)
        return next((each for each in (here, *here.parents) if (each / ".git").exists()), None)


def absolute(path: str) -> str:
    """The path as the owner, who stands elsewhere, can read it."""
    try:
        return str(Path(path).expanduser().resolve())
    except RuntimeError:  # no such home, or links in a circle: the owner says what is wrong
        return str(Path(path).absolute())


@dataclass(frozen=True, slots=True)
class Message:
    """What a person says, with the id under which it is accepted once and no more."""

    text: str
    event_id: str

    @classmethod
    def of(cls, text: str, event_id: str | None = None) -> Message:
        """A message under a name of its own, unless the person gave it one."""
        return cls(text, event_id or uuid.uuid4().hex)


class Conversation:
    """Attached as soon as its id is known, so that no reply of it is missed."""

    def __init__(self, link: Link, start: Start) -> None:
        self.id: str | None = None
        self.link = link
        self._start = start
        self._is_known = asyncio.Event()

    async def resume(self) -> list[Ask]:
        """Attach to the conversation that was named, if one was, for its open questions.

        Raises NotFound.
        """
        if not self._start.conversation:
            return []
        open_asks = await self._open_asks(self._start.conversation)
        await self._attach(self._start.conversation)
        return open_asks

    async def say(self, message: Message) -> Said:
        """Hand over one message and listen to the conversation it landed in."""
        said = await self._hand_over(message)
        if said.answer is None:
            await self._attach(said.conversation)
        return said

    async def word(self, hear: Callable[[Progress], None]) -> Reply | Ask:
        """The next reply or question; signs of life until then go to `hear`."""
        while True:
            event = await self.link.next_event()
            if not isinstance(event, Progress):
                return event
            hear(event)

    async def answers(self, reply: Reply, message: Message) -> bool:
        """Whether the reply is to this message, and not one that was still to be delivered."""
        known = (await self._hand_over(message)).reply
        return known is not None and known.get("run") == reply.run

    async def answer(self, ask: Ask, text: str) -> None:
        """Answer a question. Raises Denied when the answer does not count."""
        result: Json = await self.link.call("answer", conversation=self.id, ask=ask.ask, text=text)
        if not result.get("accepted"):
            reason = result.get("reason") or "the question is not open any more"
            raise Denied(f"The answer does not count: {reason}.")

    async def stop(self) -> bool:
        """Stop what runs, and tell whether anything did; what is just being said counts as well."""
        await self._is_known.wait()
        result: Json = await self.link.call("stop", conversation=self.id)
        return bool(result.get("was_running"))

    async def shown(self, word: Reply | Ask) -> None:
        """The person can see it now: it need not be delivered again."""
        if word.key:
            await self.link.call("shown", key=word.key)

    async def _hand_over(self, message: Message) -> Said:
        return read_said(
            await self.link.call(
                "say",
                text=message.text,
                event_id=message.event_id,
                conversation=self.id or self._start.conversation,
                repo=self._start.repo,
                cwd=self._start.cwd,
            )
        )

    async def _attach(self, conversation: str) -> None:
        if conversation != self.id:
            self.id = conversation
            self._is_known.set()
            await self.link.call("attach", conversation=conversation)

    async def _open_asks(self, conversation: str) -> list[Ask]:
        """Questions that were shown once, and that no attach brings again."""
        asks: dict[object, Ask] = {}
        for entry in await self.link.call("log", conversation=conversation):
            if entry["kind"] == "ask":
                event = read_event({**entry["body"], "kind": "ask", "key": ""})
                if isinstance(event, Ask):
                    asks[event.ask] = event
            elif entry["kind"] == "answer":
                asks.pop(entry["body"].get("ask"), None)
            elif entry["kind"] == "reply":
                asks.clear()
        return list(asks.values())


def _working_directory() -> str | None:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # it was removed under our feet
        return None
