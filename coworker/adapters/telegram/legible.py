"""Updates as far as the library can read them: one odd poll must not cost somebody's words.

Only what a message brings along is left out. What says who wrote it, and whose words they are, is
not: without that a stranger's would be the sender's own.
"""

from __future__ import annotations

from typing import Any

from telegram import Message, Update

from coworker.types import Json

UNREAD = "coworker_unread"
"""Where a message says what was left out; the library keeps fields that it does not know."""
_CONTENT = (
    *("animation", "audio", "checklist", "contact", "dice", "document", "game", "gift", "giveaway"),
    *("live_photo", "location", "paid_media", "photo", "poll", "sticker", "story", "venue"),
    *("video", "video_note", "voice"),
)
_MESSAGES = ("message", "edited_message", "callback_query", "reply_to_message", "external_reply")
_EMPTY: Json = {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}}


def fault(update: Json) -> str:
    """The kind of error that reading it ends with; "" when it can be read."""
    try:
        Update.de_json(update, None)
    except Exception as error:  # noqa: BLE001 - whatever a newer or older server makes of it
        return type(error).__name__
    return ""


def eased(update: Json) -> Json:
    """An update without the content of its messages that cannot be read."""
    lost = [kind for kind in _CONTENT if kind in update and not _is_read(kind, update[kind])]
    kept = {
        key: eased(each) if key in _MESSAGES and isinstance(each, dict) else each
        for key, each in update.items()
        if key not in lost
    }
    return {**kept, UNREAD: lost} if lost else kept


def unread(message: Message) -> list[str]:
    """What was left out of a message, in words of ours: "A poll that cannot be read"."""
    return [_in_words(kind) for kind in message.api_kwargs.get(UNREAD, ())]


def _is_read(kind: str, content: Any) -> bool:
    try:
        Message.de_json({**_EMPTY, kind: content}, None)
    except Exception:  # noqa: BLE001 - as above
        return False
    return True


def _in_words(kind: str) -> str:
    article = "An" if kind[0] in "aeiou" else "A"
    return f"{article} {kind.replace('_', ' ')} that cannot be read"
