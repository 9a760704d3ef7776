"""Due schedules become inbox rows: each instant once, whatever happens to the clock or to us.

It sleeps until the next one is due. What a run then does, and where it speaks, it does not know.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import uuid
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from coworker import when
from coworker.agent.act import Ports
from coworker.agent.words import notice
from coworker.calendar import Calendar, placed
from coworker.dispatch import Dispatch
from coworker.errors import CoworkerError
from coworker.settings import Quiet
from coworker.store.outcomes import MOST_FAILURES
from coworker.store.schedules import SOURCE, Firing, Schedule
from coworker.tools.timetable import Timetable
from coworker.types import ConversationId, Inbound, Outbound, Place

_LONGEST_SLEEP_S = 60.0
"""Sleeping does not notice a clock that is set, or a machine that slept: look once a minute."""
_ON_TIME_MS = 5 * 60_000
_PAUSED = """\
I paused the schedule “{name}”: {reason}. {why}
Once that is mended, `!schedules resume {id}` lets it go on."""
_WAITS = """\
“{name}” is due, but here is a question that nobody has answered. Answer it, or write `!stop`, and \
it runs."""
_LOOK_BACK_MS = 31 * 86_400_000
_log = logging.getLogger(__name__)


class Scheduler:
    """Fires what is due on these adapters. `report` is told when hours were missed."""

    def __init__(
        self,
        ports: Ports,
        timetable: Timetable,
        dispatch: Dispatch,
        adapters: Collection[str],
        report: Callable[[], None],
    ) -> None:
        self._log = ports.log
        self._schedules = ports.log.schedules
        self._clock = ports.clock
        self._config = ports.config
        self._quiet = ports.config.quiet
        self._timetable = timetable
        self._dispatch = dispatch
        self._adapters = adapters
        self._report = report
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._timetable.changed.clear()
                try:
                    await self.fire()
                except CoworkerError as error:  # a full disk: everything is still due afterwards
                    _log.warning("what is due waits: %s", error)
                    await self._clock.sleep(_LONGEST_SLEEP_S)
                await self._sleep()
        finally:
            for looking in self._looking.values():
                looking.cancel()

    async def fire(self) -> None:
        """Whatever is due now, the longest waiting first, and all of it before any run begins.

        Gates are looked through meanwhile.
        """
        woken: list[ConversationId] = []
        now = self._clock.now_ms()
        self._resting = {each: until for each, until in self._resting.items() if until > now}
        while due := self._schedules.due(self._clock.now_ms(), self._adapters, self._aside()):
            firings = [firing for each in due if (firing := await self._tried(each))]
            woken += await self._record(firings)
        for conversation in woken:
            self._dispatch.wake(conversation)

    async def looked(self) -> None:
        """Once every gate that is being looked through has been."""
        while self._looking:
            await asyncio.wait(self._looking.values())

    def _aside(self) -> set[str]:
        """Those whose gate is being looked through, or that wait for the end of quiet hours."""
        return {*self._looking, *self._resting}

    async def _sleep(self) -> None:
        next_at = self._schedules.next_at(self._adapters, self._aside())
        now, wait_s = self._clock.now_ms(), _LONGEST_SLEEP_S
        for at in filter(None, (next_at, *self._resting.values())):
            wait_s = min(wait_s, max(0.0, (at - now) / 1000))
        sleeping = asyncio.ensure_future(self._clock.sleep(wait_s))
        changed = asyncio.ensure_future(self._timetable.changed.wait())
        try:
            await asyncio.wait({sleeping, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            changed.cancel()

    async def _tried(self, schedule: Schedule) -> Firing | None:
        """One that breaks us is put aside, so that the others go on."""
        try:
            return await self._begun(schedule)
        except CoworkerError:
            raise
        except Exception:  # noqa: BLE001 - the outer edge: one broken schedule, not all
            reference = uuid.uuid4().hex[:8]
            _log.exception("a schedule broke", extra={"schedule": schedule.id, "ref": reference})
            await self._pause(schedule, f"something broke inside coworker (reference {reference})")
            return None

    async def _begun(self, schedule: Schedule) -> Firing | None:
        """What happens to a schedule that is due.

        Nothing yet in quiet hours, and while its gate is looked through.
        """
        now = self._clock.now_ms()
        if reason := self._objection(schedule):
            await self._pause(schedule, reason)
            return None
        firing = planned(schedule, now, self._quiet)
        begin = _begin(schedule, now, self._quiet)
        if begin > now and not firing.outcome:
            self._resting[schedule.id] = begin
            return None
        if not schedule.gate or firing.outcome:
            return firing
        looking = asyncio.create_task(self._look(schedule, firing), name=f"gate {schedule.id}")
        self._looking[schedule.id] = looking
        looking.add_done_callback(lambda _: self._looked_through(schedule.id))
        return None

    def _looked_through(self, schedule: str) -> None:
        del self._looking[schedule]
        self._timetable.changed.set()

    def _objection(self, schedule: Schedule) -> str | None:
        if schedule.failures >= MOST_FAILURES:
            return f"it failed {schedule.failures} times in a row"
        return self._timetable.objection(schedule)

    async def _look(self, schedule: Schedule, firing: Firing) -> None:
        """Ask the gate and record what it says; what it cannot say counts as a failure."""
        try:
            seen = await self._timetable.look(schedule)
        except CoworkerError as error:
            firing = _with(firing, "failed", gate=str(error))
        except Exception:  # noqa: BLE001 - the outer edge: one broken gate, not all
            _log.exception("a gate broke", extra={"schedule": schedule.id})
            why = "Something broke inside coworker; its log says what."
            firing = _with(firing, "failed", gate=why)
        else:
            outcome = None if seen.is_open else "nothing new"
            looked = {"gate": seen.words, "since": schedule.seen, "seen": seen.state}
            firing = _with(firing, outcome, **looked)
        try:
            for conversation in await self._record([firing]):
                self._dispatch.wake(conversation)
        except CoworkerError as error:  # a full disk: it is looked through again afterwards
            _log.warning("a firing waits: %s", error)
            await self._clock.sleep(_LONGEST_SLEEP_S)

    async def _record(self, firings: list[Firing]) -> list[ConversationId]:
        """Write what became of them; the conversations that have something to do now."""
        asked = {each.row.conversation for each in firings if self._asks(each.row)}
        done = await self._schedules.fire(firings, self._clock.now_ms())
        rows = [(firing.row, firing.outcome) for firing in done]
        for row, outcome in rows:
            if outcome != "nothing new":
                _log.info("due", extra={"schedule": row.body["schedule"], "outcome": outcome})
        if any(row.body["missed"] for row, _ in rows):
            self._report()
        for row, outcome in rows:
            if not outcome and row.conversation in asked:
                await self._say_waits(row)
        return [row.conversation for row, outcome in rows if not outcome]

    def _asks(self, row: Inbound) -> bool:
        """Whether somebody is asked there, so that nothing else goes on."""
        return self._log.state(row.conversation) == "waiting"

    async def _say_waits(self, row: Inbound) -> None:
        now, place = self._clock.now_ms(), row.place
        text = _WAITS.format(name=row.body["name"])
        said = Outbound(f"{row.event_id}:waits", row.conversation, "reply", notice(text), place)
        await self._log.notice(said, now)
        self._dispatch.deliver(row.conversation)

    async def _pause(self, schedule: Schedule, reason: str) -> None:
        place, why = self._told(schedule)
        text = _PAUSED.format(name=schedule.name, id=schedule.id, reason=reason, why=why)
        ours = schedule.conversation if place == schedule.place else None
        conversation = ours or place.conversation
        key = f"schedule:{schedule.id}:paused:{self._clock.now_ms()}"
        said = Outbound(key, conversation, "reply", notice(text), place)
        await self._schedules.give_up(schedule.id, reason, said, self._clock.now_ms())
        self._dispatch.deliver(conversation)

    def _told(self, schedule: Schedule) -> tuple[Place, str]:
        """Where to say that it is paused, and what became of its last firing."""
        for row in self._schedules.history(schedule.id, 1):
            if undelivered := row["body"].get("undelivered"):
                return self._elsewhere(schedule), f"Its room takes no messages: {undelivered}"
            if schedule.failures < MOST_FAILURES:
                break  # it is not for how its last run ended
            why = row["text"] or row["body"]["gate"]
            if row["outcome"] == "offline":  # its last words say why it was
                why = why.rpartition("\n\n")[2]
            return schedule.place, why
        return schedule.place, ""

    def _elsewhere(self, schedule: Schedule) -> Place:
        """Its maker's own messages there, else an owner's."""
        owners = [each for each in self._config.people.values() if each.role == "owner"]
        for each in (schedule.creator, *(known for owner in owners for known in owner.ids)):
            adapter, _, person = each.partition(":")
            if adapter == schedule.place.adapter and person != "*":
                return Place(adapter, person)
        return schedule.place


def planned(schedule: Schedule, now: int, quiet: Quiet) -> Firing:
    """The firing of a schedule that is due, by its policy for hours that went by.

    An hour in quiet hours is on time at their end. A retry after a failure is no hour of its own.
    """
    assert schedule.next_at is not None, "only what has a next hour is due"  # noqa: S101
    calendar = when.again(schedule.spec, schedule.tz)
    instants = _passed(calendar, schedule.next_at, now)
    hours = {_begin(schedule, at, quiet) for at in instants if calendar.has(at)}
    last = instants[-1]
    is_late = now - _begin(schedule, last, quiet) > _ON_TIME_MS
    runs = not is_late or schedule.policy == "late" or not hours
    missed = len(hours) - (not is_late and calendar.has(last))
    row = firing_row(schedule, last, missed=missed)
    if schedule.next_at < now - _LOOK_BACK_MS:
        row.body["more"] = True
    return Firing(
        schedule.id, schedule.next_at, calendar.after(now), row, None if runs else "missed"
    )


def _begin(schedule: Schedule, at: int, quiet: Quiet) -> int:
    """When what is due at that time may begin, both in milliseconds UTC."""
    return at if schedule.urgent else quiet_until(quiet, at, schedule.tz) or at


def firing_row(schedule: Schedule, at: int, *, missed: int = 0, extra: bool = False) -> Inbound:
    """The inbox row of one firing; an `extra` one is outside of the calendar."""
    conversation, place = schedule.conversation, schedule.place
    if conversation is None:  # its thread is known once its first message is posted
        conversation = ConversationId(f"{place.conversation}:due-{schedule.id}-{at}")
    return Inbound(
        source=SOURCE,
        event_id=f"{schedule.id}/{at}{'-now' if extra else ''}",
        conversation=conversation,
        kind="due",
        body={
            "sender": schedule.creator,
            "text": schedule.prompt,
            "schedule": schedule.id,
            "name": schedule.name,
            "due": at,
            "missed": missed,
            "gate": "",
        },
        place=place,
        repo=schedule.repo,
    )


def quiet_until(quiet: Quiet, now: int, tz: str) -> int | None:
    """When the quiet hours end that it is now, in milliseconds UTC; None outside of them."""
    zone = ZoneInfo(tz)
    there = datetime.fromtimestamp(now / 1000, zone)
    clock, begin, end = f"{there:%H:%M}", quiet.begin, quiet.end
    is_quiet = begin <= clock < end if begin <= end else clock >= begin or clock < end
    if not is_quiet:
        return None
    day = there.date() + timedelta(days=clock >= end)
    wall = datetime.combine(day, datetime.strptime(end, "%H:%M").time())
    return round(placed(wall, zone).timestamp() * 1000)


def _passed(calendar: Calendar, first: int, now: int) -> list[int]:
    """The hours from the first one that was due until now; of very many only the last month's."""
    begin = max(first, now - _LOOK_BACK_MS)
    return [first, *takewhile(lambda at: at <= now, calendar.instants(begin))]


def _with(firing: Firing, outcome: str | None, **looked: str) -> Firing:
    """The firing with what its gate said."""
    told = dataclasses.replace(firing.row, body={**firing.row.body, **looked})
    return dataclasses.replace(firing, row=told, outcome=outcome)
