"""The fake Telegram itself, through the real client library: what it takes, refuses and breaks."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from telegram import (
    BotCommand,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    MessageEntity,
    ReplyParameters,
)
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.ext import Application

from tests.fakes.telegram import (
    ANONYMOUS_ADMIN,
    CHANNEL_BOT,
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
ROOT = Path(__file__).parents[2]
DEADLINE_S = 10


@pytest.fixture
async def telegram():
    async with FakeTelegram() as telegram:
        yield telegram


@pytest.fixture
async def bot(telegram):
    """The real client, not polling."""
    async with client(telegram).bot as bot:
        yield bot


@pytest.fixture
def ann(telegram):
    return telegram.person("Ann", started=True)


def client(telegram: FakeTelegram, token: str = "") -> Application:
    builder = Application.builder().token(token or telegram.token)
    builder = builder.base_url(telegram.base_url).base_file_url(telegram.base_file_url)
    return builder.read_timeout(0.4).get_updates_read_timeout(3).job_queue(None).build()


@asynccontextmanager
async def polling(telegram: FakeTelegram, **more):
    """The real updater. Yields a function that gives the next update."""
    app = client(telegram)

    async def heard():
        return await asyncio.wait_for(app.update_queue.get(), DEADLINE_S)

    async with app:
        await app.updater.start_polling(timeout=2, **more)
        yield heard
        await app.updater.stop()


def keyboard(**data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(k, callback_data=v)] for k, v in data.items()]
    )


def refused(why: str):
    """The client capitalises what the platform said."""
    return pytest.raises(BadRequest, match=f"(?i){why}")


def texts(updates) -> list[str]:
    return [update.message.text for update in updates]


# The queue


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


# What people say


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
    photo, document, voice, sticker = [u.message for u in (await bot.get_updates(offset=-4))]
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


# Places


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


# What the bot sends


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": " \n "}, "text must be non-empty"),
        ({"text": "x" * 4097}, "message is too long"),
        ({"text": "😀" * 2049}, "message is too long"),
        ({"text": "<b>x", "parse_mode": "HTML"}, "can't parse entities: Can't find end tag"),
        ({"text": "<x>y</x>", "parse_mode": "HTML"}, 'Unsupported start tag "x" at byte offset 0'),
        ({"text": "x", "parse_mode": "Nonsense"}, "unsupported parse_mode"),
        (
            {"text": "x", "entities": [MessageEntity("bold", 0, 2)]},
            "ends after the end",
        ),
        ({"text": "x", "entities": [MessageEntity("bold", -1, 1)]}, "incorrect offset -1"),
        ({"text": "😀x", "entities": [MessageEntity("bold", 1, 1)]}, "within a symbol"),
        ({"text": "x", "reply_markup": keyboard(Ok="d" * 65)}, "BUTTON_DATA_INVALID"),
        (
            {"text": "x", "reply_parameters": ReplyParameters(77)},
            "message to be replied not found",
        ),
    ],
)
async def test_a_message_that_cannot_be_is_refused(telegram, bot, ann, arguments, complaint):
    with refused(complaint):
        await bot.send_message(ann.id, **arguments)
    assert telegram.replies(ann) == []
    assert telegram.called("sendMessage")[0].refused


async def test_a_message_at_the_limits_is_taken(telegram, bot, ann):
    full = "😀" * 2048
    many = [MessageEntity("bold", n, 1) for n in range(0, 240, 2)]
    await bot.send_message(ann.id, full)
    sent = await bot.send_message(ann.id, "ab" * 120, entities=many)
    assert len(sent.entities) == 100
    html = await bot.send_message(ann.id, "<b>a &amp; b</b> 😀<code>c</code>", parse_mode="HTML")
    assert [(e.type, words) for e, words in html.parse_entities().items()] == [
        ("bold", "a & b"),
        ("code", "c"),
    ]
    optional = ReplyParameters(77, allow_sending_without_reply=True)
    await bot.send_message(
        ann.id, "d", reply_parameters=optional, reply_markup=keyboard(Ok="d" * 64)
    )
    assert [seen.text for seen in telegram.replies(ann)] == [full, "ab" * 120, "a & b 😀c", "d"]


async def test_edits_show_and_senseless_ones_are_refused(telegram, bot, ann):
    said = await telegram.says(ann, text="go")
    sent = await bot.send_message(ann.id, "working", reply_markup=keyboard(Stop="stop"))
    place = {"chat_id": ann.id, "message_id": sent.message_id}
    with refused("message is not modified"):
        await bot.edit_message_text("working", reply_markup=keyboard(Stop="stop"), **place)
    await bot.edit_message_text("done", **place)
    (seen,) = telegram.replies(ann)
    assert (seen.text, seen.buttons, seen.edited) == ("done", (), True)
    await bot.edit_message_reply_markup(reply_markup=keyboard(Again="again"), **place)
    assert telegram.replies(ann)[0].buttons == (("Again",),)
    with refused("message is too long"):
        await bot.edit_message_text("x" * 4097, **place)
    with refused("message can't be edited"):
        await bot.edit_message_text("x", chat_id=ann.id, message_id=said["message_id"])
    await bot.delete_message(ann.id, sent.message_id)
    assert telegram.replies(ann) == []
    with refused("message to edit not found"):
        await bot.edit_message_text("x", **place)
    with refused("message to delete not found"):
        await bot.delete_message(ann.id, sent.message_id)


async def test_a_click_can_be_answered_once_and_soon(telegram, bot, ann):
    await bot.send_message(ann.id, "sure?", reply_markup=keyboard(Yes="y:1", No="n:1"))
    card = telegram.chat(ann)[0]
    assert card.buttons == (("Yes",), ("No",))
    first = await telegram.clicks(ann, card, "Yes")
    late_one = await telegram.clicks(ann, card, "n:1")
    yes, no = [u.callback_query for u in await bot.get_updates()]
    assert (yes.data, no.data, yes.message.text) == ("y:1", "n:1", "sure?")
    assert telegram.answer(first) is None
    await yes.answer("fine")
    assert telegram.answer(first) == {"text": "fine"}
    telegram.world.ahead_s = 60
    with refused("query is too old"):
        await no.answer()
    assert telegram.answer(late_one) is None
    with pytest.raises(LookupError, match="no button 'Maybe'"):
        await telegram.clicks(ann, card, "Maybe")


async def test_a_click_can_come_without_its_message(telegram, bot, ann):
    await bot.send_message(ann.id, "sure?", reply_markup=keyboard(Yes="y"))
    card = telegram.chat(ann)[0]
    await telegram.clicks(ann, card, "Yes", inline=True)
    await telegram.deletes(card)
    await telegram.clicks(ann, card, data="forged", inaccessible=True)
    inline, gone = [u.callback_query for u in await bot.get_updates()]
    assert inline.message is None
    assert inline.inline_message_id
    assert not gone.message.is_accessible
    assert gone.data == "forged"


async def test_only_some_emoji_are_reactions(telegram, bot, ann):
    said = await telegram.says(ann, text="hi")
    number = said["message_id"]
    assert await bot.set_message_reaction(ann.id, number, "👀")
    assert telegram.chat(ann)[0].reactions == ("👀",)
    with refused("REACTION_INVALID"):
        await bot.set_message_reaction(ann.id, number, "✅")
    await bot.set_message_reaction(ann.id, number, [])
    assert telegram.chat(ann)[0].reactions == ()


async def test_rich_messages_are_markdown_or_unknown_to_an_older_server(telegram, bot, ann):
    table = "# Result\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    asked = {"chat_id": ann.id, "rich_message": {"markdown": table}}
    sent = await bot.do_api_request("sendRichMessage", api_kwargs=asked)
    assert sent["rich_message"]["blocks"][0] == {"type": "heading", "size": 1, "text": "Result"}
    changed = {"markdown": "# Better"}
    place = {"chat_id": ann.id, "message_id": sent["message_id"]}
    edit = {**place, "text": "", "api_kwargs": {"rich_message": changed}}
    await bot.edit_message_text(**edit)
    with refused("not modified"):
        await bot.edit_message_text(**edit)
    (seen,) = telegram.replies(ann)
    assert (seen.text, seen.rich) == ("# Better", True)
    await bot.edit_message_text("plain", **place)
    assert (telegram.replies(ann)[0].text, telegram.replies(ann)[0].rich) == ("plain", False)
    with refused("too long"):
        long = {"chat_id": ann.id, "rich_message": {"markdown": "x" * 32_769}}
        await bot.do_api_request("sendRichMessage", api_kwargs=long)
    telegram.world.rich = False
    with pytest.raises(EndPointNotFound):
        await bot.do_api_request("sendRichMessage", api_kwargs=asked)
    with refused("text is empty"):
        await bot.edit_message_text(**edit)


async def test_drafts_stream_in_private_until_the_message_comes(telegram, bot, ann):
    await bot.send_message_draft(ann.id, 7, "wor")
    await bot.send_message_draft(ann.id, 7, "working")
    assert telegram.drafts(ann) == ["working"]
    assert telegram.chat(ann) == []
    telegram.world.ahead_s = 31
    assert telegram.drafts(ann) == []
    rich = {"chat_id": ann.id, "draft_id": 8, "rich_message": {"markdown": "# Half"}}
    await bot.do_api_request("sendRichMessageDraft", api_kwargs=rich)
    assert telegram.drafts(ann) == ["# Half"]
    await bot.send_message(ann.id, "done")
    assert telegram.drafts(ann) == []
    with refused("RANDOM_ID_INVALID"):
        await bot.send_message_draft(ann.id, 0, "x")
    with refused("TEXTDRAFT_PEER_INVALID"):
        await bot.send_message_draft(telegram.group("Team", ann).id, 7, "x")


async def test_files_go_up(telegram, bot, ann):
    await bot.send_document(ann.id, b"diff", filename="fix.patch", caption="see")
    sent = await bot.send_photo(ann.id, b"png", filename="chart.png")
    again = await bot.send_photo(ann.id, sent.photo[-1].file_id)
    document, photo, repeated = telegram.replies(ann)
    assert (document.file, document.data, document.text) == ("fix.patch", b"diff", "see")
    assert photo.data == repeated.data == b"png"
    assert again.message_id == repeated.id
    with refused("file must be non-empty"):
        await bot.send_document(ann.id, b"", filename="empty.txt")
    with refused("caption is too long"):
        await bot.send_document(ann.id, b"x", caption="c" * 1025)


async def test_commands_are_kept_per_scope(telegram, bot):
    await bot.set_my_commands([BotCommand("status", "What I do")])
    assert [c.command for c in await bot.get_my_commands()] == ["status"]
    assert await bot.get_my_commands(language_code="de") == ()
    with refused("BOT_COMMAND_INVALID"):
        await bot.set_my_commands([BotCommand("Has Space", "no")])


# What goes wrong


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
