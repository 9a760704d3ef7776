"""A scheduler on a real store, with a clock that the test turns."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from coworker.policy.people import People
from coworker.scheduler import Scheduler
from coworker.settings import Config, PersonConfig
from coworker.store.log import Log
from coworker.tools.gates import Gates
from coworker.tools.timetable import Timetable, Wish
from coworker.tools.zones import Zones
from coworker.types import Inbound, Outbound, Place

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANN = "slack:U0ANN"


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


class TurnedClock:
    """Time stands still until somebody turns it."""

    def __init__(self, now: datetime) -> None:
        self.now = ms(now)
        self.slept: list[float] = []
        self._turned = asyncio.Event()

    def now_ms(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        end = self.now + seconds * 1000
        while self.now < end:
            await self._turned.wait()
            self._turned.clear()

    def turn(self, moment: datetime | int) -> None:
        self.now = moment if isinstance(moment, int) else ms(moment)
        self._turned.set()


@dataclass
class Desk:
    """What fires, and whom it woke."""

    log: Log
    clock: TurnedClock
    config: Config
    timetable: Timetable = None
    scheduler: Scheduler = None
    woken: list[str] = field(default_factory=list)
    profiles: dict[str, str] = field(default_factory=dict)
    reports: int = 0
    added: int = 0

    def opens(self, gates=None) -> None:
        """Everything that does not live in the database, made anew."""
        people = People(self.config, {})
        find, repo = people.find, lambda name: SimpleNamespace(name=name, checks=())
        zones = Zones(self.config, find, self._profile)
        self.timetable = Timetable(
            self.log.schedules, gates or Gates(None, None), repo, find, zones, self.clock
        )
        ports = SimpleNamespace(log=self.log, clock=self.clock, people=people, config=self.config)
        office = SimpleNamespace(wake=self.woken.append, deliver=self.woken.append)
        self.scheduler = Scheduler(
            ports, self.timetable, office, ["slack", "telegram", "terminal"], self._report
        )

    async def adds(self, when: str, *, zone: str = "UTC", to: Place | None = None, **more):
        """Standing work of ann's, in a Telegram chat unless somewhere else."""
        place = to or Place("telegram", "4711")
        self.added += 1
        prompt = f"Look around. ({self.added})"
        given = {"creator": ANN, "prompt": prompt, "conversation": None, **more}
        key = f"{when} {self.added}"
        wish = Wish(key=key, when=when, zone=zone, place=place, **given)
        schedule = await self.timetable.draft(wish)
        await self.timetable.save(schedule)
        return schedule

    async def fires(self, moment: datetime | int) -> None:
        """What happens at that moment, gates included."""
        self.clock.turn(moment)
        await self.scheduler.fire()
        await self.scheduler.looked()

    async def ends(self, conversation: str, outcome: str, *, said: bool = True) -> None:
        """The run that waits in this conversation is over."""
        from coworker.store import outcomes

        def write(db):
            taken = "UPDATE inbox SET taken_seq = 1 WHERE conversation = ? AND taken_seq IS NULL"
            db.execute(taken, (conversation,))
            outcomes.close(db, conversation, outcome, self.clock.now, said=said)
            db.execute("UPDATE conversation SET state = 'idle' WHERE id = ?", (conversation,))

        await self.log._writer.write(write)

    def history(self, schedule) -> list[tuple[str, str | None]]:
        """When it fired and how that ended, the latest last."""
        rows = self.log.schedules.history(schedule.id, 1_000_000)[::-1]
        return [(_day(row["body"]["due"]), row["outcome"]) for row in rows]

    def said(self) -> list[Outbound]:
        """What waits to be delivered."""
        return [outbound for outbound, _ in self.log.undelivered()]

    async def _profile(self, sender: str) -> str:
        return self.profiles.get(sender, "")

    def _report(self) -> None:
        self.reports += 1


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%m-%d %H:%M}"


@pytest.fixture
async def desk(tmp_path):
    """A desk in the middle of November."""
    async with sat(tmp_path / "state") as made:
        yield made


@asynccontextmanager
async def sat(folder, *, now: datetime = START, **config):
    people = {"ann": PersonConfig(role="member", ids=[ANN], timezone="Europe/Berlin")}
    log = Log(folder, lambda error: None)
    settings = Config(**{"state_dir": str(folder), "people": people, **config})
    made = Desk(log, TurnedClock(now), settings)
    made.opens()
    try:
        yield made
    finally:
        await log.close()


__all__ = ["ANN", "START", "Desk", "Inbound", "ms", "sat"]
