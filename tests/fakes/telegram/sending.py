"""The methods that say something: messages, rich messages, drafts, files, and their edits."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.telegram import text
from tests.fakes.telegram.methods import method, not_modified, own_message, show_buttons
from tests.fakes.telegram.wire import Json, Refused, Upload, bad
from tests.fakes.telegram.world import Chat, World, quoted

_UPLOAD_BYTES = 50 * 1024 * 1024
_PHOTO_BYTES = 10 * 1024 * 1024
_CONTENT = ("text", "entities", "rich_message", "caption", "caption_entities")


@method
def sendMessage(world: World, args: Json) -> Json:
    words, entities = text.required(args)
    return _send(world, args, text=words, entities=entities)


@method
def sendRichMessage(world: World, args: Json) -> Json:
    _rich_or_unknown(world)
    source = text.rich(args)
    sent = _send(world, args, rich_message={"blocks": _blocks(source)})
    world.chats[sent["chat"]["id"]].markdown[sent["message_id"]] = source
    return sent


@method
def sendMessageDraft(world: World, args: Json) -> bool:
    words, _ = text.formatted(args)
    return _draft(world, args, words)


@method
def sendRichMessageDraft(world: World, args: Json) -> bool:
    _rich_or_unknown(world)
    return _draft(world, args, text.rich(args))


@method
def sendDocument(world: World, args: Json) -> Json:
    kept = _file(world, args, "document", _UPLOAD_BYTES)
    return _send(world, args, **_caption(args), document=document(kept))


@method
def sendPhoto(world: World, args: Json) -> Json:
    kept = _file(world, args, "photo", _PHOTO_BYTES)
    return _send(world, args, **_caption(args), photo=[photo_size(kept, 1280)])


@method
def editMessageText(world: World, args: Json) -> Json:
    wants_rich = bool(args.get("rich_message")) and world.rich  # older servers do not see it
    source = text.rich(args) if wants_rich else ""
    words, entities = ("", []) if wants_rich else text.required(args)
    content: Json = {"rich_message": {"blocks": _blocks(source)}} if source else {"text": words}
    content |= {"entities": entities} if entities else {}
    chat, message = own_message(world, args)
    if not {"text", "rich_message"} & set(message):
        raise bad("there is no text in the message to edit")
    _edit(world, message, content, text.keyboard(args), source == _source(chat, message))
    chat.markdown.pop(message["message_id"], None)
    if source:
        chat.markdown[message["message_id"]] = source
    return message


@method
def editMessageCaption(world: World, args: Json) -> Json:
    _, message = own_message(world, args)
    if not {"photo", "document", "voice"} & set(message):
        raise bad("there is no caption in the message to edit")
    _edit(world, message, _caption(args), text.keyboard(args))
    return message


def document(kept: Any) -> Json:
    """A file as a Document."""
    return {**_ids(kept), "file_name": kept.name, "mime_type": kept.mime_type}


def photo_size(kept: Any, width: int) -> Json:
    """A file as one size of a photo."""
    return {**_ids(kept), "width": width, "height": width * 3 // 4}


def _ids(kept: Any) -> Json:
    return {"file_id": kept.id, "file_unique_id": f"u{kept.id[-6:]}", "file_size": kept.size}


def _send(world: World, args: Json, **content: Any) -> Json:
    chat = world.reachable(args.get("chat_id"))
    topic = world.topic(chat, int(args.get("message_thread_id") or 0) or None)
    reply_to, quote = _answered(world, chat, args)
    markup = text.keyboard(args)
    channel = chat.kind == "channel"
    sent = world.post(
        chat,
        None if channel else world.bot.json(),
        topic=topic,
        reply_to=reply_to,
        sender_chat=chat.json() if channel else None,
        quote=quote,
        **{key: value for key, value in content.items() if value},
    )
    chat.ours.add(sent["message_id"])
    show_buttons(sent, markup)
    chat.actions.pop(topic, None)
    for place in [place for place in chat.drafts if place[0] == topic]:
        del chat.drafts[place]
    return sent


def _answered(world: World, chat: Chat, args: Json) -> tuple[int | None, Json | None]:
    """What a message replies to, and the part that it quotes."""
    wanted = args.get("reply_parameters") or {}
    number = int(wanted.get("message_id") or args.get("reply_to_message_id") or 0)
    if not number:
        return None, None
    where = world.reachable(wanted["chat_id"]) if wanted.get("chat_id") else chat
    answered = where.messages.get(number)
    optional = wanted.get("allow_sending_without_reply", args.get("allow_sending_without_reply"))
    if not answered and not optional:
        raise bad("message to be replied not found")
    words = wanted.get("quote")
    return number if answered else None, quoted(answered, words) if answered and words else None


def _edit(
    world: World, message: Json, content: Json, markup: Json | None, same_source: bool = True
) -> None:
    before = {key: message[key] for key in _CONTENT if key in message}
    if before == content and markup == message.get("reply_markup") and same_source:
        raise not_modified()
    for key in before:
        del message[key]
    message |= content | {"edit_date": int(world.now())}
    show_buttons(message, markup)


def _draft(world: World, args: Json, words: str) -> bool:
    draft = int(args.get("draft_id") or 0)
    if not draft:
        raise bad("RANDOM_ID_INVALID")
    chat = world.reachable(args.get("chat_id"))
    if not chat.person:
        raise bad("TEXTDRAFT_PEER_INVALID")
    topic = world.topic(chat, int(args.get("message_thread_id") or 0) or None)
    chat.drafts[topic, draft] = (world.now(), words)
    return True


def _file(world: World, args: Json, field: str, limit: int) -> Any:
    given = args.get(field)
    if isinstance(given, str) and given.startswith("attach://"):
        given = args.get(given.removeprefix("attach://"))
    if isinstance(given, Upload):
        if len(given.data) > limit:
            raise Refused(413, "Request Entity Too Large")
        if not given.data:
            raise bad("file must be non-empty")
        return world.keep(given.name, given.mime_type, given.data)
    if not given:
        raise bad(f"there is no {field} in the request")
    if given not in world.files:
        raise bad("wrong remote file identifier specified: Wrong string length")
    return world.files[given]


def _caption(args: Json) -> Json:
    words, entities = text.formatted(args, "caption", text.CAPTION_LIMIT)
    both = {"caption": words, "caption_entities": entities}
    return {key: value for key, value in both.items() if value}


def _source(chat: Chat, message: Json) -> str:
    return chat.markdown.get(message["message_id"], "")


def _rich_or_unknown(world: World) -> None:
    if not world.rich:
        raise Refused(404, "Not Found: method not found")


def _blocks(source: str) -> list[Json]:
    """The source as blocks, as far as a test may want to look: headings and paragraphs."""
    blocks: list[Json] = []
    for part in filter(str.strip, source.split("\n\n")):
        heading = re.match(r"(#{1,6}) (.*)", part)
        if heading:
            blocks.append({"type": "heading", "size": len(heading[1]), "text": heading[2]})
        else:
            blocks.append({"type": "paragraph", "text": part})
    return blocks
