"""Structured logs: one line per event, a JSON object unless a person looks on.

It knows no message texts, only ids: what is said in a conversation is in its log, not in ours.
"""

from __future__ import annotations

import contextvars
import json
import logging
import logging.handlers
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

Redact = Callable[[str], str]
_EXTRA = ("conversation", "run", "seq", "source", "outcome", "key", "ref")
_FILE_BYTES = 5_000_000
_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
_about: contextvars.ContextVar[dict[str, str | int]] = contextvars.ContextVar("about", default={})  # noqa: B039 - never changed in place


def about(**ids: str | int) -> None:
    """From now on each line of this task, and of those it starts, carries these ids, no others."""
    _about.set(ids)


class _Lines(logging.Formatter):
    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def said(self, record: logging.LogRecord) -> str:
        return self._redact(record.getMessage())

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        return self._redact(super().formatException(ei))

    def ids(self, record: logging.LogRecord) -> dict[str, object]:
        given = {name: vars(record)[name] for name in _EXTRA if name in vars(record)}
        return {**_about.get(), **given}

    def at(self, record: logging.LogRecord) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class _JsonLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self.at(record),
            "level": record.levelname.lower(),
            "room": record.name,
            "message": self.said(record),
            **self.ids(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _JournalLines(_JsonLines):
    """The journal reads the priority from the front of a line and takes it off."""

    def format(self, record: logging.LogRecord) -> str:
        return f"<{_PRIORITIES.get(record.levelname, 6)}>{super().format(record)}"


class _PlainLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        ids = "".join(f" {name}={value}" for name, value in self.ids(record).items())
        line = f"{self.at(record)} {record.levelname.lower():7} {self.said(record)}{ids}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def to_stderr(redact: Redact, kind: str = "auto", journal_stream: str = "") -> None:
    """For the daemon: `text` for a person at a terminal, `json` for everything else.

    `redact` takes secrets out of messages and tracebacks, also those of libraries.
    `journal_stream` is `device:inode` of the file that the journal reads, if there is one.
    """
    if kind == "text" or (kind == "auto" and sys.stderr.isatty()):
        lines: type[_Lines] = _PlainLines
    else:
        lines = _JournalLines if journal_stream == _identity(sys.stderr) else _JsonLines
    _use(logging.StreamHandler(), lines(redact))


def to_file(redact: Redact, state_dir: Path) -> None:
    """For the terminal, where a log line would be noise: `coworker.log` beside the database."""
    handler = logging.handlers.RotatingFileHandler(
        state_dir / "coworker.log", maxBytes=_FILE_BYTES, backupCount=2, delay=True
    )
    _use(handler, _JsonLines(redact))


def stop() -> None:
    """Close what was opened."""
    own = logging.getLogger("coworker")
    for handler in own.handlers:
        logging.getLogger().removeHandler(handler)
        handler.close()
    own.handlers = []
    own.propagate = True


def _identity(stream: TextIO) -> str:
    status = os.fstat(stream.fileno())
    return f"{status.st_dev}:{status.st_ino}"


def _use(handler: logging.Handler, lines: logging.Formatter) -> None:
    stop()
    handler.setFormatter(lines)
    own = logging.getLogger("coworker")
    own.handlers = [handler]
    logging.getLogger().addHandler(handler)  # for libraries, and for asyncio's last words
    own.propagate = False
    own.setLevel(logging.INFO)
