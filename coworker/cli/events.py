"""What the owner of the state directory tells an attached client, as typed values.

It knows the shapes, not how they arrive or how they are shown.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from coworker.errors import Unavailable
from coworker.types import Json


class Failure(msgspec.Struct, frozen=True):
    """Why a verb failed, in words for a person."""

    message: str = "It failed."
    exit_status: int = 1


class Line(msgspec.Struct, frozen=True):
    """One line from the owner: an event, or the outcome of the call with that id."""

    id: int | None = None
    result: Any = None
    error: Failure | None = None
    event: Json | None = None


class Said(msgspec.Struct, frozen=True):
    """What became of a message. When it was `accepted` before, its `reply` may be there already.

    `delivered` when a person has seen that, so that no attaching brings it again.
    A verb is answered on the spot: `answer` is the text.
    """

    conversation: str
    accepted: bool = True
    reply: Json | None = None
    delivered: bool = False
    answer: str | None = None


class Progress(msgspec.Struct, frozen=True, tag_field="kind", tag="progress"):
    """A passing sign of life; `what` is text, thinking, tool, note or step."""

    what: str
    text: str = ""


class Reply(msgspec.Struct, frozen=True, tag_field="kind", tag="reply"):
    """The end of a run. `outcome` is answered, stopped, failed or refused."""

    key: str
    text: str
    outcome: str = "answered"
    run: int | None = None
    receipt: Json | None = None
    exit_status: int = 0
    maybe_duplicate: bool = False


class Ask(msgspec.Struct, frozen=True, tag_field="kind", tag="ask"):
    """A question that waits for a person; `approval` when the answer permits something."""

    key: str
    ask: int | str
    question: str
    options: list[str] = []
    approval: bool = False
    run: int | None = None


Event = Progress | Reply | Ask
_KINDS = frozenset({"progress", "reply", "ask"})


def read_line(line: bytes) -> Line:
    """Raises ValueError for what is no JSON, Unavailable for a shape we do not know."""
    try:
        return msgspec.convert(json.loads(line), Line)
    except msgspec.ValidationError as error:
        raise _foreign(error) from None


def read_said(raw: object) -> Said:
    """Raises Unavailable when the owner answers in a shape we do not know."""
    try:
        return msgspec.convert(raw, Said)
    except msgspec.ValidationError as error:
        raise _foreign(error) from None


def read_reply(body: Json) -> Reply:
    """A reply as the log has it, without the key under which it is delivered."""
    try:
        return msgspec.convert({**body, "kind": "reply", "key": ""}, Reply)
    except msgspec.ValidationError as error:
        raise _foreign(error) from None


def read_event(raw: Json) -> Event | None:
    """None for a kind that only newer clients know."""
    if raw.get("kind") not in _KINDS:
        return None
    try:
        return msgspec.convert(raw, Event)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise _foreign(error) from None


def _foreign(error: msgspec.ValidationError) -> Unavailable:
    return Unavailable(
        f"The running daemon speaks another version of the protocol ({error}). "
        "Restart it, so that both are of one version."
    )
