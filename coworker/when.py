"""When somebody wants something done: a few clear forms of words, read as a calendar.

It asks no clock: whoever asks says what time it is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from coworker import cron
from coworker.calendar import TOO_OFTEN, Calendar, either, on_wall, placed
from coworker.errors import UsageError

_EXAMPLES = (
    "in 20 minutes",
    "at 17:00",
    "tomorrow at 9",
    "on friday at 15:00",
    "2026-12-24 09:00",
    "every 2 hours",
    "every 2 hours between 9 and 17",
    "every day at 9 and 18:30",
    "every weekday at 09:00",
    "every monday and thursday at 9",
    "every other friday at 9",
    "every 3 days at 9",
    "first monday of the month at 10:00",
    "on the 15th of the month at 9",
    "every 2 months on the 1st at 9",
)
FORMS = (
    f"{', '.join(f'“{each}”' for each in _EXAMPLES)}, or five cron fields such as "
    "“0 9 * * mon-fri”. A zone may follow: “every day at 9 Europe/Berlin”"
)
_LONGEST = 200
_TEN_YEARS_MS = 3_653 * 86_400_000
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAILY = ("day", "daily", "morning")
_WORKDAYS = ("weekday", "weekdays", "working day", "workday")
_POSITIONS = {"first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th"}
_UNITS = {"minute": 60, "min": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_NUMBERS = {"half an": 0.5, "": 1, "a": 1, "an": 1, "other": 2, "second": 2, "2nd": 2}
_NUMBERS |= {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6}

_CLOCK = r"(?:\d{1,2}(?:[:.]\d\d)? ?(?:am|pm)?|noon|midnight)"
_AT = rf"(?:,? ?(?:at |@ ?)?(?P<clock>{_CLOCK}))"
_ATS = rf"(?:,? ?(?:at |@ ?)?(?P<clocks>{_CLOCK}(?:(?:,? and (?:at )?|, ?){_CLOCK})*))?"
_DAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:days?)?"
_MANY = r"two|three|four|five|six"
_COUNT = rf"-?\d{{1,12}}|an?|half an|{_MANY}|"
_OTHER = "other|second|2nd"
_NTH = r"(?P<nth>first|second|third|fourth|fifth|last|1st|2nd|3rd|4th|5th)"
_MONTH = r"of (?:the|each|every) month"
_ISO = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(?::\d\d)?(?:[+-]\d\d:?\d\d|z)?"
_ZONE = re.compile(r"(.+?),? (?:in )?([A-Za-z_]+(?:/[\w+-]+)+|UTC|utc)(?: time)?", re.ASCII)
_NO_PAUSE = "the pause between two firings is nothing"
_FAR = "“{}” is more than ten years away. Name a time that comes sooner."

Found = re.Match[str]


def read(words: str, zone: ZoneInfo, now: int) -> Calendar:
    """The calendar that these words mean at a time in milliseconds UTC.

    Its own words mean the same for ever. Raises UsageError that lists the forms.
    """
    text = " ".join(words.split()).rstrip(".!")
    if len(text) > _LONGEST:
        raise UsageError(
            f"A time is at most {_LONGEST} characters long. Write for example {FORMS}."
        )
    if found := _ZONE.fullmatch(text):
        text, zone = found[1], named_zone(found[2])
    try:
        calendar = _meant(text.lower(), zone, now)
        first = calendar.after(now) if calendar else None
    except OverflowError:
        raise UsageError(_FAR.format(text)) from None
    except ValueError as error:
        raise UsageError(f"“{text}” is no time: {error}. Write for example {FORMS}.") from None
    if calendar is None:
        raise UsageError(f"I cannot tell when “{text}” is.{_nearest(text.lower())} Write {FORMS}.")
    if first is None:
        over = f"is over: it was at {calendar.words}"
        why = over if calendar.is_once else "never comes: no month has such a day"
        raise UsageError(f"“{text}” {why}. Name a time that will come.")
    if first > now + _TEN_YEARS_MS:
        raise UsageError(_FAR.format(text))
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
    return cron.read(text, zone)


def named_zone(name: str) -> ZoneInfo:
    """A time zone by its name. Raises UsageError."""
    try:
        return ZoneInfo("UTC" if name == "utc" else name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"There is no time zone {name}. Write it like Europe/Berlin or America/New_York."
        ) from None


def _nearest(text: str) -> str:
    longer = [each for each in _EXAMPLES if text and each.startswith(text)]
    found = longer or difflib.get_close_matches(text, _EXAMPLES, 1, cutoff=0.5)
    return f" The nearest that I know is “{found[0]}”." if found else ""


# Once


def _once(moment: datetime, zone: ZoneInfo) -> Calendar:
    return Calendar(_written(moment, zone), zone, DateTrigger(moment, UTC), is_once=True)


def _in(found: Found, zone: ZoneInfo, now: datetime) -> Calendar:
    seconds = _count(found) * _UNITS[found["unit"]]
    if seconds <= 0:
        raise ValueError("it does not lie ahead")
    return _once(now.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=seconds), zone)


def _iso(found: Found, zone: ZoneInfo, _: datetime) -> Calendar:
    return _once(_read(f"{found['date']} {found['rest']}", zone), zone)


def _date(found: Found, zone: ZoneInfo, _: datetime) -> Calendar:
    day = datetime.fromisoformat(found["date"])
    return _once(placed(datetime.combine(day, _clock(found)), zone), zone)


def _day(found: Found, zone: ZoneInfo, now: datetime) -> Calendar:
    """A day by its name; the one that comes next, also when its time today is over."""
    word, named = found["day"] or "", _weekdays(found["day"] or "")
    clock = _clock(found, "20:00" if word == "tonight" else "09:00")
    ahead = 1 if word.startswith("tomorrow") else 0
    if named:
        ahead = (named[0] - now.weekday()) % 7
    moment = placed(datetime.combine(now.date() + timedelta(days=ahead), clock), zone)
    if moment <= now and (named or not word):
        days = ahead + (7 if named else 1)
        moment = placed(datetime.combine(now.date() + timedelta(days=days), clock), zone)
    return _once(moment, zone)


# Again and again


def _every(found: Found, zone: ZoneInfo, now: datetime) -> Calendar:
    pause, words = _pause(found)
    start = _read(found["since"], zone) if found["since"] else now
    start = start.astimezone(UTC).replace(microsecond=0)
    words = f"every {words} from {_written(start, zone)}"
    return Calendar(words, zone, IntervalTrigger(seconds=pause, start_date=start, timezone=UTC))


def _between(found: Found, zone: ZoneInfo, _: datetime) -> Calendar:
    """From the first clock to the last one, both included if the pauses fit."""
    pause, words = _pause(found)
    begin, end = _time(found["begin"]), _time(found["end"])
    if begin >= end:
        raise ValueError(f"{begin:%H:%M} to {end:%H:%M} is not within a day")
    minutes = range(begin.hour * 60 + begin.minute, end.hour * 60 + end.minute + 1, pause // 60)
    clocks = [time(*divmod(minute, 60)) for minute in minutes]
    days = f" on {found['days']}" if found["days"] else ""
    words = f"every {words} between {begin:%H:%M} and {end:%H:%M}{days}"
    return on_wall(words, zone, *_crons(clocks, {"day_of_week": _field(found["days"] or "day")}))


def _too_often(_: Found, __: ZoneInfo, ___: datetime) -> Calendar:
    raise UsageError(TOO_OFTEN)


def _weekly(found: Found, zone: ZoneInfo, _: datetime) -> Calendar:
    said = found["days"]
    days = "day" if said in _DAILY else said.removesuffix("s")
    return _at(found, zone, {"day_of_week": _field(said)}, f"every {days}")


def _apart(found: Found, zone: ZoneInfo, now: datetime) -> Calendar:
    """Every few days or weeks, counted on the calendar from the first of them on."""
    given = found.groupdict()
    count, unit, clocks = round(_count(found)), given.get("unit") or "week", _clocks(found)
    start, pause = _start(found, zone, now), count * (7 if unit == "week" else 1)
    if not pause:
        raise ValueError(_NO_PAUSE)
    weekdays = _weekdays(given.get("days") or "") or [start.weekday()]
    days = _begins(start, weekdays, timedelta(days=pause))
    on = f" on {' and '.join(_DAYS[day] for day in weekdays)}" if unit == "week" else ""
    words = f"every {_many(count, unit)}{on} at {_listed(clocks)} from {min(days)}"
    walls = [datetime.combine(day, clock, UTC) for day in days for clock in clocks]
    triggers = [IntervalTrigger(days=pause, start_date=wall, timezone=UTC) for wall in walls]
    return either(words, zone, triggers)


def _begins(start: date, weekdays: Sequence[int], pause: timedelta) -> list[date]:
    """The first date of each of these weekdays: all in the first one's week, or a pause later."""
    first = min(start + timedelta(days=(day - start.weekday()) % 7) for day in weekdays)
    monday = first - timedelta(days=first.weekday())
    days = [monday + timedelta(days=day) for day in weekdays]
    return [day if day >= first else day + pause for day in days]


def _monthly(found: Found, zone: ZoneInfo, _: datetime) -> Calendar:
    field, words = _day_of_month(found)
    return _at(found, zone, {"day": field}, f"on the {words} of the month")


def _months(found: Found, zone: ZoneInfo, now: datetime) -> Calendar:
    """Every few months, the same ones each year."""
    count = round(_count(found))
    if not count or 12 % count:
        raise ValueError(f"a year has no whole number of {count} months; write 2, 3, 4, 6 or 12")
    field, words = _day_of_month(found)
    begin = datetime.combine(_start(found, zone, now), time(), UTC)
    first = CronTrigger(day=field, hour=0, timezone=UTC).get_next_fire_time(None, begin)
    months = ",".join(str((first.month - 1 + ahead) % 12 + 1) for ahead in range(0, 12, count))
    fields = {"day": field, "month": months, "start_date": first}
    clocks = _clocks(found)
    words = f"every {_many(count, 'month')} on the {words} at {_listed(clocks)} from {first.date()}"
    return on_wall(words, zone, *_crons(clocks, fields))


def _day_of_month(found: Found) -> tuple[str, str]:
    """A cron field for it, and the words."""
    if number := found.groupdict().get("number"):
        if not 1 <= int(number) <= 31:
            raise ValueError(f"no month has a day {number}")
        return number, _nth(number)
    nth, day = _POSITIONS.get(found["nth"], found["nth"]), found["day"][:3]
    if day == "day" and nth not in ("1st", "last"):
        raise ValueError("a day of the month is written as a number")
    field = f"{nth} {day}" if day != "day" else nth.replace("1st", "1")
    return field, f"{found['nth']} {found['day']}"


def _at(found: Found, zone: ZoneInfo, fields: dict[str, str], words: str) -> Calendar:
    """On those days at the clocks that were said."""
    clocks = _clocks(found)
    return on_wall(f"{words} at {_listed(clocks)}", zone, *_crons(clocks, fields))


def _crons(clocks: Sequence[time], fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Cron fields for these clocks: one set where all show the same minute."""
    hours: dict[int, list[str]] = {}
    for clock in clocks:
        hours.setdefault(clock.minute, []).append(str(clock.hour))
    return [{"minute": str(each), "hour": ",".join(hours[each]), **fields} for each in hours]


# Parts


def _nth(number: str) -> str:
    last = "0" if number in ("11", "12", "13") else number[-1]
    return number + {"1": "st", "2": "nd", "3": "rd"}.get(last, "th")


def _field(days: str) -> str:
    """Days as a cron field: their names, for numbers mean different days."""
    if days in _WORKDAYS:
        return "mon-fri"
    return ",".join(_DAYS[day][:3] for day in _weekdays(days)) or "*"


def _weekdays(days: str) -> list[int]:
    """The numbers of the days that are named, 0 for Monday, in order."""
    short = [day[:3] for day in re.findall(_DAY, days)]
    return [number for number, day in enumerate(_DAYS) if day[:3] in short]


def _count(found: Found) -> float:
    count = found["count"]
    return _NUMBERS[count] if count in _NUMBERS else int(count)


def _pause(found: Found) -> tuple[int, str]:
    """Seconds between two firings, whole minutes, and the words for them."""
    seconds = round(_count(found) * _UNITS[found["unit"]])
    if seconds <= 0:
        raise ValueError(_NO_PAUSE)
    if seconds < 60:
        raise UsageError(TOO_OFTEN)
    if seconds * 1000 > _TEN_YEARS_MS:
        raise OverflowError
    unit = "hour" if seconds % 3600 == 0 else "minute"
    return seconds, _many(seconds // _UNITS[unit], unit)


def _many(number: int, unit: str) -> str:
    return unit if number == 1 else f"{number} {unit}s"


def _start(found: Found, zone: ZoneInfo, now: datetime) -> date:
    """The day from which on is counted: the one named, else the next with a clock still ahead."""
    if found["since"]:
        return date.fromisoformat(found["since"])
    last = placed(datetime.combine(now.date(), _clocks(found)[-1]), zone)
    return now.date() + timedelta(days=last <= now)


def _read(moment: str, zone: ZoneInfo) -> datetime:
    there = datetime.fromisoformat(moment.upper())
    return there if there.tzinfo else placed(there, zone)


def _written(moment: datetime, zone: ZoneInfo) -> str:
    """What a clock there shows; with its offset where it shows that twice."""
    there = moment.astimezone(zone)
    wall = there.replace(tzinfo=None, fold=0)
    shown = wall if placed(wall, zone) == moment else there
    return shown.isoformat(" ", "seconds" if there.second else "minutes")


def _clock(found: Found, default: str = "09:00") -> time:
    return _time(found["clock"] or default)


def _clocks(found: Found, default: str = "09:00") -> list[time]:
    """The clocks that were said, in order."""
    said = re.findall(_CLOCK, found["clocks"] or default)
    return sorted({_time(each) for each in said})


def _listed(clocks: Sequence[time]) -> str:
    *first, last = (f"{clock:%H:%M}" for clock in clocks)
    return f"{', '.join(first)} and {last}" if first else last


def _time(said: str) -> time:
    said = said.strip()
    if said in ("noon", "midnight"):
        return time(12 if said == "noon" else 0)
    half = said[-2:] if said[-2:] in ("am", "pm") else ""
    hour, _, minute = said.removesuffix(half).strip().replace(".", ":").partition(":")
    if half and not 1 <= int(hour) <= 12:
        raise ValueError(f"there is no {said}")
    shift = {"": int(hour), "am": int(hour) % 12, "pm": int(hour) % 12 + 12}[half]
    return time(shift, int(minute or 0))


_UNIT = r"(?P<unit>minute|min|hour|day|week)s?"
_SHORT = r"(?P<unit>minute|min|hour)s?"
_SINCE = rf"(?: from (?P<since>{_ISO} \S+))?"
_FROM = rf"(?:,? (?:from|starting)(?: on)? (?P<since>{_ISO}))?"
_NAMED = rf"{_DAY}(?:(?:,? and |, ?| ){_DAY})*"
_LIST = rf"(?P<days>{_NAMED})"
_EACH = r"(?:(?:every|each) )"
_SOME = rf"{_EACH}(?P<count>\d{{1,3}}|{_OTHER}|{_MANY}|)"
_HOURS = rf"(?:between|from) (?P<begin>{_CLOCK}) ?(?:and|to|until|till|-) ?(?P<end>{_CLOCK})"
_ON = rf"(?:,? on (?P<days>weekdays|{_NAMED}))?"
_THERE = rf"(?:(?P<number>\d{{1,2}})(?:st|nd|rd|th)?|{_NTH} (?P<day>{_DAY}|day))"
_FORMS: tuple[tuple[re.Pattern[str], Callable[[Found, ZoneInfo, datetime], Calendar]], ...] = tuple(
    (re.compile(pattern, re.ASCII), meaning)
    for pattern, meaning in (
        (rf"in (?P<count>{_COUNT}) ?{_UNIT}", _in),
        (rf"(?:on |at )?(?P<date>{_ISO})(?:t| )(?P<rest>{_TIME})", _iso),
        (rf"(?:on )?(?P<date>{_ISO}){_AT}?", _date),
        (rf"{_EACH}(?P<count>{_OTHER}|{_COUNT}) ?{_SHORT}{_SINCE}", _every),
        (rf"{_EACH}(?P<count>{_OTHER}|{_COUNT}) ?{_SHORT},? {_HOURS}{_ON}", _between),
        (rf"{_EACH}(?:\d+ ?)?seconds?|secondly|constantly|always", _too_often),
        (rf"(?:{_EACH}(?P<days>day|weekday|working day|workday|morning)){_ATS}", _weekly),
        (rf"(?P<days>daily|weekdays){_ATS}", _weekly),
        (rf"{_EACH}{_LIST}{_ATS}", _weekly),
        (rf"(?:on )?(?P<days>(?:{_DAY}(?<=s))(?:(?:,? and |, ?| ){_DAY})*){_ATS}", _weekly),
        (rf"{_SOME} ?(?P<unit>day|week)s?{_ATS}{_FROM}", _apart),
        (rf"{_SOME} ?(?P<unit>week)s?,? (?:on )?{_LIST}{_ATS}{_FROM}", _apart),
        (rf"{_EACH}(?P<count>{_OTHER}) {_LIST}{_ATS}{_FROM}", _apart),
        (rf"(?:on )?(?:the |every )?{_THERE} {_MONTH}{_ATS}", _monthly),
        (rf"{_SOME} ?months?,? on (?:the )?{_THERE}{_ATS}{_FROM}", _months),
        (rf"(?:on |next |this )?(?P<day>today|tonight|tomorrow(?: morning)?|{_DAY}){_AT}?", _day),
        (rf"(?P<day>){_AT}", _day),
    )
)
