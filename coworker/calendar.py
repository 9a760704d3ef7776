"""When a schedule fires: instants from a calendar, in the zone of the person who asked.

Wall-clock times are computed as if clocks never changed and then placed: what a change of clocks
leaves out fires at the first instant after it, what it repeats fires the first time only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

_A_DAY = 4
"""Firings a day that need no gate."""
_DAY_MS = 86_400_000
_CLOSEST_S = 300
_LOOKED_AT = 50
_AHEAD_MS = 92 * _DAY_MS
UNGATED = (
    f"That would wake a model more than {_A_DAY} times a day, whether there is anything new or "
    "not. Make it rarer, or give it a gate (such as “new commits”), which costs nothing while "
    "nothing happened."
)
TOO_OFTEN = f"That fires more often than every {_CLOSEST_S // 60} minutes. Make it rarer."


@dataclass(frozen=True, slots=True)
class Calendar:
    """A calendar and the words it was made from, which make it again.

    A trigger that counts on a wall runs in UTC and is placed in `zone` afterwards.
    """

    words: str
    zone: ZoneInfo
    trigger: BaseTrigger
    on_wall: bool = False
    is_once: bool = False

    def after(self, at: int) -> int | None:
        """The first instant later than that, both in milliseconds UTC; None when none is left."""
        moment = datetime.fromtimestamp(at / 1000, UTC)
        found = self._placed(moment) if self.on_wall else self._next(moment)
        return round(found.timestamp() * 1000) if found else None

    def has(self, at: int) -> bool:
        """Whether it fires at that time in milliseconds UTC."""
        return self.after(at - 1) == at

    def instants(self, at: int) -> Iterator[int]:
        """All instants later than that, in order."""
        while (found := self.after(at)) is not None:
            yield found
            at = found

    def _next(self, moment: datetime) -> datetime | None:
        """What the trigger says comes after a moment, to the second."""
        later = moment.replace(microsecond=0) + timedelta(seconds=1)
        try:
            found: datetime | None = self.trigger.get_next_fire_time(None, later)
        except (OverflowError, ValueError):  # beyond the year 9999
            return None
        return found if found and found >= later else None

    def _placed(self, moment: datetime) -> datetime | None:
        wall: datetime | None = moment.astimezone(self.zone).replace(tzinfo=UTC, fold=0)
        while wall and (wall := self._next(wall)):
            if (found := placed(wall.replace(tzinfo=None), self.zone)) > moment:
                return found
        return None


def placed(wall: datetime, zone: tzinfo) -> datetime:
    """The instant, in UTC, at which a clock in that zone first shows this time or a later one."""
    there = wall.replace(tzinfo=zone, fold=0)
    instant = there.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return instant
    return _first_after_gap(there.replace(fold=1).astimezone(UTC), instant, zone)


def too_often(calendar: Calendar, at: int, *, gated: bool) -> str | None:
    """Why a calendar is refused because of how often it fires from then on, or None."""
    instants = [*islice(calendar.instants(at), _LOOKED_AT)]
    if any(late - early < _CLOSEST_S * 1000 for early, late in pairwise(instants)):
        return TOO_OFTEN
    # What counts hours and not clocks may meet a fifth one on a day much later.
    spans = zip(instants, instants[_A_DAY:], strict=False)
    is_dense = not calendar.on_wall and any(late - early < _DAY_MS for early, late in spans)
    if not gated and (is_dense or _is_crowded(_days(calendar, instants))):
        return UNGATED
    return None


def too_often_together(calendars: Iterable[Calendar], at: int) -> bool:
    """Whether all of them fire more often than needs no gate, on any day of three months."""
    days: Counter[date] = Counter()
    for calendar in calendars:
        soon = takewhile(lambda instant: instant <= at + _AHEAD_MS, calendar.instants(at))
        days += _days(calendar, soon)
    return _is_crowded(days)


def preview(calendar: Calendar, at: int, count: int = 5) -> list[str]:
    """The next firings as lines for people, changes of the clocks marked."""
    lines: list[str] = []
    before = datetime.fromtimestamp(at / 1000, calendar.zone).utcoffset()
    for instant in islice(calendar.instants(at), count):
        there = datetime.fromtimestamp(instant / 1000, calendar.zone)
        mark = "" if there.utcoffset() == before else " (the clocks have changed)"
        lines.append(f"{there:%a %Y-%m-%d %H:%M} {there.tzname()}{mark}")
        before = there.utcoffset()
    return lines


def on_wall(words: str, zone: ZoneInfo, *fields: Mapping[str, str]) -> Calendar:
    """A calendar by cron fields, any of several; weekdays by name, for their numbers differ.

    Raises ValueError for fields that no clock ever shows.
    """
    triggers = [CronTrigger(**each, second=0, timezone=UTC) for each in fields]
    return either(words, zone, triggers)


def either(words: str, zone: ZoneInfo, triggers: list[BaseTrigger]) -> Calendar:
    """A calendar of all that these triggers show on a wall."""
    trigger = triggers[0] if len(triggers) == 1 else OrTrigger(triggers)
    return Calendar(words, zone, trigger, on_wall=True)


def _days(calendar: Calendar, instants: Iterable[int]) -> Counter[date]:
    """How often it fires on each date of its own; hours that are counted know no local dates."""
    zone = calendar.zone if calendar.on_wall else UTC
    return Counter(datetime.fromtimestamp(instant / 1000, zone).date() for instant in instants)


def _is_crowded(days: Counter[date]) -> bool:
    return any(count > _A_DAY for count in days.values())


def _first_after_gap(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The instant of the clock's jump, which lies between these two: a whole second."""
    offset = before.astimezone(zone).utcoffset()
    early, late = int(before.timestamp()), int(after.timestamp())
    while late - early > 1:
        middle = (early + late) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            early = middle
        else:
            late = middle
    return datetime.fromtimestamp(late, UTC)
