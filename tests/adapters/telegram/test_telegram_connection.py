"""The connection: nothing is confirmed before it is on disk, and what is wrong is said."""

from __future__ import annotations

import asyncio
import logging

import pytest

from coworker.errors import DiskFull, Refused, Unavailable
from tests.adapters.telegram.office import Office, opened, place, settings
from tests.fakes.telegram import flood, refuse, reset, server_error
from tests.fakes.telegram.faults import Fault


async def ended(office: Office) -> BaseException | None:
    """Wait until run() ends; what it raised."""
    running = office._running
    assert running
    await asyncio.wait([running], timeout=5)
    return running.exception()


async def test_what_cannot_be_stored_is_not_confirmed_and_comes_again(office):
    telegram = office.telegram
    ann, bob = telegram.person("Ann"), telegram.person("Bob")
    office.faults.append(DiskFull("The disk is full."))
    await telegram.says(ann, text="one")
    await telegram.says(bob, text="two")

    assert isinstance(await ended(office), DiskFull)
    assert len(telegram.updates.waiting) == 2, "hanging up confirms nothing either"

    await office.connects()
    await office.hears(count=2)
    assert office.words() == ["one", "two"]


async def test_a_failure_in_the_middle_of_a_batch_loses_and_doubles_nothing(tmp_path):
    async with opened(tmp_path, connect=False) as office:
        telegram = office.telegram
        ann = telegram.person("Ann")
        for number in range(5):
            await telegram.says(ann, text=f"message {number}")
        hear, count = office._hear, 0

        async def third_time_fails(inbound):
            nonlocal count
            count += 1
            if count == 3:
                raise OSError("the disk is gone")
            return await hear(inbound)

        office._hear = third_time_fails
        await office.connects()
        assert isinstance(await ended(office), OSError)
        assert office.words() == ["message 0", "message 1"]

        await office.connects()
        await office.hears(count=5)
        assert office.words() == [f"message {number}" for number in range(5)]
        assert len(office.again) == 2, "those that were stored came again, and were known"


async def test_a_message_that_is_stored_is_confirmed_and_not_heard_twice(office):
    telegram = office.telegram
    await telegram.says(telegram.person("Ann"), text="one")
    await office.hears()
    await telegram.until(lambda: not telegram.updates.waiting)
    await office.stop()
    await office.connects()
    await office.hears_no_more(telegram.person("Bob"))

    assert office.words() == ["one", "that is all"]
    assert office.again == []


async def test_what_was_written_while_we_were_away_is_heard(office):
    telegram = office.telegram
    ann = telegram.person("Ann")
    await office.stop()
    for number in range(150):
        await telegram.says(ann, text=str(number))
    await office.connects()
    await office.hears(count=150)

    assert office.words() == [str(number) for number in range(150)]


async def test_one_message_that_cannot_be_read_holds_up_no_other(office, caplog):
    telegram = office.telegram
    ann = telegram.person("Ann", started=True)
    forever = 10**30
    odd = {"message_id": 1, "date": 1, "chat": {"id": forever, "type": "private"}, "text": "x"}
    telegram.delivers("message", {**odd, "from": ann.json(), "reply_to_message": odd})
    odd_entity = {"type": "mention", "offset": -5, "length": 3}
    telegram.delivers("message", {**odd, "from": ann.json(), "entities": [odd_entity]})
    await office.hears_no_more(ann)

    assert office.words()[-1] == "that is all"


async def test_an_update_that_the_library_cannot_read_holds_up_no_other(office, caplog):
    telegram = office.telegram
    ann = telegram.person("Ann", started=True)
    chat = {"id": ann.id, "type": "private"}
    odd = {"message_id": 1, "date": 1, "chat": chat, "from": {"id": "secret"}, "text": "x"}
    telegram.delivers("message", odd)
    await telegram.says(ann, text="behind it")
    await office.hears()
    await telegram.until(lambda: not telegram.updates.waiting)

    assert office.words() == ["behind it"]
    assert len(telegram.updates.offsets) < 10, "it was not asked for again and again"
    (line,) = [each.getMessage() for each in caplog.records if "cannot be read" in each.message]
    assert line == "an update (message) cannot be read: TypeError"


@pytest.mark.parametrize(
    "body", [b'{"ok":true,"result":[{"message":{}}]}', b'{"ok":true,"re', b"[]"]
)
async def test_an_answer_without_any_sense_is_not_asked_for_without_a_pause(office, body):
    telegram = office.telegram
    ann = telegram.person("Ann", started=True)
    telegram.fail("getUpdates", Fault(status=200, body=body))
    await telegram.says(ann, text="one")
    await office.hears()
    await telegram.says(ann, text="two")
    await office.hears(count=2)

    assert len([each for each in telegram.calls if each.method == "getUpdates"]) < 10


async def test_a_wrong_token_is_refused_at_once_and_never_shown(tmp_path):
    async with opened(tmp_path, connect=False) as office:
        office.telegram.token = "7000001:another_token_of_thirty_five_signs_"
        with pytest.raises(Refused, match="@BotFather") as raised:
            await office.connects()

        assert "7000001" not in str(raised.value)
        assert office.adapter.health().state == "refused"
        (finding,) = await office.adapter.examine()
        assert (finding["check"], finding["ok"]) == ("telegram token", False)


async def test_a_token_that_is_revoked_ends_the_run(office):
    office.telegram.token = "7000001:another_token_of_thirty_five_signs_"
    await office.telegram.says(office.telegram.person("Ann"), text="wakes the poll")

    assert isinstance(await ended(office), Refused)
    assert office.adapter.health().state == "refused"


async def test_two_programs_with_one_token_are_told_apart(office):
    telegram = office.telegram
    telegram.updates.conflict_pause_s = 0.1
    telegram.fail("getUpdates", refuse(409, "Conflict: terminated by other getUpdates request"))
    await telegram.says(telegram.person("Ann"), text="wakes the poll")
    await telegram.until(lambda: office.adapter.health().state == "broken")
    assert "Stop that program" in office.adapter.health().detail

    await telegram.says(telegram.person("Bob"), text="is heard by the next poll")
    await telegram.until(lambda: office.adapter.health().state == "connected", within=30)
    await office.hears(count=2)


async def test_an_outage_passes(office):
    telegram = office.telegram
    telegram.fail("getUpdates", server_error(), times=2)
    telegram.fail("getUpdates", reset())
    await telegram.says(telegram.person("Ann"), text="one")
    await telegram.until(lambda: "one" in office.words(), within=15)
    await telegram.says(telegram.person("Bob"), text="two")
    await telegram.until(lambda: "two" in office.words(), within=15)

    assert office.words() == ["one", "two"]
    assert office.adapter.health().state == "connected"
    assert office.connections == 2, "what waits is said once it is back"


async def test_an_outage_is_told_once(office, caplog):
    telegram = office.telegram
    telegram.fail("getUpdates", server_error(), times=3)
    await telegram.says(telegram.person("Ann"), text="one")
    await telegram.until(lambda: office.adapter.health().state == "reconnecting")
    assert "keep trying" in office.adapter.health().detail
    await telegram.says(telegram.person("Ann"), text="two")  # the poll that works has an answer
    await telegram.until(lambda: office.adapter.health().state == "connected", within=15)
    told = [each.getMessage() for each in caplog.records if "Telegram" in each.getMessage()]
    assert [line.partition("(")[0] for line in told] == [
        "Telegram does not answer ",
        "Telegram answers again.",
    ]


async def test_who_waits_long_for_the_next_poll_can_be_stopped_at_once(office):
    telegram, ann = office.telegram, office.telegram.person("Ann", started=True)
    telegram.fail("getUpdates", flood(60))
    polls = len(telegram.called("getUpdates"))
    await telegram.says(ann, text="wakes the poll")
    await telegram.until(lambda: len(telegram.called("getUpdates")) > polls)
    await office.says(place(ann), "and by now the next one was refused")
    async with asyncio.timeout(30):
        await office.stop()


async def test_a_flood_of_polls_is_waited_out(office):
    telegram = office.telegram
    telegram.fail("getUpdates", flood(1))
    await telegram.says(telegram.person("Ann"), text="one")
    await office.hears()
    await telegram.says(telegram.person("Bob"), text="two")
    await office.hears(count=2)


async def test_a_server_that_is_not_there_is_unavailable(tmp_path, unused_tcp_port):
    async with opened(tmp_path, connect=False) as office:
        nowhere = f"http://127.0.0.1:{unused_tcp_port}/bot"
        office.adapter = type(office.adapter)(
            settings(office.telegram, base_url=nowhere), office.telegram.token
        )
        with pytest.raises(Unavailable, match="cannot be reached"):
            await office.connects()
        assert office.adapter.health().state == "starting"
        (finding,) = await office.adapter.examine()
        assert nowhere in finding["fix"]
        assert office.telegram.token not in str(finding)


async def test_doctor_explains_privacy_mode_and_a_webhook(tmp_path):
    async with opened(tmp_path, connect=False, transcribe=["no-such-program"]) as office:
        office.telegram.updates.webhook = "https://example.com/hook"
        findings = {each["check"]: each for each in await office.adapter.examine()}

        assert findings["telegram token"]["found"] == "@coworker_bot"
        assert "/setprivacy" in findings["telegram privacy mode"]["fix"]
        assert findings["telegram webhook"]["ok"] is False
        assert findings["telegram transcriber"]["ok"] is False

        office.telegram.world.privacy = False
        findings = {each["check"]: each for each in await office.adapter.examine()}
        assert findings["telegram privacy mode"]["ok"] is True


async def test_files_come_from_telegram_alone_and_not_too_large(office):
    telegram = office.telegram
    ann = telegram.person("Ann")
    await telegram.says(ann, document=("big.bin", b"x"), size=100 * 2**20)
    await telegram.says(ann, document=("small.bin", b"x"))
    await office.hears(count=2)
    big, small = (each.body["files"][0] for each in office.heard)

    with pytest.raises(Unavailable, match="100 MB"):
        await office.adapter.fetch(big)
    with pytest.raises(Unavailable, match="too big"):
        await office.adapter.fetch({**big, "size": 0})
    assert telegram.called("file") == [], "refused before anything was downloaded"

    telegram.fail("file", refuse(302, "Found"))
    with pytest.raises(Unavailable):
        await office.adapter.fetch(small)
    assert await office.adapter.fetch(small) == b"x"


async def test_nobody_can_ask_for_what_is_long_gone(office):
    assert await office.adapter.history(place(office.telegram.person("Ann")), "5") == []


async def test_neither_words_nor_the_token_are_logged(office, caplog):
    caplog.set_level(logging.INFO)
    telegram = office.telegram
    ann = telegram.person("Ann")
    telegram.fail("setMessageReaction", reset())
    await telegram.says(ann, text="a secret plan")
    await office.hears_no_more(ann)
    await office.says(place(ann), "a secret answer")
    await office.stop()

    assert telegram.token not in caplog.text
    assert "secret" not in caplog.text
