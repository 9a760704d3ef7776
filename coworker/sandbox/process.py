"""Starts the launcher of a command, collects what it prints, and ends it with all it has started.

It knows processes and their limits and nothing of what a command may see.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from coworker.sandbox.box import Limits
from coworker.sandbox.output import Output
from coworker.sandbox.watch import children, descend

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
"""Where programs are looked for that run outside the box; what a command may write is not in it."""

_OPEN_FILES = 4096
_READY = b"\x16"
_PATIENCE = 1000  # looks, a millisecond apart
_LAST_MOMENT_S = 5.0


class Child(asyncio.SubprocessProtocol):
    """A running launcher. `exited` is done when it has ended; `gone` when all output is in, too;
    `empty` when a box that has begun holds no process any more.

    A confined command waits in its box until we have seen that the box holds and ends with us: the
    kernel ends only what has asked for it, and we may be killed before bubblewrap has. Then the
    command hears nothing from us and gives up.
    """

    def __init__(self, output: Output, *, is_confined: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = self._loop.create_future()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self.empty: asyncio.Future[None] = self._loop.create_future()
        self.is_confined = is_confined
        self.has_begun = not is_confined
        self._is_ready = not is_confined
        self._first: int | None = None
        self._output = output

    async def start(
        self, argv: Sequence[str], env: dict[str, str], cwd: Path, fds: Sequence[int]
    ) -> None:
        """Start the launcher, which inherits those files and nothing else of ours."""
        await self._loop.subprocess_exec(
            lambda: self,
            *argv,
            stdin=asyncio.subprocess.PIPE if self.is_confined else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=env,
            cwd=cwd,
            pass_fds=fds,
            start_new_session=True,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio when the process has started."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Called by asyncio with what the command printed."""
        if not self._is_ready and _READY in data:
            self._is_ready = True
            data = data.replace(_READY, b"", 1)
            self._let_go(_PATIENCE)
        self._output.take(data)

    def process_exited(self) -> None:
        """Called by asyncio when the launcher has ended."""
        self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio when the launcher has ended and nobody holds its output any more."""
        self.gone.set_result(None)

    @property
    def exit_code(self) -> int:
        """As a shell counts: 128 + the signal when there was one."""
        code = self._exit_status()
        return code if code >= 0 else 128 - code

    @property
    def was_signalled(self) -> bool:
        """Whether the launcher itself was killed, and not the command in it."""
        return self._exit_status() < 0

    async def end(self) -> None:
        """Kill whatever still runs and wait until it is gone."""
        self._kill()
        ends = {self.gone} if self._first is None else {self.gone, self.empty}
        await asyncio.wait(ends, timeout=_LAST_MOMENT_S)
        if not self.exited.done():
            _kill_group(self.pid)
        self._transport.close()

    def _let_go(self, patience: int) -> None:
        """Let the command begin, as soon as the first process of its box has our filter: it asks
        the kernel to be ended with its parent right before it puts that on."""
        if self.exited.done():
            return
        first = next(filter(_is_filtered, children(self.pid)), None)
        if first is not None:
            self._open_gate(first)
        elif patience:
            self._loop.call_later(0.001, self._let_go, patience - 1)
        else:
            _kill_group(self.pid)

    def _open_gate(self, first: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # it is already over
            self._first = os.pidfd_open(first)
            self._loop.add_reader(self._first, self._emptied, self._first)
            self.has_begun = True
            gate = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
            gate.write(b"\n")
            gate.close()

    def _emptied(self, first: int) -> None:
        """The first process has ended, which the kernel only tells when all others have."""
        self._loop.remove_reader(first)
        os.close(first)
        self.empty.set_result(None)

    def _exit_status(self) -> int:
        code = self._transport.get_returncode()
        return -signal.SIGKILL if code is None else code  # killed, but not to be had any more

    def _kill(self) -> None:
        """Ending the first process of a box ends all others in it, also when the launcher already
        has its answer and is gone."""
        if self._first is not None and not self.empty.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
        elif not self.exited.done():
            for process in [*descend(self.pid)]:
                _kill(process.pid)
            _kill_group(self.pid)
        elif not self.is_confined:
            _kill_group(self.pid)


def bounded(
    argv: Sequence[str], limits: Limits, join: Sequence[str], first: str = ":"
) -> list[str]:
    """The same command started by a shell that does a first thing, joins control groups and takes
    on the limits of one process. The kernel ends it before us when memory runs out."""
    steps = [
        f"{first} || exit 1",
        *(f"echo 0 > {shlex.quote(path)} || exit 1" for path in join),
        "echo 1000 2>/dev/null > /proc/self/oom_score_adj",
        "ulimit -c 0",
        *(f"ulimit {limit} 2>/dev/null" for limit in _per_process(limits)),
        'exec "$@"',
    ]
    return ["/bin/sh", "-c", "; ".join(steps), "sh", *argv]


def dying_with_us(argv: Sequence[str]) -> list[str]:
    """The same command, which the kernel ends when we do; what it starts may outlive it."""
    setpriv = shutil.which("setpriv", path=SYSTEM_PATH)
    if not setpriv:
        return list(argv)
    # Had we died before the kernel knew, nobody would end it.
    script = f'[ "$PPID" = {os.getpid()} ] && exec "$@"'
    return [setpriv, "--pdeathsig", "KILL", "--", "/bin/sh", "-c", script, "sh", *argv]


def gated(argv: Sequence[str], limits: Limits) -> list[str]:
    """The same command started, inside the box, by a shell that says that it is ready and waits to
    be let go, and limits the number of processes.

    That limit has to be set inside, else it would count what the user runs elsewhere; and the
    kernel exempts root from it. Shells disagree on its letter.
    """
    number = limits.processes
    steps = [
        *([f"ulimit -u {number} 2>/dev/null || ulimit -p {number}"] if os.geteuid() else []),
        f"printf '\\{_READY[0]:03o}'",
        "read -r go || exit 1",
        'exec "$@" < /dev/null',
    ]
    return ["/bin/sh", "-c", "; ".join(steps), "sh", *argv]


def _per_process(limits: Limits) -> list[str]:
    return [
        f"-d {limits.memory_mb << 10}",
        f"-f {limits.file_mb << 11}",
        f"-S -t {limits.cpu_s}",
        f"-H -t {limits.cpu_s + 2}",
        f"-n {_OPEN_FILES}",
    ]


def _is_filtered(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "\nSeccomp:\t2\n" in Path(f"/proc/{pid}/status").read_text()
    return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
