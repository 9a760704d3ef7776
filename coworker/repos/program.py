"""Run one helper program to its end: timed, its output bounded, nothing of it left behind.

It does not know what the programs do.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coworker.config import program_environment
from coworker.errors import TryLater, Unavailable

_CHUNK = 65_536
_KEPT_ERRORS = 8_192


@dataclass(frozen=True, slots=True)
class Output:
    """What a program did. `out` is the beginning of its output, `size` the bytes written in all."""

    status: int
    out: bytes
    err: str
    size: int

    @property
    def is_cut(self) -> bool:
        """Whether `out` is not everything."""
        return self.size > len(self.out)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a program may take and how much of its output is kept.

    What comes after `keep` bytes is read and counted, or ends the program when `drain` is off.
    """

    seconds: float = 20.0
    keep: int = 1_000_000
    drain: bool = True


def find(name: str) -> str | None:
    """The absolute path of an installed program; relative folders on PATH are not looked at."""
    return shutil.which(name, path=_environment()["PATH"])


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path = "/",
    stdin: bytes = b"",
    limits: Limits = Limits(),  # frozen
) -> Output:
    """Run a program in its own process group with a clean environment plus `env`.

    Raises Unavailable when it is not installed and TryLater when it takes too long.
    """
    program = find(argv[0])
    if program is None:
        raise Unavailable(f"{argv[0]} is not installed, or not on PATH. Install it and try again.")
    process = await _started(
        asyncio.create_subprocess_exec(
            program,
            *argv[1:],
            stdin=PIPE if stdin else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            cwd=cwd,
            env={**_environment(), **(env or {})},
            start_new_session=True,
        )
    )
    try:
        async with asyncio.timeout(limits.seconds):
            return await _attend(process, stdin, limits)
    except TimeoutError:
        message = f"{argv[0]} took longer than {limits.seconds:g} s and was ended. Ask for less."
        raise TryLater(message) from None
    finally:
        await _end(process)


async def _started(starting: Coroutine[Any, Any, Process]) -> Process:
    """The process; when cancelled meanwhile, it is let start and then ended with its children.

    asyncio itself would end the process alone, and wait as long as a child keeps its output open.
    """
    begun = asyncio.ensure_future(starting)
    try:
        return await asyncio.shield(begun)
    except asyncio.CancelledError:
        await _end(await begun)
        raise


def _environment() -> dict[str, str]:
    env = program_environment()
    folders = [folder for folder in env["PATH"].split(os.pathsep) if folder.startswith("/")]
    return {**env, "PATH": os.pathsep.join(folders)}


async def _attend(process: Process, stdin: bytes, limits: Limits) -> Output:
    (out, size), (err, _), _ = await asyncio.gather(
        _collect(process, process.stdout, limits.keep, drain=limits.drain),
        _collect(process, process.stderr, _KEPT_ERRORS, drain=True),
        _feed(process, stdin),
    )
    status = await process.wait()
    return Output(status, out, err.decode(errors="replace").strip(), size)


async def _collect(
    process: Process, stream: asyncio.StreamReader | None, keep: int, *, drain: bool
) -> tuple[bytes, int]:
    kept, size = bytearray(), 0
    while stream and (chunk := await stream.read(_CHUNK)):
        kept += chunk[: keep - len(kept)]
        size += len(chunk)
        if size > keep and not drain:
            _kill(process)  # and read what is left in the pipe, so that it closes
    return bytes(kept), size


async def _feed(process: Process, stdin: bytes) -> None:
    if process.stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):  # it has read enough
        process.stdin.write(stdin)
        await process.stdin.drain()
    process.stdin.close()


async def _end(process: Process) -> None:
    """End the whole group, also what the program itself left behind, and reap it."""
    _kill(process)
    for stream in (process.stdout, process.stderr):
        while stream and await stream.read(_CHUNK):
            pass
    await process.wait()


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
