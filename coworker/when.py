"""When somebody wants something done: a few clear forms of words, read as a calendar.

It asks no clock: whoever asks says what time it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from coworker.calendar import TOO_OFTEN, Calendar, on_wall, placed
from coworker.errors import UsageError

FORMS = (
    "“in 20 minutes”, “at 17:00”, “tomorrow at 9”, “on friday at 15:00”, “2026-12-24 09:00”, "
    "“every 2 hours”, “every day at 18:30”, “every weekday at 09:00”, "
    "“every monday and thursday at 9”, “first monday of the month at 10:00”, "
    "“on the 15th of the month at 9”, or five cron fields such as “0 9 * * mon-fri”. "
    "A zone may follow: “every day at 9 Europe/Berlin”"
)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CRON_DAYS = ("sun", *_DAYS[:6], "sun")
_POSITIONS = {"first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th"}
_UNITS = {"minute": 60, "min": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_WORDS = {"a": 1, "an": 1, "half an": 0.5, "": 1}

_AT = r"(?:,? ?(?:at |@ ?)?(?P<clock>\d{1,2}(?:[:.]\d\d)? ?(?:am|pm)?|noon|midnight))"
_DAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:days?)?"
_COUNT = r"(?P<count>\d{1,4}|an?|half an|)"
_NTH = r"(?P<nth>first|second|third|fourth|fifth|last|1st|2nd|3rd|4th|5th)"
_MONTH = r"of (?:the|each|every) month"
_ISO = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(?::\d\d)?(?:[+-]\d\d:?\d\d|z)?"
_ZONE = re.compile(r"(.+?),? (?:in )?([A-Za-z_]+(?:/[\w+-]+)+|UTC|utc)(?: time)?")
_FIELD = re.compile(r"(?:(?:\*|\w+(?:-\w+)?)(?:/\d+)?)(?:,(?:\*|\w+(?:-\w+)?)(?:/\d+)?)*")
_NUMBERS = re.compile(r"[\d*/,-]+")

Found = re.Match[str]


def read(words: str, zone: ZoneInfo, now: int) -> Calendar:
    """The calendar that these words mean at a time in milliseconds UTC.

    Its own words mean the same for ever. Raises UsageError that lists the forms.
    """
    text = " ".join(words.split()).rstrip(".!")
    if found := _ZONE.fullmatch(text):
        text, zone = found[1], named_zone(found[2])
    try:
        calendar = _meant(text.lower(), zone, now)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"“{text}” is no time: {error}. Write for example {FORMS}.") from None
    if calendar is None:
        raise UsageError(f"I cannot tell when “{text[:200]}” is. Write {FORMS}.")
    if calendar.after(now) is None:
        why = "is over" if calendar.is_once else "never comes: no month has such a day"
        raise UsageError(f"“{text}” {why}. Name a time that will come.")
    return calendar


@lru_cache(maxsize=16_384)
def again(words: str, zone: str) -> Calendar:
    """The calendar that was stored as these words; they depend on no clock."""
    found = _meant(words, ZoneInfo(zone), 0)
    assert found, f"a stored calendar is not understood any more: {words}"  # noqa: S101
    return found


def _meant(text: str, zone: ZoneInfo, now: int) -> Calendar | None:
    text = "every hour" if text == "hourly" else text
    for pattern, meaning in _FORMS:
        if found := pattern.fullmatch(text):
            return meaning(found, zone, datetime.fromtimestamp(now / 1000, zone))
    return _cron(text, zone) if len(text.split()) in (5, 6) else None


def named_zone(name: str) -> ZoneInfo:
    """A time zone by its name. Raises UsageError."""
    try:
        return ZoneInfo("UTC" if name == "utc" else name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"There is no time zone {name}. Write it like Europe/Berlin or America/New_York."
        ) from None


# Once


def _once(moment: datetime, zone: ZoneInfo) -> Calendar:
    words = moment.astimezone(zone).isoformat(" ", timespec="seconds")
    return Calendar(words, zone, DateTrigger(moment, UTC), is_once=True)


def _in(found: Found, zone: ZoneInfo, now: datetime) -> Calendar:
    seconds = _count(found) * _UNITS[found["unit"]]
    return _once(now.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=seconds), zone)


def _iso(found: Found, zone: ZoneInfo, _: datetime) -> Calendar:
    moment = datetime.fromisoformat(f"{found['date']} {found['rest']}".upper())
    return _once(moment if moment.tzinfo else placed(moment, zone), zone)


def _date(found: Found, zone: ZoneInfo, _: datetime) -> Calendar:
    day = datetime.fromisoformat(found["date"])
    return _once(placed(datetime.combine(day, _clock(found)), zone), zone)


def _day(found: Found, zone: ZoneInfo, now: datetime) -> Calendar:
    """A day by its name; the one that comes next, also when its time today is over."""
    word = found["day"] or ""
    clock = _clock(found, "20:00" if word == "tonight" else "09:00")
    ahead = 1 if word.startswith("tomorrow") else 0
    if word[:3] in _DAYS:
        ahead = (_DAYS.index(word[:3]) - now.weekday()) % 7
    moment = placed(datetime.combine(now.date() + timedelta(days=ahead), clock), zone)
    if moment <= now and (not word or word[:3] in _DAYS):
        days = ahead + (7 if word else 1)
        moment = placed(datetime.combine(now.date() + timedelta(days=days), clock), zone)
    return _once(moment, zone)


# Again and again


def _every(found: Found, zone: ZoneInfo, now: datetime) -> Calendar:
    seconds = round(_count(found) * _UNITS[found["unit"]])
    if seconds <= 0:
        raise ValueError("the pause between two firings is nothing")
    start = datetime.fromisoformat(found["since"]) if found["since"] else now
    start = start.astimezone(UTC).replace(microsecond=0)
    pause = f"{seconds // 3600} hours" if seconds % 3600 == 0 else f"{seconds // 60} minutes"
    words = f"every {pause} from {start.isoformat(' ')}"
    return Calendar(words, zone, IntervalTrigger(seconds=seconds, start_date=start, timezone=UTC))


def _too_often(_: Found, __: ZoneInfo, ___: datetime) -> Calendar:
    raise UsageError(TOO_OFTEN)


def _weekly(found: Found, zone: ZoneInfo, _: datetime) -> Calendar:
    days = found["days"]
    if days in ("day", "daily", "morning"):
        days, fields = "day", {"day_of_week": "*"}
    elif days in ("weekday", "weekdays", "working day", "workday"):
        fields = {"day_of_week": "mon-fri"}
    else:
        named = [day[:3] for day in re.findall(_DAY, days)]
        fields = {"day_of_week": ",".join(dict.fromkeys(named))}
    return _daily(found, zone, fields, f"every {days.removesuffix('s')}")


def _monthly(found: Found, zone: ZoneInfo, _: datetime) -> Calendar:
    given = found.groupdict()
    if number := given.get("number"):
        if not 1 <= int(number) <= 31:
            raise ValueError(f"no month has a day {number}")
        return _daily(found, zone, {"day": number}, f"on the {_nth(number)} of the month")
    nth, day = _POSITIONS.get(found["nth"], found["nth"]), found["day"][:3]
    if day == "day":
        if nth not in ("1st", "last"):
            raise ValueError("a day of the month is written as a number")
        fields = {"day": nth.removesuffix("st") if nth == "1st" else nth}
    else:
        fields = {"day": f"{nth} {day}"}
    return _daily(found, zone, fields, f"{found['nth']} {found['day']} of the month")


def _daily(found: Found, zone: ZoneInfo, fields: dict[str, str], words: str) -> Calendar:
    clock = _clock(found)
    fields = {"hour": str(clock.hour), "minute": str(clock.minute), **fields}
    return on_wall(f"{words} at {clock:%H:%M}", zone, **fields)


def _cron(text: str, zone: ZoneInfo) -> Calendar | None:
    fields = text.split()
    if not _NUMBERS.fullmatch(fields[0]) or not all(map(_FIELD.fullmatch, fields)):
        return None
    if len(fields) == 6:
        raise ValueError("cron has five fields here; nothing fires by the second")
    minute, hour, day, month, weekday = fields
    if "*" not in day and "*" not in weekday:
        raise ValueError(
            "cron fires when the day of the month OR the weekday fits, which few people mean; "
            "write “first monday of the month at 9”, or leave one of the two as *"
        )
    named = _weekdays(weekday)
    return on_wall(text, zone, minute=minute, hour=hour, day=day, month=month, day_of_week=named)


def _weekdays(field: str) -> str:
    """A cron field of weekdays as a list of their names; numbers are POSIX's, 0 is Sunday."""
    chosen: set[str] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin, end = (0, 6) if span == "*" else (_weekday(first), _weekday(last or first))
        days = range(begin, (end if end >= begin else end + 7) + 1, int(step or 1))
        chosen |= {_CRON_DAYS[day % 7] for day in days}
    return ",".join(day for day in _DAYS if day in chosen)


def _weekday(name: str) -> int:
    if name.isdecimal() and int(name) <= 7:
        return int(name)
    if name not in _CRON_DAYS:
        raise ValueError(f"{name} is no weekday; write mon, tue, wed, thu, fri, sat or sun")
    return _CRON_DAYS.index(name)


# Parts


def _nth(number: str) -> str:
    last = "0" if number in ("11", "12", "13") else number[-1]
    return number + {"1": "st", "2": "nd", "3": "rd"}.get(last, "th")


def _count(found: Found) -> float:
    count = found["count"]
    return _WORDS[count] if count in _WORDS else int(count)


def _clock(found: Found, default: str = "09:00") -> time:
    said = found["clock"] or default
    if said in ("noon", "midnight"):
        return time(12 if said == "noon" else 0)
    half = said[-2:] if said[-2:] in ("am", "pm") else ""
    hour, _, minute = said.removesuffix(half).strip().replace(".", ":").partition(":")
    if half and not 1 <= int(hour) <= 12:
        raise ValueError(f"there is no {said}")
    shift = {"": int(hour), "am": int(hour) % 12, "pm": int(hour) % 12 + 12}[half]
    return time(shift, int(minute or 0))


_UNIT = r"(?P<unit>minute|min|hour|day|week)s?"
_SINCE = rf"(?: from (?P<since>{_ISO} \S+))?"
_LIST = rf"(?P<days>{_DAY}(?:(?:,? and |, ?| ){_DAY})*)"
_EACH = r"(?:(?:every|each) )"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[Found, ZoneInfo, datetime], Calendar]], ...] = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (rf"in {_COUNT} ?{_UNIT}", _in),
        (rf"(?:on |at )?(?P<date>{_ISO})(?:t| )(?P<rest>{_TIME})", _iso),
        (rf"(?:on )?(?P<date>{_ISO}){_AT}?", _date),
        (rf"{_EACH}{_COUNT} ?(?P<unit>minute|min|hour)s?{_SINCE}", _every),
        (rf"{_EACH}(?:\d+ ?)?seconds?|secondly|constantly|always", _too_often),
        (rf"(?:{_EACH}(?P<days>day|weekday|working day|workday|morning)){_AT}?", _weekly),
        (rf"(?P<days>daily|weekdays){_AT}?", _weekly),
        (rf"{_EACH}{_LIST}{_AT}?", _weekly),
        (rf"(?:on )?(?P<days>(?:{_DAY}(?<=s))(?:(?:,? and |, ?| ){_DAY})*){_AT}?", _weekly),
        (rf"(?:on )?(?:the |every )?{_NTH} (?P<day>{_DAY}|day) {_MONTH}{_AT}?", _monthly),
        (rf"(?:on )?(?:the )?(?P<number>\d{{1,2}})(?:st|nd|rd|th)? {_MONTH}{_AT}?", _monthly),
        (rf"(?:on |next |this )?(?P<day>today|tonight|tomorrow(?: morning)?|{_DAY}){_AT}?", _day),
        (rf"(?P<day>){_AT}", _day),
    )
)
