"""What we say on Slack arrives once, in its thread, pings nobody by accident, and fits."""

from __future__ import annotations

import pytest

from coworker.errors import Unavailable, Unconfirmed, Undeliverable
from coworker.types import Place, Progress
from tests.adapters.slack.conftest import outbound
from tests.fakes.slack import ALICE, BOT, GENERAL

LONG = "\n\n".join(f"Paragraph {n}. " + "Many words about the shop. " * 30 for n in range(100))


async def test_a_quick_answer_takes_the_place_of_the_progress_message(office):
    said, place = await office.asked()
    card = await office.says(place, "progress", "p1", text="👀")
    answer = outbound(place, "reply", text="**Nothing** changed.", over=card, messages=[said.ts])
    assert await office.platform.send(answer) == card
    root, shown = office.slack.thread(GENERAL, said.ts)
    assert shown.shown == "**Nothing** changed.\n✓ 2 s · 1 step"
    assert shown.metadata["event_payload"] == {"key": "k1"}
    await office.until(lambda: root.reactions == {"white_check_mark": [BOT]})
    assert shown.buttons == []


@pytest.mark.parametrize("floods", [0, 1])
async def test_a_long_run_posts_its_answer_anew_and_calls_whoever_asked(office, floods):
    said, place = await office.asked()
    office.slack.fault("chat.update", "ratelimited", times=floods)
    card = await office.says(place, "progress", "p1", text="👀")
    receipt = {"seconds": 160.0, "steps": 6, "cost_usd": 0.04}
    await office.says(place, "reply", over=card, receipt=receipt, messages=[said.ts])
    _, progress, answer = office.slack.thread(GENERAL, said.ts)
    assert answer.shown == f"<@{ALICE}>\nDone.\n✓ 2 min 40 s · 6 steps · $0.04"
    assert answer.text.startswith(f"<@{ALICE}> ")
    await office.until(lambda: progress.shown == "✓ 2 min 40 s · 6 steps · $0.04")


async def test_a_failed_run_is_marked_so_and_can_be_tried_again(office):
    said, place = await office.asked()
    retry = {"action": "retry", "label": "Try again", "run": 1}
    await office.says(place, "reply", outcome="failed", messages=[said.ts], actions=[retry])
    await office.until(lambda: said.reactions == {"x": [BOT]})
    answer = office.slack.thread(GENERAL, said.ts)[1]
    await office.slack.clicks(ALICE, answer, "do:retry")
    heard = await office.hears(2)
    assert (heard.kind, heard.body["text"], heard.place) == ("message", "Try again.", place)


async def test_progress_is_edited_in_place_and_never_after_the_answer(office):
    said, place = await office.asked()
    card = await office.says(place, "progress", "p1", text="👀")
    shown = office.slack.thread(GENERAL, said.ts)[1]
    for n in range(50):
        office.platform.progress(place, Progress("tool", f"reads src/{n}.py"))
    await office.until(lambda: "reads src/49.py" in shown.shown)
    assert "… 45 earlier" in shown.shown
    assert len(office.slack.called("chat.update")) < 5
    office.slack.fault("chat.update", "slow", seconds=0.2)
    office.platform.progress(place, Progress("text", "Almost"))
    await office.until(lambda: len(office.slack.faults) == 0 or not office.slack.faults[0].times)
    office.platform.progress(place, Progress("text", " there"))
    await office.says(place, "reply", over=card)
    office.platform.progress(place, Progress("text", " too late"))
    assert shown.shown.startswith("Done.")
    updates = len(office.slack.called("chat.update"))
    await office.slack.settled()
    assert shown.shown.startswith("Done.")
    assert len(office.slack.called("chat.update")) == updates


async def test_a_limit_drops_edits_and_the_next_one_shows_the_newest(office):
    said, place = await office.asked()
    await office.says(place, "progress", "p1", text="👀")
    office.slack.fault("chat.update", "ratelimited", seconds=7)
    office.platform.progress(place, Progress("tool", "reads a.py"))
    await office.until(lambda: 7.0 in office.clock.naps or office.slack.called("chat.update"))
    office.platform.progress(place, Progress("tool", "reads b.py"))
    shown = office.slack.thread(GENERAL, said.ts)[1]
    await office.until(lambda: "reads b.py" in shown.shown)
    assert any(nap > 5 for nap in office.clock.naps)


async def test_the_thread_shows_that_we_work_and_offers_stop(office):
    said, place = await office.asked()
    await office.says(place, "progress", "p1", text="👀")
    await office.until(lambda: office.slack.sessions)
    assert office.slack.sessions[GENERAL, said.ts]["status"] == "processing"
    card = office.slack.thread(GENERAL, said.ts)[1]
    await office.slack.clicks(ALICE, card, "do:stop")
    assert (await office.hears(2)).kind == "stop"
    await office.says(place, "reply", "k2", over=card.ts, outcome="stopped")
    await office.until(lambda: office.slack.sessions[GENERAL, said.ts]["status"] == "active")


async def test_without_native_sessions_a_status_line_does_and_is_not_tried_again(office):
    office.slack.fault("agents.sessions.setStatus", "error", error="unknown_method", times=9)
    said, place = await office.asked()
    await office.says(place, "progress", "p1", text="👀")
    await office.until(lambda: office.slack.statuses)
    assert office.slack.statuses == {(GENERAL, said.ts): "is working…"}
    await office.says(place, "reply", "k2")
    await office.until(lambda: len(office.slack.called("assistant.threads.setStatus")) == 2)
    assert len(office.slack.called("agents.sessions.setStatus")) == 1


async def test_nothing_in_an_answer_pings_or_lies(office):
    evil = (
        "<!channel> <@U0BOB> <#C0GENERAL> <https://evil.example|https://bank.example> "
        "[https://bank.example](https://evil.example) `<!here>` [docs](https://docs.example)"
    )
    said, place = await office.asked()
    await office.says(place, "reply", text=evil)
    answer = office.slack.thread(GENERAL, said.ts)[1]
    markdown = answer.blocks[0]["text"]
    for obeyed in ("<!", "<@", "<#", "<https://evil.example|", "](https://evil.example)"):
        assert obeyed not in markdown
    assert "[docs](https://docs.example)" in markdown
    assert "<" not in answer.text
    assert answer.text.startswith("&lt;!channel&gt;")
    posts = [call.arguments for call in office.slack.called("chat.postMessage")]
    assert not any(post["unfurl_links"] or post["unfurl_media"] for post in posts)


@pytest.mark.parametrize(
    "text", ["", "\u200b\x00\x07", "**never closed ```\n[", "\u202egnihtyna", "مرحبا بالعالم " * 40]
)
async def test_any_text_arrives(office, text):
    said, place = await office.asked()
    await office.says(place, "reply", text=text)
    assert office.slack.thread(GENERAL, said.ts)[1].shown


async def test_a_text_of_some_pages_is_some_messages(office):
    said, place = await office.asked()
    whole = outbound(place, "reply", text=LONG[:25_000], receipt={"seconds": 40.0}, over="1.1")
    bodies = office.platform.parts(whole)
    for n, body in enumerate(bodies, 1):
        part = {**body, "part": n, "parts": len(bodies)}
        await office.platform.send(outbound(place, "reply", f"k{n}", **part))
    first, *_, last = answers = office.slack.thread(GENERAL, said.ts)[1:]
    assert len(answers) == 3
    assert first.shown.startswith(f"<@{ALICE}>\nParagraph 0.")
    assert "✓" not in first.shown
    assert last.shown.endswith("✓ 40 s")
    assert f"<@{ALICE}>" not in last.shown


async def test_a_very_long_text_is_a_page_and_a_file(office):
    said, place = await office.asked()
    push = {"action": "push", "label": "Push", "run": 1}
    bodies = office.platform.parts(outbound(place, "reply", text=LONG, actions=[push]))
    for n, body in enumerate(bodies, 1):
        part = {**body, "part": n, "parts": len(bodies)}
        await office.platform.send(outbound(place, "reply", f"k{n}", **part))
    page, file, last = office.slack.thread(GENERAL, said.ts)[1:]
    assert page.shown.startswith("Paragraph 0.")
    assert file.files[0].title.endswith(".md")
    assert file.files[0].content.decode() == LONG
    assert "in the file" in last.shown
    assert [button["action_id"] for button in last.buttons] == ["do:push"]


async def test_a_file_is_sent_once_however_often_its_message_is_tried(office):
    said, place = await office.asked()
    body = office.platform.parts(outbound(place, "reply", text=LONG))[1]
    office.slack.fault("chat.postMessage", "ratelimited", seconds=1)
    with pytest.raises(Unavailable):
        await office.platform.send(outbound(place, "reply", **body))
    await office.platform.send(outbound(place, "reply", **body))
    assert [bool(each.files) for each in office.slack.thread(GENERAL, said.ts)[1:]] == [True, False]


async def test_without_the_permission_for_files_the_answer_says_so(office):
    office.slack.scopes.discard("files:write")
    said, place = await office.asked()
    body = office.platform.parts(outbound(place, "reply", text=LONG))[1]
    await office.platform.send(outbound(place, "reply", **body))
    assert "files:write" in office.slack.thread(GENERAL, said.ts)[1].shown


async def test_a_slack_that_does_not_take_our_blocks_gets_words(office):
    office.slack.fault("chat.postMessage", "error", error="invalid_blocks")
    said, place = await office.asked()
    await office.says(place, "reply", text="1 < 2")
    assert office.slack.thread(GENERAL, said.ts)[1].shown == "1 < 2\n✓ 2 s · 1 step"


async def test_limits_are_reported_with_the_time_to_wait(office):
    _, place = await office.asked()
    office.slack.fault("chat.postMessage", "ratelimited", seconds=7)
    with pytest.raises(Unavailable) as limited:
        await office.says(place, "reply")
    assert limited.value.retry_after_s == 7
    await office.says(place, "reply")  # and nothing else stands still


@pytest.mark.parametrize("fault", ["500", "502", "reset", "garbage"])
async def test_an_answer_that_nobody_confirmed_is_found(office, fault):
    said, place = await office.asked()
    office.slack.fault("chat.postMessage", fault, after_effect=True)
    with pytest.raises(Unconfirmed):
        await office.says(place, "reply", "k7")
    sent = office.slack.thread(GENERAL, said.ts)[1]
    assert await office.platform.find(outbound(place, "reply", "k7")) == sent.ts
    assert await office.platform.find(outbound(place, "reply", "k8")) == ""


async def test_a_lost_edit_is_repeated_without_a_label(office):
    said, place = await office.asked()
    card = await office.says(place, "progress", "p1", text="👀")
    office.slack.fault("chat.update", "reset")
    answer = {"over": card, "maybe_duplicate": True}
    with pytest.raises(Unconfirmed):
        await office.says(place, "reply", over=card)
    assert await office.platform.find(outbound(place, "reply")) == ""
    assert await office.says(place, "reply", **answer) == card
    assert len(office.slack.thread(GENERAL, said.ts)) == 2
    assert office.slack.thread(GENERAL, said.ts)[1].shown.startswith("Done.")


async def test_a_possible_repeat_is_labelled(office):
    said, place = await office.asked()
    await office.says(place, "reply", maybe_duplicate=True)
    assert office.slack.thread(GENERAL, said.ts)[1].shown.startswith("(possibly a repeat)\n\nDone.")


async def test_a_progress_message_that_somebody_deleted_is_no_obstacle(office):
    said, place = await office.asked()
    card = await office.says(place, "progress", "p1", text="👀")
    await office.slack.deletes(office.slack.thread(GENERAL, said.ts)[1])
    assert await office.says(place, "reply", over=card) != card
    assert office.slack.thread(GENERAL, said.ts)[1].shown.startswith("Done.")


async def test_a_room_that_is_gone_can_never_be_answered(office):
    with pytest.raises(Undeliverable):
        await office.says(Place("slack", "C0GONE", "1800000000.000100"), "reply")
    secret = office.slack.channel("secret", ALICE, bot=False)
    with pytest.raises(Undeliverable):
        await office.says(Place("slack", secret), "reply")


async def test_a_refused_token_is_not_a_lost_message(office):
    _, place = await office.asked()
    office.slack.revoked = True
    with pytest.raises(Unavailable, match="Copy the bot token"):
        await office.says(place, "reply")


async def test_files_that_may_not_be_taken(office):
    with pytest.raises(Unavailable, match="file_not_found"):
        await office.platform.fetch({"id": "F0GONE"})
    said = await office.slack.says(ALICE, GENERAL, f"<@{BOT}> see", files=[("a.txt", b"x")])
    file = (await office.hears()).body["files"][0]
    said.files[0].url = "https://evil.example/a.txt"
    with pytest.raises(Unavailable, match="not kept there"):
        await office.platform.fetch(file)
