"""What words for a time mean, against clocks that are only looked at."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest

from coworker import when
from coworker.calendar import TOO_OFTEN, UNGATED, preview, too_often
from coworker.errors import UsageError
from tests.schedules.conftest import START, ms, sat
from tests.schedules.oracle import somebodys

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
    ],
)
def test_clear_words_are_understood_and_mean_the_same_when_read_again(words, first):
    assert next_ones(words) == [first]
    calendar = read(words)
    again = when.again(calendar.words, calendar.zone.key)
    assert [*islice(again.instants(ms(START)), 3)] == [*islice(calendar.instants(ms(START)), 3)]


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
        ("in 9999999999 days", "Write “in 20 minutes”"),
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
