"""What a thread said before we were asked into it."""

from __future__ import annotations

from collections.abc import Sequence

from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.slack import calls
from coworker.adapters.slack.events import SOURCE, Reader, words
from coworker.types import Json, Line, Place

_MOST_LINES = 50
_MOST_BYTES = 30_000


async def history(
    client: AsyncWebClient, reader: Reader, place: Place, before: str
) -> Sequence[Line]:
    """The first message and the last ones before that id, oldest first.

    Raises Unavailable, or Undeliverable when we may not read there.
    """
    if not place.thread or place.thread == before:
        return []
    replies = calls.pages(
        client.conversations_replies, "messages", channel=place.room, ts=place.thread, latest=before
    )
    earlier = [each async for each in replies if float(each["ts"]) < float(before)]
    first, last = earlier[:1], earlier[1:][1 - _MOST_LINES :]
    return _fitting([await _line(reader, message) for message in [*first, *last]])


async def _line(reader: Reader, message: Json) -> Line:
    if reader.is_ours(message):
        return Line("", await reader.plain(words(message)))
    who = message.get("bot_id") or message.get("user") or "somebody"
    return Line(f"{SOURCE}:{who}", await reader.plain(words(message)))


def _fitting(lines: Sequence[Line]) -> Sequence[Line]:
    """As many as may be shown to a model: the first, which says what it is about, and the last."""
    kept, room = list[Line](), _MOST_BYTES
    for line in [*lines[:1], *reversed(lines[1:])]:
        room -= len(line.text.encode())
        if room < 0:
            break
        kept.append(line)
    return [*kept[:1], *reversed(kept[1:])]
