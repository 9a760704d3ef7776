"""Five cron fields as a calendar, meaning what cron itself means by them.

But where many people mean something else, it refuses.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from coworker.calendar import Calendar, on_wall

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIELD = re.compile(r"(?:(?:\*|\w+(?:-\w+)?)(?:/\d+)?)(?:,(?:\*|\w+(?:-\w+)?)(?:/\d+)?)*", re.ASCII)
_MINUTES = re.compile(r"[\d*/,-]+")
_STEPPED = re.compile(r"\b(\d+)-(\d+)/(\d+)")
_OF_THE_LIBRARY = re.compile(r"Error validating expression '(.*?)':")


def read(text: str, zone: ZoneInfo) -> Calendar | None:
    """The calendar of five fields; None for what does not look like them.

    Raises ValueError with what is wrong.
    """
    fields = text.split()
    if len(fields) not in (5, 6) or not all(map(_FIELD.fullmatch, fields)):
        return None
    if not _MINUTES.fullmatch(fields[0]):
        return None
    if len(fields) == 6:
        raise ValueError("cron has five fields here; nothing fires by the second")
    minute, hour, day, month, weekday = (_STEPPED.sub(_first_if_wide, each) for each in fields)
    if "*" not in day and "*" not in weekday:
        raise ValueError(
            "cron fires when the day of the month OR the weekday fits, which few people mean; "
            "write “first monday of the month at 9”, or leave one of the two as *"
        )
    times, named = {"minute": minute, "hour": hour}, _weekdays(weekday)
    try:
        return on_wall(text, zone, times | {"day": day, "month": month, "day_of_week": named})
    except ValueError as error:
        raise ValueError(_OF_THE_LIBRARY.sub(r"in “\1”", str(error))) from None


def _first_if_wide(span: re.Match[str]) -> str:
    """A step that leads out of its range leaves the first value, which the library refuses."""
    first, last, step = map(int, span.groups())
    return str(first) if step > last - first >= 0 else span[0]


def _weekdays(field: str) -> str:
    """A cron field of weekdays as a list of their names; numbers are POSIX's, 0 is Sunday."""
    chosen: set[str] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin, end = (0, 6) if span == "*" else (_weekday(first), _weekday(last or first))
        days = range(begin, (end if end >= begin else end + 7) + 1, int(step or 1))
        chosen |= {_DAYS[day % 7] for day in days}
    return ",".join(day for day in _DAYS[1:] if day in chosen)


def _weekday(name: str) -> int:
    if name.isdecimal() and int(name) <= 7:
        return int(name)
    if name not in _DAYS:
        raise ValueError(f"{name} is no weekday; write mon, tue, wed, thu, fri, sat or sun")
    return _DAYS.index(name)
