"""When a command cannot be confined it is not run, and the reason comes with the mend."""

import asyncio
import dataclasses
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from coworker.errors import NotFound, ToolError, Unavailable
from coworker.sandbox import Box, Limits, layers, run, self_test
from coworker.sandbox.diagnosis import explain

ROOT = Path(__file__).parents[2]
SELF_TEST = (
    "import asyncio; from coworker.sandbox import self_test; print(asyncio.run(self_test()))"
)
NO_NAMESPACES = (
    "unshare", "--user", "--map-root-user", "sh", "-c",
    'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh",
)  # fmt: skip


@pytest.fixture
def box(tmp_path):
    (tmp_path / "ws").mkdir()
    return Box(workspace=tmp_path / "ws", home=tmp_path / "home", limits=Limits(time_s=60))


@pytest.fixture
def without_bubblewrap(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def stand_in(folder, script):
    (folder / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bwrap").chmod(0o755)


async def test_a_working_sandbox_has_nothing_to_say(bubblewrap):
    assert await self_test() is None


async def test_layers_are_named_for_people(bubblewrap):
    assert any("namespaces" in layer for layer in layers())
    assert f"system-call filter for {platform.machine()}" in layers()


async def test_without_bubblewrap_nothing_is_run(box, without_bubblewrap):
    with pytest.raises(Unavailable, match="apt install bubblewrap"):
        await run(box, "touch ran")
    assert not (box.workspace / "ran").exists()
    assert "apt install bubblewrap" in await self_test()
    assert not any("namespaces" in layer for layer in layers())


async def test_without_bubblewrap_a_plain_run_is_still_possible(box, without_bubblewrap):
    finished = await run(dataclasses.replace(box, kind="none"), "echo hi")
    assert finished.output == "hi\n"


async def test_a_bubblewrap_that_fails_runs_nothing(box, without_bubblewrap):
    stand_in(without_bubblewrap, "echo 'bwrap: Unknown option --disable-userns' >&2; exit 1")
    with pytest.raises(Unavailable, match=r"too old: install version 0\.8"):
        await run(box, "touch ran")


async def test_a_bubblewrap_that_confines_nothing_is_found_out(box, without_bubblewrap):
    fake = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
    stand_in(without_bubblewrap, fake)
    with pytest.raises(Unavailable):
        await run(box, "true")
    assert await self_test() is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can forbid namespaces for a trial")
def test_forbidden_namespaces_are_explained(bubblewrap):
    said = subprocess.run(
        [*NO_NAMESPACES, sys.executable, "-c", SELF_TEST],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "sysctl -w user.max_user_namespaces=15000" in said.stdout


@pytest.mark.parametrize(
    ("switch", "value", "mend"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "/etc/apparmor.d/bwrap"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ],
)
def test_a_switch_of_the_kernel_is_named(tmp_path, switch, value, mend):
    (tmp_path / switch).parent.mkdir()
    (tmp_path / switch).write_text(f"{value}\n")
    assert mend in explain("bwrap: setting up uid map: Permission denied", tmp_path)


def test_a_hidden_proc_is_named(tmp_path):
    said = "bwrap: Can't mount proc on /newroot/proc: Operation not permitted"
    assert "ProtectKernelTunables" in explain(said, tmp_path)


async def test_a_workspace_that_is_gone_is_said(box):
    box.workspace.rmdir()
    with pytest.raises(NotFound, match="is gone"):
        await run(box, "true")


@pytest.mark.parametrize("command", ["echo \0", "echo \ud800", "true " + "x" * (128 << 10)])
async def test_a_command_that_cannot_be_passed_on_is_said(box, command):
    with pytest.raises(ToolError):
        await run(box, command)


@pytest.mark.parametrize("kind", ["bubblewrap", "none"])
async def test_a_cancelled_command_leaves_nothing(bubblewrap, box, kind):
    heard: list[str] = []
    confined = dataclasses.replace(box, kind=kind)
    running = asyncio.create_task(
        run(confined, "echo $$; exec sleep 777", emit_output=heard.append)
    )
    await until(lambda: heard)
    assert processes(box)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not processes(box)


async def test_output_is_heard_while_it_comes(bubblewrap, box):
    heard: list[str] = []
    command = "printf größe; until [ -e go ]; do sleep 0.01; done; echo done"
    running = asyncio.create_task(run(box, command, emit_output=heard.append))
    await until(lambda: "".join(heard) == "größe")
    (box.workspace / "go").touch()
    assert (await running).output == "größedone\n"


async def test_a_shorter_time_can_be_asked_for(bubblewrap, box):
    finished = await run(box, "sleep 777", timeout_s=0.2)
    assert (finished.timed_out, finished.killed_by) == (True, "time")


async def test_no_descriptor_is_left_open(bubblewrap, box):
    await run(box, "true")
    before = len(os.listdir("/proc/self/fd"))
    await asyncio.gather(*(run(box, "echo x", timeout_s=20) for _ in range(8)))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("kind", ["bubblewrap", "none"])
@pytest.mark.parametrize("moment_s", [0, 0.003, 0.006, 0.009, 0.012, 0.02, 0.5])
async def test_nothing_outlives_a_killed_daemon(bubblewrap, box, kind, moment_s):
    command = "exec sleep 777" if kind == "none" else "setsid sleep 777 & sleep 777"
    script = (
        "import asyncio, sys; from pathlib import Path; from coworker.sandbox import Box, run;"
        "box = Box(workspace=Path(sys.argv[1]), home=Path(sys.argv[2]), kind=sys.argv[3]);"
        "asyncio.run(run(box, sys.argv[4]))"
    )
    argv = [sys.executable, "-c", script, str(box.workspace), str(box.home), kind, command]
    with subprocess.Popen(argv, cwd=ROOT) as daemon:
        try:
            await until(lambda: processes(box))
            await asyncio.sleep(moment_s)
        finally:
            daemon.kill()
    await until(lambda: not processes(box))


def processes(box: Box) -> list[str]:
    """What sleeps in the workspace, seen from outside."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            if "sleep 777" in command and str(box.workspace) in str((process / "cwd").readlink()):
                found.append(command)
        except OSError:
            continue
    return found


async def until(condition) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)
