"""Measures what a tree of processes uses while it runs, and how much the disk has grown.

It reads /proc and the file system and knows nothing of how a command is confined or ended.
Everything here blocks: call it from a thread.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coworker.sandbox.box import Box, KilledBy

_BLOCK = 512  # the unit of st_blocks, whatever the file system's own block is
_PER_FILE = 4096  # what even an empty file is taken to cost
_PER_INODE_OF_MEMORY = 1024
_RESERVE = 256 << 20  # of a disk, or a twentieth of it: who fills it further is ended
_NOTICEABLE = 16 << 20
_UNHURRIED_S = 20.0  # between two walks while the disk as a whole hardly fills
_LONGEST_WALK_S = 5.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One line of /proc/PID/stat: threads, resident bytes, CPU seconds with its dead children's."""

    pid: int
    threads: int
    resident: int
    cpu_s: float


class Watch:
    """Says when a running command has gone over a limit that the kernel does not hold for us."""

    def __init__(self, box: Box) -> None:
        self._limits = box.limits
        self._disk = _Disk(box.writable, box.limits.disk_mb << 20)

    def verdict(self, pid: int) -> KilledBy | None:
        """The limit that the tree below this process has passed, if any."""
        tree = list(descend(pid))
        if sum(process.threads for process in tree) > self._limits.processes + 4:
            return "processes"
        if _is_memory_over(tree, self._limits.memory_mb << 20):
            return "memory"
        if sum(process.cpu_s for process in tree) > self._limits.cpu_s:
            return "cpu"
        with contextlib.suppress(FileNotFoundError):  # the folders were taken away
            if self._disk.is_overgrown(tree):
                return "disk"
        return None


def descend(pid: int) -> Iterator[Process]:
    """That process and everything below it, as far as it can be seen before it changes."""
    waiting = [pid]
    while waiting:
        with contextlib.suppress(OSError):
            process = _process(waiting.pop())
            yield process
            waiting += children(process.pid)


def children(pid: int) -> list[int]:
    """The processes that any thread of this one has started and that still run."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.scandir(f"/proc/{pid}/task"):
            found += map(int, Path(thread.path, "children").read_text().split())
    return found


def _process(pid: int) -> Process:
    line = Path(f"/proc/{pid}/stat").read_text()
    fields = line[line.rindex(")") + 2 :].split()  # from field 3 of proc(5); the name may hold ")"
    ticks = sum(map(int, fields[11:15]))
    return Process(pid, int(fields[17]), int(fields[21]) * _PAGE, ticks / _TICKS)


def _is_memory_over(tree: list[Process], limit: int) -> bool:
    """Resident pages count once per process and are cheap to read; the exact share costs more, so
    it is asked only when the sum is too large."""
    scratch = _scratch_memory(tree[1].pid) if len(tree) > 1 else 0
    if scratch + sum(process.resident for process in tree) <= limit:
        return False
    return scratch + sum(map(_exact_memory, tree)) > limit


def _scratch_memory(pid: int) -> int:
    """What the box's own /tmp and /dev/shm hold, seen through its first process."""
    used = 0
    with contextlib.suppress(OSError):
        if os.stat(f"/proc/{pid}/root").st_dev == os.stat("/").st_dev:  # noqa: PTH116
            return 0  # not in its own root (yet)
        for folder in ("tmp", "dev/shm"):
            disk = os.statvfs(f"/proc/{pid}/root/{folder}")
            used += (disk.f_blocks - disk.f_bfree) * disk.f_frsize
            used += (disk.f_files - disk.f_ffree) * _PER_INODE_OF_MEMORY
    return used


def _exact_memory(process: Process) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return process.resident


class _Disk:
    """How much the folders have grown since now.

    Asking the file system how much room is left is cheap and says when it is worth while to walk
    the folders, which alone says whose growth it is.
    """

    def __init__(self, folders: list[Path], limit: int) -> None:
        self._folders = folders
        self._limit = limit
        self._devices = {folder.stat().st_dev: folder for folder in folders}
        self._at_start = {device: os.statvfs(folder) for device, folder in self._devices.items()}
        self._size_at_start: int | None = None
        self._room_lost_at_walk = 0
        self._next_walk = time.monotonic() + _UNHURRIED_S

    def is_overgrown(self, tree: list[Process]) -> bool:
        lost = self._room_lost()
        if lost > _NOTICEABLE and any(map(_is_nearly_full, self._devices.values())):
            return True
        is_calm = lost - self._room_lost_at_walk < self._limit // 8
        if is_calm and time.monotonic() < self._next_walk:
            return False
        return self._growth(tree, lost) > self._limit

    def _growth(self, tree: list[Process], lost: int) -> int:
        begun = time.monotonic()
        size = _size(self._folders, begun + _LONGEST_WALK_S)
        now = time.monotonic()
        self._room_lost_at_walk = lost
        self._next_walk = now + max(_UNHURRIED_S, 50 * (now - begun))
        if size is None:  # what cannot be walked is taken to be everything that is gone
            return lost
        if self._size_at_start is None:
            # Until now nothing told whose growth it was, so all of it is taken to be ours.
            self._size_at_start = max(0, size - self._room_lost())
        growth = size - self._size_at_start
        if lost - growth > self._limit // 2:
            growth += sum(_unlinked(tree, set(self._devices)).values())
        return growth

    def _room_lost(self) -> int:
        lost = 0
        for device, folder in self._devices.items():
            before, now = self._at_start[device], os.statvfs(folder)
            files = (before.f_ffree - now.f_ffree) * _PER_FILE
            lost += max(0, files, (before.f_bfree - now.f_bfree) * now.f_frsize)
        return lost


def _is_nearly_full(folder: Path) -> bool:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < min(_RESERVE, disk.f_blocks * disk.f_frsize // 20)


def _size(folders: list[Path], until: float) -> int | None:
    """Bytes on disk below the folders; None when some of it cannot be looked into in time."""
    waiting = [str(folder) for folder in folders]
    size = 0
    linked: set[tuple[int, int]] = set()
    while waiting and time.monotonic() < until:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    size += _weight(entry, linked)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue  # it changed under us
        except OSError:  # made unreadable, or too deep for a path
            return None
    return None if waiting else size


def _weight(entry: os.DirEntry[str], linked: set[tuple[int, int]]) -> int:
    """Bytes of one name; a file with several names counts once."""
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return 0
    if status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
        if (status.st_dev, status.st_ino) in linked:
            return 0
        linked.add((status.st_dev, status.st_ino))
    return max(_PER_FILE, status.st_blocks * _BLOCK)


def _unlinked(tree: list[Process], devices: set[int]) -> dict[tuple[int, int], int]:
    """Bytes of files that are held open without a name, by their identity."""
    found = {}
    for process in tree:
        with contextlib.suppress(OSError):
            for fd in os.scandir(f"/proc/{process.pid}/fd"):
                with contextlib.suppress(OSError):
                    status = fd.stat()
                    if status.st_nlink == 0 and status.st_dev in devices:
                        found[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK
    return found
