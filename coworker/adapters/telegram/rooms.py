"""Where a chat's conversations live: a group that becomes a supergroup gets a new id, they do not.

Which chat a room is now is durable under the cursor `migrated:<new id>`, whose value is the old id.
"""

from __future__ import annotations

from telegram import Chat

from coworker.protocols import Intake
from coworker.types import Place

NAME = "telegram"


class Rooms:
    """Chat ids to rooms and back."""

    def __init__(self) -> None:
        self._now_at: dict[str, int] = {}

    def place(self, intake: Intake, chat: Chat, topic: int | None) -> Place:
        """The place of a chat's messages, or of those in a topic of it."""
        room = intake.cursor(NAME, f"migrated:{chat.id}") or f"{chat.id:d}"
        self._now_at[room] = chat.id
        return Place(NAME, room, str(topic or ""))

    def address(self, place: Place) -> int:
        """The id under which the platform knows the room, as far as we were told."""
        return self._now_at.get(place.room, int(place.room))

    def note(self, place: Place, new: int) -> None:
        """The room is now that chat."""
        self._now_at[place.room] = new

    async def migrate(self, intake: Intake, old: int, new: int) -> None:
        """Remember for ever that the chat has become another one."""
        room = intake.cursor(NAME, f"migrated:{old}") or str(old)
        self._now_at[room] = new
        await intake.keep(NAME, f"migrated:{new}", room)


def is_private(place: Place) -> bool:
    """Whether it is a chat with one person: those have positive ids."""
    return not place.room.startswith("-")
