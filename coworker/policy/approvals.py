"""Whose answer counts. It knows nothing of how a question reaches anybody."""

from __future__ import annotations

from collections.abc import Sequence

from coworker.types import Person

YES = ("allow", "allow once", "approve", "yes", "y")
NO = ("deny", "no", "n")


def refusal(person: Person | None, askers: Sequence[str], *, approval: bool) -> str | None:
    """Why this person's answer does not count, or None when it does.

    `askers` are the ids of the people whose words the run took.
    """
    if person is None:
        return "I do not know who that was"
    if person.role == "owner" or (person.role == "member" and person.id in askers):
        return None
    if person.id in askers and not approval:
        return None
    return f"{person.name} may not decide this; the person who asked, or an owner, may"


def is_yes(text: str) -> bool | None:
    """True for an approval, False for a denial, None for anything else."""
    word = text.strip().lower()
    if word in YES:
        return True
    return False if word in NO else None
