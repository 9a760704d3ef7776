"""What comes with a message: files to fetch, other people's words, and things put into words."""

from __future__ import annotations

from collections.abc import Iterator

from telegram import Message, MessageOrigin, User

from coworker.adapters.telegram.legible import unread
from coworker.types import Json

MAX_PHOTO = 5 * 2**20
TRANSCRIPT = "transcript:"
_FILES = (
    ("document", "file", "application/octet-stream"),
    ("audio", "audio", "audio/mpeg"),
    ("video", "video.mp4", "video/mp4"),
    ("video_note", "video.mp4", "video/mp4"),
    ("voice", "voice.ogg", "audio/ogg"),
)


def files(message: Message, *, transcribed: bool) -> list[Json]:
    """What can be fetched: {id, name, mime, size in bytes}; `spoken` is the sender's own voice."""
    found = [_photo(message)] if message.photo else []
    for kind, name, mime in _FILES:
        if item := getattr(message, kind):
            name = getattr(item, "file_name", None) or name
            mime = getattr(item, "mime_type", None) or mime
            found.append(_file(item.file_id, name, mime, item.file_size))
    if message.voice and transcribed:
        voice = message.voice
        spoken = TRANSCRIPT + voice.file_id
        found.append(_file(spoken, "voice note.txt", "text/plain", voice.file_size))
    if message.voice and not is_foreign(message):
        return [{**file, "spoken": True} for file in found]
    return found


def described(message: Message, *, transcribed: bool) -> str:
    """What is no text, in words of ours: nobody else can put words into these."""
    if message.voice:
        heard = "its transcript is attached" if transcribed else "which I cannot hear"
        return f"[A voice note of {message.voice._duration.total_seconds():.0f} s, {heard}.]"
    if message.location and not message.venue:
        return f"[A location: {message.location.latitude}, {message.location.longitude}]"
    return ""


def quoted(message: Message, us: int) -> list[Json]:
    """What somebody else said: {who, text}. A message of ours is there to be read already."""
    found = [*_forwarded(message), *_cited(message, us)]
    who = _author(message) if is_foreign(message) else _who(message.from_user)
    found += [{"who": who, "text": thing} for thing in (_thing(message), *unread(message))]
    return [each for each in found if each["text"]]


def _forwarded(message: Message) -> Iterator[Json]:
    if is_foreign(message):
        yield {"who": _author(message), "text": message.text or message.caption or ""}


def is_foreign(message: Message) -> bool:
    """Whether its text was written by somebody other than its sender."""
    return message.forward_origin is not None or message.via_bot is not None


def _cited(message: Message, us: int) -> Iterator[Json]:
    original, quote = message.reply_to_message, message.quote
    who = _cited_author(message, us)
    if quote:
        yield {"who": who, "text": quote.text}
    elif original and who:
        yield {"who": who, "text": original.text or original.caption or ""}


def _cited_author(message: Message, us: int) -> str:
    """Whose words they are that a message answers, wherever they stand; "" for ours."""
    original, elsewhere = message.reply_to_message, message.external_reply
    if original and is_foreign(original):
        return _author(original)
    if original and original.from_user:
        return "" if original.from_user.id == us else _who(original.from_user)
    return _origin(elsewhere.origin) if elsewhere else "somebody"


def _thing(message: Message) -> str:
    """Something that says nothing in its sender's words, or whose words anybody chose."""
    if message.sticker:
        return f"A sticker: {message.sticker.emoji or 'a picture'}"
    if message.dice:
        return f"A throw of {message.dice.emoji}: {message.dice.value}"
    if message.poll:
        options = "; ".join(option.text for option in message.poll.options)
        return f"A poll: {message.poll.question} ({options})"
    if message.contact:
        return f"A contact: {message.contact.first_name}, {message.contact.phone_number}"
    if message.venue:
        return f"A place: {message.venue.title}, {message.venue.address}"
    return ""


def _author(message: Message) -> str:
    if message.via_bot:
        return _who(message.via_bot)
    return _origin(message.forward_origin)


def _origin(origin: MessageOrigin | None) -> str:
    """An id where Telegram tells one; a name is none, whatever it looks like."""
    for kind in ("sender_user", "sender_chat", "chat"):
        if source := getattr(origin, kind, None):
            return f"telegram:{source.id}"
    return f"somebody who is called {getattr(origin, 'sender_user_name', '')!r}"


def _who(user: User | None) -> str:
    return f"telegram:{user.id}" if user else "somebody"


def _photo(message: Message) -> Json:
    """The largest size that a model will look at."""
    fitting = [size for size in message.photo if (size.file_size or 0) <= MAX_PHOTO]
    best = max(fitting or message.photo[:1], key=lambda size: size.width * size.height)
    return _file(best.file_id, "photo.jpg", "image/jpeg", best.file_size)


def _file(file_id: str, name: str, mime: str, size: int | None) -> Json:
    return {"id": file_id, "name": name, "mime": mime, "size": int(size or 0)}
