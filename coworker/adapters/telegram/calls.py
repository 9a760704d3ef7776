"""What we ask of Telegram, and its refusals in our words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import httpx
from telegram import Bot, BotCommand, ChatMember, LinkPreviewOptions, Message, ReplyParameters
from telegram.error import (
    BadRequest,
    ChatMigrated,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from coworker.adapters.telegram.messages import Said
from coworker.adapters.telegram.rooms import Rooms, named, numbered
from coworker.errors import Unavailable, Unconfirmed, Undeliverable
from coworker.protocols import Intake
from coworker.types import Json, Place

_MAX_FILE = 20 * 2**20
_FETCH_S = 20.0
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_IN_IT = (ChatMember.OWNER, ChatMember.ADMINISTRATOR, ChatMember.MEMBER)
Result = TypeVar("Result")
Form = Callable[[], Awaitable[Any]]


def refuse_big(size: int) -> None:
    """Raise Unavailable for a file of more bytes than a bot may fetch."""
    if size > _MAX_FILE:
        raise Unavailable(
            f"The file has {size / 2**20:.0f} MB, and Telegram gives bots at most 20 MB. "
            "Send a smaller one, or put it where I can fetch it from."
        )


@contextmanager
def in_our_words() -> Iterator[None]:
    """Turn Telegram's errors into Unavailable, Unconfirmed and Undeliverable."""
    try:
        yield
    except RetryAfter as error:
        wait = error._retry_after.total_seconds()  # the public name still changes its type
        raise Unavailable("Telegram asks us to slow down.", wait) from None
    except (BadRequest, Forbidden, ChatMigrated) as error:
        raise Undeliverable(f"Telegram will not take it: {error.message}.") from None
    except InvalidToken:
        raise Unavailable("Telegram does not accept the token at the moment.") from None
    except (TimedOut, NetworkError) as error:
        if isinstance(error.__cause__, _UNSENT):
            raise Unavailable("Telegram cannot be reached.") from None
        raise Unconfirmed("Telegram did not say whether it arrived.") from None
    except TelegramError:
        raise Unconfirmed("Telegram's answer cannot be read.") from None


@contextmanager
def _unchanged_is_fine() -> Iterator[None]:
    try:
        yield
    except BadRequest as error:
        if "is not modified" not in error.message:
            raise


class Calls:
    """Requests to places: they follow a group that moved, and use what the server knows.

    All raise what `in_our_words` says.
    """

    def __init__(self, bot: Bot, rooms: Rooms, intake: Intake) -> None:
        self._bot = bot
        self._rooms = rooms
        self._intake = intake
        self._has_rich = True
        self._has_drafts = True
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def post(self, place: Place, said: Said, reply_to: str = "") -> str:
        """Say something new, perhaps as an answer to a message; returns its id."""
        if said.file:
            return await self._post_file(place, said, said.file, reply_to)
        text, entities = said.formatted()

        async def ask(chat: int) -> str:
            common = _common(place, chat, said, reply_to)
            sent = await self._first_of(
                said,
                lambda: self._rich("sendRichMessage", said, chat_id=chat, **common),
                lambda: self._bot.send_message(chat, text, entities=entities, **common),
                lambda: self._bot.send_message(chat, text, **common),
            )
            number = sent.message_id if isinstance(sent, Message) else sent["message_id"]
            return named(place, chat, number)

        return await self._at(place, ask)

    async def edit(self, place: Place, message: str, said: Said) -> None:
        """Write over a message of ours. Doing so again is harmless."""
        text, entities = said.formatted()
        rich = {"rich_message": {"markdown": said.text}}
        common: Json = {"reply_markup": said.markup, "link_preview_options": _NO_PREVIEW}

        async def ask(chat: int, number: int) -> None:
            async def over(words: str, **form: Any) -> None:
                with _unchanged_is_fine():
                    await self._bot.edit_message_text(words, chat, number, **form, **common)

            await self._first_of(
                said,
                lambda: over("", api_kwargs=rich),
                lambda: over(text, entities=entities),
                lambda: over(text),
            )

        await self._about(place, message, ask)

    async def draft(self, place: Place, number: int, said: Said) -> None:
        """Show a draft of what is being written, in a private chat. It vanishes after 30 s."""
        text, entities = said.formatted()
        topic = _topic(place)

        async def plain(chat: int) -> None:
            try:
                await self._bot.send_message_draft(chat, number, text, entities=entities, **topic)
            except InvalidToken:  # that is how an unknown method looks there
                self._has_drafts = False

        async def ask(chat: int) -> None:
            more = {"chat_id": chat, "draft_id": number, **topic}
            await self._first_of(
                said, lambda: self._rich("sendRichMessageDraft", said, **more), lambda: plain(chat)
            )

        if self._has_drafts:
            await self._at(place, ask)

    async def mark(self, place: Place, message: str, emoji: str) -> None:
        """React to a message; a room's reactions arrive in the order in which they were given."""
        async with self._turns.setdefault(place.room, asyncio.Lock()):
            await self._about(
                place,
                message,
                lambda chat, number: self._bot.set_message_reaction(chat, number, emoji),
            )

    async def type(self, place: Place) -> None:
        """Be seen typing for 5 s."""
        await self._at(
            place, lambda chat: self._bot.send_chat_action(chat, "typing", **_topic(place))
        )

    async def show_buttons(self, place: Place, message: str, said: Said) -> None:
        """Replace the buttons of a message of ours, leaving its text alone."""
        await self._about(
            place,
            message,
            lambda chat, number: self._bot.edit_message_reply_markup(
                chat, number, reply_markup=said.markup
            ),
        )

    async def acknowledge(self, query: str, text: str) -> None:
        """Answer a press on a button, which spins until then."""
        with in_our_words():
            await self._bot.answer_callback_query(query, text or None)

    async def offer(self, commands: Mapping[str, str]) -> None:
        """Make Telegram suggest these commands, by name and meaning."""
        wanted = tuple(BotCommand(name, meaning) for name, meaning in commands.items())
        with in_our_words():
            if await self._bot.get_my_commands() != wanted:
                await self._bot.set_my_commands(wanted)

    async def download(self, file_id: str) -> bytes:
        """A file from Telegram's own file server. Raises Unavailable, also when it is too big."""
        try:
            with in_our_words():
                async with asyncio.timeout(_FETCH_S):
                    file = await self._bot.get_file(file_id)
                    refuse_big(file.file_size or 0)
                    return bytes(await file.download_as_bytearray())
        except TimeoutError:
            raise Unavailable(f"Telegram took longer than {_FETCH_S:.0f} s for the file.") from None
        except (Undeliverable, Unconfirmed) as error:
            raise Unavailable(f"The file cannot be fetched: {error} Send it again.") from None

    async def is_member(self, place: Place, user: int) -> bool:
        """Whether that person is in a group."""
        found = await self._at(place, lambda chat: self._bot.get_chat_member(chat, user))
        return found.status in _IN_IT or getattr(found, "is_member", False)

    async def _post_file(self, place: Place, said: Said, file: Json, reply_to: str) -> str:
        caption, entities = said.formatted() if said.text else ("", [])
        named_file = {"filename": file["name"], "caption": caption, "caption_entities": entities}
        data = str(file["text"]).encode()

        async def ask(chat: int) -> str:
            common = _common(place, chat, said, reply_to) | named_file
            del common["link_preview_options"]
            return named(
                place, chat, (await self._bot.send_document(chat, data, **common)).message_id
            )

        return await self._at(place, ask)

    async def _about(
        self, place: Place, message: str, ask: Callable[[int, int], Awaitable[Any]]
    ) -> None:
        """Ask for something about a message of the chat that the place is now."""
        self._rooms.learn(place, message)
        await self._at(place, lambda chat: ask(chat, numbered(place, chat, message)))

    async def _at(self, place: Place, ask: Callable[[int], Awaitable[Result]]) -> Result:
        """Ask for something in the chat that the place is now."""
        with in_our_words():
            try:
                return await ask(self._rooms.address(place))
            except ChatMigrated as moved:
                await self._rooms.migrate(self._intake, int(place.room), moved.new_chat_id)
                return await ask(moved.new_chat_id)

    async def _first_of(self, said: Said, rich: Form, *others: Form) -> Any:
        """What Telegram says to the first form it takes; it refuses without an effect."""
        refusal: TelegramError = BadRequest("no form")
        for form in (rich, *others) if self._has_rich and said.is_tame else others:
            try:
                return await form()
            except EndPointNotFound:
                self._has_rich = False
            except BadRequest as error:
                refusal = error
        raise refusal

    async def _rich(self, method: str, said: Said, **args: Any) -> Any:
        known = {name: value for name, value in args.items() if value is not None}
        rich = {"rich_message": {"markdown": said.text}}
        return await self._bot.do_api_request(method, api_kwargs={**known, **rich})


def _common(place: Place, chat: int, said: Said, reply_to: str) -> Json:
    return {
        "reply_markup": said.markup,
        "reply_parameters": _answering(place, chat, reply_to) if reply_to else None,
        "link_preview_options": _NO_PREVIEW,
        **_topic(place),
    }


def _answering(place: Place, chat: int, message: str) -> ReplyParameters | None:
    try:
        number = numbered(place, chat, message)
    except Undeliverable:
        return None
    return ReplyParameters(number, allow_sending_without_reply=True)


def _topic(place: Place) -> Json:
    return {"message_thread_id": int(place.thread) if place.thread else None}
