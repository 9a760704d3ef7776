"""Questions to a person at a terminal, one line each.

It knows keys and the terminal, not what is asked. Questions raise EOFError on Ctrl-C and Ctrl-D.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from prompt_toolkit import PromptSession
from prompt_toolkit.output import ColorDepth

from coworker.cli import output

Result = TypeVar("Result")


class Prompt:
    """A terminal that asks."""

    def __init__(self) -> None:
        self._session: PromptSession[str] = PromptSession(
            color_depth=ColorDepth.DEPTH_1_BIT, interrupt_exception=EOFError
        )
        self._hidden: PromptSession[str] = PromptSession(
            color_depth=ColorDepth.DEPTH_1_BIT, interrupt_exception=EOFError, is_password=True
        )

    def say(self, text: str) -> None:
        """Tell something between the questions."""
        output.say(text)

    async def line(self, question: str, default: str = "") -> str:
        """What was typed, else the default, which is shown."""
        shown = f"{question} [{default}]: " if default else f"{question}: "
        return (await self._session.prompt_async(shown, handle_sigint=False)).strip() or default

    async def secret(self, question: str) -> str:
        """What was typed; the terminal shows a star for each character."""
        return (await self._hidden.prompt_async(f"{question}: ", handle_sigint=False)).strip()

    async def yes(self, question: str, default: bool = True) -> bool:
        """Whether it was agreed to."""
        typed = await self.line(f"{question} [{'Y/n' if default else 'y/N'}]")
        return typed.lower().startswith("y") if typed else default

    async def line_or(self, question: str, other: Coroutine[Any, Any, Result]) -> str | Result:
        """What was typed, or the result of the other if that is there first."""
        typing = asyncio.create_task(self.line(question))
        waiting = asyncio.create_task(other)
        try:
            await asyncio.wait({typing, waiting}, return_when=asyncio.FIRST_COMPLETED)
            return typing.result() if typing.done() else waiting.result()
        finally:
            typing.cancel()
            waiting.cancel()
            await asyncio.gather(typing, waiting, return_exceptions=True)
