"""What Telegram tells us, one update at a time: read it, put it on disk, then be polite."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field

from telegram import CallbackQuery, Message, MessageReactionUpdated, Update

from coworker.adapters.telegram import controls, events
from coworker.adapters.telegram.calls import Calls
from coworker.adapters.telegram.controls import Recent
from coworker.adapters.telegram.events import Us
from coworker.adapters.telegram.flow import Errands
from coworker.adapters.telegram.markdown import escaped
from coworker.adapters.telegram.messages import Said
from coworker.adapters.telegram.readers import Readers
from coworker.adapters.telegram.rooms import NAME, Rooms, is_private, named
from coworker.errors import Undeliverable
from coworker.protocols import Intake
from coworker.types import Heard, Inbound, Place

_log = logging.getLogger(__name__)
_ALBUMS = 100
_ANONYMOUS = (
    "You write here as the group or a channel, so I cannot tell who asks: "
    "turn off “Remain anonymous” in your administrator settings, or write as yourself."
)


@dataclass(slots=True)
class Hearing:
    """Updates to inbounds. When `take` returns, the update may be confirmed."""

    intake: Intake
    us: Us
    calls: Calls
    rooms: Rooms
    recent: Recent
    errands: Errands
    readers: Readers
    _albums: deque[str] = field(default_factory=lambda: deque(maxlen=_ALBUMS))

    async def take(self, update: Update) -> None:
        """Hear an update. Raises whatever keeps it from the disk."""
        await self._migrate(update.message)
        self._regroup(update)
        try:
            inbound = self._read(update)
        except Exception:  # noqa: BLE001 - one that we cannot read must not hold up all later ones
            _log.exception("an update cannot be read", extra={"key": str(update.update_id)})
            return
        heard = await self.intake.hear(inbound) if inbound else None
        if query := update.callback_query:
            self._answer(query, heard)
        elif inbound and heard == "new" and update.message:
            self._saw(inbound.place, update.message)

    async def _migrate(self, message: Message | None) -> None:
        if message and message.migrate_to_chat_id:
            await self.rooms.migrate(self.intake, message.chat.id, message.migrate_to_chat_id)
        if message and message.migrate_from_chat_id:
            await self.rooms.migrate(self.intake, message.migrate_from_chat_id, message.chat.id)

    def _regroup(self, update: Update) -> None:
        """Somebody came or went: whoever administers a group is told, others see it in messages."""
        message, change = update.message, update.chat_member
        if message and (message.new_chat_members or message.left_chat_member):
            self.readers.forget(self._place(message).room)
        elif change:
            self.readers.forget(self.rooms.place(self.intake, change.chat, None).room)

    def _read(self, update: Update) -> Inbound | None:
        if update.message:
            return self._message(update.update_id, update.message)
        if update.edited_message:
            return self._edit(update.update_id, update.edited_message)
        if update.callback_query:
            return self._press(update.update_id, update.callback_query)
        if update.message_reaction:
            return self._reaction(update.update_id, update.message_reaction)
        return None

    def _message(self, number: int, message: Message) -> Inbound | None:
        place = self._place(message)
        follows = self.intake.follows(place.conversation)
        call = events.call(message, self.us, follows=follows) or self._album(message)
        if not call or not events.has_content(message):
            return None
        if message.media_group_id:
            self._albums.append(message.media_group_id)
        if not events.is_by_person(message):
            if call == "direct" and message.sender_chat and not message.is_automatic_forward:
                self._refuse_hidden(place, message)
            return None
        return events.heard(number, message, place, self.us, direct=call == "direct")

    def _edit(self, number: int, message: Message) -> Inbound | None:
        place = self._place(message)
        ours = is_private(place) or self.intake.follows(place.conversation)
        if not ours or not events.is_by_person(message):
            return None
        return events.edited(number, message, place, self.us)

    def _press(self, number: int, query: CallbackQuery) -> Inbound | None:
        press, message = controls.pressed(query), query.message
        if press is None or not isinstance(message, Message):
            return None
        place, on = self._place(message), self._name(message)
        body = {**press.body, "on": on}
        return Inbound(NAME, str(number), place.conversation, press.kind, body, place)

    def _reaction(self, number: int, update: MessageReactionUpdated) -> Inbound | None:
        room = self.rooms.place(self.intake, update.chat, None)
        message = named(room, update.chat.id, update.message_id)
        place, ask = self.recent.find(room.room, message)
        if place is None and not update.chat.is_forum:
            place = room
        meant = controls.reacted(update, message, ask)
        if meant is None or place is None or not self.intake.follows(place.conversation):
            return None
        return Inbound(NAME, str(number), place.conversation, *meant, place)

    def _place(self, message: Message) -> Place:
        return self.rooms.place(self.intake, message.chat, events.place_topic(message))

    def _name(self, message: Message) -> str:
        return named(self._place(message), message.chat.id, message.message_id)

    def _album(self, message: Message) -> events.Call:
        """Only one picture of an album carries the words that say it is for us."""
        return "followed" if message.media_group_id in self._albums else ""

    def _refuse_hidden(self, place: Place, message: Message) -> None:
        self.errands.start(self._tell(place, Said(escaped(_ANONYMOUS)), self._name(message)))

    async def _tell(self, place: Place, said: Said, reply_to: str) -> None:
        await self.calls.post(place, said, reply_to)

    def _saw(self, place: Place, message: Message) -> None:
        name = self._name(message)
        self.recent.note(name, place)
        self.errands.start(self._nod(place, name))

    async def _nod(self, place: Place, message: str) -> None:
        """👀, or where reactions are not permitted, typing."""
        try:
            await self.calls.mark(place, message, controls.SEEN)
        except Undeliverable:
            await self.calls.type(place)

    def _answer(self, query: CallbackQuery, heard: Heard | None) -> None:
        press = controls.pressed(query)
        decided = query.data == controls.DONE
        text = controls.DECIDED if decided else controls.answer(press, heard)
        self.errands.start(self.calls.acknowledge(query.id, text))
        card = controls.settled(query, press) if press and heard == "new" else None
        if card and isinstance(query.message, Message):
            place, name = self._place(query.message), self._name(query.message)
            self.errands.start(self.calls.show_buttons(place, name, card))
