"""What is configured, reachable, missing or unsafe, each with the fix. It changes nothing."""

from __future__ import annotations

import asyncio
import shutil
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from coworker import sandbox
from coworker.config import Config, program_environment
from coworker.errors import NotFound
from coworker.models.router import Router
from coworker.repos.checkout import locate
from coworker.types import Json, Repo


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
        *[_repo(repo) for repo in repos],
    ]


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


def _repo(repo: Repo) -> Json:
    fix = f"Check it out there, or `coworker repo remove {repo.name}`."
    try:
        return finding(f"repository {repo.name}", True, str(locate(repo.path).root))
    except NotFound as error:
        return finding(f"repository {repo.name}", False, str(error), fix)
