"""The whole colleague on Telegram: a daemon, a scripted model, and people who write to it."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager

import pytest

from coworker import daemon
from coworker.settings import PersonConfig, RepoConfig
from coworker.settings import Telegram as Settings
from tests.fakes.anthropic import FakeAnthropic, call, hang, say
from tests.fakes.telegram import FakeTelegram, lost_reply

HANDS = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
ANN = 4711


@pytest.fixture
def colleague(configured, shop, monkeypatch):
    """`async with colleague(telegram, script):` is a daemon on Telegram that knows Ann."""

    @asynccontextmanager
    async def colleague(telegram, script, *, rooms=()):
        monkeypatch.setenv("TELEGRAM_BOT_TOKEN", telegram.token)
        urls = {"base_url": telegram.base_url, "base_file_url": telegram.base_file_url}
        async with FakeAnthropic(script, strict=True) as model:
            settings = configured(
                model,
                telegram=Settings(**urls),
                people={"ann": PersonConfig(role="owner", ids=[f"telegram:{ANN}"])},
                repos={"shop": RepoConfig(path=str(shop), rooms=list(rooms))},
            )
            async with daemon.owned(settings, connecting=True):
                yield model

    return colleague


@pytest.fixture
async def telegram():
    async with FakeTelegram() as telegram:
        yield telegram


async def test_a_question_in_private_is_answered_once(telegram, colleague):
    ann = telegram.person("Ann", user_id=ANN)
    async with colleague(telegram, [call("search", pattern="total"), say("In `cart.py`.")]):
        await telegram.says(ann, text="where is total?")
        answer = await telegram.hears(ann, "In `cart.py`.")
        await telegram.until(lambda: telegram.chat(ann)[0].reactions == ("👌",))

    assert "2 steps" in answer.text
    assert len(telegram.replies(ann)) == 1


async def test_in_a_group_the_progress_message_becomes_the_answer(telegram, colleague):
    ann = telegram.person("Ann", user_id=ANN)
    shop = telegram.supergroup("shop", ann)
    room = f"telegram:{shop.id}"
    async with colleague(telegram, [say("It sells things.")], rooms=[room]):
        await telegram.says(ann, shop, "@coworker_bot what is this?")
        await telegram.hears(shop, "It sells things.")
        await telegram.until(lambda: telegram.chat(shop)[0].reactions == ("👌",))

    assert len(telegram.replies(shop)) == 1


async def test_in_a_topic_later_words_need_no_mention(telegram, colleague):
    ann = telegram.person("Ann", user_id=ANN)
    shop = telegram.supergroup("shop", ann, forum=True)
    telegram.world.privacy = False
    topic = telegram.topic(shop, "cart", ann)
    script = [say("One."), say("Two.")]
    async with colleague(telegram, script, rooms=[f"telegram:{shop.id}"]):
        await telegram.says(ann, shop, "@coworker_bot count", topic=topic)
        await telegram.hears(shop, "One.", topic)
        await telegram.says(ann, shop, "go on", topic=topic)
        await telegram.hears(shop, "Two.", topic)


async def test_a_picture_is_seen_by_the_model(telegram, colleague):
    png = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0\0\0\x08\0\0\0\x08" + b"\x08\x02\0\0\0"
    ann = telegram.person("Ann", user_id=ANN)
    async with colleague(telegram, [say("A red dot.")]) as model:
        await telegram.says(ann, text="what is it?", photo=png)
        await telegram.hears(ann, "A red dot.")

        content = model.requests[0]["messages"][-1]["content"]
        assert [block["source"]["media_type"] for block in content if block["type"] == "image"] == [
            "image/png"
        ]


async def test_stop_works_while_the_model_thinks(telegram, colleague):
    ann = telegram.person("Ann", user_id=ANN)
    async with colleague(telegram, [hang()]) as model:
        await telegram.says(ann, text="think for ever")
        await telegram.until(lambda: model.requests)
        await telegram.says(ann, text="/stop")
        await telegram.hears(ann, "Stopped.")


async def test_a_lost_reply_gives_one_labelled_repeat(telegram, colleague):
    ann = telegram.person("Ann", user_id=ANN)
    telegram.fail("sendRichMessage", lost_reply())
    async with colleague(telegram, [say("42.")]):
        await telegram.says(ann, text="the answer?")
        await telegram.hears(ann, "(possibly a repeat)", within=30)

    assert [answer.text.count("42.") for answer in telegram.replies(ann)] == [1, 1]


async def test_a_stranger_gets_one_sentence_and_no_model(telegram, colleague):
    eve = telegram.person("Eve", user_id=666)
    async with colleague(telegram, []):
        await telegram.says(eve, text="hello")
        await telegram.hears(eve, "telegram:666")
        await telegram.says(eve, text="hello?")
        await telegram.until(lambda: not telegram.updates.waiting)

    assert len(telegram.replies(eve)) == 1


@pytest.mark.soak
async def test_forty_people_at_once_within_telegrams_limits(colleague):
    async with FakeTelegram(real_limits=True) as telegram:
        room = telegram.person("Ann", user_id=ANN, started=True)
        telegram.world.private_topics = True
        topics = [telegram.topic(room, f"topic {n}", room) for n in range(10)]
        groups = [telegram.supergroup(f"group {n}", room) for n in range(30)]
        rooms = [f"telegram:{group.id}" for group in groups]
        async with colleague(telegram, lambda _request: say("Yes."), rooms=rooms):
            for topic in topics:
                await telegram.says(room, text="are you there?", topic=topic)
            for group in groups:
                await telegram.says(room, group, "@coworker_bot are you there?")

            def answered():
                private = [t for t in topics if telegram.replies(room, t)]
                public = [g for g in groups if any("Yes." in a.text for a in telegram.replies(g))]
                return len(private) + len(public) == 40

            await telegram.until(answered, within=60)
            assert all(len(telegram.replies(room, topic)) == 1 for topic in topics)


@HANDS
async def test_a_button_under_the_answer_takes_it_back(telegram, colleague, shop):
    ann = telegram.person("Ann", user_id=ANN)
    script = [
        call("edit_file", path="README.md", old="Sells things.", new="Sells good things."),
        call("git_commit", message="Praise the goods"),
        say("Done."),
    ]
    async with colleague(telegram, script):
        await telegram.says(ann, text="praise the goods")
        answer = await telegram.hears(ann, "Done.", within=20)
        assert answer.buttons == (("Push", "Open PR", "Undo"),)
        await telegram.clicks(ann, answer, "Undo")
        await telegram.hears(ann, "Undo of run", within=20)
        assert telegram.replies(ann)[0].buttons == (("Push", "Open PR", "✓ Undo · Ann"),)
