"""The days people name when they ask what changed since then.

It does not know whose history is asked about.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def begin_of(text: str, now: datetime) -> str:
    """A day, week or month in words as its beginning; anything else as it is, for git to read."""
    words = " ".join(text.lower().split()).removeprefix("since ").removeprefix("the ")
    if _DAY.fullmatch(words):
        return f"{words} 00:00"
    weekday = words.removeprefix("last ")
    if weekday in _WEEKDAYS:
        return _midnight(now, days_ago=(now.weekday() - _WEEKDAYS.index(weekday) - 1) % 7 + 1)
    match words:
        case "today":
            return _midnight(now, days_ago=0)
        case "yesterday":
            return _midnight(now, days_ago=1)
        case "this week":
            return _midnight(now, days_ago=now.weekday())
        case "this month":
            return _midnight(now, days_ago=now.day - 1)
        case "this year":
            return f"{now.year}-01-01 00:00"
    return text


def _midnight(now: datetime, days_ago: int) -> str:
    return f"{now - timedelta(days=days_ago):%Y-%m-%d} 00:00"
