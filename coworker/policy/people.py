"""Who is who: platform ids to people. It knows nothing of what they may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coworker.settings import Config
from coworker.types import RANK, Person, Role


class People:
    """The people of the configuration and those who were admitted since; others are strangers.

    `admitted` maps platform ids to (name, role) and is looked at anew each time.
    """

    def __init__(self, config: Config, admitted: Mapping[str, tuple[str, Role]]) -> None:
        self._admitted = admitted
        self._names = tuple(config.people)
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
        found = (
            self._by_id.get(sender) or self._admitted.get(sender) or self._by_id.get(f"{adapter}:*")
        )
        return Person(sender, *found) if found else None

    def is_taken(self, name: str) -> bool:
        """Whether rules that name it would mean somebody: a person of that name, or a role."""
        admitted = (known for known, _ in self._admitted.values())
        return name.casefold() in {each.casefold() for each in (*self._names, *admitted, *RANK)}

    def behind(self, senders: Sequence[str]) -> list[Person]:
        """Everybody behind these ids; a stranger, or somebody let go since, is a guest."""
        return [self.find(sender) or Person(sender, "a stranger", "guest") for sender in senders]
