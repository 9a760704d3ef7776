"""What goes wrong on the way, and the fake as a process."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest
from telegram.error import (
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from tests.adapters.fake_telegram.client import (
    DEADLINE_S,
    client,
    keyboard,
    polling,
)
from tests.fakes.telegram import (
    FakeTelegram,
    bad_gateway,
    flood,
    garbage,
    hang,
    late,
    lost_reply,
    reset,
    server_error,
    slow,
)

pytestmark = pytest.mark.filterwarnings("ignore:Deprecated since version v22.2:DeprecationWarning")
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("fault", "error", "arrived"),
    [
        (flood(3), RetryAfter, 0),
        (server_error(), NetworkError, 0),
        (bad_gateway(), NetworkError, 0),
        (bad_gateway(effect=True), NetworkError, 1),
        (reset(), NetworkError, 0),
        (lost_reply(), NetworkError, 1),
        (hang(), TimedOut, 0),
        (late(5), TimedOut, 1),
        (garbage(), TelegramError, 1),
    ],
)
async def test_a_fault_shows_once_and_does_what_it_says(telegram, bot, ann, fault, error, arrived):
    telegram.fail("sendMessage", fault)
    with pytest.raises(error):
        await bot.send_message(ann.id, "first")
    assert len(telegram.replies(ann)) == arrived
    await bot.send_message(ann.id, "second")
    assert [seen.text for seen in telegram.replies(ann)][arrived:] == ["second"]
    assert [call.args["text"] for call in telegram.called("sendMessage")] == ["first", "second"]


async def test_faults_wait_for_their_method_and_can_be_healed(telegram, bot, ann):
    telegram.fail("*", flood(2), times=2)
    telegram.fail("file", server_error())
    with pytest.raises(RetryAfter) as refused:
        await bot.get_me()
    assert refused.value.retry_after == 2
    telegram.heal()
    telegram.fail("getMe", slow(0.05))
    assert (await bot.get_me()).username == "coworker_bot"
    said = await telegram.says(ann, document=b"x")
    file = await bot.get_file(said["document"]["file_id"])
    telegram.fail("file", bad_gateway())
    with pytest.raises(NetworkError):
        await file.download_as_bytearray()


async def test_real_limits_stop_a_bot_that_writes_too_fast():
    async with FakeTelegram(real_limits=True) as telegram:
        ann, bob = telegram.person("Ann", started=True), telegram.person("Bob", started=True)
        async with client(telegram).bot as bot:
            await bot.send_message(ann.id, "1")
            with pytest.raises(RetryAfter):
                await bot.send_message(ann.id, "2")
            await bot.send_message(bob.id, "1")
            assert await bot.send_chat_action(ann.id, "typing")
            assert [seen.text for seen in telegram.chat(ann)] == ["1"]
            team = telegram.group("Team", ann)
            for second in range(20):
                telegram.world.ahead_s = 2.0 * (second + 1)
                await bot.send_message(team.id, "tick")
            telegram.world.ahead_s += 2
            with pytest.raises(RetryAfter) as refused:
                await bot.send_message(team.id, "tick")
            assert 15 < refused.value.retry_after <= 20


async def test_after_an_outage_nothing_that_was_said_is_lost(telegram, ann):
    async with polling(telegram) as heard:
        await telegram.until(lambda: telegram.called("getUpdates"))
        telegram.down = True
        await telegram.says(ann, text="anybody there?")
        await telegram.until(lambda: telegram.called("getUpdates")[0].refused == "connection reset")
        telegram.down = False
        assert (await heard()).message.text == "anybody there?"


async def test_it_runs_as_a_process_and_is_told_the_story_over_http():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.telegram"), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        assert process.stdout
        port = int(await asyncio.wait_for(process.stdout.readline(), DEADLINE_S))
        await _tell_a_story(f"http://127.0.0.1:{port}")
    finally:
        process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0


async def _tell_a_story(url: str) -> None:
    async with aiohttp.ClientSession(url) as http:

        async def does(verb: str, **arguments):
            async with http.post(f"/control/{verb}", json=arguments) as response:
                assert response.status == 200, await response.text()
                return json.loads(await response.read())

        async def sees(what: str):
            async with http.get(f"/control/{what}") as response:
                return await response.json()

        elsewhere = FakeTelegram()
        elsewhere.url = url
        ann = await does("person", name="Ann")
        team = await does("group", title="Team", members=["Ann"])
        await does("set", privacy=False)
        said = await does("says", user="Ann", chat="Team", text="hello")
        await does("fail", method="sendMessage", fault="lost_reply")
        async with client(elsewhere).bot as bot:
            (update,) = await bot.get_updates()
            assert (update.message.text, update.message.from_user.id) == ("hello", ann["id"])
            with pytest.raises(NetworkError):
                await bot.send_message(team["id"], "sure?", reply_markup=keyboard(Yes="y"))
            asked, card = await sees("chat?chat=Team")
            assert (asked["id"], card["text"]) == (said["message_id"], "sure?")
            await does("clicks", user="Ann", message=card["json"], button="Yes")
            assert (await bot.get_updates())[-1].callback_query.data == "y"
        assert [call["method"] for call in await sees("calls")].count("sendMessage") == 1
        assert len((await sees("state"))["waiting"]) == 2
        async with http.post("/control/flies", json={}) as refused:
            assert (refused.status, "no such verb" in await refused.text()) == (400, True)
