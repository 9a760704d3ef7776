"""Buttons, reactions, commands and the home tab."""

from __future__ import annotations

import pytest

from coworker.errors import Unavailable
from tests.adapters.slack.conftest import outbound
from tests.fakes.slack import ALICE, BOB, GENERAL

SURE = {"ask": 3, "question": "Push to origin?", "options": ["Allow once", "Deny"]}


DECIDED = {"ask": 3, "question": "Push to origin?", "word": "Allow once", "who": "bob"}


async def test_a_click_answers_and_the_card_then_names_who_decided(office):
    said, place = await office.asked()
    await office.says(place, "ask", "a3", **SURE, approval=True)
    card = office.slack.thread(GENERAL, said.ts)[1]
    assert card.shown.startswith(f"<@{ALICE}>\nPush to origin?")
    assert "!approve 3" in card.shown
    await office.until(lambda: _session(office, said) == "suspended")
    click = await office.slack.clicks(BOB, card, "answer:0")
    heard = await office.hears(2)
    assert (heard.kind, heard.place) == ("answer", place)
    pressed = {"ask": 3, "text": "Allow once", "on": card.ts}
    assert heard.body == {"sender": f"slack:{BOB}", **pressed}
    await office.until(lambda: click.ack)
    for _ in range(2):  # what nobody confirmed is said again
        assert await office.says(place, "decided", "a3:decided", over=card.ts, **DECIDED) == card.ts
        assert card.shown == "Push to origin?\nAllow once · bob"
        assert card.buttons == []
    await office.until(lambda: _session(office, said) == "processing")
    assert await office.platform.find(outbound(place, "decided", "a3:decided", **DECIDED)) == ""


async def test_a_card_that_is_gone_needs_no_decision(office):
    said, place = await office.asked()
    await office.says(place, "ask", "a3", **SURE)
    card = office.slack.thread(GENERAL, said.ts)[1]
    office.slack.fault("chat.update", "error", error="message_not_found")
    assert await office.says(place, "decided", over=card.ts, **DECIDED) == "-"
    assert await office.says(place, "decided", over="", **DECIDED) == "-"
    assert len(office.slack.thread(GENERAL, said.ts)) == 2


async def test_a_card_waits_its_turn_where_slack_asks_us_to(office):
    said, place = await office.asked()
    await office.says(place, "ask", "a3", **SURE)
    card = office.slack.thread(GENERAL, said.ts)[1]
    office.slack.fault("chat.update", "ratelimited", seconds=3)
    with pytest.raises(Unavailable):
        await office.says(place, "decided", over=card.ts, **DECIDED)
    office.slack.fault("chat.update", "error", error="invalid_blocks")
    await office.says(place, "decided", over=card.ts, **DECIDED)
    assert card.shown == "Push to origin?\nAllow once · bob"


def _session(office, said):
    return office.slack.sessions.get((GENERAL, said.ts), {}).get("status")


async def test_many_options_are_a_list(office):
    said, place = await office.asked()
    options = [f"{'x' * 70} {n}" for n in range(10)]
    await office.says(place, "ask", "a4", ask=4, question="Which?", options=options)
    card = office.slack.thread(GENERAL, said.ts)[1]
    chosen = card.buttons[0]["options"][9]["value"]
    assert "Reply here" in card.shown
    await office.slack.clicks(ALICE, card, "answer", value=chosen)
    assert (await office.hears(2)).body["text"] == options[9]


async def test_a_question_without_options_is_answered_in_the_thread(office):
    said, place = await office.asked()
    await office.says(place, "ask", "a4", ask=4, question="Which branch?", options=[])
    assert office.slack.thread(GENERAL, said.ts)[1].buttons == []


async def test_an_old_button_says_so_to_whoever_clicked(office):
    said, place = await office.asked()
    await office.says(place, "ask", "a3", **SURE)
    card = office.slack.thread(GENERAL, said.ts)[1]
    office.desk.closed.add(3)
    await office.slack.clicks(ALICE, card, "answer:0")
    await office.until(lambda: office.slack.ephemerals)
    assert office.slack.ephemerals[0].only_for == ALICE
    assert "not open any more" in office.slack.ephemerals[0].shown
    assert card.buttons


async def test_whoever_may_not_decide_is_told_that_it_is_open(office):
    said, place = await office.asked()
    await office.says(place, "ask", "a3", **SURE)
    card = office.slack.thread(GENERAL, said.ts)[1]
    office.desk.forbidden.add(f"slack:{BOB}")
    await office.slack.clicks(BOB, card, "answer:0")
    await office.until(lambda: office.slack.ephemerals)
    assert (
        office.slack.ephemerals[0].shown == "That is open, but not yours to decide; an owner can."
    )


async def test_a_click_that_cannot_be_kept_is_not_acknowledged(office):
    said, place = await office.asked()
    await office.says(place, "ask", "a3", **SURE)
    office.desk.broken = 1
    click = await office.slack.clicks(ALICE, office.slack.thread(GENERAL, said.ts)[1], "answer:0")
    await office.until(lambda: click.done)
    assert click.ack is None


async def test_buttons_of_an_answer_are_actions(office):
    said, place = await office.asked()
    actions = [
        {"action": name, "label": name.title(), "run": 1} for name in ("push", "open_pr", "undo")
    ]
    await office.says(place, "reply", actions=actions)
    answer = office.slack.thread(GENERAL, said.ts)[1]
    await office.slack.clicks(ALICE, answer, "do:open_pr")
    heard = await office.hears(2)
    assert (heard.kind, heard.place) == ("action", place)
    pressed = {"action": "open_pr", "run": 1, "on": answer.ts}
    assert heard.body == {"sender": f"slack:{ALICE}", **pressed}


async def test_a_click_without_a_message_or_of_a_foreign_button_does_no_harm(office):
    foreign = {"type": "block_actions", "user": {"id": ALICE}, "team": {"id": "T0TEAM"}}
    action = {"action_id": "answer:0", "action_ts": "1.2", "type": "button"}
    one = office.slack.interact({**foreign, "actions": [{**action, "value": "hello"}]})
    two = office.slack.interact({**foreign, "actions": [{**action, "value": "3 slack:C1:1.1 ok"}]})
    await office.until(lambda: one.ack and two.ack)
    assert office.desk.heard == []


@pytest.mark.parametrize(
    ("reaction", "kind", "text"),
    [("octagonal_sign", "stop", None), ("repeat", "message", "Try again.")],
)
async def test_a_reaction_on_any_message_of_ours_is_a_control(office, reaction, kind, text):
    said, place = await office.asked()
    await office.says(place, "reply")
    for n, message in enumerate(office.slack.thread(GENERAL, said.ts), 2):
        await office.slack.reacts(BOB, message, reaction)
        heard = await office.hears(n)
        assert (heard.kind, heard.place, heard.body["sender"]) == (kind, place, f"slack:{BOB}")
        assert heard.body.get("text") == text


async def test_a_check_mark_approves_only_an_open_question(office):
    said, place = await office.asked()
    await office.says(place, "ask", "a3", **SURE)
    card = office.slack.thread(GENERAL, said.ts)[1]
    await office.slack.reacts(ALICE, said, "white_check_mark")
    await office.slack.reacts(ALICE, card, "heart")
    await office.slack.reacts(ALICE, card, "white_check_mark")
    heard = await office.hears(2)
    assert (heard.kind, heard.body["ask"], heard.body["text"]) == ("answer", 3, "allow")
    await office.says(place, "decided", over=card.ts, **DECIDED)
    await office.slack.reacts(BOB, card, "white_check_mark")
    await office.slack.settled()
    assert len(office.desk.heard) == 2


async def test_reactions_elsewhere_mean_nothing(office):
    said = await office.slack.says(BOB, GENERAL, "I stop here.")
    await office.slack.reacts(ALICE, said, "octagonal_sign")
    await office.slack.settled()
    assert office.desk.heard == []


async def test_a_command_is_answered_to_its_sender_alone(office):
    office.desk.answers = {"!status": "**1** runs.", "!help": "Ask me.", "!x": "error: No such x."}
    for n, (text, answer) in enumerate(
        [("status", "**1** runs."), ("", "Ask me."), ("x", "No such x.")]
    ):
        await office.slack.command(ALICE, GENERAL, "/coworker", text)
        await office.until(lambda n=n: len(office.slack.ephemerals) > n)
        assert office.slack.ephemerals[n].shown == answer
        assert office.slack.ephemerals[n].only_for == ALICE


async def test_a_slow_command_is_acknowledged_in_time_and_answered_later(office):
    office.desk.answers = {"!cost": "$3.00"}
    office.desk.answer_after.clear()
    office.slack.sockets.ack_deadline = 3.0
    await office.slack.command(ALICE, GENERAL, "/coworker", "cost")
    await office.until(lambda: office.slack.ephemerals)
    assert office.slack.ephemerals[0].shown == "One moment …"
    office.desk.answer_after.set()
    await office.until(lambda: "$3.00" in [each.shown for each in office.slack.ephemerals])


async def test_the_home_tab_shows_what_goes_on_and_nothing_of_what_is_said(office):
    office.desk.overview = {
        "running": ["slack:C0GENERAL:1.1", "t-1234", "slack:D0BOB:1.1"],
        "waiting": [f"slack:C0GENERAL:{n}.1" for n in range(30)],
        "spend_today_usd": 1.5,
    }
    await office.slack.opens_home(ALICE)
    await office.until(lambda: ALICE in office.slack.homes)
    shown = str(office.slack.homes[ALICE])
    assert "• a thread in <#C0GENERAL>\\n• a terminal\\n• a direct message" in shown
    assert "… and 10 more" in shown
    assert "$1.50" in shown
    assert "D0BOB" not in shown


async def test_the_home_tab_tells_a_stranger_nothing_but_that(office):
    office.desk.strangers.add(f"slack:{BOB}")
    await office.slack.opens_home(BOB)
    await office.until(lambda: BOB in office.slack.homes)
    [block] = office.slack.homes[BOB]["blocks"]
    assert block["text"]["text"].startswith("I do not know you.")


async def test_a_strangers_click_does_nothing_and_says_so(office):
    said, place = await office.asked()
    await office.says(place, "ask", "a3", **SURE)
    card = office.slack.thread(GENERAL, said.ts)[1]
    office.desk.strangers.add(f"slack:{BOB}")
    await office.slack.clicks(BOB, card, "answer:0")
    await office.until(lambda: office.slack.ephemerals)
    assert "I do not know you" in office.slack.ephemerals[0].shown
    assert card.buttons
