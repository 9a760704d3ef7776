"""What people decided outside of any conversation: who was admitted, which rules hold.

Each decision is an entry of the conversation `system`; what holds now is a fold over them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from coworker.protocols import Clock
from coworker.settings import Rule
from coworker.store.log import Log
from coworker.types import ConversationId, Json, Place, Repo, Role

SYSTEM = Place("system", "")
_ID: ConversationId = SYSTEM.conversation


class Standing:
    """The decisions in force. Every one is on disk before it counts."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self.people: dict[str, tuple[str, Role]] = {}
        """Platform ids to (name, role)."""
        self._rules: dict[int, Rule] = {}
        self.authors: dict[int, str] = {}
        """Who said each rule, by platform id."""
        self._read()

    @property
    def rules(self) -> dict[int, Rule]:
        """Rules by the number under which people know them, without words that were forgotten."""
        if self._forgotten != self._log.lately.count:
            self._read()
        return self._rules

    def _read(self) -> None:
        self._forgotten, self._rules_ever = self._log.lately.count, 0
        self._rules.clear()
        for entry in self._log.entries(_ID):
            self._apply(entry.body)

    async def admit(self, sender: str, name: str, role: Role, by: str) -> None:
        """From now on this platform id is that person."""
        await self._decide({"what": "admit", "id": sender, "name": name, "role": role, "by": by})

    async def dismiss(self, sender: str, by: str) -> None:
        """From now on this platform id is a stranger again."""
        await self._decide({"what": "dismiss", "id": sender, "by": by})

    async def add_rule(self, rule: Rule, by: str) -> int:
        """The number of the rule, which is in force now; of the same one, if it is already."""
        for number, known in self.rules.items():
            if known == rule:
                return number
        await self._decide({"what": "rule", "rule": msgspec.to_builtins(rule), "by": by})
        return self._rules_ever

    async def forbid(self, repo: Repo, paths: Sequence[str], why: str, by: str) -> str:
        """Keep files of a repository from changes; how that is said to people."""
        rule = Rule(then="deny", repo=repo.name, paths=[*paths], reason=why)
        number = await self.add_rule(rule, by)
        named = " or ".join(paths)
        return f"From now on no run may change {named}: rule {number}, `!unrule {number}` ends it."

    async def remove_rule(self, number: int, by: str) -> bool:
        """Whether there was such a rule; it does not count any more."""
        if number not in self.rules:
            return False
        await self._decide({"what": "unrule", "number": number, "by": by})
        return True

    async def _decide(self, body: Json) -> None:
        await self._log.record(SYSTEM, "decision", body, self._clock.now_ms())
        self._apply(body)

    def _apply(self, body: Json) -> None:
        match body.get("what"):
            case "admit":
                self.people[body["id"]] = (body["name"], body["role"])
            case "dismiss":
                self.people.pop(body["id"], None)
            case "rule":
                self._rules_ever += 1
                self._rules[self._rules_ever] = msgspec.convert(body["rule"], Rule)
                self.authors[self._rules_ever] = body["by"]
            case "unrule":
                self._rules.pop(body["number"], None)
