"""Own the state directory: recover, listen, connect; stop in the opposite order."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import resource
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from coworker import listener, logs, notify, signals
from coworker.config import from_systemd, runtime_dir, secrets, watchdog_s
from coworker.errors import CoworkerError, DiskFull, TryLater
from coworker.models.router import Router
from coworker.parts import Parts, SystemClock, refuse_unpriced
from coworker.redact import Redactor
from coworker.settings import Config
from coworker.store.log import Log
from coworker.tasks import ended
from coworker.tools.workplace import slug

_CONNECT_TRIES = 50
_CONNECT_WAIT_S = 0.1
_SWEEP_EVERY_S = 6 * 3600.0
_log = logging.getLogger(__name__)


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
    redact = Redactor(secrets(config)).text
    logs.to_stderr(redact, log_lines, from_systemd("JOURNAL_STREAM"))
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
    refuse_unpriced(config, router)
    log = Log(config.state, _fatal, Redactor(secrets(config)))
    try:
        async with _served(Parts(config, log, router, connecting=connecting), working) as path:
            yield path
    finally:
        await router.aclose()
        await log.close()


@asynccontextmanager
async def _served(parts: Parts, working: bool) -> AsyncIterator[Path]:
    """Recover, listen, connect; then everything in the opposite order."""
    chores = [asyncio.create_task(chore) for chore in _chores(parts)] if working else []
    if working:
        await parts.dispatch.recover()
        await parts.reception.recover()
    path = runtime_dir(parts.config) / listener.SOCKET
    await parts.listener.listen(path)
    parts.connections.start(parts.intake())
    try:
        async with notify.watched(from_systemd("NOTIFY_SOCKET"), watchdog_s(), parts.log.answers):
            yield path
    finally:
        await parts.connections.stop()
        await parts.listener.close()
        await parts.outage.close()
        await parts.dispatch.stop()
        await parts.memories.close()
        await ended(chores)


def _chores(parts: Parts) -> list[Coroutine[None, None, None]]:
    """What is looked after as long as we live."""
    return [_sweep(parts), parts.expiry.run(), parts.audit.run(), parts.scheduler.run()]


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
    path = runtime_dir(config) / listener.SOCKET
    for _ in range(_CONNECT_TRIES):
        if await _answers(path):
            return path
        logs.to_file(Redactor(secrets(config)).text, config.state)
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


async def _sweep(parts: Parts) -> None:
    """Every few hours, remove workspaces that nobody will miss, and what is kept long enough."""
    workspaces, keep_s = parts.workspaces, parts.config.workspaces.keep_days * 86_400

    def is_open(name: str) -> bool:
        rows = parts.log.conversations()
        return any(slug(row.id) == name and row.state != "idle" for row in rows)

    while True:
        await asyncio.sleep(max(0.0, await workspaces.sweep_due_in(_SWEEP_EVERY_S)))
        try:
            removed = await workspaces.sweep(keep_s, SystemClock().now_ms(), is_open)
            await _expire(parts)
        except CoworkerError as error:
            _log.warning("workspaces cannot be swept: %s", error)
            await asyncio.sleep(_SWEEP_EVERY_S)
        else:
            _log.info("swept %d workspaces", len(removed), extra={"removed": removed})


async def _expire(parts: Parts) -> None:
    days = parts.config.retention_days
    if days:
        now = SystemClock().now_ms()
        gone = await parts.log.expire(now - int(days * 86_400_000), now)
        _log.info("forgot %d old conversations", gone)
        parts.memories.expired()


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
