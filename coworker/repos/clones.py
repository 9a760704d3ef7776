"""Checkouts of our own, to read in, of repositories that are configured by url only.

Each is a linked worktree of the mirror, detached at the url's main branch. Nobody works in them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable

from coworker.errors import CoworkerError
from coworker.repos import gitdir
from coworker.repos.git import Git
from coworker.repos.mirror import Mirror
from coworker.repos.snapshot import LIMITS
from coworker.repos.tree import in_thread
from coworker.types import Repo

_log = logging.getLogger(__name__)


class Clones:
    """Keeps each clone at most `fresh_s` seconds behind its url, as long as it is asked for."""

    def __init__(self, mirror: Callable[[Repo], Mirror], fresh_s: float = 60.0) -> None:
        self._mirror = mirror
        self._fresh_s = fresh_s
        self._fetched: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def refresh(self, repo: Repo) -> None:
        """Bring a clone up to date; one that is there is used while its url cannot be reached.

        Raises NotFound, ToolError, Denied or Unavailable in words when there is none yet.
        """
        if not repo.is_cloned:
            return
        async with self._locks.setdefault(repo.name, asyncio.Lock()):
            fetched = self._fetched.get(repo.name)
            if fetched is not None and time.monotonic() - fetched < self._fresh_s:
                return
            mirror = self._mirror(repo)
            try:
                await mirror.fetch()
                await _check_out(repo, mirror)
            except CoworkerError as error:
                if not (repo.path / ".git").exists():
                    raise
                _log.warning("%s is not up to date: %s", repo.name, error)
            self._fetched[repo.name] = time.monotonic()


async def _check_out(repo: Repo, mirror: Mirror) -> None:
    """The files first, then what names them: a crash between is mended by the next time."""
    git_dir, commit = repo.path.parent / "git", await mirror.start()
    await in_thread(_lay_out, repo, mirror)
    head = f"{commit}\n" if commit else "ref: refs/heads/main\n"
    if commit and gitdir.small_file(git_dir / "HEAD") != head.encode():
        files = Git(mirror.path, repo.path, git_dir / "index", settings=("checkout.workers=2",))
        await in_thread((git_dir / "index.lock").unlink, missing_ok=True)  # of one that was killed
        await files.must("read-tree", "--reset", "-u", commit, limits=LIMITS)
    gitdir.put(git_dir / "HEAD", head.encode())
    gitdir.put(repo.path / ".git", b"gitdir: %s\n" % os.fsencode(git_dir))


@gitdir.in_words()
def _lay_out(repo: Repo, mirror: Mirror) -> None:
    for folder in (repo.path, repo.path.parent / "git"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    gitdir.put(repo.path.parent / "git" / "commondir", b"%s\n" % os.fsencode(mirror.path))
