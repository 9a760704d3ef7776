"""What the bot sends: what is taken, what is refused, what people then see."""

from __future__ import annotations

import pytest
from telegram import BotCommand, MessageEntity, ReplyParameters
from telegram.error import (
    EndPointNotFound,
)

from tests.adapters.fake_telegram.client import (
    keyboard,
    refused,
)


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
