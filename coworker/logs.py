"""Structured logs: one JSON object per line. It knows no message texts, only ids."""

from __future__ import annotations

import json
import logging
import logging.handlers
from pathlib import Path

_EXTRA = ("conversation", "run", "key", "ref")
_FILE_BYTES = 5_000_000


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self.formatTime(record),
            "level": record.levelname.lower(),
            "room": record.name,
            "message": record.getMessage(),
        }
        line |= {name: vars(record)[name] for name in _EXTRA if name in vars(record)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def to_stderr() -> None:
    """For the daemon: the journal keeps it."""
    _use(logging.StreamHandler())


def to_file(state_dir: Path) -> None:
    """For the terminal, where a log line would be noise: `coworker.log` beside the database."""
    _use(
        logging.handlers.RotatingFileHandler(
            state_dir / "coworker.log", maxBytes=_FILE_BYTES, backupCount=2, delay=True
        )
    )


def stop() -> None:
    """Close what was opened."""
    own = logging.getLogger("coworker")
    for handler in own.handlers:
        handler.close()
    own.handlers = []


def _use(handler: logging.Handler) -> None:
    stop()
    handler.setFormatter(_JsonLines())
    own = logging.getLogger("coworker")
    own.handlers = [handler]
    own.propagate = False
    own.setLevel(logging.INFO)
