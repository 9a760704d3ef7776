"""What is configured, reachable, missing or unsafe, each with the fix. It changes nothing."""

from __future__ import annotations

import asyncio
import re
import shutil
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from coworker import sandbox
from coworker.config import Config, person_environment, program_environment
from coworker.errors import CoworkerError
from coworker.models.router import Router
from coworker.repos import remote
from coworker.repos.checkout import locate
from coworker.repos.text import one_line
from coworker.sandbox import Finished
from coworker.tools.workplace import Workplace
from coworker.types import Json, Repo

_REHEARSAL_S = 1800.0
_NO_PROGRAM = re.compile(r"(\S+): (?:command )?not found")
_NO_MODULE = re.compile(r"No module named '?([\w.]+)")


async def examine(config: Config, router: Router, repos: Sequence[Repo]) -> list[Json]:
    """One finding per check: {check, ok: true|false|null, found, fix}; null means a choice."""
    return [
        _python(),
        _state_dir(config.state),
        *await asyncio.gather(
            _program("git", True, "Install git 2.34 or newer."),
            _program(
                "rg", False, "Install ripgrep for faster searches; git grep is used meanwhile."
            ),
            _sandbox(config.sandbox.kind),
        ),
        *_models(router),
        *[row for rows in await asyncio.gather(*map(_repo, repos)) for row in rows],
    ]


async def rehearse(repo: Repo, workplace: Workplace) -> Json:
    """A finding: whether set-up and checks pass once on a clean checkout, in the sandbox."""
    check = f"checks of {repo.name}"
    try:
        async with asyncio.timeout(_REHEARSAL_S):
            results = await workplace.rehearse(repo)
    except TimeoutError:
        fix = "Configure commands that are quicker."
        return finding(check, False, f"not done after {_REHEARSAL_S / 60:.0f} minutes", fix)
    except CoworkerError as error:
        return finding(check, False, "could not be tried", str(error))
    for command, ended in results:
        if ended.exit_code:
            last = one_line((ended.output.strip().splitlines() or [""])[-1], 200)
            found = f"`{command}` ended with exit {ended.exit_code}: {last}"
            return finding(check, False, found, _mend(command, ended))
    seconds = sum(ended.seconds for _, ended in results)
    return finding(check, True, f"{len(results)} commands passed in {seconds:.0f} s")


def _mend(command: str, ended: Finished) -> str:
    """What is missing, as far as the shell or Python says so."""
    if missing := _NO_PROGRAM.search(ended.output) if ended.exit_code == 127 else None:
        return (
            f"Install {missing[1]} where the sandbox sees it: below /usr, such as /usr/local/bin, "
            "or by a set-up command into $HOME/.local/bin."
        )
    if module := _NO_MODULE.search(ended.output):
        return f"Have a set-up command install the Python package of {module[1]}."
    if ended.timed_out:
        return "Configure a command that is quicker."
    return f"Mend it in the repository, or configure another command than `{command}`."


def finding(check: str, ok: bool | None, found: str, fix: str = "") -> Json:
    """One line of the report; a fix is only named where something is not right."""
    return {"check": check, "ok": ok, "found": found, "fix": "" if ok else fix}


def _python() -> Json:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return finding("python", sys.version_info >= (3, 11), version, "Use Python 3.11 or newer.")


def _state_dir(path: Path) -> Json:
    if not path.is_dir():
        return finding(
            "state directory", None, f"{path} does not exist yet", "It is made at the first start."
        )
    open_to = stat.S_IMODE(path.stat().st_mode) & 0o077
    free_mb = shutil.disk_usage(path).free // 2**20
    if open_to:
        return finding(
            "state directory", False, f"{path} is open to other users", f"chmod 700 {path}"
        )
    return finding(
        "state directory", free_mb >= 100, f"{path}, {free_mb:,} MB free", "Free some disk space."
    )


async def _program(name: str, required: bool, fix: str) -> Json:
    try:
        process = await asyncio.create_subprocess_exec(
            name,
            "--version",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=program_environment(),
        )
    except OSError:
        return finding(name, False if required else None, "not installed", fix)
    output, _ = await process.communicate()
    return finding(name, process.returncode == 0, output.decode().partition("\n")[0], fix)


async def _sandbox(kind: str) -> Json:
    if kind == "none":
        return finding("sandbox", None, "none, by your choice", 'Set sandbox.kind = "bubblewrap".')
    fault = await sandbox.self_test()
    if fault:
        return finding("sandbox", False, "commands are off", fault)
    return finding("sandbox", True, "; ".join(sandbox.layers()))


def _models(router: Router) -> list[Json]:
    seats = [seat for seat in router.describe() if seat.model]
    if not seats:
        fix = "Set ANTHROPIC_API_KEY, or ANTHROPIC_BASE_URL for a server of your own."
        return [finding("model", None, "none configured: the offline model answers", fix)]
    return [
        finding(f"model {s.tier}", s.configured, f"{s.model} at {s.where}", s.obstacle)
        for s in seats
    ]


async def _repo(repo: Repo) -> list[Json]:
    check, fix = (
        f"repository {repo.name}",
        f"Check it out there, or `coworker repo remove {repo.name}`.",
    )
    try:
        if repo.is_cloned:
            fix = f"Mend url in [repos.{repo.name}]."
            there = remote.address(repo.url)
            await remote.reach(there, person_environment())
            found = [finding(check, True, f"{there.shown} can be read")]
        else:
            found = [finding(check, True, str(locate(repo.path).root))]
    except CoworkerError as error:
        return [finding(check, False, str(error), fix)]
    if repo.setup or repo.checks:
        once = "`coworker doctor --checks` runs set-up and checks once in the sandbox."
        found.append(finding(f"checks of {repo.name}", None, "not tried", once))
    return found
