"""Commands that eat the machine are ended, alone, while everybody else is served."""

import dataclasses
import os
import time

import pytest

from tests.conftest import running
from tests.sandbox.place import SMALL

pytestmark = pytest.mark.soak

GREEDY = {  # command, what must have ended it (None: it fails by itself), other limits
    "fork bomb": ("bomb() { bomb | bomb & }; bomb; sleep 60", "time", {"time_s": 3}),
    "threads": ("python3 attacker.py threads", None, {}),
    "one big process": ("python3 -c 'x = bytearray(2 << 30); print(\"BREACHED\")'", None, {}),
    "many processes": ("python3 attacker.py memory_of_a_tree", "memory", {}),
    "shared memory": ("python3 attacker.py shared_memory", "memory", {}),
    "busy loop": ("while :; do :; done", "cpu", {"cpu_s": 1}),
    "busy tree": ("for i in 1 2 3 4; do (while :; do :; done) & done; wait", "cpu", {"cpu_s": 2}),
    "one big file": ("exec dd if=/dev/zero of=big bs=1M count=400", "file size", {}),
    "many big files": ("while :; do head -c 8M /dev/zero > f$((++i)).$RANDOM; done", "disk", {}),
    "many small files": ("while :; do echo > ~/f$((i++)); done", "disk", {"disk_mb": 8}),
    "files without names": ("python3 attacker.py files_without_names", "disk", {}),
    "folders too deep": ("python3 attacker.py folders_too_deep", "disk", {}),
    "closed folders": (
        "while :; do i=$((i+1)); mkdir d$i; head -c 8M /dev/zero > d$i/f; chmod 0 d$i; done",
        "disk",
        {},
    ),
    "temporary files": (
        "cd /tmp; head -c 20M /dev/zero > 1; head -c 20M /dev/zero > 2 && echo BREACHED; false",
        None,
        {},
    ),
    "sleep": ("sleep 600", "time", {"time_s": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", GREEDY)
def test_a_greedy_command_is_ended(sh, place, name):
    command, killed_by, limits = GREEDY[name]
    seen = sh(command, limits=dataclasses.replace(SMALL, **limits))
    assert place.traces(seen.output) == []
    assert killed_by in (None, seen.finished.killed_by), seen
    assert seen.finished.exit_code != 0
    assert seen.finished.seconds < limits.get("time_s", SMALL.time_s) + 2
    assert seen.lag_s < 2


def test_a_flood_of_output_costs_no_memory(sh):
    seen = sh("yes | head -c 300M; echo the end")
    assert seen.output.startswith("y\ny\n")
    assert seen.output.endswith("y\nthe end\n")
    assert seen.finished.omitted > 300_000_000
    assert len(seen.output) < 200_000
    assert seen.grown_mb < 64
    assert seen.lag_s < 2


def test_a_line_without_an_end_costs_no_memory(sh):
    seen = sh("head -c 500M /dev/zero | tr '\\0' x")
    assert seen.finished.omitted > 490 << 20
    assert seen.grown_mb < 64
    assert seen.lag_s < 2


SURVIVORS = (
    "sleep 777.{n} &",
    "nohup sleep 777.{n} > /dev/null 2>&1 &",
    "setsid sleep 777.{n} > /dev/null 2>&1 < /dev/null &",
    "(setsid sh -c 'setsid sleep 777.{n} &' &) > /dev/null 2>&1",
    "trap '' TERM HUP INT; (trap '' TERM HUP; sleep 777.{n}) & disown",
)


@pytest.mark.parametrize("command", SURVIVORS)
def test_nothing_outlives_its_command(sh, command):
    number = f"{os.getpid()}{time.monotonic_ns()}"
    seen = sh(command.format(n=number))
    assert seen.finished.exit_code == 0
    assert seen.finished.seconds < 5
    assert running(f"777.{number}") == []


def test_nothing_outlives_its_time(sh):
    number = f"{os.getpid()}{time.monotonic_ns()}"
    command = f"setsid sleep 777.{number} & sleep 777.{number}"
    seen = sh(command, limits=dataclasses.replace(SMALL, time_s=0.5))
    assert seen.finished.timed_out
    assert seen.finished.exit_code == 137
    assert running(f"777.{number}") == []
