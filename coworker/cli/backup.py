"""`coworker backup` and `coworker restore`: say where to, and what was done.

It knows names and sentences, not what a backup holds.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from coworker.cli import output
from coworker.errors import UsageError
from coworker.settings import Config


def backup(config: Config, target: Path, keep: int | None) -> int:
    """Into a file; into a folder under a dated name, of which the newest `keep` stay."""
    from coworker.store import backup as backups

    now = datetime.now(UTC)
    in_folder = target.is_dir()
    if keep is not None and (keep < 1 or not in_folder):
        raise UsageError("--keep N wants a folder of backups and N of at least 1.")
    file = backups.dated(target, now) if in_folder else target
    backups.write(config.state, file.absolute(), now)
    output.say(f"Wrote {file} ({file.stat().st_size / 1e6:,.1f} MB).")
    for removed in backups.prune(target, keep) if keep else ():
        output.say(f"Removed {removed}.")
    return 0


def restore(config: Config, archive: Path, *, force: bool) -> int:
    """Put a backup in place and check out the files of its workspaces."""
    from coworker.repos.workspaces import Workspaces
    from coworker.store import backup as backups

    kept = backups.restore(archive, config.state, datetime.now(UTC), force=force)
    asyncio.run(Workspaces(config.state).refill())
    output.say(f"Restored {archive} into {config.state}.")
    if kept:
        output.say(f"What was there before is in {kept}. Remove it when all is well.")
    return 0
