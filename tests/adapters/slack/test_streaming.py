"""In direct messages progress is streamed; whatever becomes of that, the answer is there once."""

from __future__ import annotations

import pytest

from coworker.errors import Unavailable, Unconfirmed
from coworker.types import Progress
from tests.adapters.slack.conftest import Office, made, outbound, working
from tests.fakes.slack import ALICE


async def begun(office):
    """What Alice wrote, where it is answered, and the stream that shows the work on it."""
    said, place = await office.asked_alone()
    await office.says(place, "progress", "p1", text="👀")
    return place, office.shown(said)


def titles(shown, status):
    """The tasks in that state."""
    return [task["title"] for task in shown.tasks.values() if task["status"] == status]


async def test_tools_and_words_are_seen_as_they_come_and_the_answer_takes_their_place(office):
    place, shown = await begun(office)
    assert [button["action_id"] for button in shown.buttons] == ["do:stop"]
    for step in ("reads a.py", "reads b.py"):
        office.platform.progress(place, Progress("tool", step))
    await office.until(lambda: titles(shown, "in_progress") == ["reads a.py", "reads b.py"])
    office.platform.progress(place, Progress("step", "thinking"))
    office.platform.progress(place, Progress("text", "It is"))
    await office.until(lambda: shown.text.endswith("It is"))
    office.platform.progress(place, Progress("text", " round."))
    await office.until(lambda: shown.text.endswith("It is round."))
    assert titles(shown, "complete") == ["reads a.py", "reads b.py"]
    assert not office.slack.called("chat.update")
    assert await office.says(place, "reply", over=shown.ts) == shown.ts
    assert shown.shown.rstrip() == "Done.\n✓ 2 s · 1 step"
    assert (shown.streaming, shown.buttons) == ("completed", [])
    assert len(office.slack.called("chat.update")) == 1
    assert shown.metadata["event_payload"] == {"key": "k1"}


async def test_a_long_run_leaves_its_receipt_where_the_stream_was(office):
    place, shown = await begun(office)
    answer = await office.says(place, "reply", over=shown.ts, receipt={"seconds": 160.0})
    assert answer != shown.ts
    await office.until(lambda: shown.shown == "✓ 2 min 40 s")
    assert shown.streaming == "completed"


async def test_in_a_channel_where_others_would_not_see_it_nothing_is_streamed(office):
    said, place = await office.asked()
    await office.says(place, "progress", "p1", text="👀")
    office.platform.progress(place, Progress("text", "Well"))
    await office.until(lambda: "Well" in office.shown(said).shown)
    assert not office.slack.called("chat.startStream")


@pytest.mark.parametrize(
    ("refusal", "asked"), [("unknown_method", 1), ("missing_scope", 1), ("ratelimited", 2)]
)
async def test_without_streams_it_is_posted_and_a_lasting_refusal_is_remembered(
    office, refusal, asked
):
    office.slack.fault("chat.startStream", "error", error=refusal)
    place, shown = await begun(office)
    assert (shown.shown, shown.streaming) == ("👀", "")
    office.platform.progress(place, Progress("text", "Well"))
    await office.until(lambda: "Well" in shown.shown)
    await begun(office)
    assert len(office.slack.called("chat.startStream")) == asked


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error", "error": "message_not_in_streaming_state"},
        {"kind": "ratelimited"},
        {"kind": "500", "after_effect": True},
        {"kind": "reset", "after_effect": True},
    ],
)
async def test_a_stream_that_fails_is_edited_in_place_and_nothing_is_seen_twice(office, fault):
    place, shown = await begun(office)
    office.platform.progress(place, Progress("text", "One"))
    await office.until(lambda: shown.text.endswith("One"))
    office.slack.fault("chat.appendStream", **fault)
    office.platform.progress(place, Progress("text", " two"))
    await office.until(lambda: shown.shown.endswith("One two"))
    office.platform.progress(place, Progress("text", " three"))
    await office.until(lambda: shown.shown.endswith("One two three"))
    assert shown.shown.count("One") == 1
    assert len(office.slack.called("chat.appendStream")) == 2
    assert await office.says(place, "reply", over=shown.ts) == shown.ts
    assert shown.shown.startswith("Done.")


async def test_no_stream_grows_so_old_that_slack_breaks_it_off(slack, desk, clock):
    platform = made(slack, clock, stream_s=0.1)
    async with working(platform, desk):
        office = Office(slack, platform, desk, clock)
        await office.until(lambda: desk.connections)
        place, shown = await begun(office)
        await office.until(lambda: shown.streaming == "completed")
        platform.progress(place, Progress("text", "Still here"))
        await office.until(lambda: shown.shown.endswith("Still here"))
        assert "do:stop" in [button["action_id"] for button in shown.buttons]


async def test_a_stream_whose_opening_nobody_confirmed_is_found_and_goes_on(office):
    said, place = await office.asked_alone()
    office.slack.fault("chat.startStream", "reset", after_effect=True)
    sign = outbound(place, "progress", "p1", text="👀")
    with pytest.raises(Unconfirmed):
        await office.platform.send(sign)
    shown = office.shown(said)
    assert await office.platform.find(sign) == shown.ts
    office.platform.progress(place, Progress("text", "Well"))
    await office.until(lambda: shown.text.endswith("Well"))


async def test_an_answer_over_a_stream_of_an_earlier_life_arrives(office, slack, desk, clock):
    place, shown = await begun(office)
    later = made(slack, clock)
    async with working(later, desk):
        await office.until(lambda: desk.connections == 2)
        answer = outbound(place, "reply", over=shown.ts)
        assert await later.find(answer) == ""
        assert await later.send(answer) == shown.ts
    assert shown.shown.startswith("Done.")


@pytest.mark.parametrize("fault", ["reset", "500", "ratelimited"])
async def test_a_stream_that_cannot_be_ended_holds_up_no_answer(office, fault):
    place, shown = await begun(office)
    office.slack.fault("chat.stopStream", fault, after_effect=fault == "reset")
    assert await office.says(place, "reply", over=shown.ts) == shown.ts
    assert shown.shown.startswith("Done.")


@pytest.mark.parametrize(
    ("fault", "raised"),
    [("reset", Unconfirmed), ("500", Unconfirmed), ("ratelimited", Unavailable)],
)
async def test_an_answer_that_may_be_lost_is_repeated_over_the_stream(office, fault, raised):
    place, shown = await begun(office)
    office.slack.fault("chat.update", fault, after_effect=fault == "reset")
    with pytest.raises(raised):
        await office.says(place, "reply", over=shown.ts)
    assert await office.says(place, "reply", over=shown.ts) == shown.ts
    assert shown.shown.startswith("Done.")
    assert len(office.slack.messages(shown.channel)) == 2


async def test_when_we_leave_no_stream_is_left_open(slack, desk, clock):
    platform = made(slack, clock)
    async with working(platform, desk):
        office = Office(slack, platform, desk, clock)
        await office.until(lambda: desk.connections)
        place, shown = await begun(office)
        platform.progress(place, Progress("tool", "reads a.py"))
        await office.until(lambda: titles(shown, "in_progress"))
    assert (shown.streaming, shown.tasks) == ("completed", {})
    assert "reads a.py" in shown.shown


async def test_slacks_own_stop_ends_the_stream_and_the_run(office):
    place, shown = await begun(office)
    await office.slack.stops(ALICE, shown)
    assert (await office.hears(2)).kind == "stop"
    office.platform.progress(place, Progress("note", "stopping"))
    await office.until(lambda: "stopping" in shown.shown)
    await office.says(place, "reply", over=shown.ts, text="Stopped.", outcome="stopped")
    assert shown.shown.startswith("Stopped.")


@pytest.mark.parametrize(
    "pieces",
    [
        ("<", "@U0BOB>", " and <!", "channel>"),
        ("<https://evil.example", "|https://bank.example>"),
        ("[https://bank.example](https://evil", ".example) is it"),
        ("\x1b[3", "1mred"),
    ],
)
async def test_words_that_come_in_pieces_do_not_ping_or_lie_either(office, pieces):
    place, shown = await begun(office)
    for count, piece in enumerate(pieces, 1):
        office.platform.progress(place, Progress("text", piece))
        await office.until(lambda count=count: writes(office) >= count)
        assert not obeyed(shown)
    await office.until(lambda: shown.shown.endswith(pieces[-1].removeprefix("1m").lstrip(" @!(.")))
    assert not obeyed(shown)


def obeyed(shown):
    """What Slack would act on or dress up in the words that are on the screen."""
    evil = ("<@", "<!", "<https://evil.example|", "](https://evil.example)", "\x1b")
    return [each for each in evil if each in shown.shown]


def writes(office):
    """How often the message was written to."""
    return len(office.slack.called("chat.appendStream")) + len(office.slack.called("chat.update"))
