"""Every conversation's workspace: made, found again after a crash, removed when nothing is lost.

It does not know what is done in them.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from coworker.errors import CoworkerError, ToolError
from coworker.repos import gitdir, remote
from coworker.repos.draft import Draft
from coworker.repos.git import Git
from coworker.repos.mirror import Mirror
from coworker.repos.remote import Address
from coworker.repos.snapshot import LIMITS
from coworker.repos.tree import erase, in_thread
from coworker.repos.workspace import About, Workspace
from coworker.types import Repo

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.|lock$|$)){0,63}")


class Workspaces:
    """The workspaces under one state directory.

    `credentials` are the variables with which the person's git gets at a repository's url.
    """

    def __init__(self, state_dir: Path, credentials: Mapping[str, str] | None = None) -> None:
        self._state_dir = state_dir
        self._folder = state_dir / "workspaces"
        self._swept = self._folder / ".swept"
        self._credentials = dict(credentials or {})
        self._known: dict[str, Workspace] = {}
        self._mirrors: dict[tuple[str, Path, str], Mirror] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._drafts: dict[Path, str] = {}
        self._tidied: set[Path] = set()

    async def open(self, slug: str, repo: Repo, *, carry_uncommitted: bool) -> Workspace:
        """The conversation's workspace; the first time it is made.

        With `carry_uncommitted` the person's uncommitted files are in its first commit. Raises
        NotFound, ToolError, DiskFull, Denied or Unavailable in words.
        """
        if not _SLUG.fullmatch(slug):
            raise ToolError(f"{slug!r} cannot name a workspace: use a-z, 0-9, . _ and -.")
        async with self._locks.setdefault(slug, asyncio.Lock()):
            found = await in_thread(self.get, slug)
            if found is None:
                return await self._make(slug, repo, carry_uncommitted=carry_uncommitted)
            if found.about.repo != repo.name:
                raise ToolError(f"The workspace {slug} belongs to {found.about.repo}.")
            await self._tidy(found)
            return found

    def get(self, slug: str) -> Workspace | None:
        """The conversation's workspace if it has one."""
        folder = self._folder / slug
        about = gitdir.small_file(folder / "about.json") if _SLUG.fullmatch(slug) else None
        if about is None:
            self._known.pop(slug, None)
        elif slug not in self._known:
            with suppress(msgspec.MsgspecError):  # damaged: a person has to look at it
                made = Workspace(folder, msgspec.json.decode(about, type=About))
                self._known.setdefault(slug, made)
        return self._known.get(slug)

    def all(self) -> list[Workspace]:
        """All of them, by name."""
        names = sorted(path.name for path in self._folder.glob("*"))
        return [found for found in map(self.get, names) if found]

    async def refill(self) -> None:
        """Check the last commit out where a restored workspace has a branch and no files."""
        for workspace in await in_thread(self.all):
            if not await in_thread(workspace.tree.exists):
                await _refill(workspace)

    def mirror(self, repo: Repo) -> Mirror:
        """The mirror that a repository's workspaces borrow from."""
        key = repo.name, repo.path, repo.url
        if key not in self._mirrors:
            self._mirrors[key] = Mirror(self._state_dir, repo, self._credentials)
        return self._mirrors[key]

    async def push_address(self, repo: Repo) -> Address:
        """Where work on a repository is pushed. Raises ToolError in words when nowhere."""
        if repo.is_cloned:
            return remote.address(repo.url)
        return await remote.push_address(repo, await self.mirror(repo).checkout())

    async def sweep_due_in(self, every_s: float) -> float:
        """Seconds until the next sweep, of whichever process, is due."""
        try:
            last = (await in_thread(self._swept.stat)).st_mtime
        except OSError:
            return 0.0
        return last + every_s - time.time()

    async def sweep(
        self,
        retention_s: float,
        now_ms: int,
        is_kept: Callable[[str], bool] = lambda _: False,
    ) -> list[str]:
        """Remove workspaces that are merged or older, with nothing in them that would be lost.

        Those that `is_kept` says yes to stay. Returns the names of the removed.
        """
        with gitdir.in_words():
            self._swept.parent.mkdir(mode=0o700, exist_ok=True)
            self._swept.touch()
        await self._sweep_leftovers()
        removed = []
        for workspace in await in_thread(self.all):
            slug = workspace.slug
            with suppress(CoworkerError):  # one that is damaged stays, for a person to look at
                async with self._locks.setdefault(slug, asyncio.Lock()):
                    if await _may_go(workspace, retention_s, now_ms) and not is_kept(slug):
                        await workspace.remove(force=True)
                        removed.append(slug)
        return removed

    async def _make(self, slug: str, repo: Repo, *, carry_uncommitted: bool) -> Workspace:
        if await in_thread((self._folder / slug).exists):
            raise ToolError(
                f"The workspace {self._folder / slug} is damaged. Save what matters in its tree/, "
                "then remove that folder."
            )
        mirror = self.mirror(repo)
        await mirror.fetch()
        start = await mirror.start(checked_out=carry_uncommitted)
        checkout = await mirror.checkout() if carry_uncommitted else None
        folder = self._folder / ".new" / f"{slug}.{secrets.token_hex(4)}"
        branch = await self._free_branch(slug, mirror)
        draft = Draft(folder, self._folder / slug, branch, mirror)
        self._drafts[folder] = branch
        try:
            await draft.make(slug, repo, start, checkout)
        finally:
            del self._drafts[folder]
            if await in_thread(folder.exists):
                await erase(folder)
        self._tidied.add(self._folder / slug)
        found = self.get(slug)
        if found is None:
            raise ToolError(f"The workspace {slug} vanished while it was made. Try again.")
        return found

    async def _free_branch(self, slug: str, mirror: Mirror) -> str:
        """The first of coworker/slug, coworker/slug-2 … that is nobody's branch."""
        refs = [f"{name}/" for name in await mirror.refs()]
        made = {workspace.branch for workspace in await in_thread(self.all)}
        ours = made.union(self._drafts.values())

        def is_taken(branch: str) -> bool:
            return branch in ours or any(f"/{branch}/" in ref for ref in refs)

        branch, number = f"coworker/{slug}", 2
        while is_taken(branch):
            branch, number = f"coworker/{slug}-{number}", number + 1
        return branch

    async def _tidy(self, workspace: Workspace) -> None:
        """Remove what the process before this one left in it when it was killed."""
        if workspace.folder in self._tidied:
            return
        self._tidied.add(workspace.folder)
        for left in await in_thread(lambda: [*workspace.folder.glob("scratch-*")]):
            await erase(left)

    async def _sweep_leftovers(self) -> None:
        def left() -> list[Path]:
            mirrors = (self._state_dir / "mirrors").glob(".new-*")
            folders = (*self._folder.glob(".new/*"), *self._folder.glob(".trash/*"), *mirrors)
            return [folder for folder in folders if folder not in self._drafts]

        for folder in await in_thread(left):
            await erase(folder)


async def _refill(workspace: Workspace) -> None:
    await in_thread(lambda: workspace.tree.mkdir(mode=0o700))
    files = Git(workspace.git_dir, workspace.tree)
    await files.must("read-tree", "--reset", "-u", "HEAD", limits=LIMITS)
    pointer = gitdir.small_file(workspace.dotgit)
    await in_thread(lambda: gitdir.put(workspace.tree / ".git", pointer))


async def _may_go(workspace: Workspace, retention_s: float, now_ms: int) -> bool:
    index = workspace.git_dir / "index"
    used_s = (await in_thread(index.stat)).st_mtime
    is_old = now_ms / 1000 - used_s > retention_s
    return (is_old or await workspace.is_merged()) and not await workspace.unsaved()
