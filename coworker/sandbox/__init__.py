"""Runs one command so that it can harm nothing but its own workspace: bubblewrap | none.

It knows nothing of repositories, of who asked, or of what the command is for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from coworker.config import program_environment
from coworker.errors import CoworkerError, NotFound, ToolError, TryLater, Unavailable
from coworker.sandbox import cgroup, diagnosis, process, profile, seccomp
from coworker.sandbox.box import Box, Finished, KilledBy, Kind, Limits
from coworker.sandbox.cgroup import Cgroup
from coworker.sandbox.output import Output
from coworker.sandbox.process import Child
from coworker.sandbox.watch import Watch

__all__ = ["Box", "Finished", "KilledBy", "Kind", "Limits", "layers", "run", "self_test"]

_TICK_S = 0.2
_LONGEST_COMMAND = 128 * 1024 - 1  # bytes: the kernel's limit for one argument
_BY_EXIT_CODE: dict[int, KilledBy] = {152: "cpu", 153: "file size", 159: "system call"}
_PROBE = """
cat /proc/self/status
for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done
[ -w / ] || [ -w /usr ] && echo writable
unshare --user true 2>/dev/null && echo nested
"""


async def run(
    box: Box,
    command: str,
    *,
    emit_output: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
) -> Finished:
    """Run a shell command to its end, with nothing on stdin; nothing it started outlives it.

    `emit_output` is called with pieces of text as they come, control characters and all, and must
    not raise.
    `timeout_s` can only shorten the box's own limit. When cancelled, the command is ended first.
    Raises Unavailable when it cannot be confined as asked (it is then not run at all), NotFound
    without a workspace, TryLater when no process can be started, ToolError for a command that
    cannot be passed on.
    """
    _check(box, command)
    await asyncio.to_thread(_prepare, box)
    output = Output(emit_output)
    child = Child(output, is_confined=box.kind == "bubblewrap")
    begun = time.monotonic()
    async with _control_groups(box.limits) as group:
        async with _started(child, box, command, group):
            killed_by = await _outlast(child, group, box, timeout_s)
        killed_by = killed_by or _cause(child, group)
    if not child.has_begun and killed_by in (None, "signal"):
        raise Unavailable(diagnosis.explain(output.text()))
    return Finished(
        exit_code=child.exit_code,
        output=output.text(),
        omitted=output.omitted,
        seconds=time.monotonic() - begun,
        timed_out=killed_by == "time",
        killed_by=killed_by,
    )


async def self_test() -> str | None:
    """None when commands are confined as promised, else what is missing and how to mend it."""
    with tempfile.TemporaryDirectory(prefix="coworker-") as folder:
        box = Box(workspace=Path(folder), home=Path(folder))
        try:
            said = (await run(box, _PROBE, timeout_s=30)).output
        except CoworkerError as error:
            return str(error)
    faults = _faults(said)
    return f"The sandbox does not hold: {', '.join(faults)}. Report it." if faults else None


def layers() -> list[str]:
    """What stands between a command and this machine, one line each; it need not work yet."""
    if not _bubblewrap():
        return ["limits of one process", "watch over memory, processes, CPU and disk"]
    groups = cgroup.parents()
    return [
        "namespaces: user, process, network, mount, IPC, host name, control group; no capabilities",
        f"system-call filter for {platform.machine()}",
        "limits of one process" + ("" if os.geteuid() == 0 else " and on their number"),
        *(
            [f"control groups: memory and processes of the whole tree ({groups[0]})"]
            if groups
            else []
        ),
        "watch over memory, processes, CPU and disk",
    ]


def _check(box: Box, command: str) -> None:
    try:
        size = len(command.encode())
    except UnicodeEncodeError:
        raise ToolError("The command is not valid Unicode. Write it anew.") from None
    if "\0" in command:
        raise ToolError("The command holds a NUL character, which no program can take. Remove it.")
    if size > _LONGEST_COMMAND:
        raise ToolError(f"The command has {size:,} bytes; 131,071 are possible. Put it in a file.")
    if not box.workspace.is_dir():
        raise NotFound(f"The workspace {box.workspace} is gone. Start a new conversation.")
    if box.kind == "bubblewrap" and not _bubblewrap():
        raise Unavailable(diagnosis.MISSING)
    if box.kind == "bubblewrap" and not seccomp.is_known():
        raise Unavailable(diagnosis.no_filter(platform.machine()))


def _bubblewrap() -> str | None:
    return shutil.which("bwrap", path=program_environment()["PATH"])


def _prepare(box: Box) -> None:
    """What may take a while the first time."""
    profile.toolchains(program_environment()["PATH"])
    profile.own_devices()
    cgroup.parents()
    for folder in box.writable:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextlib.asynccontextmanager
async def _control_groups(limits: Limits) -> AsyncIterator[Cgroup | None]:
    group = cgroup.create(limits)
    try:
        yield group
    finally:
        if group:
            await asyncio.to_thread(group.close)


@contextlib.asynccontextmanager
async def _started(
    child: Child, box: Box, command: str, group: Cgroup | None
) -> AsyncIterator[None]:
    """Run the command as long as the context lasts; afterwards nothing of it is left."""
    with _launcher(box, command, group) as (argv, fds):
        await _start(child, argv, box, fds)
    try:
        yield
    finally:
        await child.end()


async def _start(child: Child, argv: list[str], box: Box, fds: list[int]) -> None:
    try:
        await child.start(argv, profile.environment(box), box.workspace, fds)
    except OSError as error:
        raise TryLater(f"No command can be started ({error.strerror}). Try again later.") from None


@contextlib.contextmanager
def _launcher(
    box: Box, command: str, group: Cgroup | None
) -> Iterator[tuple[list[str], list[int]]]:
    argv = [profile.shell(), "-c", "--", command]
    join = group.joined_by_writing if group else []
    if box.kind == "none":
        yield process.bounded(process.dying_with_us(argv), box.limits, join), []
        return
    with profile.bubblewrap(box, _bubblewrap() or "bwrap") as (front, fds):
        confined = [*front, *process.gated(argv, box.limits)]
        launcher, first = profile.own_devices()
        yield [*launcher, *process.bounded(confined, box.limits, join, first)], fds


async def _outlast(
    child: Child, group: Cgroup | None, box: Box, timeout_s: float | None
) -> KilledBy | None:
    """Wait until the command ends, and say so when a limit ended it first."""
    seconds = box.limits.time_s if timeout_s is None else min(timeout_s, box.limits.time_s)
    watching = asyncio.create_task(_watch(child, group, box))
    child.exited.add_done_callback(lambda _: watching.cancel())
    try:
        await asyncio.wait({watching}, timeout=seconds)
    finally:
        watching.cancel()
    if child.exited.done():
        return None
    return watching.result() if watching.done() else "time"


async def _watch(child: Child, group: Cgroup | None, box: Box) -> KilledBy:
    watch = Watch(box)
    while True:
        await asyncio.sleep(_TICK_S)
        if group and group.ran_out_of_memory():
            return "memory"
        if verdict := await asyncio.to_thread(watch.verdict, child.pid):
            return verdict


def _cause(child: Child, group: Cgroup | None) -> KilledBy | None:
    """What ended a command that we did not end."""
    if child.exit_code and group and group.ran_out_of_memory():
        return "memory"
    if child.is_confined and child.was_signalled:
        return "signal"
    return _BY_EXIT_CODE.get(child.exit_code)


def _faults(said: str) -> list[str]:
    """Which of the promises the probe's own account breaks."""
    lines = said.splitlines()
    ours = set()
    with contextlib.suppress(PermissionError):  # a process may hide its own from itself
        ours = {str(link.readlink()) for link in Path("/proc/self/ns").iterdir()}
    expected = ("NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000")
    return [
        *(f"{line.split(':')[0]} is not set" for line in expected if line not in lines),
        *(f"{line} is shared with us" for line in lines if line in ours),
        *(f"{line} where it should not be" for line in lines if line in ("writable", "nested")),
    ]
