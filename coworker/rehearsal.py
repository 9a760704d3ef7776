"""A repository's set-up and checks, tried once: do they work here, and what is missing if not."""

from __future__ import annotations

import asyncio
import re

from coworker.doctor import finding
from coworker.errors import CoworkerError
from coworker.repos.text import one_line
from coworker.sandbox import Finished
from coworker.tools.workplace import Workplace
from coworker.types import Json, Repo

_REHEARSAL_S = 1800.0
_NO_PROGRAM = re.compile(r"(\S+): (?:command )?not found")
_NO_MODULE = re.compile(r"No module named '?([\w.]+)")


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
