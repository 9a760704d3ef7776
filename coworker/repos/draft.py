"""Make a workspace under another name and move it to its place when everything is there.

It does not know which workspaces there are.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from coworker.errors import TryLater
from coworker.repos import commits, gitdir
from coworker.repos.checkout import Checkout
from coworker.repos.commits import Identity
from coworker.repos.git import Git
from coworker.repos.mirror import Mirror
from coworker.repos.snapshot import LIMITS, filters, listing, snapshot
from coworker.repos.text import one_line, path_name
from coworker.repos.tree import LeftOut, in_thread
from coworker.repos.workspace import About
from coworker.types import Repo

_CARRIED = b"Uncommitted changes of the checkout (base)\n"
_EMPTY = b"Nothing yet (base)\n"
_QUICK = ("checkout.workers=2", "core.fsync=none")
_NAMED = 5


class Draft:
    """A workspace in the making. `place` is where it will be."""

    def __init__(self, folder: Path, place: Path, branch: str, mirror: Mirror) -> None:
        self._folder = folder
        self._place = place
        self._branch = branch
        self._mirror = mirror
        self._git = Git(folder / "git", settings=_QUICK)

    async def make(self, slug: str, repo: Repo, start: str, checkout: Checkout | None) -> None:
        """Make it at a commit, "" for none, with the uncommitted files of a checkout if given."""
        await in_thread(self._lay_out, self._mirror.object_format)
        tree, left_out = await self._carried(start, checkout) if checkout else ("", ())
        base = await self._base(start, tree)
        await in_thread(self._lay_base, base)
        files = Git(self._git.git_dir, self._folder / "tree", settings=_QUICK)
        await files.must("read-tree", "--reset", "-u", base, limits=LIMITS)
        carried = bool(tree) and base != start
        about = About(
            slug=slug,
            repo=repo.name,
            branch=self._branch,
            base=base,
            carried=carried,
            mirror=str(self._mirror.path),
            notes=[*_brought(base, carried), *_not_carried(left_out), *await _notes(files)],
        )
        await in_thread(self._finish, msgspec.json.encode(about))

    async def _carried(self, start: str, checkout: Checkout) -> tuple[str, Sequence[LeftOut]]:
        """The tree of their files as they are, "" for no change; their index is only read."""
        if checkout.is_bare:
            return "", ()
        seen = await listing(checkout.git)
        await checkout.refresh()
        if await checkout.head() != start:
            raise TryLater("The checkout went to another commit in this very moment. Try again.")
        if not seen.paths:
            return "", seen.left_out
        files, objects = self._folder / "carry", self._git.git_dir / "objects"
        git = Git(checkout.view, files, self._folder / "carry.index", objects)
        if start:
            await git.must("read-tree", start, limits=LIMITS)
        taken = await snapshot(git, checkout.root, seen, files)
        return taken.tree, taken.left_out

    async def _base(self, start: str, tree: str) -> str:
        """The commit to begin from: theirs, or a labelled one of what was carried over."""
        if start and tree in ("", await self._id("rev-parse", f"{start}^{{tree}}")):
            return start
        label = _CARRIED if tree else _EMPTY
        parents = ("-p", start) if start else ()
        arguments = ("commit-tree", tree or await self._id("mktree"), *parents)
        made = await self._git.must(*arguments, stdin=label, env=commits.environment(Identity()))
        return made.decode().strip()

    async def _id(self, *arguments: str) -> str:
        return (await self._git.must(*arguments)).decode().strip()

    def _lay_out(self, object_format: str) -> None:
        with gitdir.in_words():
            for folder in ("tree", "git/objects/info", "git/objects/pack", "git/refs/heads"):
                (self._folder / folder).mkdir(mode=0o700, parents=True)
            git_dir = self._git.git_dir
            borrowed = gitdir.alternates(self._mirror.objects)
            gitdir.put(git_dir / "objects/info/alternates", borrowed)
            gitdir.put(git_dir / "config", gitdir.config(object_format, is_bare=False))
            gitdir.put(git_dir / "shallow", gitdir.small_file(self._mirror.path / "shallow"))
            gitdir.put(git_dir / "HEAD", f"ref: refs/heads/{self._branch}\n".encode())

    def _lay_base(self, base: str) -> None:
        with gitdir.in_words():
            ref = self._git.git_dir / "refs/heads" / self._branch
            ref.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            gitdir.put(ref, f"{base}\n".encode())

    def _finish(self, about: bytes) -> None:
        with gitdir.in_words():
            shutil.rmtree(self._folder / "carry", ignore_errors=True)
            (self._folder / "carry.index").unlink(missing_ok=True)
            pointer = b"gitdir: %s\n" % os.fsencode(self._place / "git")
            gitdir.put(self._folder / "dotgit", pointer)
            gitdir.put(self._folder / "tree" / ".git", pointer)
            gitdir.put(self._folder / "about.json", about)
            self._folder.rename(self._place)


async def _notes(files: Git) -> list[str]:
    """What a person should know of submodules and of files that are kept by a filter."""
    listed = await files.must("ls-files", "-s", "-z", limits=LIMITS)
    rows = [row.split(b"\t", 1) for row in listed.split(b"\0") if row]
    notes = []
    if links := [os.fsdecode(path) for how, path in rows if how.startswith(b"160000")]:
        notes.append(f"Submodules are left as they are, without their files: {_some(links)}.")
    ids = [how.split(b" ")[1] + b"\n" for how, path in rows if path.endswith(b".gitattributes")]
    rules = (
        await files.must("cat-file", "--batch", stdin=b"".join(ids), limits=LIMITS) if ids else b""
    )
    if b"filter" in rules:
        found = await filters(files, [os.fsdecode(path) for _, path in rows])
        for name, count in sorted(Counter(found.values()).items()):
            paths = [path for path, filter_ in found.items() if filter_ == name]
            notes.append(
                f"The filter {one_line(name, 40)} is not run here: {count} files are as it keeps "
                f"them, and changes to them are not committed: {_some(paths)}."
            )
    return notes


def _brought(base: str, carried: bool) -> list[str]:
    label = f"The work builds on the uncommitted files of the checkout, kept as commit {base[:10]}."
    return [f"{label} A push takes that commit along."] if carried else []


def _not_carried(left_out: Sequence[LeftOut]) -> list[str]:
    named = [f"{path_name(entry.path)} {entry.why}" for entry in left_out]
    return [f"Not carried over: {_some(named, '; ')}."] if named else []


def _some(names: Sequence[str], between: str = ", ") -> str:
    shown = between.join(path_name(name, 300) for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
