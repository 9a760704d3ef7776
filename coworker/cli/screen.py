"""How a conversation looks on a terminal: Markdown, questions, receipts, errors as styled text.

It knows colours and widths, not when anything is shown. What others wrote is cleaned here.
"""

from __future__ import annotations

import io
import re
import shutil
from typing import ClassVar

from rich.console import Console, JustifyMethod, RenderableType
from rich.markdown import Heading, Markdown, MarkdownElement
from rich.text import Text

from coworker.cli import question, words
from coworker.cli.events import Ask, Reply

_WIDEST = 100
_STYLE = re.compile(r"(\x1b\[[0-9;]*m)")


class Screen:
    """Each method returns what is to be written to the terminal, ending in a newline."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def markdown(self, text: str) -> str:
        """One or more whole blocks, with a blank line after them."""
        shown = _Markdown(words.clean(text), code_theme="ansi_dark", hyperlinks=False)
        return self._render(shown).strip("\n") + "\n\n"

    def question(self, ask: Ask) -> str:
        """A question, its options and how to answer."""
        shown = Text(f"? {question.text_of(ask)}\n", style="bold")
        shown.append(f"  {question.hint(ask)}", style="not bold dim")
        return self._render(shown)

    def receipt(self, reply: Reply) -> str:
        """The last line of a run, with a blank line after it."""
        line = words.receipt_line(reply.outcome, reply.receipt or {})
        again = " · perhaps shown before" if reply.maybe_duplicate else ""
        verbs = " · !push !pr !undo" if (reply.receipt or {}).get("commit") else ""
        return self.aside(f"{line}{verbs}{again}") + "\n"

    def aside(self, text: str) -> str:
        """A line beside the conversation."""
        return self._render(Text(words.clean(text), style="dim"))

    def error(self, text: str) -> str:
        """A sentence about something that went wrong."""
        return self._render(Text(words.one_line(text), style="red"))

    def _render(self, shown: RenderableType) -> str:
        console = Console(
            file=io.StringIO(),
            width=min(shutil.get_terminal_size().columns, _WIDEST),
            force_terminal=True,
            color_system="auto" if self._color else None,
            highlight=False,
        )
        with console.capture() as captured:
            console.print(shown)
        return _only_styles(captured.get())


class _Heading(Heading):
    LEVEL_ALIGN: ClassVar[dict[str, JustifyMethod]] = {}  # left, like everything else in a chat


class _Markdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
    }


def _only_styles(rendered: str) -> str:
    """Our own styles and clean text: Markdown can name characters that were not in its source."""
    parts = _STYLE.split(rendered)
    return "".join(part if _STYLE.fullmatch(part) else words.clean(part) for part in parts)
