"""A disk that is really full: one clear line, nothing lost, and on it goes when there is room."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def small_disk(tmp_path):
    """A disk of two megabytes; only root can make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("a small disk cannot be made here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk):
    with (disk / "filler").open("wb") as filler:
        try:
            while True:
                os.write(filler.fileno(), b"x" * 1024)
        except OSError:
            return


def ask(disk, shop):
    arguments = ["ask", "status", "--repo", str(shop), "--state-dir", str(disk / "state")]
    command = [sys.executable, "-m", "coworker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_full_disk_is_one_line_and_status_75_before_and_after_the_first_start(small_disk, shop):
    fill(small_disk)
    first = ask(small_disk, shop)
    (small_disk / "filler").unlink()
    assert ask(small_disk, shop).returncode == 0
    fill(small_disk)
    again = ask(small_disk, shop)
    (small_disk / "filler").unlink()
    for refused in (first, again):
        assert refused.returncode == 75
        assert "is full" in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert ask(small_disk, shop).returncode == 0
