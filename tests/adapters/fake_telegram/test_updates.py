"""getUpdates: what is delivered, and when again."""

from __future__ import annotations

import asyncio

import pytest
from telegram.error import (
    Conflict,
    InvalidToken,
)

from tests.adapters.fake_telegram.client import (
    client,
    polling,
    texts,
)
from tests.fakes.telegram import (
    garbage,
)


async def test_an_update_comes_again_until_a_later_offset_confirms_it(telegram, bot, ann):
    for words in ("one", "two", "three"):
        await telegram.says(ann, text=words)
    first = await bot.get_updates()
    again = await bot.get_updates()
    assert texts(first) == texts(again) == ["one", "two", "three"]
    assert texts(await bot.get_updates(limit=1)) == ["one"]
    assert texts(await bot.get_updates(offset=first[0].update_id + 1)) == ["two", "three"]
    assert texts(await bot.get_updates(offset=-1)) == ["three"]
    assert texts(await bot.get_updates()) == ["three"]


async def test_a_long_poll_ends_when_somebody_speaks(telegram, bot, ann):
    assert await bot.get_updates(timeout=0) == ()
    waiting = asyncio.create_task(bot.get_updates(timeout=8))
    await telegram.until(lambda: len(telegram.called("getUpdates")) == 2)
    await telegram.says(ann, text="hi")
    assert texts(await asyncio.wait_for(waiting, 2)) == ["hi"]


async def test_a_poller_that_died_stands_in_nobodys_way(telegram, bot, ann):
    waiting = asyncio.create_task(bot.get_updates(timeout=8))
    await telegram.until(lambda: telegram.called("getUpdates"))
    waiting.cancel()
    await asyncio.wait([waiting])
    await telegram.says(ann, text="hi")
    assert texts(await bot.get_updates(timeout=8)) == ["hi"]


async def test_what_a_poll_allows_is_remembered(telegram, bot, ann):
    said = await telegram.says(ann, text="hi")
    await telegram.reacts(ann, said, "👍")
    assert [u.message_reaction for u in await bot.get_updates(offset=-1)] == [None]
    await bot.get_updates(allowed_updates=["message_reaction"])
    await telegram.reacts(ann, said, "🔥")
    await telegram.says(ann, text="not asked for")
    (reaction,) = (await bot.get_updates(offset=-1, allowed_updates=None))[-1:]
    assert [r.emoji for r in reaction.message_reaction.old_reaction] == ["👍"]
    assert [r.emoji for r in reaction.message_reaction.new_reaction] == ["🔥"]
    assert (await bot.get_webhook_info()).allowed_updates == ("message_reaction",)


async def test_unconfirmed_updates_are_gone_after_a_day(telegram, bot, ann):
    await telegram.says(ann, text="old")
    telegram.world.ahead_s = 86_401
    await telegram.says(ann, text="new")
    assert texts(await bot.get_updates()) == ["new"]


async def test_a_second_poller_displaces_the_first(telegram, bot):
    first = asyncio.create_task(bot.get_updates(timeout=8))
    await telegram.until(lambda: telegram.called("getUpdates"))
    async with client(telegram).bot as other:
        second = asyncio.create_task(other.get_updates(timeout=1))
        with pytest.raises(Conflict, match="terminated by other getUpdates request"):
            await first
        assert await second == ()


async def test_no_polling_while_a_webhook_is_set(telegram, bot, ann):
    telegram.updates.webhook = "https://example.com/hook"
    with pytest.raises(Conflict, match="webhook is active"):
        await bot.get_updates()
    await telegram.says(ann, text="hi")
    assert (await bot.get_webhook_info()).pending_update_count == 1
    await bot.delete_webhook(drop_pending_updates=True)
    assert await bot.get_updates() == ()


async def test_a_wrong_token_opens_nothing(telegram):
    for token in ("1:" + "A" * 35, "nonsense"):
        with pytest.raises(InvalidToken):
            async with client(telegram, token).bot:
                pass


async def test_the_real_updater_polls_and_confirms(telegram, ann):
    async with polling(telegram) as heard:
        await telegram.says(ann, text="hi")
        assert (await heard()).message.text == "hi"
        telegram.delivers("future_kind", {"id": 1})
        telegram.fail("getUpdates", garbage())
        assert (await heard()).api_kwargs == {"future_kind": {"id": 1}}
    assert telegram.updates.waiting == []
    assert telegram.updates.offsets[-1] == telegram.updates.offsets[0] + 700_000_003
