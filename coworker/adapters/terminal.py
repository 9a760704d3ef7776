"""The terminal as a platform: screens attached to conversations through the control socket.

It knows events and screens; sockets and verbs belong to control, keys and colours to the cli.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from coworker.errors import Unavailable, Unconfirmed
from coworker.types import ConversationId, Json, Outbound, Place, Progress

Screen = Callable[[Json], None]
"""Shows one event; must not raise or wait."""


class Terminal:
    """An Adapter whose messages have arrived once a screen says that it has shown them."""

    name = "terminal"

    def __init__(self) -> None:
        self._screens: defaultdict[ConversationId, list[Screen]] = defaultdict(list)
        self._unshown: dict[str, asyncio.Future[None]] = {}

    def attach(self, conversation: ConversationId, screen: Screen) -> None:
        """From now on this screen shows the conversation."""
        if screen not in self._screens[conversation]:
            self._screens[conversation].append(screen)

    def detach(self, screen: Screen) -> None:
        """The screen is gone; what it had not confirmed is unknown."""
        for conversation, screens in list(self._screens.items()):
            if screen in screens:
                screens.remove(screen)
            if not screens:
                del self._screens[conversation]
        if not self._screens:
            self._give_up()

    def shown(self, key: str) -> None:
        """A person has seen the outbound with this key."""
        waiting = self._unshown.get(key)
        if waiting and not waiting.done():
            waiting.set_result(None)

    def reachable(self, conversation: ConversationId) -> bool:
        """Whether anybody is looking."""
        return conversation in self._screens

    def posts_progress(self, place: Place) -> bool:
        """Never: a screen has a line for that."""
        return False

    def parts(self, outbound: Outbound) -> list[Json]:
        """One; a screen scrolls."""
        return [outbound.body]

    async def send(self, outbound: Outbound) -> str:
        """Show it and wait until a screen confirms; what was decided is no news to its screen."""
        if outbound.op == "decided":
            return outbound.key
        if not self.reachable(outbound.conversation):
            raise Unavailable("Nobody is attached to this conversation.")
        waiting = self._unshown[outbound.key] = asyncio.get_running_loop().create_future()
        event = {"kind": outbound.op, "key": outbound.key, **outbound.body}
        event["maybe_duplicate"] = outbound.maybe_duplicate
        self._show(outbound.conversation, event)
        try:
            await waiting
        finally:
            del self._unshown[outbound.key]
        return outbound.key

    async def find(self, outbound: Outbound) -> str | None:
        """A screen keeps no history that could be asked."""
        return None

    def progress(self, place: Place, progress: Progress) -> None:
        """Pass a sign of life on to whoever is looking."""
        conversation = ConversationId(place.room)
        if conversation in self._screens:
            event = {"kind": "progress", "what": progress.kind, "text": progress.text}
            self._show(conversation, event)

    def _show(self, conversation: ConversationId, event: Json) -> None:
        for screen in self._screens[conversation]:
            screen({"conversation": conversation, **event})

    def _give_up(self) -> None:
        for waiting in self._unshown.values():
            if not waiting.done():
                waiting.set_exception(Unconfirmed("The screen went away."))
