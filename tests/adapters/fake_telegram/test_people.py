"""What people say and where, as the real client hears it."""

from __future__ import annotations

import pytest
from telegram.error import (
    ChatMigrated,
    Forbidden,
)

from tests.adapters.fake_telegram.client import (
    refused,
    texts,
)
from tests.fakes.telegram import (
    ANONYMOUS_ADMIN,
    CHANNEL_BOT,
)

pytestmark = pytest.mark.filterwarnings("ignore:Deprecated since version v22.2:DeprecationWarning")


async def test_a_message_carries_its_entities_and_its_file(telegram, bot, ann):
    await telegram.says(ann, text="😀 /go@coworker_bot see https://example.com/a. @somebody")
    (update,) = await bot.get_updates()
    found = update.message.parse_entities()
    assert [(e.type, words) for e, words in found.items()] == [
        ("bot_command", "/go@coworker_bot"),
        ("url", "https://example.com/a"),
        ("mention", "@somebody"),
    ]
    await telegram.says(ann, text="look", photo=b"jpeg")
    await telegram.says(ann, document=("notes.txt", b"words"))
    await telegram.says(ann, voice=b"ogg")
    await telegram.says(ann, sticker="👍")
    await telegram.says(ann, more={"location": {"latitude": 52.5, "longitude": 13.4}})
    heard = [update.message for update in await bot.get_updates(offset=-5)]
    photo, document, voice, sticker, place = heard
    assert (place.text, place.location.latitude) == (None, 52.5)
    assert (photo.caption, len(photo.photo)) == ("look", 3)
    assert bytes(await (await photo.photo[-1].get_file()).download_as_bytearray()) == b"jpeg"
    file = await document.document.get_file()
    assert bytes(await file.download_as_bytearray()) == b"words"
    assert document.document.file_name == "notes.txt"
    assert voice.voice.duration == 3
    assert sticker.sticker.emoji == "👍"


async def test_a_file_over_20_mb_cannot_be_fetched(telegram, bot, ann):
    await telegram.says(ann, document=("big.zip", b"PK"), size=21 * 2**20)
    (update,) = await bot.get_updates()
    with refused("file is too big"):
        await update.message.document.get_file()


async def test_forwards_replies_and_quotes_say_where_they_come_from(telegram, bot, ann):
    eve = telegram.person("Eve")
    news = telegram.channel("News")
    sent = await bot.send_message(ann.id, "first second")
    await telegram.says(ann, text="a", forward_from=eve)
    await telegram.says(ann, text="b", forward_from="Somebody")
    await telegram.says(ann, text="c", forward_from=news)
    await telegram.says(ann, text="d", reply_to=telegram.chat(ann)[0], quote="second")
    a, b, c, d = [u.message for u in await bot.get_updates()]
    assert a.forward_origin.sender_user.first_name == "Eve"
    assert b.forward_origin.sender_user_name == "Somebody"
    assert c.forward_origin.chat.title == "News"
    assert d.reply_to_message.message_id == sent.message_id
    assert (d.quote.text, d.quote.position) == ("second", 6)


async def test_an_edit_is_an_update_of_its_own(telegram, bot, ann):
    said = await telegram.says(ann, text="fix it")
    await telegram.edits(ann, said, "fix that")
    first, second = await bot.get_updates()
    assert (first.message.text, second.edited_message.text) == ("fix it", "fix that")
    assert [(seen.text, seen.edited) for seen in telegram.chat(ann)] == [("fix that", True)]


@pytest.mark.parametrize(
    ("words", "heard"),
    [
        ("hello all", False),
        ("@coworker_bot hello", True),
        ("@somebody hello", False),
        ("/status", True),
        ("/status@coworker_bot", True),
        ("/status@other_bot", False),
    ],
)
async def test_in_privacy_mode_a_group_is_heard_only_when_it_speaks_to_the_bot(
    telegram, bot, ann, words, heard
):
    team = telegram.group("Team", ann)
    await telegram.says(ann, team, words)
    assert bool(await bot.get_updates()) is heard
    assert (await bot.get_me()).can_read_all_group_messages is False


async def test_replies_to_the_bot_are_heard_and_an_administrator_hears_all(telegram, bot, ann):
    team = telegram.group("Team", ann)
    await bot.send_message(team.id, "yes?")
    await telegram.says(ann, team, "thanks", reply_to=telegram.chat(team)[0])
    await telegram.says(ann, team, "nothing")
    telegram.promotes(team)
    await telegram.says(ann, team, "everything")
    updates = await bot.get_updates()
    assert texts(u for u in updates if u.message) == ["thanks", "everything"]
    telegram.world.privacy = False
    assert (await bot.get_me()).can_read_all_group_messages is True


async def test_not_everybody_in_a_group_is_a_person(telegram, bot, ann):
    team, news = telegram.supergroup("Team", ann), telegram.channel("News")
    robot = telegram.other_bot("Robot")
    team.members[robot.id] = "member"
    telegram.world.privacy = False
    await telegram.says(ann, team, "as admin", anonymous=True)
    await telegram.says(ann, team, "as channel", as_channel=news)
    await telegram.says(robot, team, "beep")
    await telegram.posts(news, "published")
    admin, channel, beep, post = await bot.get_updates()
    assert admin.message.from_user.id == ANONYMOUS_ADMIN["id"] == 1087968824
    assert admin.message.sender_chat.id == team.id
    assert channel.message.from_user.id == CHANNEL_BOT["id"]
    assert channel.message.sender_chat.title == "News"
    assert beep.message.from_user.is_bot
    assert post.channel_post.text == "published"
    assert post.channel_post.from_user is None


async def test_a_forum_has_topics_and_a_general_one_without_a_number(telegram, bot, ann):
    team = telegram.supergroup("Team", ann, forum=True)
    telegram.world.privacy = False
    shop = telegram.topic(team, "Shop", by=ann)
    await telegram.says(ann, team, "in the shop", topic=shop)
    await telegram.says(ann, team, "in general")
    opened, there, general = [u.message for u in await bot.get_updates()]
    assert opened.forum_topic_created.name == "Shop"
    assert (there.message_thread_id, there.is_topic_message) == (shop, True)
    assert there.reply_to_message.message_id == shop
    assert (general.message_thread_id, general.is_topic_message) == (None, None)
    await there.reply_text("coming")
    assert [seen.text for seen in telegram.replies(team, shop)] == ["coming"]
    for missing in (999, 1):
        with refused("message thread not found"):
            await bot.send_message(team.id, "lost", message_thread_id=missing)
    team.closed_topics.add(shop)
    with refused("TOPIC_CLOSED"):
        await bot.send_message(team.id, "late", message_thread_id=shop)
    assert await bot.send_chat_action(team.id, "typing", message_thread_id=1)
    assert telegram.action(team) == "typing"


async def test_outside_of_forums_a_thread_is_only_a_chain_of_replies(telegram, bot, ann):
    team = telegram.supergroup("Team", ann)
    telegram.world.privacy = False
    root = await telegram.says(ann, team, "root")
    await telegram.says(ann, team, "answer", reply_to=root)
    _, answer = [u.message for u in await bot.get_updates()]
    assert answer.message_thread_id == root["message_id"]
    assert answer.is_topic_message is None
    sent = await bot.send_message(team.id, "fine", message_thread_id=answer.message_thread_id)
    assert sent.message_thread_id is None


async def test_a_private_chat_can_have_topics(telegram, bot, ann):
    telegram.world.private_topics = True
    assert (await bot.get_me()).has_topics_enabled
    shop = telegram.topic(ann, "Shop")
    await telegram.says(ann, text="hi", topic=shop)
    message = (await bot.get_updates())[-1].message
    assert (message.message_thread_id, message.is_topic_message) == (shop, True)
    made = await bot.create_forum_topic(ann.id, "Second")
    await bot.send_message(ann.id, "here", message_thread_id=made.message_thread_id)
    assert (await telegram.hears(ann, "here")).topic == made.message_thread_id


async def test_a_group_that_became_a_supergroup_says_where_it_went(telegram, bot, ann):
    team = telegram.group("Team", ann)
    new = await telegram.migrates(team)
    old_end, new_start = [u.message for u in await bot.get_updates()]
    assert (old_end.chat.id, old_end.migrate_to_chat_id) == (team.id, new.id)
    assert (new_start.chat.id, new_start.migrate_from_chat_id) == (new.id, team.id)
    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(team.id, "hello?")
    assert moved.value.new_chat_id == new.id
    await bot.send_message(new.id, "here")
    assert [seen.text for seen in telegram.replies(new)] == ["here"]
    with pytest.raises(ValueError, match="cannot write in Team"):
        await telegram.says(ann, team, "still here?")


async def test_the_bot_may_not_write_everywhere(telegram, bot, ann):
    eve, team = telegram.person("Eve"), telegram.group("Team", ann)
    telegram.blocks(ann)
    telegram.kicks(team)
    for chat, why in (
        (ann.id, "bot was blocked by the user"),
        (team.id, "bot was kicked from the group chat"),
        (eve.id, "bot can't initiate conversation with a user"),
    ):
        with pytest.raises(Forbidden, match=why):
            await bot.send_message(chat, "hello")
    with refused("chat not found"):
        await bot.send_message(-1, "hello")
    blocked, kicked = [u.my_chat_member for u in await bot.get_updates()]
    assert blocked.new_chat_member.status == kicked.new_chat_member.status == "kicked"


async def test_who_is_who_in_a_chat(telegram, bot, ann):
    team = telegram.supergroup("Team", ann)
    telegram.promotes(team)
    assert (await bot.get_chat(team.id)).title == "Team"
    assert (await bot.get_chat_member(team.id, ann.id)).status == "member"
    assert (await bot.get_chat_member(team.id, telegram.person("Eve").id)).status == "left"
    (leading,) = await bot.get_chat_administrators(team.id)
    assert leading.user.username == "coworker_bot"
    pinned = await bot.send_message(team.id, "rules")
    await bot.pin_chat_message(team.id, pinned.message_id)
    assert (await bot.get_chat(team.id)).pinned_message.text == "rules"
