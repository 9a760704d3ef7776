"""What people say on Slack reaches us once, in plain words, and only what is for us."""

from __future__ import annotations

from coworker.types import Place
from tests.fakes.slack import ALICE, BOB, BOT, GENERAL


async def test_a_mention_is_heard_once_and_seen(office):
    said = await office.slack.says(ALICE, GENERAL, f"<@{BOT}> who knows <@{BOB}>'s cart & till?")
    heard = await office.hears()
    assert heard.body["text"] == "who knows @bob's cart & till?"
    assert heard.body["sender"] == f"slack:{ALICE}"
    assert heard.body["message"] == said.ts
    assert (heard.body["direct"], heard.body["private"]) == (True, False)
    assert heard.body["at"] == round(float(said.ts) * 1000)
    assert heard.place == Place("slack", GENERAL, said.ts)
    assert heard.event_id == f"T0TEAM:{GENERAL}:{said.ts}"
    await office.until(lambda: said.reactions == {"eyes": [BOT]})
    await office.slack.settled()
    assert sorted(office.desk.results) == ["known", "new"]  # the mention and the message are one


async def test_slack_hears_of_it_only_once_it_is_on_disk(office):
    office.desk.broken = 2
    await office.slack.says(ALICE, GENERAL, f"<@{BOT}> hello")
    assert (await office.hears()).body["text"] == "hello"
    await office.slack.settled()
    assert len(office.desk.heard) == 1
    twice = office.slack.deliveries[:2]
    assert [len(delivery.envelopes) for delivery in twice] == [2, 2]
    assert all(delivery.ack for delivery in twice)


async def test_a_direct_message_opens_a_thread_of_its_own(office):
    room = office.slack.dm(ALICE)
    first = await office.slack.says(ALICE, room, "hello")
    assert (await office.hears()).place == Place("slack", room, first.ts)
    await office.slack.says(ALICE, room, "and now?", thread=first)
    assert (await office.hears(2)).place == Place("slack", room, first.ts)
    await office.slack.says(ALICE, room, "something else")
    assert (await office.hears(3)).place != Place("slack", room, first.ts)


async def test_a_thread_needs_no_further_mention(office):
    said, place = await office.asked()
    await office.slack.says(BOB, GENERAL, "only the tests", thread=said)
    heard = await office.hears(2)
    assert (heard.place, heard.body["direct"]) == (place, False)


async def test_what_is_not_for_us_is_not_heard(office):
    said, _ = await office.asked()
    group = office.slack.group(ALICE, BOB)
    await office.slack.says(ALICE, GENERAL, "lunch?")
    await office.slack.says(ALICE, group, "lunch, you two?")
    await office.slack.says(ALICE, GENERAL, f"<@{BOB}> can you look?", thread=said)
    await office.slack.another_bot_says(GENERAL, f"<@{BOT}> build 7 failed")
    await office.says(office.desk.heard[0].place, "reply")
    office.slack.event({"type": "team_join", "user": {"id": "U1"}})
    office.slack.event({"type": "message", "subtype": "channel_join", "channel": GENERAL})
    await office.slack.settled()
    await office.slack.says(ALICE, group, f"<@{BOT}> you as well")
    assert (await office.hears(2)).body["text"] == "you as well"


async def test_a_strangers_words_get_no_mark(office):
    office.desk.strangers.add(f"slack:{BOB}")
    said = await office.slack.says(BOB, GENERAL, f"<@{BOT}> hello")
    await office.slack.settled()
    assert set(office.desk.results) == {"refused"}
    assert said.reactions == {}


async def test_an_edit_changes_the_message_and_only_real_ones_count(office):
    said, place = await office.asked("what changd?")
    await office.slack.edits(said, f"<@{BOT}> what changed?")
    edit = await office.hears(2)
    assert edit.kind == "edit"
    assert edit.conversation == place.conversation
    assert edit.body == {
        "sender": f"slack:{ALICE}",
        "message": said.ts,
        "text": "what changed?",
    }
    office.slack.event(
        {  # a preview of a link is added: the words stay
            "type": "message",
            "subtype": "message_changed",
            "channel": GENERAL,
            "message": said.json() | {"attachments": [{"text": "a page"}]},
            "previous_message": said.json(),
        }
    )
    await office.slack.settled()
    assert len(office.desk.heard) == 2


async def test_a_mention_that_comes_by_an_edit_is_a_message(office):
    said = await office.slack.says(ALICE, GENERAL, "what changed?")
    await office.slack.edits(said, f"<@{BOT}> what changed?")
    heard = await office.hears()
    assert (heard.kind, heard.body["message"]) == ("message", said.ts)


async def test_a_deleted_message_is_taken_back(office):
    said, _ = await office.asked()
    more = await office.slack.says(ALICE, GENERAL, "and the docs", thread=said)
    await office.hears(2)
    await office.slack.deletes(more)
    heard = await office.hears(3)
    assert (heard.kind, heard.body["message"], heard.body["text"]) == ("edit", more.ts, None)


async def test_the_native_stop_button_stops(office):
    said, place = await office.asked()
    await office.slack.stops(ALICE, said)
    heard = await office.hears(2)
    assert (heard.kind, heard.place, heard.body["sender"]) == ("stop", place, f"slack:{ALICE}")


async def test_files_come_with_the_message_and_are_fetched_with_the_token(office):
    files = [(f"{n}.log", b"all is well\n") for n in range(50)]
    await office.slack.says(ALICE, GENERAL, f"<@{BOT}> what is this?", files=files)
    heard = await office.hears()
    assert len(heard.body["files"]) == 50
    assert set(heard.body["files"][0]) == {"id", "name", "mime", "size", "url"}
    assert await office.platform.fetch(heard.body["files"][0]) == b"all is well\n"


async def test_messages_shared_into_one_are_quoted(office):
    shared = {"is_share": True, "author_id": BOB, "text": "Ship it &amp; go"}
    office.slack.event(
        {
            "type": "message",
            "channel": GENERAL,
            "user": ALICE,
            "ts": "1800000000.000100",
            "text": f"<@{BOT}> is that right?",
            "attachments": [shared, {"text": "a preview of a link"}],
        }
    )
    heard = await office.hears()
    assert heard.body["quoted"] == [{"who": f"slack:{BOB}", "text": "Ship it & go"}]


async def test_the_shortcut_asks_about_a_message_of_somebody_else(office):
    said = await office.slack.says(BOB, GENERAL, "The build is red.")
    await office.slack.shortcut(ALICE, "ask_about_message", said)
    heard = await office.hears()
    assert heard.place == Place("slack", GENERAL, said.ts)
    assert heard.body["sender"] == f"slack:{ALICE}"
    assert heard.body["quoted"] == [{"who": f"slack:{BOB}", "text": "The build is red."}]
    await office.until(lambda: said.reactions == {"eyes": [BOT]})


async def test_the_shortcut_where_we_are_not_says_so(office):
    room = office.slack.channel("secret", ALICE, private=True, bot=False)
    said = await office.slack.says(ALICE, room, "The build is red.")
    await office.slack.shortcut(ALICE, "ask_about_message", said)
    await office.until(lambda: office.slack.ephemerals)
    assert "Invite me" in office.slack.ephemerals[0].shown
    assert office.desk.heard == []


async def test_history_is_read_on_the_first_mention(office):
    root = await office.slack.says(BOB, GENERAL, "The till is broken.")
    for n in range(60):
        await office.slack.says(ALICE, GENERAL, f"I tried {n}.", thread=root)
    await office.slack.another_bot_says(GENERAL, "Build 7 failed.", thread=root.ts)
    said = await office.slack.says(ALICE, GENERAL, f"<@{BOT}> help", thread=root)
    place = (await office.hears()).place
    lines = await office.platform.history(place, said.ts)
    assert len(lines) == 50
    assert (lines[0].who, lines[0].text) == (f"slack:{BOB}", "The till is broken.")
    assert (lines[1].who, lines[1].text) == (f"slack:{ALICE}", "I tried 12.")
    assert (lines[-1].who, lines[-1].text) == ("slack:B0OTHER", "Build 7 failed.")
    assert await office.platform.history(Place("slack", GENERAL, said.ts), said.ts) == []


async def test_an_event_of_an_unknown_shape_is_logged_and_done_with(office, caplog):
    odd = [{"type": "message", "user": ALICE}, {"type": "reaction_added", "reaction": "repeat"}]
    odd += [{"type": "agent_session_stopped"}, {"type": "message", "channel": 7, "user": ALICE}]
    deliveries = [office.slack.event({**event, "text": "my secret"}) for event in odd]
    await office.slack.settled()
    assert all(delivery.ack for delivery in deliveries)
    assert office.desk.heard == []
    assert "cannot be read" in caplog.text
    assert "secret" not in caplog.text


async def test_a_burst_is_heard_in_order_in_each_room(office):
    room = office.slack.dm(ALICE)
    for n in range(60):
        await office.slack.says(ALICE, room, f"{n} for <@{BOB}>" if n % 3 else str(n))
    await office.hears(60)
    assert [int(text.split()[0]) for text in office.desk.texts] == list(range(60))
