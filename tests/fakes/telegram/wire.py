"""What goes over the wire: JSON, refusals, and lengths as the platform counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


class Refused(Exception):  # it is an answer of the platform, not a mistake of ours
    """An answer with ok = false. `parameters` are migrate_to_chat_id or retry_after."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    def answer(self) -> Json:
        """The body of the response."""
        more = {"parameters": self.parameters} if self.parameters else {}
        return {"ok": False, "error_code": self.code, "description": self.description, **more}


def bad(complaint: str) -> Refused:
    """400, as for anything that is wrong with a request."""
    return Refused(400, f"Bad Request: {complaint}")


def forbidden(complaint: str) -> Refused:
    """403: the bot may not, or may not any more."""
    return Refused(403, f"Forbidden: {complaint}")


def flooded(seconds: int) -> Refused:
    """429."""
    return Refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


@dataclass(frozen=True)
class Upload:
    """A file within a request."""

    name: str
    mime_type: str
    data: bytes


def units(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, offset: int, length: int) -> str:
    """The part of a text at an offset, both in UTF-16 code units."""
    raw = text.encode("utf-16-le")
    return raw[2 * offset : 2 * (offset + length)].decode("utf-16-le", "replace")
