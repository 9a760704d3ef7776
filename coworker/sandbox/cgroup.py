"""Bounds on a whole tree of processes by the kernel's control groups, version 1 or 2.

It knows the files of the cgroup tree and nothing of what runs inside.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

from coworker.sandbox.box import Limits
from coworker.sandbox.watch import descend

_ROOT = Path("/sys/fs/cgroup")
_LEAF = "daemon"
_CONTROLLERS = {"memory", "pids"}
_OUR_OWN = 4  # the launcher, bubblewrap's two processes and a shell
_serial = itertools.count()


class Cgroup:
    """The control groups of one command. Close it when the command has ended."""

    def __init__(self, folders: list[Path], limits: Limits) -> None:
        self._folders = folders
        memory = str(limits.memory_mb << 20)
        self._write("pids.max", str(limits.processes + _OUR_OWN))
        self._write("memory.max", memory)
        self._write("memory.swap.max", "0")
        self._write("memory.oom.group", "1")
        self._write("memory.limit_in_bytes", memory)
        self._write("memory.memsw.limit_in_bytes", memory)

    @property
    def joined_by_writing(self) -> list[str]:
        """The files into which a process writes its id to be bounded, with all it will start."""
        return [str(folder / "cgroup.procs") for folder in self._folders]

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has ended a process of the group for want of memory."""
        for folder, name in itertools.product(
            self._folders, ("memory.events", "memory.oom_control")
        ):
            with contextlib.suppress(OSError):
                if re.search(r"^oom_kill [1-9]", (folder / name).read_text(), re.MULTILINE):
                    return True
        return False

    def close(self) -> None:
        """End what is left and remove the groups. Waits up to a second for the dying."""
        until = time.monotonic() + 1
        while self._folders and time.monotonic() < until:
            self._folders = [folder for folder in self._folders if not _removed(folder)]
            if self._folders:
                time.sleep(0.005)

    def _write(self, name: str, value: str) -> None:
        for folder in self._folders:
            if (folder / name).exists():
                (folder / name).write_text(value)


def create(limits: Limits) -> Cgroup | None:
    """New control groups with these limits, or None where we may not make any."""
    folders = [parent / _new_name() for parent in parents()]
    try:
        for folder in folders:
            folder.mkdir()
        return Cgroup(folders, limits) if folders else None
    except OSError:  # the tree has changed since we looked; the watch goes on without
        for folder in folders:
            _removed(folder)
        return None


@functools.cache
def parents() -> tuple[Path, ...]:
    """Where groups that bound memory and processes can be made: one folder with version 2, two
    with version 1, none where we may not. Tries it once, with a short process."""
    try:
        own = _own_groups()
        found = _version_2(own) or _version_1(own)
        return found if found and _can_be_joined(found) else ()
    except OSError:
        return ()


def _own_groups() -> dict[str, str]:
    """The path of our own group per controller; version 2 goes by the empty name."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    groups = (line.split(":", 2) for line in lines)
    return {name: path.lstrip("/") for _, names, path in groups for name in names.split(",")}


def _version_2(own: dict[str, str]) -> tuple[Path, ...]:
    here = _ROOT / own.get("", "")
    if not (_ROOT / "cgroup.controllers").exists():
        return ()
    if here.name == _LEAF:
        here = here.parent
    if not _offers_controllers(here) and _is_ours_to_divide(here):
        _step_aside(here)
    return next(((folder,) for folder in (here, _ROOT) if _offers_controllers(folder)), ())


def _version_1(own: dict[str, str]) -> tuple[Path, ...]:
    found: list[Path] = []
    for controller in _CONTROLLERS & own.keys():
        # In a container the path may be the host's, which does not exist here.
        choices = (_ROOT / controller / own[controller], _ROOT / controller)
        found += [folder for folder in choices if os.access(folder, os.W_OK)][:1]
    return tuple(found) if len(found) == len(_CONTROLLERS) else ()


def _offers_controllers(folder: Path) -> bool:
    given = (folder / "cgroup.subtree_control").read_text().split()
    return set(given) >= _CONTROLLERS and os.access(folder, os.W_OK)


def _is_ours_to_divide(folder: Path) -> bool:
    """Whether it was handed over to us (`Delegate=` of a systemd unit) and nobody else is in it."""
    tree = {process.pid for process in descend(os.getpid())}
    if not os.access(folder, os.W_OK) or not tree >= _members(folder):
        return False
    if os.geteuid() != 0:
        return True
    with contextlib.suppress(OSError):  # root may write everywhere, so that tells nothing
        return os.getxattr(folder, "trusted.delegate") == b"1"
    return False


def _step_aside(folder: Path) -> None:
    """A group that hands out controllers may hold no process itself, so ours move into a leaf."""
    leaf = folder / _LEAF
    leaf.mkdir(exist_ok=True)
    for pid in _members(folder):
        (leaf / "cgroup.procs").write_text(str(pid))
    (folder / "cgroup.subtree_control").write_text("+memory +pids")


def _members(folder: Path) -> set[int]:
    return set(map(int, (folder / "cgroup.procs").read_text().split()))


def _can_be_joined(folders: tuple[Path, ...]) -> bool:
    for parent in folders:
        _remove_orphans(parent)
        folder = parent / _new_name()
        folder.mkdir()
        script = f"echo 0 > {shlex.quote(str(folder))}/cgroup.procs"
        tried = subprocess.run(["/bin/sh", "-c", script], capture_output=True, timeout=10)
        folder.rmdir()
        if tried.returncode != 0:
            return False
    return True


def _new_name() -> str:
    return f"coworker-{os.getpid()}-{next(_serial)}"


def _remove_orphans(parent: Path) -> None:
    """What a killed daemon left; a group in which something runs cannot be removed."""
    for folder in parent.glob("coworker-*-*"):
        if not Path("/proc", folder.name.split("-")[1]).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


def _removed(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        for pid in _members(folder) - {0}:  # 0 is a process that cannot be seen from here
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()
