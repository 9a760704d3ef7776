"""A real daemon that kills itself with SIGKILL right before or right after its n-th commit.

    python -m tests.crash.victim before|after N EFFECTS_FILE run --state-dir ... --config ...

It has one more tool than the real one: `note`, whose effect must never happen twice.
"""

import os
import signal
import sys
from pathlib import Path

from coworker.cli.main import main
from coworker.protocols import ToolContext
from coworker.store.writer import Writer
from coworker.tools import ask
from coworker.tools.base import Args, tool


class Note(Args):
    """What to write down."""

    text: str

    def describe(self) -> str:
        return "writes a note"


def deadly(moment: str, number: int) -> None:
    """Make the n-th commit of this process its last act, or the act it never comes to."""
    commit, count = Writer._commit, 0

    def counted(self, batch):
        nonlocal count
        count += 1
        if (moment, count) == ("before", number):
            os.kill(os.getpid(), signal.SIGKILL)
        outcomes = commit(self, batch)
        if (moment, count) == ("after", number):
            os.kill(os.getpid(), signal.SIGKILL)
        return outcomes

    Writer._commit = counted


def noting(file: Path) -> None:
    """Offer the tool whose effects are counted."""

    @tool(effect="write", rerun="never")
    async def note(args: Note, context: ToolContext) -> str:
        """Write a line that must be written once."""
        with file.open("a") as effects:
            effects.write(f"{args.text}\n")
            effects.flush()
            os.fsync(effects.fileno())
        return "noted"

    ask.TOOLS = (*ask.TOOLS, note)


if __name__ == "__main__":
    deadly(sys.argv[1], int(sys.argv[2]))
    noting(Path(sys.argv[3]))
    sys.exit(main(sys.argv[4:]))
