"""The composition root: build every part from the configuration, run it, stop it in order.

It decides nothing itself.
"""

from __future__ import annotations

import asyncio
import dataclasses
import faulthandler
import logging
import os
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from coworker import control, logs, notify, signals
from coworker.adapters.terminal import Terminal
from coworker.agent.act import Ports
from coworker.agent.evidence import Evidence
from coworker.config import (
    Config,
    from_systemd,
    person_environment,
    refuse_unknown_tools,
    runtime_dir,
    secret,
    watchdog_s,
)
from coworker.connections import Connections
from coworker.control import Control
from coworker.dispatch import Dispatch
from coworker.doctor import Doctor
from coworker.errors import ConfigError, CoworkerError, DiskFull, TryLater
from coworker.models.router import Router
from coworker.policy.people import People
from coworker.protocols import Adapter, Intake, Platform, Tool
from coworker.reception import Reception
from coworker.repos.checkout import Checkouts
from coworker.repos.clones import Clones
from coworker.repos.map import Maps
from coworker.repos.registry import Registry
from coworker.repos.workspaces import Workspaces
from coworker.rooms import Rooms
from coworker.store.log import Conversation, Log
from coworker.tools import ask, commit, edit, files, git, setup, shell
from coworker.tools.workplace import Workplace, slug
from coworker.types import Json, Repo
from coworker.verbs import Verbs

_CONNECT_TRIES = 50
_CONNECT_WAIT_S = 0.1
_SWEEP_EVERY_S = 6 * 3600.0
_log = logging.getLogger(__name__)


class SystemClock:
    """The real time."""

    def now_ms(self) -> int:
        """Milliseconds UTC."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


@asynccontextmanager
async def opened(config: Config, *, working: bool = True) -> AsyncIterator[Path]:
    """The socket of whoever owns the state directory; if nobody does, we are the owner meanwhile.

    Somebody who only looks is not `working`: what was under way is left for those who do.

    Raises ConfigError, TryLater or DiskFull when it can neither be reached nor opened.
    """
    async with AsyncExitStack() as stack:
        yield await _reach_or_own(config, stack, working=working)


async def run(config: Config, log_lines: str = "auto") -> int:
    """The daemon: until SIGTERM or SIGINT. Returns the exit status."""
    faulthandler.enable()  # the watchdog ends us with SIGABRT: say where we hung
    stopping = signals.stop_event()
    logs.to_stderr(log_lines, from_systemd("JOURNAL_STREAM"))
    async with AsyncExitStack() as stack:
        path = await _own(config, stack)
        _log.info("ready, listening on %s", path)
        notify.tell(from_systemd("NOTIFY_SOCKET"), "READY=1", f"STATUS=Listening on {path}")
        await stopping.wait()
        notify.tell(from_systemd("NOTIFY_SOCKET"), "STOPPING=1", "STATUS=Parking what runs")
        _log.info("stopping")
    return 0


@asynccontextmanager
async def owned(
    config: Config, *, working: bool = True, connecting: bool = False
) -> AsyncIterator[Path]:
    """Own the state directory: recover, listen, then connect. Yields the control socket's path.

    Only the daemon is `connecting` to platforms. On exit nothing is waited for: what was under way
    is rows, and clients find the next owner.
    """
    _allow_many_files()
    router = Router(config.models, SystemClock())
    _refuse_unpriced(config, router)
    log = Log(config.state, _fatal)
    try:
        registry = Registry(config, log)
        clock, terminal = SystemClock(), Terminal()
        platforms = _platforms(config) if connecting else {}
        adapters: dict[str, Adapter] = {terminal.name: terminal, **platforms}
        workspaces = Workspaces(config.state, person_environment())
        workplace = Workplace(workspaces, config.state, config.sandbox.kind, registry.get)
        checkouts = Checkouts(config.state, prepare=Clones(workspaces.mirror).refresh)
        ports = _ports(log, router, workplace, checkouts, Rooms(adapters, platforms), config)
        dispatch, connections = Dispatch(ports, adapters), Connections(platforms, clock)
        verbs = Verbs(ports, dispatch, registry, connections.states)
        reception = Reception(ports, dispatch, registry, verbs)
        # Whoever is not connecting still examines what would be connected.
        front = Control(
            ports,
            dispatch,
            reception,
            terminal,
            registry,
            Doctor(config, router, registry, workplace, lambda: platforms or _platforms(config)),
        )
        sweeping = asyncio.create_task(_sweep(workspaces, log, config)) if working else None
        if working:
            await dispatch.recover()
        path = runtime_dir(config) / control.SOCKET
        await front.listen(path)
        connections.start(_intake(reception, dispatch, verbs, log))
        try:
            async with notify.watched(from_systemd("NOTIFY_SOCKET"), watchdog_s(), log.answers):
                yield path
        finally:
            await connections.stop()
            await front.close()
            await reception.close()
            await dispatch.stop()
            if sweeping:
                sweeping.cancel()
                await asyncio.wait([sweeping])
    finally:
        await router.aclose()
        await log.close()


async def _own(config: Config, stack: AsyncExitStack) -> Path:
    """Own the directory, waiting for somebody who was only passing. Raises TryLater."""
    for _ in range(_CONNECT_TRIES):
        try:
            return await stack.enter_async_context(owned(config, connecting=True))
        except TryLater as error:
            if isinstance(error, DiskFull):
                raise
            await asyncio.sleep(_CONNECT_WAIT_S)
    return await stack.enter_async_context(owned(config, connecting=True))


async def _reach_or_own(config: Config, stack: AsyncExitStack, *, working: bool) -> Path:
    path = runtime_dir(config) / control.SOCKET
    for _ in range(_CONNECT_TRIES):
        if await _answers(path):
            return path
        logs.to_file(config.state)
        stack.callback(logs.stop)
        try:
            served = await stack.enter_async_context(owned(config, working=working))
        except TryLater as error:
            if isinstance(error, DiskFull):
                raise
            await asyncio.sleep(_CONNECT_WAIT_S)  # somebody else is just starting or leaving
        else:
            return served
    raise TryLater(
        f"{config.state} is in use by a process that does not answer on {path}. "
        "Stop that one, or use another directory with --state-dir."
    )


def _platforms(config: Config) -> dict[str, Platform]:
    """The chat services whose tokens are there; their libraries are loaded only then."""
    platforms: dict[str, Platform] = {}
    bot, app = secret("SLACK_BOT_TOKEN"), secret("SLACK_APP_TOKEN")
    if bot and app:
        from coworker.adapters.slack.platform import Slack

        platforms["slack"] = Slack(config.slack, bot, app, SystemClock())
    if token := secret("TELEGRAM_BOT_TOKEN"):
        from coworker.adapters.telegram import Telegram

        platforms["telegram"] = Telegram(config.telegram, token)
    return platforms


def _intake(reception: Reception, dispatch: Dispatch, verbs: Verbs, log: Log) -> Intake:
    def connected(name: str) -> None:
        dispatch.deliver_all(name)
        reception.report_outage()

    return Intake(
        hear=reception.hear,
        command=reception.command,
        follows=reception.follows,
        overview=verbs.overview,
        connected=connected,
        cursor=log.cursor,
        keep=log.keep,
    )


async def _sweep(workspaces: Workspaces, log: Log, config: Config) -> None:
    """Every few hours, remove the workspaces that nobody will miss."""
    keep_s = config.workspaces.keep_days * 86_400

    def is_open(name: str) -> bool:
        return any(slug(row.id) == name and row.state != "idle" for row in log.conversations())

    while True:
        await asyncio.sleep(max(0.0, await workspaces.sweep_due_in(_SWEEP_EVERY_S)))
        try:
            removed = await workspaces.sweep(keep_s, SystemClock().now_ms(), is_open)
        except CoworkerError as error:
            _log.warning("workspaces cannot be swept: %s", error)
            await asyncio.sleep(_SWEEP_EVERY_S)
        else:
            _log.info("swept %d workspaces", len(removed), extra={"removed": removed})


def _ports(
    log: Log,
    router: Router,
    workplace: Workplace,
    checkouts: Checkouts,
    rooms: Rooms,
    config: Config,
) -> Ports:
    maps = Maps(checkouts)
    tools: list[Tool] = [
        *files.tools(checkouts),
        *git.tools(checkouts, workplace.get),
        *edit.tools(workplace),
        *shell.tools(workplace),
        *setup.tools(workplace),
        *commit.tools(workplace),
        *ask.TOOLS,
    ]

    refuse_unknown_tools(config, [tool.name for tool in tools])

    async def introduce(repo: Repo | None) -> list[tuple[str, str]]:
        if repo is None:
            return [("coworker", "This conversation is not bound to a repository.")]
        try:
            return [("repository", await maps.of(repo))]
        except CoworkerError as error:
            return [("coworker", f"The repository {repo.name} cannot be read now: {error}")]

    def place_of(conversation: Conversation) -> Repo | None:
        """The conversation's own workspace once it has one, else the checkout."""
        repo = workplace.original(conversation.repo) if conversation.repo else None
        own = workplace.get(conversation.id) if repo else None
        if repo and own:
            return dataclasses.replace(repo, path=own.tree, git_dir=own.git_dir)
        return repo

    async def check(conversation: Conversation) -> list[Json]:
        repo = workplace.original(conversation.repo) if conversation.repo else None
        results, notes = await workplace.check(conversation.id, repo) if repo else ([], [])
        return [
            {
                "text": shell.told(finished),
                "receipt": shell.receipt(command, finished) | {"check": True},
                "notes": notes,
            }
            for command, finished in results
        ]

    async def undo(conversation: Conversation, evidence: Evidence) -> str:
        commits = [each["sha"] for each in evidence.commits]
        return await workplace.take_back(conversation.id, commits)

    return Ports(
        log=log,
        router=router,
        tools={tool.name: tool for tool in tools},
        people=People(config),
        config=config,
        clock=SystemClock(),
        place_of=place_of,
        check=check,
        notes=lambda conversation: workplace.notes(conversation.id),
        undo=undo,
        introduce=introduce,
        rooms=rooms,
        emit=lambda _conversation, _progress: None,
        deliver=lambda _conversation: None,
    )


def _refuse_unpriced(config: Config, router: Router) -> None:
    sentence = router.unpriced()
    if sentence and (config.budget.run_usd or config.budget.day_usd):
        raise ConfigError(sentence)


def _allow_many_files() -> None:
    """Every busy conversation holds a connection; the usual soft limit of 1,024 is too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


def _fatal(error: BaseException) -> None:
    """The disk failed in a commit: only a restart can tell what is written."""
    sys.stderr.write(
        f"coworker: the database cannot be written ({error}); ending, to start afresh\n"
    )
    sys.stderr.flush()
    os._exit(75)
