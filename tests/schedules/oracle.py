"""When standing work is due, worked out without any of our code: days counted, clocks looked at."""

from __future__ import annotations

import calendar
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

ZONES = ("Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe")
NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NTHS = ("first", "second", "third", "fourth", "last")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True)
class Standing:
    """A spec in words, and on which days and at which times it is due in its zone."""

    words: str
    zone: str
    is_due: Callable[[date], bool]
    times: tuple[time, ...]

    def instants(self, start: datetime, end: datetime) -> list[int]:
        """Milliseconds UTC of everything after start up to end, each once."""
        found = set(self._instants(start, end))
        first, last = (round(each.timestamp() * 1000) for each in (start, end))
        return sorted(at for at in found if first < at <= last)

    def _instants(self, start: datetime, end: datetime) -> Iterator[int]:
        day = start.date() - DAY
        while day <= end.date() + DAY:
            for clock in self.times if self.is_due(day) else ():
                yield first_shown(datetime.combine(day, clock), self.zone)
            day += DAY


@lru_cache(maxsize=200_000)
def first_shown(wall: datetime, zone: str) -> int:
    """The first minute at which a clock there shows this time or a later one."""
    there = ZoneInfo(zone)
    before, after = ((wall + d).replace(tzinfo=there).utcoffset() for d in (-DAY, DAY))
    minute = (wall - max(before, after)).replace(tzinfo=UTC)
    if before != after:  # the clocks change about then: look at them, minute by minute
        while minute.astimezone(there).replace(tzinfo=None) < wall:
            minute += MINUTE
    return round(minute.timestamp() * 1000)


def somebodys(chance: random.Random, *, often: float = 0.1) -> Standing:
    """Something that somebody might want, `often` of them daily."""
    zone, clock = chance.choice(ZONES), _clock(chance)
    at = f"at {clock:%H:%M}"
    if chance.random() < often:
        kind = chance.choice(("every day", "every weekday", "cron"))
        if kind == "cron":
            return Standing(f"{clock.minute} {clock.hour} * * 1-5", zone, _weekday, (clock,))
        due = _weekday if kind == "every weekday" else _always
        return Standing(f"{kind} {at}", zone, due, (clock,))
    if chance.random() < 0.25:
        return _apart(chance, zone, clock)
    if chance.random() < 0.35:
        days = sorted(chance.sample(range(7), chance.randint(1, 2)))
        named = " and ".join(NAMES[day] for day in days)
        return Standing(f"every {named} {at}", zone, lambda d: d.weekday() in days, (clock,))
    return _monthly(chance, zone, clock)


def _apart(chance: random.Random, zone: str, clock: time) -> Standing:
    """Every few days, weeks or months, at one clock or two."""
    clocks = tuple(sorted((clock, clock.replace(hour=(clock.hour + 7) % 24))))
    at = " and ".join(f"{each:%H:%M}" for each in clocks)
    begin = date(2026, 11, 22) + DAY * chance.randrange(60)
    match chance.choice(("days", "weeks", "months")):
        case "days":
            count = chance.randint(2, 40)
            words = f"every {count} days at {at} from {begin}"
            return Standing(words, zone, lambda d: _since(d, begin, DAY * count), clocks)
        case "weeks":
            count, days = chance.randint(1, 8), sorted(chance.sample(range(7), 2))
            named = " and ".join(NAMES[day] for day in days)
            first = next(d for d in _days_from(begin) if d.weekday() in days)
            monday = first - DAY * first.weekday()
            return Standing(
                f"every {count} weeks on {named} at {at} from {begin}",
                zone,
                lambda d: d >= first and (d - monday).days % (7 * count) in days,
                clocks,
            )
    count, number = chance.choice((1, 2, 3, 4, 6, 12)), chance.randint(1, 31)
    first = next(d for d in _days_from(begin) if d.day == number)
    return Standing(
        f"every {count} months on the {number} at {at} from {begin}",
        zone,
        lambda d: d >= first and d.day == number and (d.month - first.month) % count == 0,
        clocks,
    )


def _since(day: date, begin: date, pause: timedelta) -> bool:
    return day >= begin and not (day - begin) % pause


def _days_from(day: date) -> Iterator[date]:
    while True:
        yield day
        day += DAY


def _monthly(chance: random.Random, zone: str, clock: time) -> Standing:
    at = f"at {clock:%H:%M}"
    match chance.choice(("nth", "day", "last", "cron")):
        case "nth":
            nth, day = chance.choice(NTHS), chance.randrange(7)
            words = f"{nth} {NAMES[day]} of the month {at}"
            return Standing(words, zone, lambda d: _is_nth(d, nth, day), (clock,))
        case "day":
            number = chance.randint(1, 31)
            return Standing(
                f"on the {number} of the month {at}", zone, lambda d: d.day == number, (clock,)
            )
        case "last":
            return Standing(
                f"last day of the month {at}", zone, lambda d: (d + DAY).day == 1, (clock,)
            )
    months = sorted(chance.sample(range(1, 13), 2))
    second = clock.replace(hour=(clock.hour + 7) % 24)
    hours = ",".join(str(each.hour) for each in sorted((clock, second)))
    words = f"{clock.minute} {hours} 1-7 {months[0]},{months[1]} *"
    return Standing(words, zone, lambda d: d.day <= 7 and d.month in months, (clock, second))


def _clock(chance: random.Random) -> time:
    """Often in the hours in which clocks change."""
    hour = chance.choice((0, 1, 2, 2, 2, 3, chance.randrange(24)))
    return time(hour, chance.choice((0, 30, chance.randrange(60))))


def _always(_: date) -> bool:
    return True


def _weekday(day: date) -> bool:
    return day.weekday() < 5


def _is_nth(day: date, nth: str, weekday: int) -> bool:
    """Whether it is the first, second … or last such weekday of its month."""
    weeks = calendar.monthcalendar(day.year, day.month)
    same = [week[weekday] for week in weeks if week[weekday]]
    return day.day == same[NTHS.index(nth) if nth != "last" else -1]
