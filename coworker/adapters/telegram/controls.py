"""Buttons and reactions: what a press means, and what the card shows after it."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

from telegram import CallbackQuery, Message, MessageReactionUpdated, ReactionTypeEmoji, User

from coworker.adapters import render
from coworker.adapters.telegram.events import sender
from coworker.adapters.telegram.messages import Said
from coworker.types import SEAL_SHOWN, Heard, InboundKind, Json, Place

DONE = "-"
"""The data of a button that only says what was decided."""
SEEN, GOOD, BAD = "👀", "👌", "💔"
_YES, _NO, _STOP = "👍", "👎", "😴"
_ABOUT = {"✍": "!remember", "📌": "!remember", "🙈": "!forget", "🧹": "!forget"}
_REMEMBERED = 10_000
_PRESS = re.compile(
    r"ask:(?P<ask>\d{1,9}):(?P<option>\d{1,3})(?::(?P<seal>\w{1,16}))?"
    r"|act:(?P<action>[a-z_]{1,20}):(?P<run>\d{1,9})"
    r"|stop"
)
GONE = "This button is too old. Write /help for what you can say instead."
DECIDED = "This was decided already."
_AGAIN = "Try again."
_ANSWERS: dict[Heard, str] = {
    "new": "",
    "known": "",
    "refused": "I do not know you. Ask an owner to add your id to the configuration.",
    "ignored": "This is not open any more.",
    "forbidden": "This is open, but not yours to decide; an owner can.",
    "elsewhere": "This counts only where I asked. Press it on my message there.",
}


@dataclass(frozen=True, slots=True)
class Press:
    """What a button asks for: the kind and body of an Inbound, and the label that was pressed."""

    kind: InboundKind
    body: Json
    label: str


class Recent:
    """The places of the newest messages, and the questions they ask: reactions name only an id.

    A question is known by what an answer to it says besides its words: `ask` and perhaps `seal`.
    """

    def __init__(self) -> None:
        self._places: OrderedDict[tuple[str, str], tuple[Place, Json | None]] = OrderedDict()

    def note(self, message: str, place: Place, ask: Json | None = None) -> None:
        """Remember a message; the oldest is forgotten."""
        self._places[place.room, message] = (place, ask)
        if len(self._places) > _REMEMBERED:
            self._places.popitem(last=False)

    def find(self, room: str, message: str) -> tuple[Place | None, Json | None]:
        """Where a message stands and which question it asks, as far as we remember."""
        return self._places.get((room, message), (None, None))


def pressed(query: CallbackQuery) -> Press | None:
    """What a person's press on a button means; None when its card cannot be read, or lacks it.

    On which message it was is not said yet.
    """
    data, message = query.data or "", query.message
    found = _PRESS.fullmatch(data)
    label = _label(query, data)
    if not found or label is None or message is None or query.from_user.is_bot:
        return None
    body: Json = {"sender": sender(query.from_user)}
    if found["ask"]:
        said = {"text": label, **question(found["ask"], found["seal"])}
        if not label:
            said["option"] = int(found["option"])
        return Press("answer", body | said, label)
    if found["action"] == "retry":
        return Press("message", {**body, "text": _AGAIN, "direct": True}, label)
    if found["action"]:
        press = {"action": found["action"], "run": int(found["run"])}
        return Press("action", body | press, label)
    return Press("stop", body, label)


def question(number: int | str, seal: str | None) -> Json:
    """Which question an answer is to, by its number and, where it has one, its seal."""
    told: Json = {"ask": int(number)}
    return {**told, "seal": seal[:SEAL_SHOWN]} if seal else told


def answer(press: Press | None, heard: Heard | None) -> str:
    """The short word that a press gets; "" is none."""
    if press is None or heard is None:
        return GONE
    if heard == "new" and press.kind == "stop":
        return "Stopping."
    return _ANSWERS[heard]


def settled(query: CallbackQuery, press: Press) -> Said | None:
    """An answer's buttons after a press: who pressed what. None when they stay as they are."""
    done = (f"✓ {press.label} · {_name(query.from_user)}", DONE)
    if press.kind in ("action", "message"):
        rows = _rows(query)
        return Said("", tuple(tuple(done if b[1] == query.data else b for b in r) for r in rows))
    return None


def reacted(
    update: MessageReactionUpdated, message: str, ask: Json | None
) -> tuple[InboundKind, Json] | None:
    """What a new reaction means: 👍 and 👎 answer a question, 😴 stops, ✍ and 🙈 are for memory."""
    added = _emoji(update.new_reaction) - _emoji(update.old_reaction)
    if not update.user or update.user.is_bot:
        return None
    body: Json = {"sender": sender(update.user)}
    if ask is not None and added & {_YES, _NO}:
        said = {"text": "yes" if _YES in added else "no", "on": message}
        return "answer", {**body, **ask, **said}
    for emoji in added & _ABOUT.keys():
        about = {"message": message}
        return "message", {**body, "text": _ABOUT[emoji], "about": about}
    return ("stop", {**body, "on": message}) if _STOP in added else None


def _emoji(reactions: object) -> set[str]:
    found = reactions if isinstance(reactions, tuple) else ()
    return {each.emoji for each in found if isinstance(each, ReactionTypeEmoji)}


def _label(query: CallbackQuery, data: str) -> str | None:
    """What stands on the button, None when there is none like that; "" when Telegram does not show
    us the card any more, so that only the data tells which option it was.
    """
    rows = _rows(query)
    if not rows:
        return ""
    return next((label for row in rows for label, each in row if each == data), None)


def _rows(query: CallbackQuery) -> list[list[tuple[str, str]]]:
    message = query.message
    markup = message.reply_markup if isinstance(message, Message) else None
    rows = markup.inline_keyboard if markup else ()
    return [[(button.text, str(button.callback_data)) for button in row] for row in rows]


def _name(user: User) -> str:
    return render.one_line(user.first_name)[:30] or "somebody"
