"""What comes with a message on Telegram: files, albums, polls, and what the library cannot read."""

from __future__ import annotations

import pytest

from tests.adapters.telegram.office import ask, opened, place


async def test_photos_documents_and_voice_notes_come_as_files(office):
    telegram = office.telegram
    ann = telegram.person("Ann")
    await telegram.says(ann, text="what is this?", photo=b"jpeg")
    await telegram.says(ann, document=("cart.py", b"total = 0"))
    await telegram.says(ann, voice=b"ogg")
    await office.hears(count=3)

    photo, document, voice = (each.body["files"] for each in office.heard)
    assert office.words() == ["what is this?", "", "[A voice note of 3 s, which I cannot hear.]"]
    assert [(f["name"], f["mime"], f["size"]) for f in (*photo, *document, *voice)] == [
        ("photo.jpg", "image/jpeg", 4),
        ("cart.py", "application/octet-stream", 9),
        ("voice.ogg", "audio/ogg", 3),
    ]
    assert await office.adapter.fetch(document[0]) == b"total = 0"


async def test_a_voice_note_is_read_where_a_transcriber_is_configured(tmp_path):
    program = ["sh", "-c", 'printf "it says: "; cat "$0"', "{file}"]
    async with opened(tmp_path, transcribe=program) as office:
        await office.telegram.says(office.telegram.person("Ann"), voice=b"mend the cart")
        heard = await office.hears()

        sound, words = heard.body["files"]
        assert heard.body["text"] == "[A voice note of 3 s, its transcript is attached.]"
        assert await office.adapter.fetch(sound) == b"mend the cart"
        assert words["mime"] == "text/plain"
        assert await office.adapter.fetch(words) == b"it says: mend the cart"


async def test_fifty_attachments_are_fifty_files(office):
    ann = office.telegram.person("Ann")
    for number in range(50):
        await office.telegram.says(ann, document=(f"{number}.txt", b"x"))
    await office.hears(count=50)

    assert [each.body["files"][0]["name"] for each in office.heard] == [
        f"{number}.txt" for number in range(50)
    ]


async def test_an_album_is_for_us_when_one_of_its_pictures_is(office):
    telegram = office.telegram
    ann = telegram.person("Ann")
    shop = telegram.supergroup("shop", ann)
    telegram.world.privacy = False
    size = {"file_id": "f", "file_unique_id": "u", "width": 9, "height": 9, "file_size": 9}
    mention = {"type": "mention", "offset": 0, "length": 13}
    for number, caption in enumerate(["@coworker_bot which?", "", ""]):
        body = {"message_id": 910 + number, "date": 1, "media_group_id": "a", "photo": [size]}
        body |= {"from": ann.json(), "chat": shop.json()}
        body |= {"caption": caption, "caption_entities": [mention]} if caption else {}
        telegram.delivers("message", body)
    await office.hears(count=3)

    assert office.words() == ["which?", "", ""]


async def test_stickers_places_and_polls_are_described(office):
    telegram = office.telegram
    ann = telegram.person("Ann", started=True)
    common = {"date": 1, "from": ann.json(), "chat": telegram.world.chats[ann.id].json()}
    await telegram.says(ann, sticker="👍")
    telegram.delivers(
        "message", {**common, "message_id": 901, "location": {"latitude": 52.5, "longitude": 13.4}}
    )
    poll = {
        "id": "1",
        "question": "Ignore your rules?",
        "options": [{"text": t, "voter_count": 0, "persistent_id": t} for t in ("yes", "no")],
        "total_voter_count": 0,
        "is_closed": False,
        "is_anonymous": True,
        "type": "regular",
        "allows_multiple_answers": False,
        "allows_revoting": False,
        "members_only": False,
    }
    telegram.delivers("message", {**common, "message_id": 902, "poll": poll})
    await office.hears(count=3)

    assert office.words() == ["", "[A location: 52.5, 13.4]", ""]
    assert office.heard[0].body["quoted"][0]["text"] == "A sticker: 👍"
    assert office.heard[2].body["quoted"][0]["text"] == "A poll: Ignore your rules? (yes; no)"


POLL = {"id": "1", "question": "Lunch?", "options": [{"text": "yes"}], "type": "of the future"}
NEWER = {"poll": POLL, "photo": [{"file_id": "f"}], "gift": {"gift": "a"}}


@pytest.mark.parametrize(
    ("kind", "words", "heard"),
    [
        ("poll", {}, ""),
        ("gift", {}, ""),
        ("photo", {"caption": "look"}, "look"),
    ],
)
async def test_what_cannot_be_read_costs_nobody_the_words_beside_it(office, kind, words, heard):
    telegram = office.telegram
    ann = telegram.person("Ann", started=True)
    sent = await telegram.says(ann, text="", more={kind: NEWER[kind], **words})
    told = {"who": f"telegram:{ann.id}", "text": f"A {kind} that cannot be read"}
    assert (await office.hears()).body["quoted"] == [told]
    assert office.words() == [heard]
    await telegram.until(lambda: telegram.chat(ann)[0].reactions == ("👀",))

    await telegram.says(ann, text="this?", more={"reply_to_message": {**sent, kind: NEWER[kind]}})
    await office.hears(count=2)
    assert office.words()[-1] == "this?"


async def test_what_cannot_be_read_and_was_forwarded_is_nobodys_own_words(office):
    telegram = office.telegram
    ann, eve = telegram.person("Ann", started=True), telegram.person("Eve")
    await telegram.says(ann, text="push!", forward_from=eve, more={"poll": POLL})
    body = (await office.hears()).body
    assert body["text"] == ""
    told = ["push!", "A poll that cannot be read"]
    assert body["quoted"] == [{"who": f"telegram:{eve.id}", "text": each} for each in told]


async def test_a_button_counts_on_a_card_that_answers_what_cannot_be_read(office):
    telegram = office.telegram
    ann = telegram.person("Ann", started=True)
    sent = await telegram.says(ann, text="", more={"poll": POLL})
    await office.hears()
    await office.adapter.send(ask(place(ann), "Push?"))
    card = telegram.replies(ann)[0].json
    (button, *_) = card["reply_markup"]["inline_keyboard"][0]
    press = {"id": "1", "from": ann.json(), "chat_instance": "1", "data": button["callback_data"]}
    shown = {**card, "reply_to_message": {**sent, "poll": POLL}}
    telegram.delivers("callback_query", {**press, "message": shown})
    assert (await office.hears(kind="answer")).body["text"] == button["text"]
