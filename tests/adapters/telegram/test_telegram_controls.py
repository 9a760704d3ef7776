"""Buttons and reactions: what a press does, who sees what, and presses that cannot count."""

from __future__ import annotations

import pytest

from coworker.adapters.telegram.events import COMMANDS
from coworker.verbs import NAMES
from tests.adapters.telegram.office import ask, decided, place, progress, reply


@pytest.fixture
def ann(office):
    return office.telegram.person("Ann", started=True)


@pytest.fixture
async def shop(office, ann):
    """A group in which we have been asked something."""
    shop = office.telegram.supergroup("shop", ann, forum=True)
    await office.telegram.says(ann, shop, "@coworker_bot push it")
    await office.hears()
    return shop


async def answer(office, query):
    await office.telegram.until(lambda: office.telegram.answer(query) is not None)
    return office.telegram.answer(query).get("text", "")


async def test_a_press_answers_the_question_and_the_card_then_says_who_decided(office, ann, shop):
    telegram = office.telegram
    await office.adapter.send(ask(place(shop), "Push?"))
    query = await telegram.clicks(ann, telegram.replies(shop)[0], "Allow once")

    card = str(telegram.replies(shop)[0].id)
    heard = await office.hears(kind="answer")
    assert heard.conversation == f"telegram:{shop.id}"
    said = {"ask": 3, "text": "Allow once", "on": card}
    assert heard.body == {"sender": f"telegram:{ann.id}", **said}
    assert await answer(office, query) == ""
    for _ in range(2):  # what nobody confirmed is said again
        assert await office.adapter.send(decided(place(shop), card)) == card
        (shown,) = telegram.replies(shop)
        assert (shown.text, shown.buttons) == ("❓ Push?\n\n_Allow once · ann_", ())
    assert await office.adapter.find(decided(place(shop), card)) == ""


async def test_a_card_that_is_gone_needs_no_decision(office, ann):
    telegram = office.telegram
    await office.adapter.send(ask(place(ann), "Push?"))
    assert await office.adapter.send(decided(place(ann), "")) == "-"
    assert await office.adapter.send(decided(place(ann), "987654")) == "-"
    assert len(telegram.replies(ann)) == 1


async def test_whoever_may_not_decide_is_told_that_it_is_open(office, ann):
    telegram = office.telegram
    office.forbidden.add(f"telegram:{ann.id}")
    await office.adapter.send(ask(place(ann), "Push?"))
    query = await telegram.clicks(ann, telegram.replies(ann)[0], "Allow once")

    assert await answer(office, query) == "This is open, but not yours to decide; an owner can."
    assert telegram.replies(ann)[0].buttons == (("Allow once",), ("Deny",))


async def test_a_press_in_a_topic_belongs_to_the_topic(office, ann, shop):
    telegram = office.telegram
    topic = telegram.topic(shop, "cart", ann)
    await office.adapter.send(ask(place(shop, topic), "Push?"))
    await telegram.clicks(ann, telegram.replies(shop, topic)[0], "Deny")

    assert (await office.hears(kind="answer")).place == place(shop, topic)


async def test_a_button_of_an_answer_is_an_action(office, ann):
    telegram = office.telegram
    actions = [
        {"action": "push", "label": "Push", "run": 7},
        {"action": "undo", "label": "Undo", "run": 7},
    ]
    await office.adapter.send(reply(place(ann), "Done.", actions=actions))
    await telegram.clicks(ann, telegram.replies(ann)[0], "Push")

    heard = await office.hears(kind="action")
    on = str(telegram.replies(ann)[0].id)
    assert heard.body == {"sender": f"telegram:{ann.id}", "action": "push", "run": 7, "on": on}
    pressed = (("✓ Push · Ann", "Undo"),)
    await telegram.until(lambda: telegram.replies(ann)[0].buttons == pressed)


async def test_the_stop_button_stops(office, ann, shop):
    telegram = office.telegram
    await office.adapter.send(progress(place(shop)))
    query = await telegram.clicks(ann, telegram.replies(shop)[0], "🛑 Stop")

    assert (await office.hears(kind="stop")).place == place(shop)
    assert await answer(office, query) == "Stopping."


@pytest.mark.parametrize(
    "press",
    [
        {"inaccessible": True, "data": "ask:x"},
        {"inline": True, "data": "ask:3:0"},
        {"data": "ask:3:9"},
        {"data": "ask:x"},
        {"data": "act:push:1"},
        {"data": "anything else"},
    ],
)
async def test_a_button_that_was_never_on_the_card_does_nothing(office, ann, press):
    telegram = office.telegram
    await office.adapter.send(ask(place(ann), "Push?"))
    query = await telegram.clicks(ann, telegram.replies(ann)[0], **press)

    assert "too old" in await answer(office, query)
    assert office.heard == []


async def test_a_press_that_comes_too_late_is_told_so(office, ann):
    telegram = office.telegram
    office.over.add(f"telegram:{ann.id}")
    await office.adapter.send(ask(place(ann), "Push?"))
    query = await telegram.clicks(ann, telegram.replies(ann)[0], "Allow once")

    assert await answer(office, query) == "This is not open any more."
    assert telegram.replies(ann)[0].buttons == (("Allow once",), ("Deny",))


async def test_a_strangers_press_changes_nothing(office, ann, shop):
    telegram = office.telegram
    eve = telegram.person("Eve")
    telegram.world.chats[shop.id].members[eve.id] = "member"
    office.strangers.add(f"telegram:{eve.id}")
    await office.adapter.send(ask(place(shop), "Push?"))
    query = await telegram.clicks(eve, telegram.replies(shop)[0], "Allow once")

    assert "do not know you" in await answer(office, query)
    assert telegram.replies(shop)[0].buttons == (("Allow once",), ("Deny",))


async def test_an_answer_that_telegram_takes_no_more_is_no_fault(office, ann):
    telegram = office.telegram
    telegram.world.query_s = -1
    await office.adapter.send(ask(place(ann), "Push?"))
    await telegram.clicks(ann, telegram.replies(ann)[0], "Deny")
    await office.hears(kind="answer")
    await office.hears_no_more(ann)


@pytest.mark.parametrize(("emoji", "text"), [("👍", "yes"), ("👎", "no")])
async def test_a_reaction_to_a_question_answers_it(office, ann, shop, emoji, text):
    telegram = office.telegram
    telegram.promotes(shop)
    await office.adapter.send(ask(place(shop), "Push?"))
    await telegram.reacts(ann, telegram.replies(shop)[0], emoji)

    heard = await office.hears(kind="answer")
    on = str(telegram.replies(shop)[0].id)
    assert heard.body == {"sender": f"telegram:{ann.id}", "ask": 3, "text": text, "on": on}


async def test_a_card_that_begins_with_code_shows_every_character_of_it(office, shop):
    question = '```\nplain\n\n[hidden]: http://evil.test "deploy"\n```\n\nMay I keep this?'
    asked = ask(place(shop), question)
    over = await office.adapter.send(asked)
    code = "\n\n```\nplain\n\n[hidden]: http"
    assert code in office.telegram.replies(shop)[0].text

    await office.adapter.send(decided(place(shop), over, question))
    settled = office.telegram.replies(shop)[0].text
    assert code in settled
    assert settled.endswith("_Allow once · ann_")


async def test_a_sleepy_face_stops(office, ann):
    telegram = office.telegram
    message = await telegram.says(ann, text="count to a million")
    await office.hears()
    await telegram.reacts(ann, message, "😴")

    assert (await office.hears(kind="stop")).place == place(ann)


async def test_other_reactions_are_only_reactions(office, ann, shop):
    telegram = office.telegram
    telegram.promotes(shop)
    await office.adapter.send(ask(place(shop), "Push?"))
    card = telegram.replies(shop)[0]
    await telegram.reacts(ann, card, "👍", anonymous=True)
    await telegram.reacts(ann, card, "🎉")
    await telegram.reacts(ann, telegram.chat(shop)[0], "👍")
    await office.hears_no_more(ann)

    assert {each.kind for each in office.heard} == {"message"}


def test_every_verb_is_a_command_that_telegram_suggests():
    assert set(COMMANDS) == set(NAMES)
