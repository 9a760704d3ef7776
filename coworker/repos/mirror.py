"""A bare mirror of each repository, from which conversations borrow their history.

It is ours alone: nothing of the source's settings is obeyed, and no object ever leaves it, for
workspaces live on them. It does not know what is done in the workspaces.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from coworker.errors import ToolError
from coworker.repos import gitdir, remote
from coworker.repos.checkout import Checkout
from coworker.repos.git import Git
from coworker.repos.program import Limits, Output
from coworker.repos.remote import Address
from coworker.types import Repo

_LISTING = Limits(seconds=60, keep=64_000_000)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FETCH = (
    "fetch",
    "--quiet",
    "--prune",
    "--no-tags",
    "--update-shallow",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--no-show-forced-updates",
)
_BRANCHES = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_THEIR_REMOTES = "+refs/remotes/*:refs/remotes/*"
_START = "refs/coworker/start"
_CHECKED_OUT = "refs/coworker/checkout"


class Mirror:
    """The mirror of one repository, of its url if it has one and else of its checkout.

    `credentials` are the variables with which the person's git gets at the url. There may be only
    one object for a mirror: its lock keeps conversations apart.
    """

    def __init__(
        self, state_dir: Path, repo: Repo, credentials: Mapping[str, str] | None = None
    ) -> None:
        self._state_dir = state_dir
        self._repo = repo
        self._credentials = credentials or {}
        self._source = os.fsencode(repo.url or os.path.realpath(repo.path))
        self.path = _place(state_dir / "mirrors", repo.name, self._source)
        self.git = Git(self.path)
        self._checkout: Checkout | None = None
        self._lock = asyncio.Lock()
        self._begun = 0
        self._done = 0

    @property
    def objects(self) -> Path:
        """What workspaces borrow."""
        return self.path / "objects"

    @property
    def object_format(self) -> str:
        """How its objects are named: sha1 or sha256."""
        return "sha256" if b"sha256" in (gitdir.small_file(self.path / "config") or b"") else "sha1"

    async def fetch(self) -> None:
        """Take over what is new at the source; the first time, all of it.

        Those who ask while one is under way share the next. Raises NotFound, ToolError, Denied or
        Unavailable in words.
        """
        asked = self._begun
        async with self._lock:
            if self._done > asked:
                return
            self._begun += 1
            begun = self._begun
            await self._fetch()
            self._done = begun

    async def start(self, *, checked_out: bool = False) -> str:
        """The commit at which work begins, "" while there is none.

        It is the head of the url's main branch; or what the person has checked out, if that is
        asked for or there is no url.
        """
        if not checked_out or not self._repo.url:
            return await self._commit(_START)
        async with self._lock:
            await self._fetch_view(await self.checkout(), _CHECKED_OUT, ())
        return await self._commit(_CHECKED_OUT)

    async def refs(self) -> dict[str, str]:
        """The source's branches, tags and remote branches by full name, with their ids."""
        form = ("--format=%(objectname) %(refname)", "refs/heads", "refs/tags", "refs/remotes")
        listed = await self.git.must("for-each-ref", *form, limits=_LISTING)
        rows = (row.split(" ", 1) for row in os.fsdecode(listed).splitlines())
        return {name: commit for commit, name in rows}

    async def checkout(self) -> Checkout:
        """The person's checkout as it is now. Raises NotFound in words."""
        if self._checkout is None:
            self._checkout = await Checkout.open(self._repo.path, self._state_dir)
        else:
            await self._checkout.refresh()
        return self._checkout

    async def _fetch(self) -> None:
        if self._repo.url:
            await asyncio.to_thread(self._lay_out, "sha1")
            await self._fetch_url(remote.address(self._repo.url))
        else:
            checkout = await self.checkout()
            await asyncio.to_thread(self._lay_out, checkout.object_format)
            await self._fetch_view(checkout, _START, (*_BRANCHES, _THEIR_REMOTES))

    async def _fetch_url(self, address: Address) -> None:
        output = await self._run(address, (*_BRANCHES, f"+HEAD:{_START}"))
        if output.status != 0 and "couldn't find remote ref HEAD" in output.err:
            await self.git.must("update-ref", "-d", _START)
            output = await self._run(address, _BRANCHES)
        if output.status != 0:
            raise address.failure("fetch", output)
        if not await self.start() and await self.refs():
            raise ToolError(
                f"The main branch at {address.shown} does not exist. Set it there and try again."
            )

    async def _fetch_view(self, checkout: Checkout, head: str, more: tuple[str, ...]) -> None:
        """Through our view of their git directory, so that nothing of theirs is obeyed."""
        refspecs = (*more, f"+HEAD:{head}") if await checkout.head() else more
        if len(refspecs) == len(more):
            await self.git.must("update-ref", "-d", head)
        view = Address(str(checkout.view), "file")
        output = await self._run(view, refspecs) if refspecs else Output(0, b"", "", 0)
        if output.status != 0 and _is_partial(checkout):
            raise ToolError(
                f"{self._repo.name} is a partial clone, and what it left out is needed for work. "
                f"Fetch it with `git fetch --refetch --no-filter`, or set url in the configuration."
            )
        if output.status != 0:
            raise view.failure("fetch", output)

    async def _run(self, address: Address, refspecs: tuple[str, ...]) -> Output:
        environment = address.environment(self._credentials)
        local = [f"--upload-pack={remote.local_command('upload-pack')}"]
        options = local if address.protocol == "file" else []
        arguments = (*_FETCH, *options, address.url, *refspecs)
        return await self.git.alone(*arguments, limits=remote.LIMITS, env=environment)

    async def _commit(self, name: str) -> str:
        output = await self.git.run("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
        return output.out.decode().strip() if output.status == 0 else ""

    @gitdir.in_words()
    def _lay_out(self, object_format: str) -> None:
        if (self.path / "source").exists():
            return
        fresh = self.path.with_name(f".new-{secrets.token_hex(4)}")
        for folder in ("objects/info", "objects/pack", "refs/heads"):
            (fresh / folder).mkdir(mode=0o700, parents=True)
        gitdir.put(fresh / "HEAD", b"ref: refs/heads/main\n")
        gitdir.put(fresh / "config", gitdir.config(object_format, is_bare=True))
        gitdir.put(fresh / "source", self._source)
        fresh.replace(self.path)


def _place(folder: Path, name: str, source: bytes) -> Path:
    """A mirror's folder; another repository of the same name gets another one."""
    tag = hashlib.sha256(source).hexdigest()[:8]
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:50]
    path = folder / (f"{name}.git" if _NAME.fullmatch(name) else f"{plain or 'repo'}-{tag}.git")
    if gitdir.small_file(path / "source") in (None, source):
        return path
    return folder / f"{plain}-{tag}.git"


def _is_partial(checkout: Checkout) -> bool:
    return any((checkout.objects / "pack").glob("*.promisor"))
