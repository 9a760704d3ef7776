"""The two streams of the process: results on stdout, everything else on stderr.

It knows streams, not what is said on them.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import TextIO

from coworker.cli import words
from coworker.errors import CoworkerError


def prepare(*, quiet: bool) -> None:
    """A character that the terminal's encoding lacks is shown as `?`, never an error.

    `quiet` keeps what an owner in this process logs out of the conversation.
    """
    if quiet:
        logging.getLogger().addHandler(logging.NullHandler())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def say(text: str) -> None:
    """A result, with exactly one newline at its end, through to the other side of the pipe.

    An empty one, such as no rows as JSON lines, is not even a line.

    Raises BrokenPipeError when nobody reads any more, CoworkerError when it cannot be written.
    """
    if not text:
        return
    try:
        print(text.rstrip("\n"), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon(sys.stdout)
        raise CoworkerError(
            f"The result could not be written to standard output: {error.strerror or error}. "
            "Make room or write it elsewhere; `coworker inbox` shows what became of the message."
        ) from None


def note(text: str) -> None:
    """Something beside the result. A closed stderr is nobody, not stdout as `print` has it."""
    if sys.stderr:
        print(text, file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """An error as one line: what, where, what to do."""
    note(f"coworker: {words.one_line(without_secrets(text))}")


def without_secrets(text: str) -> str:
    """Text that never went through the owner of the state directory, such as an error of ours."""
    from coworker.config import secrets
    from coworker.redact import Redactor
    from coworker.settings import Config

    return Redactor(secrets(Config())).text(text)


def abandon(stream: TextIO) -> None:
    """Let what is still buffered vanish, so that the interpreter does not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
