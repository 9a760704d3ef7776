"""What is on the screen: a message as people see it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.fakes.telegram.wire import Json
from tests.fakes.telegram.world import Chat, World


@dataclass(frozen=True)
class Seen:
    """A message as it stands on the screen. `buttons` are rows of labels, `data` a file's bytes.

    `text` is a caption, or a rich message's Markdown, where there is one. `topic` is None outside
    of topics and in a forum's General.
    """

    chat_id: int
    id: int
    author: str
    by_bot: bool
    text: str
    entities: tuple[Json, ...]
    buttons: tuple[tuple[str, ...], ...]
    topic: int | None
    reply_to: int | None
    reactions: tuple[str, ...]
    edited: bool
    rich: bool
    file: str
    data: bytes
    json: Json


def seen(world: World, chat: Chat, message: Json) -> Seen:
    """A message as people see it now."""
    number = message["message_id"]
    sender = message.get("sender_chat") or message.get("from", {})
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    media = message.get("document") or message.get("voice") or (message.get("photo") or [{}])[-1]
    kept = world.files.get(media.get("file_id", ""))
    source = chat.markdown.get(number, "")
    given = chat.reactions.get(number, {}).values()
    return Seen(
        chat_id=chat.id,
        id=number,
        author=sender.get("first_name") or sender.get("title", ""),
        by_bot=number in chat.ours,
        text=source or message.get("text") or message.get("caption") or "",
        entities=tuple(entities_of(message)),
        buttons=tuple(tuple(button["text"] for button in row) for row in rows),
        topic=message.get("message_thread_id") if message.get("is_topic_message") else None,
        reply_to=message.get("reply_to_message", {}).get("message_id"),
        reactions=tuple(emoji for mine in given for emoji in mine),
        edited="edit_date" in message,
        rich=bool(source),
        file=kept.name if kept else "",
        data=kept.data if kept else b"",
        json=message,
    )


def entities_of(message: Json) -> list[Json]:
    """The entities of a text or a caption."""
    return message.get("entities") or message.get("caption_entities") or []
