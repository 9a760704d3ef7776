"""A helper program is timed, bounded, and leaves nothing behind."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from coworker.errors import TryLater, Unavailable
from coworker.repos import program
from coworker.repos.git import Git
from coworker.repos.program import Limits


async def gone(pid_file: Path) -> bool:
    """Whether the process that wrote its id there ends soon, be it not reaped yet."""
    pid = int(pid_file.read_text())
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        await asyncio.sleep(0.01)
    return False


async def appears(path: Path) -> None:
    async with asyncio.timeout(5):
        while not path.exists() or not path.read_text().strip():
            await asyncio.sleep(0.01)


def sleeper(pid_file: Path) -> list[str]:
    """A program whose child outlives it and keeps its output open."""
    return ["sh", "-c", f"sleep 600 & echo $! > {pid_file}; wait"]


async def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path):
    with pytest.raises(TryLater, match="took longer than"):
        await program.run(sleeper(tmp_path / "pid"), limits=Limits(seconds=0.5))
    assert await gone(tmp_path / "pid")


async def test_a_cancelled_program_is_ended_with_its_children(tmp_path):
    task = asyncio.create_task(program.run(sleeper(tmp_path / "pid")))
    await appears(tmp_path / "pid")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(tmp_path / "pid")


@pytest.mark.parametrize("ticks", range(8))
async def test_a_program_cancelled_while_it_starts_is_ended_with_its_children(ticks, tmp_path):
    task = asyncio.create_task(program.run(sleeper(tmp_path / "pid")))
    for _ in range(ticks):
        await asyncio.sleep(0)
    await asyncio.to_thread(
        time.sleep, 0.05 if ticks % 2 else 0
    )  # its children may be there by now
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task
    begun = (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()
    assert not begun or await gone(tmp_path / "pid")


async def test_a_child_left_behind_is_ended(tmp_path):
    left = f"sleep 600 > /dev/null 2>&1 & echo $! > {tmp_path / 'pid'}"
    await program.run(["sh", "-c", left])
    assert await gone(tmp_path / "pid")


async def test_the_beginning_of_a_flood_is_kept_and_the_rest_counted():
    output = await program.run(["sh", "-c", "yes | head -c 20000000"], limits=Limits(keep=1000))
    assert len(output.out) == 1000
    assert output.size == 20_000_000
    assert output.is_cut


async def test_an_endless_flood_is_ended_when_the_rest_is_not_wanted():
    output = await program.run(["yes"], limits=Limits(keep=1000, drain=False))
    assert len(output.out) == 1000


async def test_a_program_may_ignore_its_input():
    output = await program.run(["true"], stdin=b"x" * 1_000_000)
    assert output.status == 0


async def test_status_and_errors_are_told():
    output = await program.run(["sh", "-c", "echo no >&2; exit 3"])
    assert (output.status, output.err) == (3, "no")


async def test_a_missing_program_is_named():
    with pytest.raises(Unavailable, match="no-such-program is not installed"):
        await program.run(["no-such-program"])


async def test_programs_see_nothing_of_our_environment(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret-canary")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    output = await program.run(["env"])
    assert sorted(row.split(b"=")[0] for row in output.out.split()) == [b"LC_ALL", b"PATH"]


async def test_programs_of_the_working_folder_are_not_found(tmp_path, monkeypatch):
    (tmp_path / "git").write_text("#!/bin/sh\necho planted\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f".::{os.environ['PATH']}")
    output = await Git(tmp_path).run("--version", cwd=str(tmp_path))
    assert b"planted" not in output.out
    assert b"git version" in output.out
