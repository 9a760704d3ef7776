"""What words for a time mean, against clocks that are only looked at."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest

from coworker import when
from coworker.calendar import TOO_OFTEN, UNGATED, placed, preview, too_often
from coworker.errors import UsageError
from tests.schedules.conftest import START, ms, sat
from tests.schedules.oracle import first_shown, somebodys

BERLIN = ZoneInfo("Europe/Berlin")
TWO_YEARS = timedelta(days=730)
SEED = 20261121


def read(words: str, zone: ZoneInfo = BERLIN, now: datetime = START):
    return when.read(words, zone, ms(now))


def next_ones(words: str, count: int = 1, now: datetime = START) -> list[str]:
    found = islice(read(words, now=now).instants(ms(now)), count)
    there = [datetime.fromtimestamp(at / 1000, BERLIN) for at in found]
    return [f"{each:%a %Y-%m-%d %H:%M}" for each in there]


@pytest.mark.parametrize(
    ("words", "first"),
    [  # it is Saturday, 21 November 2026, 13:00 in Berlin
        ("in 20 minutes", "Sat 2026-11-21 13:20"),
        ("in half an hour", "Sat 2026-11-21 13:30"),
        ("in 3 days", "Tue 2026-11-24 13:00"),
        ("at 17:00", "Sat 2026-11-21 17:00"),
        ("at 9", "Sun 2026-11-22 09:00"),
        ("tomorrow at 9", "Sun 2026-11-22 09:00"),
        ("tonight", "Sat 2026-11-21 20:00"),
        ("on friday at 3pm", "Fri 2026-11-27 15:00"),
        ("next monday at 9", "Mon 2026-11-23 09:00"),
        ("saturday at 10", "Sat 2026-11-28 10:00"),
        ("2026-12-24 09:00", "Thu 2026-12-24 09:00"),
        ("2026-12-24T09:00Z", "Thu 2026-12-24 10:00"),
        ("on 2026-12-24 at noon", "Thu 2026-12-24 12:00"),
        ("every 6 hours", "Sat 2026-11-21 19:00"),
        ("every day at 18:30", "Sat 2026-11-21 18:30"),
        ("every weekday at 09:00", "Mon 2026-11-23 09:00"),
        ("Every Monday and Thursday at 9.", "Mon 2026-11-23 09:00"),
        ("mondays at 9", "Mon 2026-11-23 09:00"),
        ("first monday of the month at 10:00", "Mon 2026-12-07 10:00"),
        ("last friday of every month at 16:00", "Fri 2026-11-27 16:00"),
        ("on the 15th of the month at 9", "Tue 2026-12-15 09:00"),
        ("last day of the month at 17:00", "Mon 2026-11-30 17:00"),
        ("0 9 * * mon-fri", "Mon 2026-11-23 09:00"),
        ("0 9 * * 1-5", "Mon 2026-11-23 09:00"),
        ("0 9 * * 0", "Sun 2026-11-22 09:00"),
        ("0 9 * * 7", "Sun 2026-11-22 09:00"),
        ("every day at 9 America/New_York", "Sat 2026-11-21 15:00"),
        ("in two hours", "Sat 2026-11-21 15:00"),
        ("every day at 9 and 17", "Sat 2026-11-21 17:00"),
        ("weekdays at 9:00 and 13:30", "Mon 2026-11-23 09:00"),
        ("every 2 hours between 9 and 17", "Sat 2026-11-21 15:00"),
        ("every hour from 9am to 5pm on weekdays", "Mon 2026-11-23 09:00"),
        ("every other Friday", "Fri 2026-11-27 09:00"),
        ("every 2 weeks on friday at 3pm", "Fri 2026-11-27 15:00"),
        ("every other saturday at 14:00", "Sat 2026-11-21 14:00"),
        ("every second saturday at 12:00", "Sat 2026-11-28 12:00"),
        ("every week on monday at 9", "Mon 2026-11-23 09:00"),
        ("every 3 days", "Sun 2026-11-22 09:00"),
        ("every 14 days at 18:00", "Sat 2026-11-21 18:00"),
        ("every other day at noon", "Sun 2026-11-22 12:00"),
        ("every day at 9 from 2026-12-05", "Sat 2026-12-05 09:00"),
        ("every 2 months on the 1st", "Tue 2026-12-01 09:00"),
        ("every 3 months on the last friday at 16", "Fri 2026-11-27 16:00"),
        ("every month on the 15th at 9", "Tue 2026-12-15 09:00"),
        ("0 20-21/3 * * *", "Sat 2026-11-21 20:00"),
        ("2027-10-31 02:30+01:00", "Sun 2027-10-31 02:30"),
    ],
)
def test_clear_words_are_understood_and_mean_the_same_when_read_again(words, first):
    assert next_ones(words) == [first]
    calendar = read(words)
    meant = [*islice(calendar.instants(ms(START)), 12)]
    again = when.again(calendar.words, calendar.zone.key)
    assert [*islice(again.instants(ms(START)), 12)] == meant
    written = read(calendar.words, calendar.zone, START + timedelta(seconds=59))
    assert written.words == calendar.words


@pytest.mark.parametrize(
    ("words", "written", "days"),
    [
        (
            "every other friday at 9",
            "every 2 weeks on friday at 09:00 from 2026-11-27",
            ["Fri 2026-11-27", "Fri 2026-12-11", "Fri 2026-12-25"],
        ),
        (
            "every 2 weeks on monday and saturday at 9",
            "every 2 weeks on monday and saturday at 09:00 from 2026-11-23",
            ["Mon 2026-11-23", "Sat 2026-11-28", "Mon 2026-12-07"],
        ),
        (
            "every 2 weeks on monday and saturday at 14:00",
            "every 2 weeks on monday and saturday at 14:00 from 2026-11-21",
            ["Sat 2026-11-21", "Mon 2026-11-30", "Sat 2026-12-05"],
        ),
        (
            "every 3 days at 9",
            "every 3 days at 09:00 from 2026-11-22",
            ["Sun 2026-11-22", "Wed 2026-11-25", "Sat 2026-11-28"],
        ),
        (
            "every 6 months on the 31st at 9",
            "every 6 months on the 31st at 09:00 from 2026-12-31",
            ["Thu 2026-12-31", "Fri 2027-12-31", "Sun 2028-12-31"],
        ),
    ],
)
def test_every_few_days_are_counted_from_the_first_one_which_is_written_down(words, written, days):
    assert [each.rpartition(" ")[0] for each in next_ones(words, 3)] == days
    assert read(words).words == written


def test_a_wall_clock_hour_stays_the_same_when_the_clocks_change():
    before = datetime(2027, 3, 25, tzinfo=UTC)
    assert next_ones("every other day at 2:30", 3, before) == [
        "Thu 2027-03-25 02:30",
        "Sat 2027-03-27 02:30",
        "Mon 2027-03-29 02:30",
    ]


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("in 20 minutes", "2026-11-21 13:20"),
        ("every 1 hours", "every hour from 2026-11-21 13:00"),
        ("every 90 minutes", "every 90 minutes from 2026-11-21 13:00"),
        ("2027-10-31T01:30Z", "2027-10-31 02:30+01:00"),
    ],
)
def test_what_is_written_down_reads_as_a_clock_on_the_wall_there(words, written):
    assert read(words).words == written


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("0 9 31 2 *", "never comes"),
        ("2026-02-31 09:00", "day is out of range"),
        ("on the 32nd of the month at 9", "no month has a day 32"),
        ("every day at 25:00", "hour must be in 0..23"),
        ("every day at 9 Europe/Atlantis", "There is no time zone Europe/Atlantis"),
        ("every second", "more often than every 5 minutes"),
        ("every 10 seconds", "more often than every 5 minutes"),
        ("* * * * * *", "five fields"),
        ("0 9 * * funday", "no weekday"),
        ("0 9 1 * mon", "day of the month OR the weekday"),
        ("0 9 * * MON#2", "I cannot tell when"),
        ("61 9 * * *", "is no time"),
        ("*/0 9 * * *", "is no time"),
        ("every 0 minutes", "is nothing"),
        ("2020-01-01 09:00", "is over"),
        ("today at 9", "is over"),
        ("whenever you like", "Write “in 20 minutes”"),
        ("", "Write “in 20 minutes”"),
        ("in 9999999999 days", "more than ten years away"),
        ("in 1000000000 minutes", "more than ten years away"),
        ("every 99999999 hours", "more than ten years away"),
        ("9999-12-31 23:59", "more than ten years away"),
        ("in -5 minutes", "does not lie ahead"),
        ("every 0 days", "is nothing"),
        ("every " + "monday " * 40, "at most 200 characters"),
        ("２０２６-12-24 09:00", "The nearest that I know is “2026-12-24 09:00”"),
        ("every 5 months on the 1st", "write 2, 3, 4, 6 or 12"),
        ("every 2 months", "The nearest that I know is “every 2 months on the 1st at 9”"),
        ("every fortnight at 9", "The nearest that I know is “every"),
        ("every hour between 17 and 9", "17:00 to 09:00 is not within a day"),
        ("*/90 * * * *", "in “*/90” the step value (90) is higher"),
        ("today at 9", "it was at 2026-11-21 09:00"),
    ],
)
def test_what_is_no_time_is_refused_in_a_sentence_with_the_forms(words, told):
    with pytest.raises(UsageError) as refused:
        read(words)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "gated", "reason"),
    [
        ("* * * * *", True, TOO_OFTEN),
        ("every 2 minutes", True, TOO_OFTEN),
        ("every hour", False, UNGATED),
        ("0 9-13 * * *", False, UNGATED),
        ("*/5 0 1 1 *", False, UNGATED),
        ("0 0,6,12,18,23 * * mon,wed,fri", False, UNGATED),
        ("0 0,5,11,17,22 * * mon", False, UNGATED),
        ("0 0,6,12,18,22 */2 * *", False, UNGATED),
        ("every 2 hours between 9 and 17", False, UNGATED),
        ("every 2 hours between 9 and 17", True, None),
        ("every 2 hours between 9 and 16", False, None),
        ("every 2 weeks on friday at 9, 10, 11, 12 and 13", False, UNGATED),
        ("every day at 0:00, 8:00, 16:00 and 23:00", False, None),
        ("every 359 minutes", False, UNGATED),
        ("every hour", True, None),
        ("*/5 * * * *", True, None),
        ("0 0,6,12,18 * * *", False, None),
        ("every 6 hours", False, None),
        ("in 20 minutes", False, None),
    ],
)
def test_more_than_four_a_day_need_a_gate(words, gated, reason):
    assert too_often(read(words), ms(START), gated=gated) == reason
    spring = ms(datetime(2027, 3, 27, tzinfo=UTC))  # a day of 23 hours comes
    assert too_often(read(words), spring, gated=gated) in (reason, None)


def test_an_hour_that_the_clocks_leave_out_fires_at_the_first_instant_after_it():
    before = datetime(2027, 3, 27, tzinfo=UTC)
    assert next_ones("every day at 2:30", 3, before) == [
        "Sat 2027-03-27 02:30",
        "Sun 2027-03-28 03:00",
        "Mon 2027-03-29 02:30",
    ]
    lines = preview(read("every day at 2:30"), ms(before), 3)
    assert lines[1] == "Sun 2027-03-28 03:00 CEST (the clocks have changed)"


def gaps(zone: ZoneInfo, year: int) -> list[tuple[datetime, datetime]]:
    """What clocks there left out in a year: from the first wall-clock time to the one after."""
    found = []
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=each) for each in range(8_760)]
    for early, late in pairwise(hour.astimezone(zone) for hour in hours):
        skipped = late.utcoffset() - early.utcoffset()
        if skipped > timedelta():
            end = late.replace(tzinfo=None)
            found.append((end - skipped, end))
    return found


@pytest.mark.parametrize(
    ("zone", "year"),
    [
        ("Europe/Berlin", 2027),
        ("America/New_York", 2027),
        ("America/Havana", 2027),
        ("America/Scoresbysund", 2027),
        ("Africa/Cairo", 2027),
        ("Asia/Beirut", 2027),
        ("Antarctica/Troll", 2027),
        ("Australia/Lord_Howe", 2027),
        ("Pacific/Chatham", 2027),
        ("Pacific/Apia", 2011),
    ],
)
def test_every_minute_that_clocks_leave_out_fires_in_the_second_of_the_jump(zone, year):
    skipped = gaps(ZoneInfo(zone), year)
    assert skipped
    for wall, end in skipped:
        while wall < end:
            fires = round(placed(wall, ZoneInfo(zone)).timestamp() * 1000)
            assert fires == first_shown(wall, zone), f"{wall} {zone}"
            wall += timedelta(minutes=1)


def test_an_hour_that_the_clocks_repeat_fires_once():
    before = datetime(2027, 10, 30, 12, tzinfo=UTC)
    found = [*islice(read("every day at 2:30").instants(ms(before)), 2)]
    assert found[0] == ms(datetime(2027, 10, 31, 0, 30, tzinfo=UTC))
    assert found[1] == ms(datetime(2027, 11, 1, 1, 30, tzinfo=UTC))


def test_a_thousand_schedules_over_two_years_are_exact():
    chance = random.Random(SEED)
    end = START + TWO_YEARS
    for _ in range(1_000):
        standing = somebodys(chance, often=0.05)
        calendar = read(standing.words, ZoneInfo(standing.zone))
        found = [*takewhile(lambda at: at <= ms(end), calendar.instants(ms(START)))]
        assert found == standing.instants(START, end), f"{standing.words} {standing.zone}"


async def fired(folder, number: int, often: float) -> int:
    """Let that many fire for two years, each instant once; how often they did."""
    chance = random.Random(SEED + number)
    end = ms(START + TWO_YEARS)
    async with sat(folder) as desk:
        expected = set()
        for _ in range(number):
            standing = somebodys(chance, often=often)
            schedule = await desk.adds(standing.words, zone=standing.zone)
            due = standing.instants(START, START + TWO_YEARS)
            expected |= {f"{schedule.id}/{at}" for at in due}
        while (at := desk.log.schedules.next_at(["telegram"], [])) and at <= end:
            await desk.fires(at)
        rows = desk.log._reader.execute("SELECT event_id FROM inbox").fetchall()
        assert {row[0] for row in rows} == expected
        assert len(rows) == len(expected)
        return len(rows)


async def test_in_the_store_every_instant_of_two_years_fires_once(tmp_path):
    assert await fired(tmp_path / "state", 40, 0.05) > 1_000


@pytest.mark.soak
async def test_ten_thousand_schedules_fire_every_instant_of_two_years_once(tmp_path):
    assert await fired(tmp_path / "state", 10_000, 0.05) > 500_000
