"""Every part of the program, built from the configuration and joined. It decides nothing itself."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Sequence
from functools import partial

from coworker.adapters.terminal import Terminal
from coworker.agent.act import Introduce, Ports
from coworker.approvals import Approvals
from coworker.audit import Audit
from coworker.config import person_environment, refuse_unknown_tools, secret
from coworker.connections import Connections
from coworker.control import Control, Views
from coworker.dispatch import Dispatch
from coworker.doctor import Doctor
from coworker.errors import ConfigError, CoworkerError
from coworker.expiry import Expiry
from coworker.hands import Hands
from coworker.listener import Listener
from coworker.models.router import Router
from coworker.notebook import Notebook
from coworker.outage import Outage
from coworker.planning import Planning
from coworker.policy.budget import MONEY, Ledger
from coworker.policy.people import People
from coworker.policy.rules import Book
from coworker.policy.standing import Standing
from coworker.protocols import Adapter, Intake, Platform, Tool
from coworker.reception import Reception
from coworker.rehearsal import rehearse
from coworker.repos import marks
from coworker.repos.checkout import Checkouts
from coworker.repos.clones import Clones
from coworker.repos.map import Maps
from coworker.repos.registry import Registry
from coworker.repos.workspaces import Workspaces
from coworker.rooms import Rooms
from coworker.scheduler import Scheduler
from coworker.settings import Config
from coworker.store.homes import home
from coworker.store.log import Conversation, Log
from coworker.store.memories import Memories
from coworker.tools import (
    ask,
    commit,
    digest,
    edit,
    files,
    git,
    memory,
    schedule,
    setup,
    shell,
    web,
)
from coworker.tools.gates import Gates
from coworker.tools.knowledge import Knowledge
from coworker.tools.timetable import Timetable
from coworker.tools.workplace import Workplace
from coworker.tools.zones import Zones
from coworker.types import Repo
from coworker.verbs import Verbs
from coworker.web.fetch import Reader


class SystemClock:
    """The real time."""

    def now_ms(self) -> int:
        """Milliseconds UTC."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Parts:
    """What an owner of the state directory is made of. Only the daemon is `connecting`."""

    def __init__(self, config: Config, log: Log, router: Router, *, connecting: bool) -> None:
        self.config = config
        self.log = log
        clock, terminal = SystemClock(), Terminal()
        registry = Registry(config, log)
        platforms = _platforms(config) if connecting else {}
        adapters: dict[str, Adapter] = {terminal.name: terminal, **platforms}
        self.workspaces = Workspaces(config.state, person_environment())
        workplace = Workplace(self.workspaces, config.state, config.sandbox, registry.get)
        checkouts = Checkouts(config.state, prepare=Clones(self.workspaces.mirror).refresh)
        rooms = Rooms(adapters, platforms, log.redactor)
        ports = _ports(log, router, workplace, checkouts, rooms, config)
        gates, find = Gates(checkouts, workplace), ports.people.find
        zones = Zones(config, find, rooms.zone)
        timetable = Timetable(log.schedules, gates, registry.get, find, zones, clock)
        keeping = [*schedule.tools(timetable, log), *digest.tools(checkouts, log, clock, find)]
        ports = _keeping_time(ports, keeping, timetable)
        refuse_unknown_tools(
            config, {name: tool.schema["properties"] for name, tool in ports.tools.items()}
        )
        self.dispatch = Dispatch(ports, adapters)
        self.connections = Connections(platforms, clock)
        self.memories = ports.knowledge.memories
        self.expiry = Expiry(ports, self.dispatch)
        self.audit = Audit(ports, self.dispatch.deliver)
        planning = Planning(ports, timetable, self.dispatch, registry)
        notes = Notebook(ports.knowledge, registry, log, ports.book.standing.forbid)
        states = self.connections.states
        self._verbs = Verbs(ports, self.dispatch, registry, states, planning, notes)
        self.outage = Outage(ports, self.dispatch.deliver)
        self.reception = Reception(ports, self.dispatch, registry, self._verbs, self.outage)
        report = self.outage.report
        self.scheduler = Scheduler(ports, timetable, self.dispatch, [*adapters], report)
        # Whoever is not connecting still examines what would be connected.
        doctor = Doctor(
            config, router, registry, ports.book, lambda: platforms or _platforms(config)
        )
        views = Views(
            self._verbs.overview,
            notes.act,
            doctor.examine,
            lambda repo: rehearse(repo, workplace),
            planning.act,
            Approvals(ports, self.reception.hear).act,
            self.audit,
        )
        control = Control(ports, self.dispatch, self.reception, views, terminal, registry)
        self.listener = Listener(control, ports.log.redactor)

    def intake(self) -> Intake:
        """What a platform may tell us and ask of us."""

        def connected(name: str) -> None:
            self.dispatch.deliver_all(name)
            self.outage.report()

        return Intake(
            hear=self.reception.hear,
            command=self.reception.command,
            follows=self.reception.follows,
            overview=self.reception.overview,
            connected=connected,
            cursor=self.log.cursor,
            keep=self.log.keep,
        )


def _keeping_time(ports: Ports, tools: Sequence[Tool], timetable: Timetable) -> Ports:
    """With these tools, and an undo that takes back schedules and memories as well."""

    async def undo(conversation: Conversation, run: int) -> str:
        said = [
            await schedule.take_back(timetable, ports.log, conversation.id, run),
            await memory.take_back(ports.knowledge, ports.log, conversation, run),
        ]
        text = await ports.undo(conversation, run)
        more = " ".join(filter(None, said))
        return more if more and text == marks.NOTHING else f"{text} {more}".strip()

    everything = {**ports.tools, **{tool.name: tool for tool in tools}}
    return dataclasses.replace(ports, tools=everything, undo=undo)


def refuse_unpriced(config: Config, router: Router) -> None:
    """A budget cannot be kept when nobody knows a model's price. Raises ConfigError."""
    sentence = router.unpriced()
    if sentence and any(getattr(config.budget, f"{name}_usd") for name in MONEY):
        raise ConfigError(sentence)


def _platforms(config: Config) -> dict[str, Platform]:
    """The chat services whose tokens are there; their libraries are loaded only then."""
    found: dict[str, Platform] = {}
    bot_token, app_token = secret("SLACK_BOT_TOKEN"), secret("SLACK_APP_TOKEN")
    if bot_token and app_token:
        from coworker.adapters.slack.platform import Slack

        found["slack"] = Slack(config.slack, bot_token, app_token, SystemClock())
    if token := secret("TELEGRAM_BOT_TOKEN"):
        from coworker.adapters.telegram import Telegram

        found["telegram"] = Telegram(config.telegram, token)
    return found


def _ports(
    log: Log,
    router: Router,
    workplace: Workplace,
    checkouts: Checkouts,
    rooms: Rooms,
    config: Config,
) -> Ports:
    clock = SystemClock()
    standing = Standing(log, clock)
    book = Book(config, standing, partial(home, log.cursor))
    people = People(config, standing.people)
    memories = Memories(log, config.state)
    knowledge = Knowledge(memories, log, checkouts, rooms, people.find, clock)
    tools: list[Tool] = [
        *files.tools(checkouts),
        *git.tools(checkouts, workplace.get),
        *edit.tools(workplace),
        *shell.tools(workplace),
        *setup.tools(workplace),
        *commit.tools(workplace),
        *(web.tools(Reader(config.web)) if config.web.enabled else ()),
        *ask.TOOLS,
        *memory.tools(knowledge, standing.forbid),
    ]

    hands = Hands(workplace)
    return Ports(
        log=log,
        router=router,
        tools={tool.name: tool for tool in tools},
        people=people,
        ledger=Ledger(),
        book=book,
        config=config,
        clock=clock,
        knowledge=knowledge,
        place_of=hands.place_of,
        check=hands.check,
        notes=hands.notes,
        undo=hands.undo,
        diff=hands.diff,
        introduce=_introduction(book, Maps(checkouts)),
        rooms=rooms,
        emit=lambda _conversation, _progress: None,
        deliver=lambda _conversation: None,
    )


def _introduction(book: Book, maps: Maps) -> Introduce:
    """What a conversation is told of its place at its beginning, with where that comes from."""

    async def introduce(repo: Repo | None) -> list[tuple[str, str]]:
        rules = book.told(repo.name if repo else None)
        first = [("rules in force", rules)] if rules else []
        if repo is None:
            return [*first, ("coworker", "This conversation is not bound to a repository.")]
        try:
            return [*first, ("repository", await maps.of(repo))]
        except CoworkerError as error:
            return [*first, ("coworker", f"{repo.name} cannot be read now: {error}")]

    return introduce
