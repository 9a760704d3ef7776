"""The JSON lines in which a memory is taken in and given out: one message or fact per line.

It checks the form of a line, not whether what it says is so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from coworker.store.facts import Fact, FactKind, Status
from coworker.store.forgetting import MARK
from coworker.store.memory import Message
from coworker.store.said import TERMINAL
from coworker.types import Json

_MILLISECONDS = 10**11
"""A larger time is in milliseconds, a smaller one in seconds: the border is in 1973 and 5138."""
_MOST_BYTES = 262_144


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line. `scope` is the room whose readers may be told; `ts` ISO 8601 or a Unix time.

    With a `kind` it is a fact, else a message; `session` says which messages belong together.
    """

    id: str
    text: str
    scope: str = TERMINAL
    session: str = ""
    ts: str | float = 0
    speaker: str = ""
    author: str = ""
    kind: FactKind | None = None
    status: Status = "held"
    source: str = ""
    quote: str = ""


def parse(line: bytes) -> Line:
    """A line of a file. Raises ValueError that says what is wrong with it."""
    if len(line) > _MOST_BYTES:
        raise ValueError(f"it has {len(line):,} bytes; at most {_MOST_BYTES:,} are taken")
    try:
        found = msgspec.json.decode(line, type=Line, strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON ({error})") from None
    for name in ("id", "text"):
        if not getattr(found, name).strip() or getattr(found, name) == MARK:
            raise ValueError(f"`{name}` is empty")
    moment(found.ts)
    return found


def moment(ts: str | float) -> int:
    """A time as milliseconds UTC; one without a zone is UTC. Raises ValueError."""
    if isinstance(ts, str):
        try:
            at = datetime.fromisoformat(ts)
        except ValueError:
            raise ValueError(f"`ts` is no time: {ts[:40]!r}; use ISO 8601 or seconds") from None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return round(at.timestamp() * 1000)
    at_ms = ts if ts >= _MILLISECONDS else ts * 1000
    if not 0 <= at_ms < 4 * 10**12:
        raise ValueError(f"`ts` is no time: {ts}; use ISO 8601 or seconds")
    return round(at_ms)


def message(line: Line) -> Message:
    """The message that a line is."""
    return Message(
        *(line.id, line.scope, line.session or line.scope, moment(line.ts), line.speaker),
        *(line.text, line.author),
    )


def fact(line: Line, by: str) -> Json:
    """The fact that a line is, as the log keeps it; who brings it stands for one of nobody's."""
    return {
        "kind": line.kind,
        "text": line.text,
        "source": line.source,
        "quote": line.quote,
        "author": line.author or by,
        "readers": line.scope,
        "at": moment(line.ts),
        "status": line.status,
        "conversation": "",
        "seq": 0,
        "supersedes": 0,
    }


def lines(facts: list[Fact], messages: list[Message]) -> Iterator[Json]:
    """What is given out; taken in again it is the same."""
    for each in facts:
        yield msgspec.to_builtins(
            Line(
                id=f"f{each.id}",
                text=each.text,
                scope=each.readers,
                ts=each.at,
                author=each.author,
                kind=each.kind,
                status=each.status,
                source=each.source,
                quote=each.quote,
            )
        )
    for said in messages:
        yield msgspec.to_builtins(
            Line(
                id=said.name,
                text=said.text,
                scope=said.room,
                session=said.session,
                ts=said.at,
                speaker=said.speaker,
                author=said.author,
            )
        )
