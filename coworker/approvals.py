"""`coworker approvals`: every permission that waits for somebody, and a decision from the terminal.

It finds and words them; whose decision counts is policy's to say.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from coworker.agent.act import Ports
from coworker.agent.spending import name_of
from coworker.errors import Denied, NotFound, UsageError
from coworker.policy.approvals import expires_at
from coworker.questions import Questions
from coworker.types import Heard, Inbound, Json, Place

Action = Literal["list", "allow", "deny"]


class Approvals:
    """The open permissions of all conversations. `hear` takes an answer like anybody's."""

    def __init__(self, ports: Ports, hear: Callable[[Inbound], Awaitable[Heard]]) -> None:
        self._ports = ports
        self._questions = Questions(ports)
        self._hear = hear

    async def act(self, action: Action, sender: str, name: str = "") -> Any:
        """List them, or decide one. Raises NotFound, UsageError for two of a name, Denied."""
        waiting = self._waiting()
        return waiting if action == "list" else await self._decide(action, sender, name, waiting)

    def _waiting(self) -> list[Json]:
        """{id, conversation, ask, run, repo, asker, at, expires_at, owner, question, options}."""
        found = [
            (row, ask)
            for row in self._ports.log.conversations()
            if row.state != "idle"
            for ask in self._questions.here(row.id)
            if ask["approval"]
        ]
        hours = self._ports.config.approvals.expire_hours
        return [
            {
                "id": f"{row.id}/{ask['ask']}",
                "conversation": row.id,
                **{name: ask[name] for name in ("ask", "run", "question", "options")},
                "repo": row.repo,
                "asker": name_of(ask["asker"], self._ports),
                "owner": bool(ask.get("owner")),
                "at": ask["at"],
                "expires_at": expires_at(ask, hours),
            }
            for row, ask in found
        ]

    async def _decide(self, word: Action, sender: str, name: str, waiting: list[Json]) -> Json:
        chosen = _named(name, waiting)
        heard = await self._hear(
            Inbound(
                source="terminal",
                event_id=uuid.uuid4().hex,
                conversation=chosen["conversation"],
                kind="answer",
                body={"sender": sender, "ask": chosen["ask"], "text": word},
                place=Place("terminal", chosen["conversation"]),
            )
        )
        if heard in ("forbidden", "refused"):
            raise Denied(f"{chosen['id']} is open, but not yours to decide; an owner can.")
        if heard != "new":
            raise NotFound(f"{chosen['id']} was decided just now.")
        return {**chosen, "decision": word}


def _named(name: str, waiting: list[Json]) -> Json:
    """The one of that id, or of that number where only one has it."""
    found = [each for each in waiting if name in (each["id"], str(each["ask"]))]
    if not found:
        raise NotFound(
            f"No permission {name} is waited for. `coworker approvals list` shows those that are."
        )
    if len(found) > 1:
        ids = ", ".join(each["id"] for each in found)
        raise UsageError(f"{len(found)} have the number {name}. Name one of them: {ids}.")
    return found[0]
