"""A progress message as Slack's own stream: words as they are written, a card for every tool.

Nothing depends on a stream. After any failure its message is edited in place, and so is the answer.
Slack takes no edit while a stream is open, so that is ended first.
"""

from __future__ import annotations

from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.render import one_line
from coworker.adapters.slack import calls, messages
from coworker.adapters.slack.text import harmless
from coworker.errors import Unavailable, Undeliverable
from coworker.types import Json, Outbound, Place, Progress

LIFE_S = 240.0
"""Slack ends a stream after five minutes and then shows it as broken."""
_TITLE = 256


def fits(place: Place) -> bool:
    """Whether a stream helps there: in a channel only one person would see it grow."""
    return bool(place.room.startswith("D") and place.thread)


def shows(outbound: Outbound, message: Json) -> bool:
    """Whether the message is the stream that was opened for it: one has no room for a key."""
    open_here = message.get("streaming_state") == "in_progress" and fits(outbound.place)
    return outbound.op == "progress" and open_here


class Streams:
    """Opens streams until Slack refuses one; then it is not asked again while we are connected."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._is_offered = True

    async def open(self, outbound: Outbound) -> str:
        """The ts of the new message, "" where it has to be posted instead. Raises Unconfirmed."""
        place = outbound.place
        if not (outbound.op == "progress" and fits(place) and self._is_offered):
            return ""
        at = {"channel": place.room, "thread_ts": place.thread}
        start = self._client.chat_startStream(chunks=_opening(outbound), **at)
        try:
            return str((await calls.ask(start))["ts"])
        except (Unavailable, Undeliverable) as error:
            self._is_offered = calls.code(error) in ("", "ratelimited")
            return ""


class Stream:
    """What one stream shows already, and what is to be appended to it."""

    def __init__(self) -> None:
        self._text = self._shown = ""
        self._count = 0
        self._cards: list[Json] = []
        self._chunks: list[Json] = []
        self._is_over = False

    def hear(self, progress: Progress) -> None:
        """Take in a sign of life."""
        match progress.kind:
            case "text":
                self._text += progress.text
            case "tool" | "note":
                self._break_off()
                self._begin(harmless(one_line(progress.text))[:_TITLE])
            case "step":
                self._break_off()
                self._chunks += [{**card, "status": "complete"} for card in self._cards]
                self._cards.clear()

    def take(self) -> list[Json] | None:
        """The chunks that are new; None once nothing may be appended any more."""
        self._write()
        taken, self._chunks = self._chunks, []
        return None if self._is_over else taken

    def end(self) -> None:
        """Nothing is to be appended from now on."""
        self._is_over = True

    def _write(self) -> None:
        text = harmless(self._text)
        new = text.removeprefix(self._shown)
        # Markup that is whole only now may change words that people see already: that is an edit.
        self._is_over |= not text.startswith(self._shown) or len(new) > messages.PAGE
        if new:
            self._chunks.append({"type": "markdown_text", "text": new})
        self._shown = text

    def _break_off(self) -> None:
        if self._text and not self._text.endswith("\n\n"):
            self._text += "\n\n"
        self._write()

    def _begin(self, title: str) -> None:
        self._count += 1
        card = {"type": "task_update", "id": str(self._count), "title": title or "…"}
        self._cards.append({**card, "status": "in_progress"})
        self._chunks.append(self._cards[-1])


def _opening(outbound: Outbound) -> list[Json]:
    """👀 and the button that stops the run."""
    text, stop = messages.message(outbound)["blocks"]
    words = {"type": "markdown_text", "text": f"{text['text']}\n\n"}
    return [words, {"type": "blocks", "blocks": [stop]}]
