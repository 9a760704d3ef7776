"""Who is who: platform ids to people. It knows nothing of what they may do."""

from __future__ import annotations

from coworker.config import Config
from coworker.types import Person, Role

RANK: dict[Role, int] = {"guest": 0, "member": 1, "owner": 2}


class People:
    """The people of the configuration; whoever is not among them is a stranger."""

    def __init__(self, config: Config) -> None:
        self._by_id: dict[str, tuple[str, Role]] = {}
        for name, person in config.people.items():
            for platform_id in person.ids:
                self._by_id[platform_id] = (name, person.role)
        if (
            not config.people
        ):  # nobody is named: the terminal belongs to whoever owns the machine's files
            self._by_id["terminal:*"] = ("you", "owner")

    def find(self, sender: str) -> Person | None:
        """The person behind `adapter:id`, or None for a stranger. An exact id beats `adapter:*`."""
        adapter = sender.partition(":")[0]
        found = self._by_id.get(sender) or self._by_id.get(f"{adapter}:*")
        return Person(sender, *found) if found else None

    def least(self, senders: list[str]) -> Role:
        """The least authority among several senders; a stranger counts as guest."""
        people = [self.find(sender) for sender in senders]
        roles: list[Role] = [person.role if person else "guest" for person in people]
        return min(roles, key=RANK.__getitem__, default="guest")
