"""What fires and what does not: around downtime, turned clocks, failures, overlaps, quiet hours."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from coworker.errors import Denied, ToolError, UsageError
from coworker.settings import PersonConfig, Quiet
from coworker.tools.gates import Seen
from coworker.types import Outbound, Place
from tests.fakes import until
from tests.schedules.conftest import ANN, START, ms, sat

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NINE = datetime(2026, 11, 22, 9, tzinfo=UTC)


async def test_it_sleeps_until_the_next_hour_and_is_woken_by_a_nearer_one(desk):
    running = asyncio.create_task(desk.scheduler.run())
    await desk.adds("in 1 minute")
    await until(lambda: desk.clock.slept == [60.0, 60.0], 30)
    desk.clock.turn(START + timedelta(minutes=1))
    await until(lambda: desk.woken == ["telegram:4711"], 30)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_clock_that_is_set_forward_is_noticed_and_set_back_fires_nothing_twice(desk):
    daily = await desk.adds("every day at 9")
    running = asyncio.create_task(desk.scheduler.run())
    await until(lambda: desk.clock.slept, 30)
    desk.clock.turn(NINE)
    await until(lambda: desk.history(daily), 30)
    await desk.ends("telegram:4711", "answered")
    desk.clock.turn(START)
    await desk.scheduler.fire()
    desk.clock.turn(NINE + timedelta(minutes=1))
    await desk.scheduler.fire()
    assert desk.history(daily) == [("11-22 09:00", "answered")]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_three_days_away_each_follows_its_policy_and_one_report_is_asked_for(desk):
    late = await desk.adds("every day at 9", name="late")
    stale = await desk.adds("every day at 3", name="stale")
    skip = await desk.adds("every day at 9", name="skip", policy="skip")
    ask = await desk.adds("every day at 9", name="ask", policy="ask")
    once = await desk.adds("tomorrow at 3", name="once")
    weekly = await desk.adds("every friday at 9", name="weekly")
    await desk.fires(NINE + 2 * DAY + 2 * HOUR)
    assert desk.history(late) == [("11-24 09:00", None)]
    assert desk.history(stale) == [("11-24 03:00", None)]
    assert desk.history(skip) == [("11-24 09:00", "missed")]
    assert desk.history(ask) == [("11-24 09:00", "missed")]
    assert desk.history(once) == [("11-22 03:00", None)]
    assert desk.history(weekly) == []
    missed = {row["body"]["name"]: row["body"]["missed"] for row in desk.log.schedules.missed(0)}
    assert missed == {"late": 3, "stale": 3, "skip": 3, "ask": 3, "once": 1}
    assert desk.reports == 1
    await desk.fires(NINE + 3 * DAY)
    assert len(desk.history(stale)) == len(desk.history(skip)) == 2
    assert desk.history(skip)[-1] == ("11-25 09:00", None)


async def test_a_firing_while_the_former_run_is_open_is_skipped(desk):
    daily = await desk.adds("every day at 9")
    await desk.fires(NINE)
    await desk.fires(NINE + DAY)
    await desk.ends("telegram:4711", "answered")
    await desk.fires(NINE + 2 * DAY)
    assert [outcome for _, outcome in desk.history(daily)] == ["answered", "skipped", None]


async def test_failures_are_tried_again_later_and_after_five_it_is_paused_with_one_notice(desk):
    daily = await desk.adds("every day at 9", name="nightly")
    moment, waits = NINE, []
    for _ in range(5):
        await desk.fires(moment)
        await desk.ends("telegram:4711", "failed", said=False)
        (now,) = desk.log.schedules.all()
        waits.append((now.next_at - ms(moment)) / 60_000)
        moment = datetime.fromtimestamp(now.next_at / 1000, UTC)
    assert waits == [2, 4, 8, 16, 0]
    await desk.fires(moment)
    await desk.fires(moment + 5 * DAY)
    assert {outcome for _, outcome in desk.history(daily)} == {"failed"}
    assert len(desk.history(daily)) == 5
    (said,) = desk.said()
    assert "I paused the schedule “nightly”: it failed 5 times in a row." in said.body["text"]
    assert desk.log.schedules.get(daily.id).paused
    await desk.timetable.resume(desk.log.schedules.get(daily.id))
    await desk.fires(desk.log.schedules.get(daily.id).next_at)
    assert desk.history(daily)[-1][1] is None


async def test_one_good_run_forgives_and_a_failure_that_was_told_waits_for_the_calendar(desk):
    daily = await desk.adds("every day at 9")
    await desk.fires(NINE)
    await desk.ends("telegram:4711", "failed", said=False)
    await desk.fires(NINE + timedelta(minutes=2))
    await desk.ends("telegram:4711", "nothing")
    assert desk.log.schedules.get(daily.id).failures == 0
    await desk.fires(NINE + DAY)
    await desk.ends("telegram:4711", "failed", said=True)
    now = desk.log.schedules.get(daily.id)
    assert (now.failures, now.next_at) == (1, ms(NINE + 2 * DAY))


async def test_a_reminder_whose_run_failed_is_tried_again(desk):
    once = await desk.adds("in 20 minutes")
    await desk.fires(START + timedelta(minutes=20))
    await desk.ends("telegram:4711", "failed", said=False)
    await desk.fires(START + timedelta(minutes=22))
    assert [outcome for _, outcome in desk.history(once)] == ["failed", None]


async def test_a_run_now_does_not_move_the_calendar(desk):
    from coworker.scheduler import firing_row

    daily = await desk.adds("every day at 9")
    now = desk.clock.now_ms()
    assert await desk.log.schedules.run_now(firing_row(daily, now, extra=True), now)
    assert not await desk.log.schedules.run_now(firing_row(daily, now + 1, extra=True), now + 1)
    await desk.ends("telegram:4711", "failed", said=False)
    assert desk.log.schedules.get(daily.id).next_at == ms(NINE)
    await desk.fires(NINE)
    assert [outcome for _, outcome in desk.history(daily)] == ["failed", None]


async def test_in_quiet_hours_nothing_begins_but_what_is_urgent(tmp_path):
    quiet = Quiet(begin="22:00", end="07:00")
    async with sat(tmp_path / "state", quiet=quiet) as desk:
        calm = await desk.adds("every day at 3")
        urgent = await desk.adds("every day at 3", urgent=True)
        three = datetime(2026, 11, 22, 3, tzinfo=UTC)
        await desk.fires(three)
        assert desk.history(calm) == []
        assert desk.history(urgent) == [("11-22 03:00", None)]
        await desk.fires(three + 4 * HOUR)
        assert desk.history(calm) == [("11-22 03:00", None)]
        assert desk.log.schedules.get(calm.id).next_at == ms(three + DAY)


@pytest.mark.parametrize("back", [datetime(2026, 11, 21, 23, tzinfo=UTC), NINE + 2 * DAY])
async def test_coming_back_in_quiet_hours_changes_no_policy(tmp_path, back):
    quiet = Quiet(begin="22:00", end="07:00")
    async with sat(tmp_path / "state", quiet=quiet) as desk:
        late = await desk.adds("every day at 20:30")
        skip = await desk.adds("every day at 20:30", policy="skip")
        ask = await desk.adds("every day at 20:30", policy="ask")
        back = back.replace(hour=23)
        await desk.fires(back)
        assert desk.history(late) == []
        assert [outcome for _, outcome in desk.history(skip)] == ["missed"]
        assert [outcome for _, outcome in desk.history(ask)] == ["missed"]
        await desk.fires(back + 8 * HOUR)
        assert desk.history(late) == [(f"{back:%m-%d} 20:30", None)]
        assert len(desk.history(skip)) == len(desk.history(ask)) == 1
        days = (back - START).days + 1
        assert {row["body"]["missed"] for row in desk.log.schedules.missed(0)} == {days}


async def test_hours_put_off_by_quiet_hours_are_one_and_none_of_them_was_missed(tmp_path):
    quiet = Quiet(begin="22:00", end="07:00")
    async with sat(tmp_path / "state", quiet=quiet) as desk:
        often = await desk.adds("every day at 1, 3 and 9", policy="skip")
        night = datetime(2026, 11, 22, 1, tzinfo=UTC)
        for hours in (0, 2, 4):
            await desk.fires(night + hours * HOUR)
        assert desk.history(often) == []
        await desk.fires(night + 6 * HOUR)
        assert desk.history(often) == [("11-22 03:00", None)]
        assert (desk.reports, desk.log.schedules.missed(0)) == (0, [])


async def test_the_end_of_quiet_hours_wakes_the_scheduler(tmp_path):
    async with sat(tmp_path / "state", quiet=Quiet(begin="12:00", end="13:00")) as desk:
        running = asyncio.create_task(desk.scheduler.run())
        calm = await desk.adds("in 1 minute")
        await until(lambda: desk.clock.slept[-1:] == [60.0], 30)
        desk.clock.turn(START + timedelta(minutes=59, seconds=30))
        await until(lambda: desk.clock.slept[-1] == 30.0, 30)
        assert desk.history(calm) == []
        desk.clock.turn(START + HOUR)
        await until(lambda: desk.history(calm) == [("11-21 12:01", None)], 30)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_late_retry_is_no_hour_that_was_missed(desk):
    daily = await desk.adds("every day at 9", policy="skip")
    await desk.fires(NINE)
    await desk.ends("telegram:4711", "failed", said=False)
    await desk.fires(NINE + HOUR)
    assert [outcome for _, outcome in desk.history(daily)] == ["failed", None]
    assert (desk.reports, desk.log.schedules.missed(0)) == (0, [])


async def test_who_is_a_guest_now_has_no_standing_work(tmp_path):
    async with sat(tmp_path / "state") as desk:
        await desk.adds("every day at 9")
    guest = {"ann": PersonConfig(role="guest", ids=[ANN])}
    async with sat(tmp_path / "state", people=guest) as desk:
        await desk.fires(NINE)
        (said,) = desk.said()
        assert "is a guest now" in said.body["text"]


async def test_of_very_many_missed_hours_it_says_that_there_were_more(desk):
    daily = await desk.adds("every day at 9", policy="skip")
    await desk.fires(NINE + 240 * DAY + HOUR)
    (row,) = desk.log.schedules.history(daily.id)
    assert (row["outcome"], row["body"]["more"]) == ("missed", True)


async def test_words_mean_what_they_meant_when_they_were_said(desk):
    shown = await desk.adds("in 20 minutes", said_at=ms(START - timedelta(minutes=5)))
    assert shown.next_at == ms(START + timedelta(minutes=15))
    with pytest.raises(UsageError, match="is over: it was at 2026-11-21 11:20"):
        await desk.adds("in 20 minutes", said_at=ms(START - HOUR))


async def test_a_repository_that_is_not_known_any_more_takes_its_schedules_along(desk):
    daily = await desk.adds("every day at 9", repo="shop", name="daily")
    desk.timetable._repo = lambda name: None
    await desk.fires(NINE)
    assert (desk.history(daily), desk.woken) == ([], ["telegram:4711"])
    (said,) = desk.said()
    assert "I paused the schedule “daily”: the repository shop is not known" in said.body["text"]


async def test_an_answer_that_cannot_be_posted_is_a_failure_and_its_maker_is_told(tmp_path):
    people = {"ann": PersonConfig(role="owner", ids=[ANN])}
    async with sat(tmp_path / "state", people=people) as desk:
        daily = await desk.adds("every day at 9", to=Place("slack", "C0OPS"), name="nightly")
        moment = NINE
        for number in range(1, 6):
            await desk.fires(moment)
            (row, *_) = desk.log.schedules.history(daily.id)
            await desk.ends(row["conversation"], "answered")
            assert desk.log.schedules.get(daily.id).failures == 0
            said = Outbound("key", row["conversation"], "reply", {"run": 1}, daily.place)
            await desk.log.schedules.undelivered(said, "is_archived", desk.clock.now)
            await desk.log.schedules.undelivered(said, "is_archived", desk.clock.now)
            now = desk.log.schedules.get(daily.id)
            assert now.failures == number
            moment = datetime.fromtimestamp(now.next_at / 1000, UTC)
        await desk.fires(moment)
        assert [outcome for _, outcome in desk.history(daily)] == ["failed"] * 5
        (said,) = desk.said()
        assert said.place == Place("slack", "U0ANN")
        assert "Its room takes no messages: is_archived" in said.body["text"]


async def test_where_somebody_is_asked_a_firing_has_a_conversation_of_its_own(desk):
    daily = await desk.adds("every day at 9", name="daily")
    await desk.fires(NINE)
    await desk.ends("telegram:4711", "answered")
    sql = "UPDATE conversation SET state = ? WHERE id = 'telegram:4711'"
    await desk.log._writer.write(lambda db: db.execute(sql, ("waiting",)))
    desk.woken.clear()
    await desk.fires(NINE + DAY)
    own = f"telegram:4711+due-{daily.id}-{ms(NINE + DAY)}"
    assert desk.woken == [own]
    assert desk.log.conversation(own).place == Place("telegram", "4711")
    await desk.ends(own, "answered")
    await desk.fires(NINE + 2 * DAY)
    assert [outcome for _, outcome in desk.history(daily)] == ["answered", "answered", None]
    assert desk.said() == []


async def test_in_a_terminal_where_somebody_is_asked_a_firing_says_that_it_waits(desk):
    given = {"to": Place("terminal", "t-1"), "conversation": "t-1", "name": "daily"}
    daily = await desk.adds("every day at 9", **given)
    await desk.fires(NINE)
    await desk.ends("t-1", "answered")
    sql = "UPDATE conversation SET state = 'waiting' WHERE id = 't-1'"
    await desk.log._writer.write(lambda db: db.execute(sql))
    await desk.fires(NINE + DAY)
    await desk.fires(NINE + 2 * DAY)
    assert [outcome for _, outcome in desk.history(daily)] == ["answered", None, "skipped"]
    (said,) = desk.said()
    assert said.body["text"].startswith("“daily” is due, but here is a question")


async def test_who_left_takes_the_schedules_along(tmp_path):
    async with sat(tmp_path / "state") as desk:
        daily = await desk.adds("every day at 9")
        await desk.fires(NINE)
        row = desk.log.schedules.history(daily.id)[0]
        await desk.ends(row["conversation"], "answered")
    people = {"bob": PersonConfig(role="owner", ids=["slack:U0BOB"])}
    async with sat(tmp_path / "state", people=people) as desk:
        await desk.fires(NINE + timedelta(days=1))
        assert len(desk.history(daily)) == 1
        (said,) = desk.said()
        assert "whoever made it is not among the people any more" in said.body["text"]
        with pytest.raises(UsageError, match="would pause again: whoever made it is not among"):
            await desk.timetable.resume(daily)


async def test_only_its_creator_or_an_owner_changes_it(tmp_path):
    people = {
        name: PersonConfig(role=role, ids=[f"slack:U0{name.upper()}"])
        for name, role in (("ann", "member"), ("bob", "member"), ("olga", "owner"))
    }
    async with sat(tmp_path / "state", people=people) as desk:
        daily = await desk.adds("every day at 9")
        with pytest.raises(Denied):
            desk.timetable.own(daily.id, "slack:U0BOB")
        assert desk.timetable.own(daily.id[:4], "slack:U0ANN").id == daily.id
        assert desk.timetable.own("look around.", "slack:U0OLGA").id == daily.id


async def test_a_wish_that_comes_twice_is_one_schedule(desk):
    draft = desk.timetable.draft
    from coworker.tools.timetable import Wish

    wish = Wish(
        "conversation 1 call 1", "in 1 hour", "x", "slack:U0ANN", Place("slack", "C1"), None
    )
    await desk.timetable.save(await draft(wish))
    await desk.timetable.save(await draft(wish))
    assert len(desk.log.schedules.all()) == 1


async def test_a_schedule_that_breaks_us_is_put_aside_and_the_others_fire(desk):
    broken = await desk.adds("every day at 9", name="broken")
    daily = await desk.adds("every day at 9", name="daily")
    db = "UPDATE schedule SET spec = 'every blue moon' WHERE id = ?"
    await desk.log._writer.write(lambda write: write.execute(db, (broken.id,)))
    await desk.fires(NINE)
    assert desk.history(daily) == [("11-22 09:00", None)]
    assert desk.log.schedules.get(broken.id).paused.startswith("something broke inside coworker")
    assert "I paused the schedule “broken”" in desk.said()[0].body["text"]


class Scripted:
    """A gate that sees what the test says, and counts how often it looks."""

    def __init__(self, *seen, first="head") -> None:
        self.at_first = first
        self.seen = itertools.chain(seen, itertools.repeat(seen[-1]))
        self.looks = 0

    async def first(self, gate, repo):
        return self.at_first

    async def look(self, gate, repo, seen, now):
        self.looks += 1
        found = next(self.seen)
        if isinstance(found, Exception):
            raise found
        return found


SHUT, OPEN = Seen(False, "head", "no commits since a"), Seen(True, "next", "2 commits, a..b")


async def test_a_closed_gate_wakes_nobody_and_is_a_line_of_the_history(desk):
    desk.opens(Scripted(SHUT, OPEN))
    hourly = await desk.adds("every 1 hour", gate="new commits", repo="shop")
    await desk.fires(START + HOUR)
    assert (desk.woken, desk.history(hourly)) == ([], [("11-21 13:00", "nothing new")])
    assert desk.log.schedules.history(hourly.id)[0]["body"]["gate"] == "no commits since a"
    await desk.fires(START + 2 * HOUR)
    assert desk.woken == ["telegram:4711"]
    assert desk.log.schedules.get(hourly.id).seen == "head"
    (row,) = desk.log.open_inbox("telegram:4711")
    assert row.body["gate"] == "2 commits, a..b"
    await desk.ends("telegram:4711", "answered")
    assert desk.log.schedules.get(hourly.id).seen == "next"


class Head:
    """A gate that opens when the head is another one, and a head that the test moves."""

    def __init__(self) -> None:
        self.head = "c0"
        self.look_began, self.may_end = asyncio.Event(), asyncio.Event()
        self.may_end.set()

    async def first(self, gate, repo):
        return self.head

    async def look(self, gate, repo, seen, now):
        self.look_began.set()
        await self.may_end.wait()
        return Seen(seen != self.head, self.head, f"{seen}..{self.head}")


@pytest.fixture
async def watch(desk):
    """A gate, and standing work behind it."""
    gate = Head()
    desk.opens(gate)
    return gate, await desk.adds("every 1 hour", gate="new commits", repo="shop")


@pytest.mark.parametrize("outcome", ["failed", "stopped"])
async def test_a_change_that_nobody_was_told_of_opens_the_gate_again(desk, watch, outcome):
    gate, hourly = watch
    gate.head = "c1"
    await desk.fires(START + HOUR)
    await desk.ends("telegram:4711", outcome, said=False)
    await desk.fires(START + 2 * HOUR)
    (row,) = desk.log.open_inbox("telegram:4711")
    assert row.body["gate"] == "c0..c1"
    await desk.ends("telegram:4711", "nothing")
    await desk.fires(START + 3 * HOUR)
    assert [end for _, end in desk.history(hourly)] == [outcome, "nothing", "nothing new"]


async def test_what_was_told_without_a_model_is_not_repeated_and_no_success(desk, watch):
    gate, hourly = watch
    for number in range(1, 6):
        gate.head = f"c{number}"
        await desk.fires(START + number * HOUR)
        await desk.ends("telegram:4711", "offline")
        known = desk.log.schedules.get(hourly.id)
        assert (known.seen, known.failures) == (gate.head, number)
    assert [end for _, end in desk.history(hourly)] == ["offline"] * 5
    await desk.fires(desk.clock.now)
    assert desk.log.schedules.get(hourly.id).paused == "it failed 5 times in a row"


async def test_five_runs_that_fail_behind_a_gate_are_five_failures(desk, watch):
    gate, hourly = watch
    gate.head = "c1"
    for _ in range(5):
        await desk.fires(desk.log.schedules.get(hourly.id).next_at)
        await desk.ends("telegram:4711", "failed", said=False)
    await desk.fires(desk.clock.now)
    assert desk.log.schedules.get(hourly.id).paused == "it failed 5 times in a row"
    assert {end for _, end in desk.history(hourly)} == {"failed"}


async def test_a_change_that_came_while_the_former_run_was_open_is_told_next_time(desk, watch):
    gate, hourly = watch
    gate.head = "c1"
    await desk.fires(START + HOUR)
    gate.head = "c2"
    await desk.fires(START + 2 * HOUR)
    await desk.ends("telegram:4711", "answered")
    await desk.fires(START + 3 * HOUR)
    assert [end for _, end in desk.history(hourly)] == ["answered", "skipped", None]
    (row,) = desk.log.open_inbox("telegram:4711")
    assert row.body["gate"] == "c1..c2"


async def test_a_change_that_is_told_while_the_gate_is_looked_through_is_not_told_again(
    desk, watch
):
    gate, hourly = watch
    gate.head = "c1"
    await desk.fires(START + HOUR)
    gate.look_began.clear()
    gate.may_end.clear()
    desk.clock.turn(START + 2 * HOUR)
    await desk.scheduler.fire()
    await gate.look_began.wait()
    await desk.ends("telegram:4711", "answered")
    gate.may_end.set()
    await desk.scheduler.looked()
    assert [end for _, end in desk.history(hourly)] == ["answered"]
    await desk.fires(START + 2 * HOUR)
    assert [end for _, end in desk.history(hourly)] == ["answered", "nothing new"]


async def test_a_change_whose_answer_could_not_be_posted_opens_the_gate_again(desk, watch):
    gate, hourly = watch
    gate.head = "c1"
    await desk.fires(START + HOUR)
    await desk.ends("telegram:4711", "answered")
    said = Outbound("key", "telegram:4711", "reply", {"run": 1}, hourly.place)
    await desk.log.schedules.undelivered(said, "chat not found", desk.clock.now)
    assert desk.log.schedules.get(hourly.id).seen == "c0"
    await desk.fires(START + 2 * HOUR)
    assert [end for _, end in desk.history(hourly)] == ["failed", None]


async def test_the_card_says_that_the_path_of_a_gate_is_not_there(desk):
    desk.opens(Scripted(SHUT, first="missing"))
    watch = await desk.adds("every 1 hour", gate="changed docs/new.md", repo="shop")
    assert "There is no docs/new.md in shop now" in desk.timetable.card(watch)
    desk.opens(Scripted(SHUT))
    watch = await desk.adds("every 1 hour", gate="changed docs/old.md", repo="shop")
    assert "There is no" not in desk.timetable.card(watch)


async def test_the_card_of_a_reminder_says_what_it_will_cost(desk):
    once = await desk.adds("tomorrow at 9")
    assert "Cost: not known yet" in desk.timetable.card(once)


async def test_a_gate_that_breaks_is_a_failure_and_not_looked_through_at_once_again(desk):
    gate = Scripted(ZeroDivisionError())
    desk.opens(gate)
    hourly = await desk.adds("every 1 hour", gate="new commits", repo="shop")
    await desk.fires(START + HOUR)
    await desk.fires(START + HOUR)
    assert (gate.looks, desk.history(hourly)) == (1, [("11-21 13:00", "failed")])


async def test_a_gate_that_cannot_look_is_a_failure_with_its_reason(desk):
    desk.opens(Scripted(ToolError("git is broken.")))
    hourly = await desk.adds("every 1 hour", gate="new commits", repo="shop", name="watch")
    for _ in range(8):
        await desk.fires(desk.log.schedules.get(hourly.id).next_at or desk.clock.now)
        if desk.log.schedules.get(hourly.id).paused:
            break
    assert {outcome for _, outcome in desk.history(hourly)} == {"failed"}
    (said,) = desk.said()
    assert "git is broken." in said.body["text"]


@pytest.mark.parametrize(
    ("configured", "profile", "zone"),
    [
        ("Europe/Berlin", "America/New_York", "Europe/Berlin"),
        ("", "America/New_York", "America/New_York"),
        ("", "", "Asia/Tokyo"),
        ("", "Mars/Base", "Asia/Tokyo"),
    ],
)
async def test_an_hour_is_meant_where_the_person_is(tmp_path, configured, profile, zone):
    ann = PersonConfig(role="member", ids=[ANN], timezone=configured)
    async with sat(tmp_path / "state", people={"ann": ann}, timezone="Asia/Tokyo") as desk:
        desk.profiles[ANN] = profile
        daily = await desk.adds("every day at 9", zone="")
        assert (daily.tz, desk.timetable.again(daily).zone.key) == (zone, zone)
        assert f"When: every day at 09:00 ({zone})" in desk.timetable.card(daily)


async def test_what_does_the_same_in_the_same_place_is_not_added_twice(desk):
    same = {"prompt": "Sum it up.", "repo": "shop"}
    first = await desk.adds("every day at 9", **same)
    with pytest.raises(UsageError, match=rf"{first.id}.*does just that here already"):
        await desk.adds("every day at 9", **same | {"prompt": "Sum  it\nup."})
    await desk.adds("every day at 9", **same, to=Place("telegram", "12"))
    await desk.adds("every day at 9", **same | {"repo": "web"})
    await desk.adds("every day at 9", **same | {"prompt": "Sum it down."})
    await desk.timetable.remove(first)
    await desk.adds("every day at 9", **same)


async def test_what_does_the_same_counts_together_against_four_a_day(desk):
    same = {"prompt": "Sum it up."}
    await desk.adds("every 6 hours", **same)
    with pytest.raises(UsageError, match=r"already does the same here.*more than 4 times a day"):
        await desk.adds("first monday of the month at 9", **same)
    await desk.adds("tomorrow at 9", **same)
    await desk.adds("every day at 9", **same, to=Place("telegram", "12"))
    desk.opens(Scripted(SHUT))
    await desk.adds("every hour", **same, gate="new commits", repo="shop")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"when": "every hour"}, "more than 4 times a day"),
        ({"when": "every day at 9", "prompt": "  "}, "Say what is to be done"),
        ({"when": "every day at 9", "prompt": "x" * 4_001}, "4,000 characters"),
        ({"when": "every day at 9", "gate": "full moon", "repo": "shop"}, "“new commits”"),
        ({"when": "every day at 9", "gate": "new commits"}, "bound to none"),
        ({"when": "every day at 9", "zone": "Mars/Base"}, "no time zone Mars/Base"),
    ],
)
async def test_what_cannot_be_meant_is_refused_with_what_would_do(desk, given, told):
    with pytest.raises(UsageError, match=told):
        await desk.adds(**given)
    assert desk.log.schedules.all() == []


async def test_standing_work_on_slack_has_a_thread_of_its_own_each_time(desk):
    room = Place("slack", "C0SHOP", "1700.1")
    daily = await desk.adds("every day at 9", to=room, conversation="slack:C0SHOP:1700.1")
    once = await desk.adds("tomorrow at 9", to=room, conversation="slack:C0SHOP:1700.1")
    direct = Place("slack", "D0ANN", "1700.2")
    own = await desk.adds("every day at 9", to=direct, conversation="slack:D0ANN:1700.2")
    assert (daily.place, daily.conversation) == (Place("slack", "C0SHOP"), None)
    assert once.conversation == "slack:C0SHOP:1700.1"
    assert own.conversation == "slack:D0ANN:1700.2"
    await desk.fires(NINE)
    assert f"slack:C0SHOP:due-{daily.id}-{ms(NINE)}" in desk.woken


async def test_ten_thousand_idle_schedules_cost_one_look_at_an_index(desk):
    plan = desk.log._reader.execute(
        "EXPLAIN QUERY PLAN SELECT next_at FROM schedule WHERE next_at IS NOT NULL"
        " AND paused IS NULL AND adapter IN ('slack') ORDER BY next_at LIMIT 1"
    ).fetchall()
    assert [row[3] for row in plan] == ["SEARCH schedule USING INDEX schedule_due (next_at>?)"]


async def test_the_same_among_ten_thousand_is_found_by_an_index(desk):
    daily, reader, asked = await desk.adds("every day at 9"), desk.log._reader, []
    reader.set_trace_callback(asked.append)
    desk.log.schedules.alike(daily)
    reader.set_trace_callback(None)
    plan = reader.execute(f"EXPLAIN QUERY PLAN {asked[-1]}").fetchall()
    assert [row[3] for row in plan] == ["SEARCH schedule USING INDEX schedule_same (<expr>=?)"]
