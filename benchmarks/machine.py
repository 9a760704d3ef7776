"""The machine under a run: what it is, where state is kept, and what an fsync costs there.

A disk whose fsync takes now 0.1 and now 4 ms makes runs incomparable, so where a C compiler and a
tmpfs exist, fsync is made to cost what is asked for. It knows nothing of what is measured.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from coworker.config import program_environment

_TMPFS = Path("/dev/shm")
_QUIET = 0.7
_SHIM = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

static int wait_for_disk(void) {
    static __thread int exact;
    if (!exact) exact = !prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    const char *cost = getenv("BENCH_FSYNC_US");
    long ns = cost ? atol(cost) * 1000 : 0;
    struct timespec left = {ns / 1000000000, ns % 1000000000};
    while (ns && nanosleep(&left, &left)) {}
    return 0;
}
int fsync(int fd) { (void)fd; return wait_for_disk(); }
int fdatasync(int fd) { (void)fd; return wait_for_disk(); }
"""
_TIME_FSYNC = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
for _ in range(200):
    os.write(fd, b"x" * 4096)
    began = time.perf_counter()
    os.fsync(fd)
    print((time.perf_counter() - began) * 1e3)
"""


@dataclass(frozen=True)
class Disk:
    """Where state directories go, what processes that use it need, and what it is in words."""

    folder: Path
    words: str
    environment: dict[str, str] = field(default_factory=dict)

    def fsync_ms(self) -> list[float]:
        """What one fsync costs there, many times."""
        argv = [sys.executable, "-c", _TIME_FSYNC, str(self.folder / "fsync")]
        environment = {**program_environment(), **self.environment}
        done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
        return [float(line) for line in done.stdout.split()]


def disk(fsync_ms: float | None) -> Disk:
    """A fresh folder: on tmpfs with an fsync of that cost, or on the real disk as it is.

    None means 1 ms where that can be had. A negative cost asks for the real disk.
    """
    wanted = 1.0 if fsync_ms is None else fsync_ms
    if wanted < 0:
        return _real("as asked for")
    if not (shutil.which("gcc") and _is_tmpfs(_TMPFS)):
        return _real("no gcc or no tmpfs to make fsync cost a fixed time")
    folder = Path(tempfile.mkdtemp(prefix="coworker-bench-", dir=_TMPFS))
    shim = _build(folder)
    environment = {"LD_PRELOAD": str(shim), "BENCH_FSYNC_US": str(round(wanted * 1000))}
    return Disk(folder, f"tmpfs, fsync made to cost {wanted:g} ms", environment)


def describe() -> str:
    """The machine in one line."""
    cores, python = os.cpu_count(), platform.python_version()
    return (
        f"{cores} cores ({_processor()}), Python {python}, {platform.system()} {os.uname().release}"
    )


def company() -> str:
    """A warning when others use the machine: then only ratios mean anything, and they little."""
    load = os.getloadavg()[0]
    return f"Others use this machine as well: load {load:.1f}." if load > _QUIET else ""


def _real(why: str) -> Disk:
    return Disk(Path(tempfile.mkdtemp(prefix="coworker-bench-")), f"the real disk ({why})")


def _is_tmpfs(folder: Path) -> bool:
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return any(mount[1:3] == [str(folder), "tmpfs"] for mount in mounts)


def _build(folder: Path) -> Path:
    library = folder / "fsync.so"
    argv = ["gcc", "-O2", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
    subprocess.run(argv, input=_SHIM.encode(), check=True)
    return library


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
