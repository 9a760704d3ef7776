"""A trusted view of a person's checkout: its history, refs, index and files, but not its settings.

The view is a git directory of our own that borrows theirs piece by piece, so that no hook, filter,
alias or program of theirs can run. Nothing of theirs is written. It does not know what is asked.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from coworker.errors import NotFound
from coworker.repos import gitdir
from coworker.repos.git import Git
from coworker.repos.text import one_line
from coworker.types import Repo

_HEAD = re.compile(rb"(ref: refs/[^\x00-\x20\x7f~^:?*\[\\]+|[0-9a-f]{40,64})\n*")
_SECTION = re.compile(r"\s*\[\s*([\w.-]+)\s*\]")
_ANY_SECTION = re.compile(r"\s*\[")
_SETTING = re.compile(r"\s*([A-Za-z]\w*)\s*=\s*\"?(\w+)\"?\s*(?:[#;].*)?$")
_OBEYED = frozenset(
    {
        "core.filemode",
        "core.autocrlf",
        "core.eol",
        "core.ignorecase",
        "core.symlinks",
        "extensions.objectformat",
        "extensions.refstorage",
    }
)
"""Their settings that say how to read their files; their values are single words."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a checkout lie. `root` is the top of the files, or the bare repository."""

    root: Path
    git_dir: Path
    common: Path
    is_bare: bool


def locate(path: Path) -> Layout:
    """The checkout around a path, found without reading any of its settings.

    Raises NotFound in words when there is none or it cannot be used.
    """
    try:
        start = Path(os.path.realpath(path))
        if not start.exists():
            raise NotFound(f"There is no {_shown(path)} on this machine. Name another folder.")
        for folder in (start, *start.parents):
            if layout := _layout(folder, may_be_bare=folder == start):
                return _outside_git_dir(layout, start)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise NotFound(f"{_shown(path)} cannot be read: {reason}.") from None
    raise NotFound(
        f"{_shown(path)} is no git repository, nor is a folder above it. Name a folder of a "
        "checkout, or make it one with `git init`."
    )


class Checkout:
    """One checkout as the coworker sees it.

    `prefix` is where the opened path lies beneath `root`, "" for the top itself.
    """

    def __init__(self, path: Path, layout: Layout, view: Path, *, is_found: bool) -> None:
        self.path = path
        self.root = layout.root
        self.is_bare = layout.is_bare
        below = os.path.relpath(os.path.realpath(path), layout.root)
        self.prefix = "" if below == "." or layout.is_bare or below.startswith("..") else below
        self._layout = layout
        self._view = view
        self._is_found = is_found
        if layout.is_bare:
            self.git = Git(view)
        else:
            self.git = Git(view, layout.root, layout.git_dir / "index")

    @classmethod
    async def open(cls, path: Path, state_dir: Path, git_dir: Path | None = None) -> Checkout:
        """Find the checkout around a path and lay out our view of it under the state directory.

        With `git_dir` nothing is looked for: the path is the top of its files. Raises NotFound in
        words.
        """
        return await asyncio.to_thread(cls._open, path, state_dir, git_dir)

    async def refresh(self) -> None:
        """Take over what changed in their git directory. Raises NotFound when it is gone."""
        await asyncio.to_thread(self._refresh)

    def below(self, relative: str) -> str:
        """A path relative to the opened folder as git counts it, from the top of the checkout."""
        return os.path.normpath(f"{self.prefix}/{relative}").lstrip("/") or "."

    @property
    def view(self) -> Path:
        """Our git directory: as good as theirs to read from, and trusted."""
        return self._view

    @property
    def objects(self) -> Path:
        """Where their objects lie."""
        return self._layout.common / "objects"

    @property
    def settings(self) -> bytes:
        """Their configuration file as it is. Nobody but a parser may read it."""
        return gitdir.small_file(self._layout.common / "config") or b""

    @property
    def object_format(self) -> str:
        """How their objects are named: sha1 or sha256."""
        text = (gitdir.small_file(self._view / "config") or b"").decode()
        return _obeyed(text).get("extensions.objectformat", "sha1")

    @property
    def branch(self) -> str:
        """The branch that is checked out, "" for a detached HEAD."""
        head = os.fsdecode(gitdir.small_file(self._view / "HEAD") or b"").strip()
        return head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else ""

    async def head(self) -> str:
        """The full id of the commit that is checked out, "" while there is none."""
        output = await self.git.run("rev-parse", "--quiet", "--verify", "HEAD^{commit}")
        return output.out.decode().strip() if output.status == 0 else ""

    @classmethod
    def _open(cls, path: Path, state_dir: Path, git_dir: Path | None) -> Checkout:
        layout = Layout(path, git_dir, git_dir, is_bare=False) if git_dir else locate(path)
        place = f"{layout.root}\0{layout.git_dir}".encode(errors="surrogateescape")
        view = state_dir / "checkouts" / hashlib.sha256(place).hexdigest()[:20]
        checkout = cls(path, layout, view, is_found=git_dir is None)
        checkout._write_view()
        return checkout

    def _refresh(self) -> None:
        if self._is_found and locate(self.path) != self._layout:
            raise NotFound(f"{_shown(self.path)} is another checkout than before. Ask again.")
        self._write_view()

    @gitdir.in_words()
    def _write_view(self) -> None:
        view, git_dir, common = self._view, self._layout.git_dir, self._layout.common
        head = gitdir.small_file(git_dir / "HEAD") or b""
        if not _HEAD.fullmatch(head):
            raise NotFound(f"{_shown(self.root)}: its git directory is damaged (HEAD).")
        (view / "objects" / "info").mkdir(mode=0o700, parents=True, exist_ok=True)
        (view / "info").mkdir(exist_ok=True)
        gitdir.put(view / "config", _config(gitdir.small_file(common / "config") or b""))
        gitdir.put(view / "objects/info/alternates", gitdir.alternates(common / "objects"))
        gitdir.put(view / "info/exclude", gitdir.small_file(common / "info/exclude"))
        gitdir.put(view / "shallow", gitdir.shallow(gitdir.small_file(common / "shallow")))
        for name in ("refs", "packed-refs", "reftable"):
            gitdir.point(view / name, common / name)
        gitdir.put(view / "HEAD", head)


class Checkouts:
    """The open checkouts, each brought up to date at most every `fresh_s` seconds."""

    def __init__(
        self,
        state_dir: Path,
        fresh_s: float = 1.0,
        prepare: Callable[[Repo], Awaitable[None]] | None = None,
    ) -> None:
        self._state_dir = state_dir
        self._fresh_s = fresh_s
        self._prepare = prepare
        self._known: dict[Path, tuple[Checkout, float]] = {}
        self._locks: dict[Path, asyncio.Lock] = {}

    async def open(self, repo: Repo) -> Checkout:
        """The trusted view of a repository's checkout.

        Raises NotFound in words, and what `prepare` raises.
        """
        if self._prepare and repo.git_dir is None:
            await self._prepare(repo)
        async with self._locks.setdefault(repo.path, asyncio.Lock()):
            known, at = self._known.pop(repo.path, (None, 0.0))
            if known is None:
                known = await Checkout.open(repo.path, self._state_dir, repo.git_dir)
                at = time.monotonic()
            elif time.monotonic() - at >= self._fresh_s:
                await known.refresh()
                at = time.monotonic()
            self._known[repo.path] = known, at
            return known


def _layout(folder: Path, *, may_be_bare: bool) -> Layout | None:
    dot_git = folder / ".git"
    if dot_git.is_dir() and (dot_git / "HEAD").exists():
        return Layout(folder, dot_git, _common(dot_git), is_bare=False)
    if dot_git.is_file():
        git_dir = _pointed_at(dot_git)
        return Layout(folder, git_dir, _common(git_dir), is_bare=False)
    if may_be_bare and folder.name != ".git" and _looks_bare(folder):
        return Layout(folder, folder, folder, is_bare=True)
    return None


def _outside_git_dir(layout: Layout, start: Path) -> Layout:
    for inner in (layout.git_dir, layout.common):
        if not layout.is_bare and start.is_relative_to(inner):
            raise NotFound(f"{_shown(start)} is git's own folder. Name {_shown(layout.root)}.")
    return layout


def _pointed_at(dot_git: Path) -> Path:
    text = os.fsdecode(gitdir.small_file(dot_git) or b"")
    target = text.removeprefix("gitdir:").strip()
    git_dir = Path(os.path.normpath(dot_git.parent / target))
    if not text.startswith("gitdir:") or not (git_dir / "HEAD").is_file():
        raise NotFound(
            f"{_shown(dot_git)} points at {_shown(git_dir)}, which is no git directory (any more). "
            "`git worktree repair` in the main checkout mends a moved one."
        )
    return git_dir


def _common(git_dir: Path) -> Path:
    """Where a linked worktree keeps what it shares with the others."""
    text = os.fsdecode(gitdir.small_file(git_dir / "commondir") or b"").rstrip("\n")
    return Path(os.path.normpath(git_dir / text)) if text else git_dir


def _looks_bare(folder: Path) -> bool:
    has_parts = (folder / "objects").is_dir() and (folder / "refs").is_dir()
    return has_parts and (folder / "HEAD").is_file()


def _config(theirs: bytes) -> bytes:
    """Our settings, and of theirs only those that say how the files are to be read."""
    lines = ["[core]", "\trepositoryformatversion = 1", "\tbare = true"]
    for name, value in sorted(_obeyed(theirs.decode(errors="replace")).items()):
        section, _, key = name.partition(".")
        lines += [f"[{section}]", f"\t{key} = {value}"]
    return ("\n".join(lines) + "\n").encode()


def _obeyed(text: str) -> dict[str, str]:
    found, section = {}, ""
    for line in text.splitlines():
        rest = line
        if _ANY_SECTION.match(line):
            match = _SECTION.match(line)
            section, rest = (match[1].lower(), line[match.end() :]) if match else ("", "")
        setting = _SETTING.match(rest)
        if setting and f"{section}.{setting[1].lower()}" in _OBEYED:
            found[f"{section}.{setting[1].lower()}"] = setting[2].lower()
    return found


def _shown(path: Path) -> str:
    return one_line(str(path))
