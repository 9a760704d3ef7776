"""What was missed while we were away, told in one message a room: messages left alone, hours of
standing work that went by.

It decides nothing: what is too old was closed where it arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from coworker.agent.act import Ports
from coworker.agent.words import notice
from coworker.types import ConversationId, Json, Outbound, Place

_AFTER_S = 3.0
"""So long it waits for more of the same."""


class Outage:
    """The report, of which there is one at a time."""

    def __init__(self, ports: Ports, deliver: Callable[[ConversationId], None]) -> None:
        self._ports = ports
        self._deliver = deliver
        self._task: asyncio.Task[None] | None = None

    def report(self) -> None:
        """Say soon, in one message a room, what came or was due too long ago."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tell())

    async def close(self) -> None:
        """What was not reported yet is reported at the next start."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _tell(self) -> None:
        await self._ports.clock.sleep(_AFTER_S)
        log, now = self._ports.log, self._ports.clock.now_ms()
        after = int(log.cursor("reception", "reported") or 0)
        rows, missed = log.aside.stale(after), log.schedules.missed(after)
        for place, text in self._reports(rows, missed).items():
            last = max(row["rowid"] for row in [*rows, *missed])
            key = f"outage:{place.here}:{last}"
            said = Outbound(key, place.conversation, "reply", notice(text), place)
            await log.notice(said, now)
            self._deliver(said.conversation)
        if rows or missed:
            last = max(row["rowid"] for row in [*rows, *missed])
            await log.keep("reception", "reported", str(last))

    def _reports(self, rows: list[Json], missed: list[Json]) -> dict[Place, str]:
        """What to say in each room: of messages left alone, and of hours missed."""
        by_room: dict[Place, tuple[list[Json], list[Json]]] = {}
        for row in rows:
            by_room.setdefault(Place(row["adapter"], row["room"]), ([], []))[0].append(row)
        for row in missed:
            if place := self._room_of(row["body"]["schedule"]):
                by_room.setdefault(place, ([], []))[1].append(row)
        return {
            place: "\n\n".join(filter(None, [self._told(late), self._missed(hours)]))
            for place, (late, hours) in by_room.items()
        }

    def _room_of(self, schedule: str) -> Place | None:
        """The room to report to; a terminal has none, there `schedule history` tells it."""
        known = self._ports.log.schedules.get(schedule)
        if known is None or known.place.adapter == "terminal":
            return None
        return Place(known.place.adapter, known.place.room)

    def _told(self, rows: list[Json]) -> str:
        if not rows:
            return ""
        hours = self._ports.config.stale_hours
        many = "1 message" if len(rows) == 1 else f"{len(rows)} messages"
        lines = [self._line(row["body"]) for row in rows[-20:]]
        head = (
            f"I was away. {many} here came more than {hours:g} hours ago, so I left them alone; "
            "write again what still matters."
        )
        return "\n".join([head, *lines])

    def _missed(self, rows: list[Json]) -> str:
        if not rows:
            return ""
        by_schedule: dict[str, list[Json]] = {}
        for row in rows:
            by_schedule.setdefault(row["body"]["schedule"], []).append(row)
        lines = [self._missed_line(own) for own in by_schedule.values()]
        return "\n".join(["Schedules missed hours while I was away:", *lines])

    def _missed_line(self, rows: list[Json]) -> str:
        """What became of the hours of one schedule."""
        body = rows[-1]["body"]
        many = sum(row["body"]["missed"] for row in rows)
        known = self._ports.log.schedules.get(body["schedule"])
        if rows[-1]["outcome"] == "failed":
            became = "tried late, and failed"
        elif rows[-1]["outcome"] != "missed":
            became = "run late, once" if many == 1 else "run once for all of them"
        elif known and known.policy == "ask":
            became = f"shall I? `!schedules run {body['schedule']}` runs it now"
        else:
            became = "skipped"
        counted = f"{many} or more" if any(row["body"].get("more") for row in rows) else many
        return f"- “{body['name']}”: {counted} missed, {became}."

    def _line(self, body: Json) -> str:
        person = self._ports.people.find(body["sender"])
        at = datetime.fromtimestamp(body["at"] / 1000, self._ports.config.zone)
        text = " ".join(body["text"].split())
        return f"- {at:%a %H:%M} {person.name if person else 'somebody'}: {text[:80]}"
