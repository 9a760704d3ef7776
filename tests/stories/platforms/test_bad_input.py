"""What nobody should send: a clear answer or a quiet refusal, and life goes on."""

import struct
import zlib

import pytest

from tests.fakes.anthropic import call, say
from tests.stories.platforms.test_platform_contract import blocks

RTL = "\u202egro.lppa\u202c הקוד שבור \u200b\u200d\u2060 שלום"
BROKEN = "**bold _and `open\n\n```python\nno end\n| a |\n[link](javascript:alert(1)) <b> &amp; \\"
HOSTILE = "<!channel> <@U0BOB> @bob_shop [x](tg://user?id=4711) <https://evil.example|shop>"


def zip_bomb():
    """A picture of 50,000 × 50,000 white points in a few bytes."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1_000_000)))


async def still_answers(chat):
    """It is still there for the next person."""
    other = chat.apart()
    await other.opens("are you there?")
    await other.hears("Still here.")


async def test_an_empty_message_is_told_what_can_be_said(talk):
    async with talk() as (t, chat):
        if chat.kind == "telegram-private":
            pytest.skip("nobody can send nothing there")
        await chat.opens("")
        await chat.hears("status` what is going on")
        assert not t.model.requests


async def test_forty_thousand_characters_are_read_and_said(talk):
    text = " ".join(f"word{n}" for n in range(5_000))[:40_000]
    async with talk([say(text), say("Still here.")]) as (t, chat):
        await chat.opens(text)
        if chat.kind == "slack":
            await chat.until(lambda: t.model.requests)
            assert text in str(t.model.requests[0]["messages"])
        (whole,) = await chat.until(lambda: [m.file for m in chat.shown() if m.file])
        assert whole.strip() == text
        await still_answers(chat)


async def test_fifty_attachments_are_one_answer_and_not_fifty(talk):
    async with talk(lambda r: say("Still here." if "are you" in str(r) else "I took ten.")) as (
        _t,
        chat,
    ):
        await chat.sends([f"note{n}.txt" for n in range(50)])
        await chat.hears("I took ten.")
        await chat.settled()
        await chat.until(lambda: not chat.working())
        assert len(chat.saying("I took ten.")) <= 3
        await still_answers(chat)


async def test_a_file_of_a_hundred_megabytes_is_not_fetched(talk):
    async with talk([say("Too large."), say("Still here.")]) as (t, chat):
        await chat.sends(["film.mp4"], size=100 * 2**20)
        await chat.hears("Too large.")
        (note,) = [
            b["text"] for b in blocks(t.model.requests[0]) if "film.mp4" in b.get("text", "")
        ]
        assert "could not be fetched" in note
        assert not t.slack.called("files.download")
        assert not t.telegram.called("file")
        await still_answers(chat)


@pytest.mark.parametrize(
    "content", [zip_bomb(), b"PK\x03\x04" + bytes(100_000)], ids=["png", "zip"]
)
async def test_a_bomb_named_png_never_goes_off(talk, content):
    async with talk([say("I do not look at that."), say("Still here.")]) as (t, chat):
        await chat.opens("look", files=[("cat.png", content)])
        await chat.hears("I do not look at that.")
        assert not [b for b in blocks(t.model.requests[0]) if b["type"] == "image"]
        await still_answers(chat)


@pytest.mark.parametrize("text", [RTL, BROKEN, HOSTILE], ids=["rtl", "broken", "hostile"])
async def test_strange_text_is_heard_and_said_without_harm(talk, text):
    async with talk([say(text), say(f"```\n{text}"), say("Still here.")]) as (_, chat):
        asked = await chat.opens(text)
        await chat.until(lambda: chat.marks(asked) == {"good"})
        (answer,) = chat.shown()
        assert "\u202e" not in answer.text
        assert chat.pings(answer) == []
        await chat.says("again")
        await chat.until(lambda: len(chat.shown()) == 2 and not chat.working())
        await still_answers(chat)


async def test_what_no_client_sends_is_passed_over(talk):
    async with talk([say("Hello."), say("Still here.")]) as (t, chat):
        await chat.asks("hello", "Hello.")
        await chat.upsets()
        await chat.settled()
        await still_answers(chat)
        assert len(t.model.requests) == 2
        assert len(chat.shown()) == 1


async def test_a_button_from_before_the_database_was_lost_has_no_effect(talk):
    script = [call("ask", question="Which colour?", options=["red", "blue"]), say("Still here.")]
    async with talk(script) as (t, chat):
        await chat.opens("paint it")
        card = await chat.hears("Which colour?")
        await t.restarts(forgetting=True)
        await chat.clicks_again(card, "blue")
        await chat.until(lambda: any(chat.whispers()))
        assert len(t.model.requests) == 1
        await still_answers(chat)
