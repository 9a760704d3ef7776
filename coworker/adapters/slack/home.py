"""The App Home tab: what runs, what waits for somebody, what today cost.

Anybody in the workspace can open it, so it names places and never what is said in them.
"""

from __future__ import annotations

from collections.abc import Iterable

from coworker.adapters.render import dollars, duration
from coworker.adapters.slack.text import escaped
from coworker.types import Json, Place

_MOST_LINES = 20


def view(overview: Json) -> Json:
    """The tab for `Intake.overview()`."""
    running = [_line(each, "works") for each in overview.get("running") or []]
    questions = [_line(each, "waits for an answer") for each in overview.get("questions") or []]
    spend = overview.get("spend") or {}
    today = dollars(float(spend.get("today_usd") or 0))
    limit = f" of {dollars(float(spend['day_usd']))}" if spend.get("day_usd") else ""
    blocks = [
        *_part("Running", running, "Nothing runs."),
        *_part("Questions", questions, "Nothing waits for anybody."),
        *_part("Today", [f"{today}{limit}"], ""),
        _text("Write to me here or mention me in a channel. `/coworker help` tells the rest."),
    ]
    return {"type": "home", "blocks": blocks}


def _part(title: str, lines: Iterable[str], nothing: str) -> list[Json]:
    shown = list(lines)
    more = [f"… and {len(shown) - _MOST_LINES} more"] if len(shown) > _MOST_LINES else []
    head = {"type": "header", "text": {"type": "plain_text", "text": title}}
    return [head, _text("\n".join([*shown[:_MOST_LINES], *more]) or nothing)]


def _line(each: Json, doing: str) -> str:
    """`shop in #general works, 2 min 10 s`, as far as it is known."""
    repo = escaped(str(each.get("repo") or "Somebody's conversation"))
    seconds = each.get("seconds")
    return f"• {repo}{_where(each)} {doing}" + (f", {duration(seconds)}" if seconds else "")


def _where(each: Json) -> str:
    place = Place(*str(each.get("conversation") or "").split(":", 2))
    if place.adapter != "slack" or place.room.startswith("D"):
        return ""
    return f" in <#{place.room}>"


def _text(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:3_000]}}
