"""Ask a person: the run waits, as rows, until somebody answers.

It does not know who is asked, or how.
"""

from __future__ import annotations

from coworker.errors import ToolError
from coworker.protocols import Tool, ToolContext
from coworker.repos.text import one_line, visible
from coworker.tools.base import Args, tool
from coworker.types import Parked

_MAX_QUESTION = 3_000
_MAX_OPTIONS = 10
_MAX_OPTION = 75  # what fits on a button


class Ask(Args):
    """A question and, if there are any, the answers to choose from."""

    question: str
    options: list[str] | None = None

    def describe(self) -> str:
        """What is asked."""
        return f"asks: {self.question}"


@tool(effect="read", rerun="safe")
async def ask(args: Ask, context: ToolContext) -> Parked:
    """Ask the person and wait for the answer. Only for what you cannot find out yourself."""
    question = visible(args.question).strip()
    options = [option.strip() for option in args.options or []]
    if not question:
        raise ToolError("The question is empty. Write what the person should decide.")
    if len(question) > _MAX_QUESTION:
        raise ToolError(f"The question is longer than {_MAX_QUESTION} characters. Shorten it.")
    if len(options) > _MAX_OPTIONS or len(set(options)) < len(options):
        raise ToolError(f"Offer at most {_MAX_OPTIONS} options, each of them once.")
    if not all(0 < len(visible(option)) <= _MAX_OPTION for option in options):
        raise ToolError(f"Each option must have 1 to {_MAX_OPTION} characters.")
    return Parked(question, [one_line(option) for option in options])


TOOLS: tuple[Tool, ...] = (ask,)
