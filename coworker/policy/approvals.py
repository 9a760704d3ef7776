"""Whose answer counts, and what exactly is approved. It does not know how one asks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from coworker.types import Call, ConversationId, Json, Person

ONCE, ALWAYS, DENY = "Allow once", "Always here", "Deny"
KEEP = "Keep it"
"""Instead of `ONCE` for what stands from then on."""
MORE, STOP = "+ $1", "Stop"
CLOCK = "coworker:clock"
"""Who answers a question that nobody answered in time."""
_YES = ("allow", "allow once", "approve", "yes", "y", "always here")
_NO = ("deny", "no", "n")


def seal(conversation: ConversationId, run: int, call: Call) -> str:
    """What an approval is bound to: these arguments, of this call, in this run, here."""
    exactly = msgspec.json.encode([conversation, run, call.id, call.name, call.input])
    return hashlib.sha256(exactly).hexdigest()[:16]


def refusal(person: Person | None, askers: Sequence[str], ask: Json) -> str | None:
    """Why this person's answer to that `ask` does not count, or None when it does.

    `askers` are the ids of the people whose words the run took; of them a permission is for the one
    with whom the run began.
    """
    if person is None:
        return "I do not know who that was"
    if person.role == "owner":
        return None
    if ask.get("owner"):
        return f"{person.name} may not decide this; an owner may"
    askers = [ask["asker"]] if ask["approval"] and "asker" in ask else askers
    if person.id in askers and (person.role == "member" or not ask["approval"]):
        return None
    return f"{person.name} may not decide this; the person who asked, or an owner, may"


def expires_at(ask: Json, hours: float) -> int | None:
    """When a permission that nobody gave counts as denied, in milliseconds UTC; 0 is never."""
    return ask["at"] + round(hours * 3_600_000) if ask["approval"] and hours else None


def is_expired(ask: Json, at: int, hours: float) -> bool:
    """Whether an answer given then, in milliseconds UTC, comes too late."""
    end = expires_at(ask, hours)
    return end is not None and at > end


def says_yes(text: str, ask: Json) -> bool | None:
    """True for what its first option says, or yes; False for its last one, or no; else None."""
    word, options = text.strip().lower(), [str(option).lower() for option in ask["options"]]
    if word == options[0] or word in _YES:
        return True
    return False if word == options[-1] or word in _NO else None
