"""Where a chat's conversations live: a group that becomes a supergroup gets a new id, they do not.

Which chat a room is now is durable under a cursor that `coworker/store/homes.py` names.
The numbers of messages begin anew there, so the names that we keep of them say which chat it is.
"""

from __future__ import annotations

from telegram import Chat

from coworker.errors import Undeliverable
from coworker.protocols import Intake
from coworker.store.homes import MIGRATED
from coworker.types import Place

NAME = "telegram"


class Rooms:
    """Chat ids to rooms and back."""

    def __init__(self) -> None:
        self._now_at: dict[str, int] = {}

    def place(self, intake: Intake, chat: Chat, topic: int | None) -> Place:
        """The place of a chat's messages, or of those in a topic of it."""
        room = intake.cursor(NAME, f"{MIGRATED}{chat.id}") or f"{chat.id:d}"
        self._now_at[room] = chat.id
        return Place(NAME, room, str(topic or ""))

    def address(self, place: Place) -> int:
        """The id under which the platform knows the room, as far as we were told."""
        return self._now_at.get(place.room, int(place.room))

    def learn(self, place: Place, message: str) -> None:
        """Take from a message's name which chat the room has become."""
        chat, _ = apart(place, message)
        if chat != place.room:
            self._now_at[place.room] = int(chat)

    async def migrate(self, intake: Intake, old: int, new: int) -> None:
        """Remember for ever that the chat has become another one."""
        room = intake.cursor(NAME, f"{MIGRATED}{old}") or str(old)
        self._now_at[room] = new
        await intake.keep(NAME, f"{MIGRATED}{new}", room)


def is_private(place: Place) -> bool:
    """Whether it is a chat with one person: those have positive ids."""
    return not place.room.startswith("-")


def named(place: Place, chat: int, message: int) -> str:
    """What we call a message: its number, after its chat's id where that is not the room's."""
    return f"{message:d}" if place.room == f"{chat:d}" else f"{chat:d}/{message:d}"


def numbered(place: Place, chat: int, name: str) -> int:
    """A message's number in that chat. Raises Undeliverable for one of what the chat was before."""
    own, number = apart(place, name)
    if own != f"{chat:d}":
        raise Undeliverable("That message is in the group that this chat was before.")
    return int(number)


def apart(place: Place, name: str) -> tuple[str, str]:
    """The chat's id and the number of a message by its name."""
    chat, _, number = name.rpartition("/")
    return chat or place.room, number
