"""The App Home tab: what runs, what waits for somebody, what today cost.

Everybody whom we know can open it, so it names places and never what is said in them.
"""

from __future__ import annotations

from collections.abc import Sequence

from coworker.adapters.render import dollars
from coworker.types import Json

_MOST_LINES = 20
_STRANGER = "I do not know you. An owner can let you in: `!pair slack:{person} NAME`."
_HINT = "Write to me here or mention me in a channel. `/coworker help` tells the rest."


def stranger(person: str) -> Json:
    """The tab for somebody whom nobody let in."""
    return {"type": "home", "blocks": [_text(_STRANGER.format(person=person))]}


def view(overview: Json) -> Json:
    """The tab for `Intake.overview()`."""
    blocks = [
        *_part("Running", _lines(overview["running"]) or "Nothing runs."),
        *_part("Questions", _lines(overview["waiting"]) or "Nothing waits for an answer."),
        *_part("Spent today", dollars(overview["spend_today_usd"])),
        _text(_HINT),
    ]
    return {"type": "home", "blocks": blocks}


def _part(title: str, text: str) -> list[Json]:
    return [{"type": "header", "text": {"type": "plain_text", "text": title}}, _text(text)]


def _lines(conversations: Sequence[str]) -> str:
    lines = [f"• {_where(each)}" for each in conversations[:_MOST_LINES]]
    if len(conversations) > _MOST_LINES:
        lines.append(f"… and {len(conversations) - _MOST_LINES} more")
    return "\n".join(lines)


def _where(conversation: str) -> str:
    """The channel, which Slack names to those who may see it."""
    adapter, _, place = conversation.partition(":")
    if adapter != "slack":
        return "Telegram" if adapter == "telegram" else "a terminal"
    room = place.partition(":")[0]
    return "a direct message" if room.startswith("D") else f"a thread in <#{room}>"


def _text(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}
