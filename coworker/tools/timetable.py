"""Standing work as people and the model see it: drafted, shown on a card, listed, taken back.

It knows when and where; who may decide is asked by those who let it act.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

from coworker import when
from coworker.calendar import UNGATED, Calendar, preview, too_often, too_often_together
from coworker.errors import Denied, NotFound, UsageError
from coworker.protocols import Clock
from coworker.repos.text import code, fenced, one_line, visible
from coworker.store.schedules import Policy, Schedule, Schedules, chat_of
from coworker.tools import gates
from coworker.tools.gates import Gates, Seen
from coworker.tools.zones import Zones
from coworker.types import RANK, ConversationId, Person, Place, Repo

_MAX_PROMPT = 4_000
_MAX_NAME = 40
_MONTH_MS = 30 * 86_400_000
_MISSED = {
    "late": "",
    "skip": "An hour missed while I am away is skipped.",
    "ask": "An hour missed while I am away waits for your word.",
}
_THERE_ALREADY = "{} does just that here already ({}). Change its words or its time, or remove it."
_STILL = "“{}” would pause again: {}. Mend that first, or remove it and make it anew."
_TOGETHER = "{} already does the same here. With this one added: "


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done and when; `key` names the wish, so that twice is once.

    `said_at`, in milliseconds UTC, is when "tomorrow" was said; None for now.
    """

    key: str
    when: str
    prompt: str
    creator: str
    place: Place
    conversation: ConversationId | None
    repo: str | None = None
    name: str = ""
    gate: str = ""
    policy: Policy = "late"
    urgent: bool = False
    zone: str = ""
    said_at: int | None = None


class Timetable:
    """Makes and finds schedules. `changed` is set whenever the next hour may be another one."""

    def __init__(
        self,
        schedules: Schedules,
        gates: Gates,
        repo: Callable[[str], Repo | None],
        find: Callable[[str], Person | None],
        zones: Zones,
        clock: Clock,
    ) -> None:
        self.changed = asyncio.Event()
        self._schedules = schedules
        self._gates = gates
        self._repo = repo
        self._find = find
        self._zones = zones
        self._clock = clock

    def least(self, senders: Sequence[str]) -> str:
        """Who answers for a run: of all whose words it took, the one who may least."""

        def rank(sender: str) -> int:
            return RANK[person.role] if (person := self._find(sender)) else -1

        return min(senders, key=rank)

    async def draft(self, wish: Wish) -> Schedule:
        """The schedule that a wish amounts to, its gate looked through for the first time.

        Raises UsageError that says what to mend, and what the gate's first look raises.
        """
        prompt, now = self._schedules.clean(visible(wish.prompt)).strip(), self._clock.now_ms()
        if not 0 < len(prompt) <= _MAX_PROMPT:
            raise UsageError(f"Say what is to be done then, in 1 to {_MAX_PROMPT:,} characters.")
        calendar = await self.calendar(wish.when, wish.zone, wish.creator, wish.said_at)
        if (next_at := calendar.after(now)) is None:
            raise UsageError(f"“{wish.when}” is over: it was at {calendar.words}. Ask anew.")
        gate = wish.gate.strip()
        if reason := too_often(calendar, now, gated=bool(gate)):
            raise UsageError(reason)
        seen = await self._gates.first(gate, self._bound(wish.repo)) if gate else ""
        place, conversation = _destination(wish, calendar)
        schedule = Schedule(
            id=_id(wish.key),
            name=one_line(self._schedules.clean(wish.name), _MAX_NAME)
            or one_line(prompt, _MAX_NAME),
            repo=wish.repo,
            place=place,
            conversation=conversation,
            creator=wish.creator,
            prompt=prompt,
            spec=calendar.words,
            tz=calendar.zone.key,
            next_at=next_at,
            created_at=now,
            policy=wish.policy,
            gate=gate,
            seen=seen,
            urgent=wish.urgent,
        )
        self._refuse_once_more(schedule)
        return schedule

    async def calendar(
        self, words: str, zone: str, sender: str, said_at: int | None = None
    ) -> Calendar:
        """What a person means by words for a time, said now or then. Raises UsageError."""
        home = when.named_zone(zone) if zone else await self._zones.of(sender)
        now = self._clock.now_ms() if said_at is None else said_at
        return when.read(words, home, now)

    def again(self, schedule: Schedule) -> Calendar:
        """The calendar of a schedule that was drafted before."""
        return when.again(schedule.spec, schedule.tz)

    def card(self, schedule: Schedule, asked_in: ConversationId | None = None) -> str:
        """What a person should see before it is saved, or of one that is."""
        calendar, now = self.again(schedule), self._clock.now_ms()
        lines = [
            f"**{code(schedule.name)}**" if schedule.name != schedule.prompt else "",
            fenced(schedule.prompt),
            f"When: {schedule.spec} ({schedule.tz})",
            *(f"- {line}" for line in preview(calendar, now)),
            f"Where: {_where(schedule)}",
            f"Only if: {code(schedule.gate)}" if schedule.gate else "",
            not_yet(schedule),
            f"Cost: {self._cost(schedule, calendar, asked_in)}",
            _MISSED[schedule.policy],
            "It runs in quiet hours too." if schedule.urgent else "",
        ]
        return "\n".join(filter(None, lines))

    async def save(self, schedule: Schedule) -> None:
        """Let it count from now on."""
        await self._schedules.add(schedule)
        self.changed.set()

    async def look(self, schedule: Schedule) -> Seen:
        """What its gate says now. Raises what `Gates.look` raises."""
        repo, now = self._bound(schedule.repo), self._clock.now_ms()
        return await self._gates.look(schedule.gate, repo, schedule.seen, now)

    def objection(self, schedule: Schedule) -> str | None:
        """Why it may not fire, or None: it needs its maker, and what it is about, if anything."""
        if (person := self._find(schedule.creator)) is None:
            return "whoever made it is not among the people any more"
        if person.role == "guest":
            return "whoever made it is a guest now, and guests have no standing work"
        if schedule.repo and self._repo(schedule.repo) is None:
            return f"the repository {schedule.repo} is not known any more"
        return None

    def find(self, name: str) -> Schedule:
        """A schedule by its id, the beginning of that, or its name. Raises NotFound."""
        known = self._schedules.all()
        wanted = name.strip().lower().strip("`“”\"'")
        found = [each for each in known if wanted and each.id.startswith(wanted)]
        names = [each for each in known if wanted and each.name.lower().startswith(wanted)]
        found = found or [each for each in names if each.name.lower() == wanted] or names
        if len(found) == 1:
            return found[0]
        many = f"{len(found)} schedules are" if found else "No schedule is"
        raise NotFound(
            f"{many} called {one_line(name, 60) or 'nothing'}. List them with their ids."
        )

    def own(self, name: str, sender: str) -> Schedule:
        """A schedule that this person may change. Raises NotFound or Denied."""
        schedule, person = self.find(name), self._find(sender)
        if person and (person.role == "owner" or schedule.creator == sender):
            return schedule
        raise Denied(f"“{schedule.name}” belongs to somebody else; its creator or an owner may.")

    async def remove(self, schedule: Schedule) -> None:
        """Forget it."""
        await self._schedules.remove(schedule.id)

    async def take_back(self, key: str) -> str:
        """Forget what came of a wish; its name, or "" when there is nothing of it."""
        found = self._schedules.get(_id(key))
        if found:
            await self.remove(found)
        return found.name if found else ""

    async def resume(self, schedule: Schedule) -> None:
        """Let it fire again, from its next hour on. Raises UsageError when it could not."""
        if reason := self.objection(schedule):
            raise UsageError(_STILL.format(schedule.name, reason))
        calendar = self.again(schedule)
        next_at = calendar.after(self._clock.now_ms())
        if next_at is None:
            raise UsageError(f"“{schedule.name}” is over: it was for {schedule.spec}.")
        await self._schedules.resume(schedule.id, next_at)
        self.changed.set()

    def here(self, place: Place) -> list[Schedule]:
        """The schedules of a room that are not over."""
        return [
            each
            for each in self._schedules.all()
            if is_open(each)
            and (each.place.adapter, each.place.room) == (place.adapter, place.room)
        ]

    def lines(self, schedules: Sequence[Schedule]) -> str:
        """One line each: id, name, when, when next."""
        return "\n".join(self._line(each) for each in schedules)

    def _line(self, schedule: Schedule) -> str:
        gate = f" · only if {schedule.gate}" if schedule.gate else ""
        last = self._schedules.history(schedule.id, 1)
        ended = f" · last: {last[0]['outcome'] or 'running'}" if last else ""
        told = f"{schedule.spec} ({schedule.tz}){gate} · {coming(schedule)}{ended}"
        return f"`{schedule.id}` {schedule.name} · {told}"

    def _bound(self, name: str | None) -> Repo:
        repo = self._repo(name) if name else None
        if repo is None:
            raise UsageError("A gate looks at a repository, and this is bound to none.")
        return repo

    def _refuse_once_more(self, schedule: Schedule) -> None:
        """What does the same in the same place counts together. Raises UsageError."""
        alike = [each for each in self._schedules.alike(schedule) if is_open(each)]
        for each in alike:
            if (each.spec, each.tz, each.gate) == (schedule.spec, schedule.tz, schedule.gate):
                raise UsageError(_THERE_ALREADY.format(_named(each), coming(each)))
        others = [each for each in alike if not each.gate and not self.again(each).is_once]
        calendars = [self.again(each) for each in (schedule, *others)]
        if schedule.gate or calendars[0].is_once or not others:
            return
        if too_often_together(calendars, schedule.created_at):
            raise UsageError(_TOGETHER.format(", ".join(map(_named, others))) + UNGATED)

    def _cost(self, schedule: Schedule, calendar: Calendar, asked_in: ConversationId | None) -> str:
        """An estimate, from what its runs have cost, else those of the conversation."""
        cost = self._schedules.usual_cost(schedule.id, asked_in or schedule.conversation)
        if cost is None:
            return "not known yet"
        if calendar.is_once:
            return f"about ${cost:.2f}, once"
        now = self._clock.now_ms()
        times = sum(1 for _ in takewhile(lambda at: at < now + _MONTH_MS, calendar.instants(now)))
        most = "at most " if schedule.gate else "about "
        return f"{most}${times * cost:.2f} a month ({times} runs of ${cost:.2f})"


def _named(schedule: Schedule) -> str:
    return f"“{schedule.name}” (`{schedule.id}`)"


def not_yet(schedule: Schedule) -> str:
    """What a person should know of a path that its gate looks at; "" when all is well."""
    if schedule.seen != gates.MISSING or not (path := gates.read(schedule.gate)["path"]):
        return ""
    return f"There is no {one_line(path, 100)} in {schedule.repo} now: it opens once there is."


def _id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def is_open(schedule: Schedule) -> bool:
    """Whether anything more will come of it, or would if it were not paused."""
    return schedule.next_at is not None or schedule.paused is not None


def coming(schedule: Schedule) -> str:
    """When it fires next, in its own zone, or why it does not."""
    if schedule.paused is not None:
        return f"paused: {schedule.paused}"
    if schedule.next_at is None:
        return "over"
    there = datetime.fromtimestamp(schedule.next_at / 1000, ZoneInfo(schedule.tz))
    return f"next {there:%a %Y-%m-%d %H:%M %Z}"


def _destination(wish: Wish, calendar: Calendar) -> tuple[Place, ConversationId | None]:
    """Where it speaks: where it was asked for, but standing work on Slack in threads of its own."""
    place = wish.place
    if place.adapter != "slack" or (place.room.startswith("D") and place.thread):
        return place, wish.conversation or place.conversation
    if calendar.is_once and place.thread:
        return place, wish.conversation
    return Place(place.adapter, place.room), None


def _where(schedule: Schedule) -> str:
    if schedule.conversation is None:
        return f"{schedule.place.adapter}:{schedule.place.room}, each time in a thread of its own"
    return f"here ({chat_of(schedule.conversation)})"
