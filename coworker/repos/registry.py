"""Which repositories there are, and by what names: the configured ones and those that were added.

It does not look into them.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from coworker.errors import NotFound, UsageError
from coworker.repos.checkout import locate
from coworker.repos.text import one_line
from coworker.settings import Config
from coworker.store.log import Log
from coworker.types import Repo

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]+")


class Registry:
    """Repositories by name. A name in the configuration file always wins."""

    def __init__(self, config: Config, log: Log) -> None:
        self._config = config
        self._configured = {repo.name: repo for repo in config.named_repos()}
        self._log = log
        self._adding = asyncio.Lock()

    def get(self, name: str) -> Repo | None:
        """The repository of that name, if there is one."""
        return next((repo for repo in self.list() if repo.name == name), None)

    def list(self) -> list[Repo]:
        """All of them, by name."""
        added = {
            name: Repo(name, Path(path))
            for name, path in self._log.repos()
            if name not in self._config.repos
        }
        return sorted({**added, **self._configured}.values(), key=lambda repo: repo.name)

    async def find(self, name_or_path: str) -> Repo:
        """A repository by its name, or by a path inside its checkout, which is then added.

        Raises NotFound that names what is known.
        """
        if repo := self.get(name_or_path):
            return repo
        if (path := Path(name_or_path)).is_absolute():
            return await self.add(path)
        raise NotFound(self._unknown(name_or_path))

    async def add(self, path: Path, name: str | None = None) -> Repo:
        """Remember the checkout around a path, under its folder's name if none is given.

        Raises UsageError for a name that cannot be used and NotFound when there is no checkout.
        """
        root = (await asyncio.to_thread(locate, path)).root
        async with self._adding:
            known = self._at(root)
            if known and name in (None, known.name):
                return known
            if known:
                raise UsageError(f"{_shown(root)} is known as {known.name} already.")
            chosen = self._free_name(root.name) if name is None else self._usable(name)
            await self._remember(chosen, _text(root))
            return Repo(chosen, root)

    async def remove(self, name: str) -> None:
        """Forget an added repository; its files stay. Raises UsageError for a configured one."""
        if name in self._config.repos:
            raise UsageError(
                f"{name} stands in the configuration file. Remove [repos.{name}] there."
            )
        if not await self._log.remove_repo(name):
            raise NotFound(self._unknown(name))

    async def _remember(self, name: str, path: str) -> None:
        for old, place in self._log.repos():
            if place == path:  # under a name that the configuration has taken since
                await self._log.remove_repo(old)
        await self._log.add_repo(name, path, time.time_ns() // 1_000_000)

    def _at(self, root: Path) -> Repo | None:
        """What is known at a place, configured before added."""
        same = [repo for repo in self.list() if os.path.realpath(repo.path) == str(root)]
        return min(same, key=lambda repo: repo.name not in self._configured, default=None)

    def _usable(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{one_line(name, 60)} cannot be a repository's name. "
                "Use lower-case letters, digits and . _ - (at most 64)."
            )
        if name in self._taken():
            raise UsageError(f"The name {name} is taken by another repository. Choose another one.")
        return name

    def _free_name(self, folder: str) -> str:
        wish = _NOT_IN_NAMES.sub("-", folder.lower()).strip("-._")[:60] or "repo"
        taken = self._taken()
        numbered = (f"{wish}-{number}" for number in range(2, len(taken) + 3))
        return next(name for name in (wish, *numbered) if name not in taken)

    def _taken(self) -> set[str]:
        return {name for name, _ in self._log.repos()} | set(self._config.repos)

    def _unknown(self, name: str) -> str:
        if name in self._config.repos:
            return f"{name} is configured without a path or url. Give it one in [repos.{name}]."
        known = [repo.name for repo in self.list()]
        return f"There is no repository {one_line(name, 60)}. {_hint(name, known)}"


def _hint(name: str, known: Iterable[str]) -> str:
    names = list(known)
    if near := difflib.get_close_matches(name, names, n=1):
        return f"Did you mean {near[0]}?"
    told = f"Known: {', '.join(names[:20])}." if names else "None is known yet."
    return f"{told} Name one of them, or an absolute path inside a checkout."


def _text(root: Path) -> str:
    """A path as the database keeps it. Raises UsageError for one that is no text."""
    try:
        return str(root.as_posix().encode().decode())
    except UnicodeError:
        raise UsageError(
            f"{_shown(root)} is not valid UTF-8. Rename the folder, or link to it by another name."
        ) from None


def _shown(path: Path) -> str:
    return one_line(str(path))
