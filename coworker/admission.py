"""Who is let in and which rules hold, decided by an owner in chat: `!pair`, `!rules` and others.

It checks and words the decision; `policy.standing` keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from coworker.errors import UsageError
from coworker.mistakes import NAMES, is_name
from coworker.policy.people import People
from coworker.policy.rules import Book, in_words
from coworker.types import Person, Role

_ID = re.compile(r"slack:[UW][A-Z0-9]{2,20}|telegram:[1-9]\d{0,15}|terminal:[\w.-]{1,80}", re.ASCII)
_ROLES: tuple[Role, ...] = ("owner", "member", "guest")
_PAIR = "Say `!pair ID NAME [guest|member|owner]`, for example `!pair slack:U012AB3CD bob`."
_IDS = (
    "{said} is nobody's id. One looks like slack:U012AB3CD, telegram:4711 or terminal:bob; "
    "on Slack an @mention does as well."
)
_OURS = "{sender} is me, and I obey nobody who speaks as me. Say the id of whom you mean."
_TAKEN = "{name} is somebody else already. Choose another name for {sender}."
_AGAIN = "`!unpair {sender}` first, then `!pair` it with another name or role."
_FIXED = "[people.{name}] in the configuration says so, and is changed there."


class Admission:
    """Answers to the verbs that only an owner may use, and to those that show what holds."""

    def __init__(self, people: People, book: Book, is_us: Callable[[str], bool]) -> None:
        self._people = people
        self._is_us = is_us
        self._book = book
        self.verbs: dict[str, Callable[[str, Person], Awaitable[str]]] = {
            "pair": self.pair,
            "unpair": self.unpair,
            "rules": self.rules,
            "unrule": self.unrule,
        }

    async def pair(self, rest: str, by: Person) -> str:
        """Let somebody in. Raises UsageError."""
        sender, name, role = self._meant(rest.split())
        _owners_only(by, "let people in")
        if self._is_us(sender):
            raise UsageError(_OURS.format(sender=sender))
        if found := self._people.find(sender):
            mend = (_AGAIN if sender in self._book.standing.people else _FIXED).format(
                sender=sender, name=found.name
            )
            raise UsageError(f"{sender} is {found.name}, {found.role}, already. {mend}")
        if self._people.is_taken(name):
            raise UsageError(_TAKEN.format(name=name, sender=sender))
        await self._book.standing.admit(sender, name, role, by.id)
        return f"{sender} is {name}, {role}, from now on. `!unpair {sender}` takes that back."

    async def unpair(self, rest: str, by: Person) -> str:
        """Take back what `pair` did. Raises UsageError."""
        _owners_only(by, "send people away")
        admitted = self._book.standing.people
        if rest not in admitted:
            known = ", ".join(sorted(admitted)) or "nobody"
            raise UsageError(
                f"{rest or 'Nobody'} was not let in by !pair. So were: {known}. "
                "The others stand in the configuration."
            )
        await self._book.standing.dismiss(rest, by.id)
        return f"{rest} is a stranger from now on."

    async def rules(self, _: str, __: Person) -> str:
        """Every rule in force, who was let in, and where no rule fits, the defaults."""
        rules, people = self._book.standing.rules, self._book.standing.people
        said = [f"{number}. {in_words(rule)}" for number, rule in rules.items()]
        fixed = [f"- {in_words(rule)}" for rule in self._book.config.rules]
        known = [f"- {sender}: {name}, {role}" for sender, (name, role) in people.items()]
        parts = [
            "Let in here (`!unpair ID` takes it back):\n" + "\n".join(known) if known else "",
            "Said here (`!unrule N` takes one back):\n" + "\n".join(said) if said else "",
            "In the configuration:\n" + "\n".join(fixed) if fixed else "",
            "Where no rule fits: reading and writing in the workspace is allowed; what leaves the "
            "machine asks; what cannot be taken back asks an owner; guests only read.",
        ]
        return "\n".join(filter(None, parts))

    async def unrule(self, rest: str, by: Person) -> str:
        """Take a rule back that was said. Raises UsageError."""
        number = rest.lstrip("#")
        rule = self._book.standing.rules.get(int(number)) if number.isdecimal() else None
        is_own = rule and rule.then == "allow" and self._book.standing.authors[int(number)] == by.id
        if not is_own:
            _owners_only(by, "take back what others said")
        if rule is None:
            known = ", ".join(map(str, self._book.standing.rules)) or "none"
            raise UsageError(f"There is no rule {number or 'without a number'}. Known: {known}.")
        await self._book.standing.remove_rule(int(number), by.id)
        return f"Rule {number} does not hold any more: {in_words(rule)}."

    def _meant(self, words: list[str]) -> tuple[str, str, Role]:
        sender, name, said = (*words, *["", "", "member"][len(words) :])[:3]
        if len(words) > 3 or not name:
            raise UsageError(_PAIR)
        if not _ID.fullmatch(sender):
            raise UsageError(f"{_IDS.format(said=sender)} {_PAIR}")
        if not is_name(name):
            raise UsageError(f"{name} is no name. {NAMES}")
        role = next((each for each in _ROLES if each == said), None)
        if role is None:
            raise UsageError(f"There is no role {said}. {_PAIR}")
        return sender, name, role


def _owners_only(person: Person, what: str) -> None:
    if person.role != "owner":
        raise UsageError(f"Only an owner may {what}.")
