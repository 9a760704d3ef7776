"""One conversation's own clone: its files, its branch, its commits.

The files may be written by a hostile process at any time; the git directory lies outside them and
is written by us alone. It does not know how it was made, nor who asks.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from coworker.errors import Denied, ToolError
from coworker.repos import commits, gitdir, remote
from coworker.repos.commits import Commit, Identity, Logged
from coworker.repos.git import Git, failure
from coworker.repos.program import Limits
from coworker.repos.remote import Address, Pushed
from coworker.repos.snapshot import LIMITS, Snapshot, joined, listing, only, snapshot
from coworker.repos.text import one_line, path_name
from coworker.repos.tree import erase, in_thread, put

_PUSHED = "refs/coworker/pushed"
_KEPT = "refs/coworker/kept"
_GITLINK = "160000"
_QUICK = ("checkout.workers=2", "core.fsync=none")
_DURABLE = ("core.fsync=committed", "core.fsyncMethod=batch")
_PATCH = Limits(seconds=60, keep=1_000_000)
_STAT = ("diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", "--stat=100", "--stat-count=60")
_DIFF = ("diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", "-p")
Discard = Callable[[Path], Awaitable[None]]
Kind = Literal["added", "modified", "deleted", "left out"]
_KINDS: dict[str, Kind] = {"A": "added", "D": "deleted"}


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a workspace. `notes` are sentences about what it does not have."""

    slug: str
    repo: str
    branch: str
    base: str
    carried: bool
    mirror: str
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Change:
    """One path that is not as in the last commit; `why` says why it cannot be committed."""

    path: str
    kind: Kind
    why: str = ""


class Workspace:
    """The clone of one conversation. Its methods may be called at any time, several at once.

    Each raises ToolError in words, and DiskFull, Unavailable or TryLater.
    """

    def __init__(self, folder: Path, about: About) -> None:
        self.folder = folder
        self.about = about
        self.tree = folder / "tree"
        self.git_dir = folder / "git"
        self.dotgit = folder / "dotgit"
        self.git = Git(self.git_dir)
        self._lock = asyncio.Lock()

    @property
    def slug(self) -> str:
        """The conversation's name for it."""
        return self.about.slug

    @property
    def branch(self) -> str:
        """The branch it is on, without refs/heads/."""
        return self.about.branch

    @property
    def objects(self) -> Path:
        """The mirror's objects, which its history needs."""
        return Path(self.about.mirror) / "objects"

    def base(self) -> str:
        """The commit that the work began from, with the person's uncommitted files if carried."""
        return self.about.base

    async def head(self) -> str:
        """The id of the last commit."""
        return await self._commit_id("HEAD")

    async def files(self) -> str:
        """The id of a tree of the files as they are now."""
        async with self._lock, self._scratch() as scratch:
            return (await self._snapshot(scratch)).tree

    async def status(self) -> list[Change]:
        """What is not committed, by path; what cannot be is "left out"."""
        async with self._lock, self._scratch() as scratch:
            now = await self._snapshot(scratch)
        changes = [
            Change(path, _KINDS.get(kind, "modified"))
            for kind, _, path in await self._between("HEAD", now.tree)
        ]
        left_out = [Change(entry.path, "left out", entry.why) for entry in now.left_out]
        return sorted([*changes, *left_out], key=lambda change: change.path)

    async def diff(self, base: str | None = None, paths: Sequence[str] = ()) -> str:
        """The files now, or some of them, against a commit, the last one by default, as a patch.

        At most a megabyte of it; the end says so.
        """
        return await self._compared(_DIFF, base, paths)

    async def diff_stat(self, base: str | None = None) -> str:
        """The same as lines per file, at most 60 files."""
        return await self._compared(_STAT, base)

    async def stat_of(self, commit: str, since: str = "") -> str:
        """What one commit, or all those since another one, changed, as lines per file."""
        against = (since,) if since else ("--root", "--no-commit-id")
        out = await self.git.must(*_STAT, *against, commit, limits=LIMITS)
        return out.decode(errors="replace").rstrip("\n")

    async def patch_of(self, commit: str, since: str = "") -> str:
        """The same and below it the changed lines, as a patch of at most a megabyte."""
        against = (since,) if since else ("--root", "--no-commit-id")
        return await self._patch(*_DIFF, "--stat=80", "--stat-count=15", *against, commit)

    async def commit(
        self,
        message: str,
        *,
        call_id: str,
        paths: Sequence[str] | None = None,
        author: Identity = Identity(),  # noqa: B008  # frozen
    ) -> Commit | None:
        """Commit the files as they are now, or only some files and folders; None for no change.

        The same call made again finds its own commit.
        """
        text = commits.message(message, call_id)
        async with self._lock, self._scratch() as scratch:
            if done := await self.probe_commit(call_id):
                return Commit(done, await self.stat_of(done))
            now = await self._snapshot(scratch, paths)
            head = await self.head()
            if now.tree == await self._tree_id(head):
                _refuse_left_out(now)
                return None
            made = await self._committed(now.tree, head, text, author)
            await self._advance(head, made, scratch / "index")
        return Commit(made, await self.stat_of(made), now.left_out)

    async def probe_commit(self, call_id: str) -> str | None:
        """The commit that a call made, if it got that far."""
        key = commits.call_key(call_id)
        return next((line.sha for line in await self.log() if line.call == key), None)

    async def log(self) -> list[Logged]:
        """The commits since the base, newest first."""
        arguments = ("log", f"--format={commits.FORMAT}", f"{self.base()}..HEAD", "--")
        return commits.logged(await self.git.must(*arguments, limits=LIMITS))

    async def has_unpushed(self) -> bool:
        """Whether there are commits that are neither pushed nor in a branch of the source."""
        pushed = await self._commit_id(_PUSHED, default=self.base())
        return await self._is_beyond({self.base(), pushed, *await self._at_source()})

    async def is_merged(self) -> bool:
        """Whether there are commits and other branches of the source than ours have them all."""
        beyond = await self._is_beyond({self.base()})
        return beyond and not await self._is_beyond(await self._at_source(merged=True))

    async def unsaved(self) -> str:
        """What only this workspace has, in words; "" when nothing."""
        if await self.has_unpushed():
            return "commits that are not pushed"
        return "changes that are not committed" if await self.status() else ""

    async def push(
        self, to: Address, credentials: Mapping[str, str] | None = None, commit: str = "HEAD"
    ) -> Pushed:
        """Push a commit to the branch at that address: never by force, nothing else.

        `credentials` are the person's own variables, such as HOME and SSH_AUTH_SOCK.
        """
        async with self._lock:
            head, ref = await self._commit_id(commit), f"refs/heads/{self.branch}"
            pushed = await remote.push(self.git, head, ref, to, credentials)
            await self._move(_PUSHED, head)
        return pushed

    async def reset_to(self, sha: str, files: str = "") -> str:
        """Take branch and files back to a commit; the id of a commit that keeps what there was.

        The files may become those of another one, so that they are changes not yet committed.
        Files that git ignores, and repositories among the files, stay.
        """
        async with self._lock, self._scratch(discard=erase) as scratch:
            target, head = await self._commit_id(sha), await self.head()
            now = await self._snapshot(scratch)
            kept = await self._keep(now, head)
            await self._restore(now, await self._commit_id(files or sha), scratch)
            git = Git(self.git_dir, scratch / "out", scratch / "index")
            await git.must("read-tree", "-m", target, limits=LIMITS)
            await self._advance(head, target, scratch / "index")
        return kept

    @asynccontextmanager
    async def clean_copy(self, ref: str = "HEAD") -> AsyncIterator[Path]:
        """A folder with nothing but the files of a commit, and a `.git` file; gone afterwards."""
        async with self._scratch(discard=erase) as scratch:
            copy = scratch / "copy"
            copy.mkdir()
            await self.bring(copy, ref)
            await in_thread(gitdir.copy, self.dotgit, copy / ".git")
            yield copy

    async def bring(self, copy: Path, ref: str) -> None:
        """Have a clean copy hold the files of another commit; what git does not know stays."""
        git = Git(self.git_dir, copy, copy.parent / "index", settings=_QUICK)
        await git.must("read-tree", "--reset", "-u", await self._commit_id(ref), limits=LIMITS)

    async def remove(self, *, force: bool = False) -> None:
        """Remove files, branch and commits. Raises Denied while something would be lost."""
        if not force and (lost := await self.unsaved()):
            raise Denied(f"{self.branch} has {lost}. Push or insist, or they are lost.")
        async with self._lock:
            gone = await in_thread(_to_trash, self.folder)
        await erase(gone)

    async def _snapshot(self, scratch: Path, paths: Sequence[str] | None = None) -> Snapshot:
        """The tree of the files as they are now; scratch/index is the index that goes with it."""
        kept, index, files = self.git_dir / "index", scratch / "index", scratch / "files"
        seen = await listing(Git(self.git_dir, self.tree, kept))
        await in_thread(_copy_index, kept, index, files)
        git = Git(self.git_dir, files, index, settings=_DURABLE)
        if paths is not None:
            seen = only(seen, paths)
            await git.must("read-tree", "-m", "HEAD", limits=LIMITS)
        return await snapshot(git, self.tree, seen, files)

    async def _compared(
        self, command: Sequence[str], base: str | None, paths: Sequence[str] = ()
    ) -> str:
        against = await self._commit_id(base or "HEAD")
        return await self._patch(*command, against, await self.files(), "--", *paths)

    async def _patch(self, *arguments: str) -> str:
        output = await self.git.run(*arguments, limits=_PATCH)
        if output.status != 0:
            raise failure("diff", output)
        left = f"\n({output.size - len(output.out):,} more bytes are not shown)\n"
        return output.out.decode(errors="replace") + (left if output.is_cut else "")

    async def _committed(self, tree: str, parent: str, text: bytes, author: Identity) -> str:
        arguments = ("commit-tree", tree, "-p", parent)
        git = Git(self.git_dir, settings=_DURABLE)
        return (
            (await git.must(*arguments, stdin=text, env=commits.environment(author)))
            .decode()
            .strip()
        )

    async def _advance(self, old: str, new: str, index: Path) -> None:
        """Make it the branch's last commit, and the index the one that goes with it.

        Between the two a crash does no harm: the index only remembers what need not be read again.
        """
        files = Git(self.git_dir, self.tree, index)
        await files.run("update-index", "-q", "--refresh", limits=LIMITS)
        await self._move(f"refs/heads/{self.branch}", new, old)
        await in_thread(os.replace, index, self.git_dir / "index")

    async def _move(self, ref: str, *ids: str) -> None:
        git = Git(self.git_dir, settings=_DURABLE)
        output = await git.alone("update-ref", ref, *ids)
        if output.status != 0:
            raise failure("update-ref", output)

    async def _keep(self, now: Snapshot, head: str) -> str:
        """A commit of the files as they are, which nothing will ever remove."""
        if now.tree == await self._tree_id(head):
            kept = head
        else:
            kept = await self._committed(now.tree, head, b"Before it was taken back\n", Identity())
        await self._move(f"{_KEPT}/{kept}", kept)
        return kept

    async def _restore(self, now: Snapshot, target: str, scratch: Path) -> None:
        """Bring the files, and scratch/index, to a commit, past whoever swaps folders and links."""
        out, old = scratch / "out", scratch / "old"
        await in_thread(_make, out, old)
        git = Git(self.git_dir, out, scratch / "index", settings=_QUICK)
        await git.must("read-tree", "-m", target, limits=LIMITS)
        rows = [row for row in await self._between(now.tree, target) if _GITLINK not in row[1]]
        gone = [path for kind, _, path in rows if kind == "D"]
        present = [path for kind, _, path in rows if kind != "D"]
        if odd := await in_thread(_no_folders, self.tree, [entry.path for entry in now.left_out]):
            known = await git.must("ls-files", "-z", "--", *odd, limits=LIMITS)
            present += [os.fsdecode(path) for path in known.split(b"\0") if path]
        tell = ("checkout-index", "-q", "-f", "-z", "--stdin")
        await git.must(*tell, stdin=joined(present), limits=LIMITS)
        await in_thread(put, self.tree, out, sorted({*present}), gone, old)

    async def _between(self, old: str, new: str) -> list[tuple[str, str, str]]:
        """What happened to each path, its two modes, and the path."""
        arguments = ("diff-tree", "-r", "-z", "--raw", "--no-renames", old, new)
        out = await self.git.must(*arguments, limits=LIMITS)
        fields = [os.fsdecode(field) for field in out.split(b"\0")]
        rows = zip(fields[0::2], fields[1::2], strict=False)
        return [(row[-1], row[1:14], path) for row, path in rows]

    async def _at_source(self, *, merged: bool = False) -> set[str]:
        """The ids that the source's branches have, or only those that are not ours."""
        form = ("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/remotes")
        listed = await Git(Path(self.about.mirror)).must(*form, limits=LIMITS)
        rows = os.fsdecode(listed).splitlines()
        return {row.split(" ")[0] for row in rows if not (merged and "/coworker/" in row)}

    async def _is_beyond(self, known: set[str]) -> bool:
        """Whether the branch has a commit that none of these has."""
        asked = "".join(f"{line}\n" for line in ("HEAD", *(f"^{sha}" for sha in sorted(known))))
        arguments = ("rev-list", "--max-count=1", "--stdin")
        return bool(await self.git.must(*arguments, stdin=asked.encode(), limits=LIMITS))

    async def _commit_id(self, ref: str, default: str = "") -> str:
        ask = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{ref}^{{commit}}")
        output = await self.git.run(*ask) if ref.isprintable() else None
        if output and output.status == 0:
            return output.out.decode().strip()
        if not default:
            raise ToolError(f"There is no commit {one_line(ref, 80)} in this workspace.")
        return default

    async def _tree_id(self, commit: str) -> str:
        return (await self.git.must("rev-parse", f"{commit}^{{tree}}")).decode().strip()

    @asynccontextmanager
    async def _scratch(self, discard: Discard | None = None) -> AsyncIterator[Path]:
        """A folder that only we write, gone afterwards."""
        scratch = self.folder / f"scratch-{secrets.token_hex(4)}"
        try:
            await in_thread(_make, scratch)
            yield scratch
        finally:
            await (discard(scratch) if discard else in_thread(_discard, scratch))


def _refuse_left_out(now: Snapshot) -> None:
    if now.left_out:
        named = "; ".join(f"{path_name(entry.path)} {entry.why}" for entry in now.left_out[:5])
        raise ToolError(f"Nothing was committed, for this cannot be: {named}.")


def _no_folders(tree: Path, paths: Sequence[str]) -> list[str]:
    return [path for path in paths if not _is_folder(tree / path)]


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _make(*folders: Path) -> None:
    with gitdir.in_words():
        for folder in folders:
            folder.mkdir(mode=0o700)


def _copy_index(kept: Path, index: Path, files: Path) -> None:
    with gitdir.in_words():
        shutil.copyfile(kept, index)
        files.mkdir(mode=0o700)


def _discard(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _to_trash(folder: Path) -> Path:
    trash = folder.parent / ".trash"
    with gitdir.in_words():
        trash.mkdir(mode=0o700, exist_ok=True)
        return folder.rename(trash / f"{folder.name}.{secrets.token_hex(4)}")
