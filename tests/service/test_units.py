"""The systemd units: clean, tight, and written for this installation."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parent.parent.parent / "systemd"
UNITS = ("coworker.service", "coworker-backup.service", "coworker-backup.timer")
needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed here"
)


def split(shown):
    """The units that `service show` printed, by name."""
    parts = re.split(r"^# --- (\S+)\n", shown, flags=re.MULTILINE)[1:]
    return {
        path.rsplit("/", 1)[1]: text for path, text in zip(parts[::2], parts[1::2], strict=True)
    }


@pytest.fixture
async def system(shell, tmp_path):
    """The system units of this installation, in a folder."""
    shown = await shell.run("service", "show")
    folder = tmp_path / "units"
    folder.mkdir()
    for name, text in split(shown.out).items():
        (folder / name).write_text(text)
    return folder


def analyze(folder, *arguments):
    return subprocess.run(
        ["systemd-analyze", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@needs_systemd
async def test_systemd_has_nothing_to_say_about_the_system_units(system):
    verified = analyze(system, "verify", *(f"./{name}" for name in UNITS))
    assert (verified.returncode, verified.stderr) == (0, "")


@needs_systemd
async def test_systemd_has_nothing_to_say_about_the_user_unit(shell, tmp_path):
    shown = await shell.run("service", "show", "--user")
    (tmp_path / "coworker.service").write_text(split(shown.out)["coworker.service"])
    verified = analyze(tmp_path, "--user", "verify", "./coworker.service")
    assert (verified.returncode, verified.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", ["coworker.service", "coworker-backup.service"])
def test_exposure_is_at_most_three(name):
    judged = analyze(SHIPPED, "security", "--offline=true", "--threshold=30", name)
    assert judged.returncode == 0, judged.stdout.splitlines()[-1]


async def test_what_the_sandbox_needs_stays_allowed(system):
    unit = (system / "coworker.service").read_text()
    for line in (
        "Delegate=memory pids cpu",
        "ProtectControlGroups=no",
        "ProtectKernelTunables=no",
        "ProtectHostname=no",
        "SystemCallFilter=@system-service @mount pivot_root sethostname",
    ):
        assert f"\n{line}\n" in unit


async def test_a_person_installs_it_for_themselves_and_hears_what_is_next(shell, tmp_path):
    unit = tmp_path / ".config" / "systemd" / "user" / "coworker.service"
    tried = await shell.run("service", "install", "--user", "--dry-run")
    assert f"Would write {unit}" in tried.out
    assert not unit.exists()
    done = await shell.run("service", "install", "--user")
    assert (done.status, done.err) == (0, "")
    for step in ("daemon-reload", "enable --now coworker.service", "enable-linger"):
        assert step in done.out
    start = re.search(r"^ExecStart=(\S+)(.*)$", unit.read_text(), re.MULTILINE)
    assert start[1].startswith("/")
    assert start[2] == f" --state-dir {shell.state} run"


async def test_a_changed_unit_is_kept_and_named(shell, tmp_path):
    await shell.run("service", "install", "--user")
    unit = tmp_path / ".config" / "systemd" / "user" / "coworker.service"
    assert "up to date" in (await shell.run("service", "install", "--user")).out
    unit.write_text("# mine\n")
    again = await shell.run("service", "install", "--user")
    kept = unit.with_name("coworker.service.old")
    assert str(kept) in again.out
    assert kept.read_text() == "# mine\n"


async def test_uninstalling_removes_the_unit_and_what_enables_it(shell, tmp_path):
    await shell.run("service", "install", "--user")
    folder = tmp_path / ".config" / "systemd" / "user"
    (folder / "default.target.wants").mkdir()
    enabling = folder / "default.target.wants" / "coworker.service"
    enabling.symlink_to(folder / "coworker.service")
    removed = await shell.run("service", "uninstall", "--user")
    assert (removed.status, removed.err) == (0, "")
    assert "daemon-reload" in removed.out
    assert not enabling.is_symlink()
    assert not (folder / "coworker.service").exists()
    again = await shell.run("service", "uninstall", "--user")
    assert again.status == 66


async def test_paths_with_blanks_and_a_checkout_in_a_home_are_rendered(shell, tmp_path):
    config = tmp_path / "my config.toml"
    config.write_text(
        '[repos.shop]\npath = "/home/ann/shop"\nurl = "/srv/git/shop.git"\n', encoding="utf-8"
    )
    shown = await shell.run("--config", str(config), "service", "show")
    unit = split(shown.out)["coworker.service"]
    assert f'--config "{config}"' in unit
    assert "\nProtectHome=read-only\n" in unit
    assert "\nReadWritePaths=/srv/git/shop.git\n" in unit
    assert f"\nReadWritePaths={shell.state}\n" in unit
