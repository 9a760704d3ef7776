"""Record a folder's files as a git tree, of a workspace or of a person's checkout.

What git itself reads beneath the folder is only names and dates. Contents are first copied, safely,
to where nobody else writes. It does not know what the tree is wanted for.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from coworker.errors import ToolError
from coworker.repos.git import Git, failure
from coworker.repos.program import Limits
from coworker.repos.text import path_name
from coworker.repos.tree import LeftOut, in_thread, take

LIMITS = Limits(seconds=300, keep=64_000_000)
_LISTING = Limits(seconds=300, keep=20_000_000, drain=False)
_STATUS = (
    "status",
    "--porcelain=v2",
    "-z",
    "--untracked-files=all",
    "--no-renames",
    "--ignore-submodules=all",
)
_GITLINK = b"160000"
_POINTER = b"version https://git-lfs.github.com/spec/"
_MAX_POINTER = 1_024


@dataclass(frozen=True, slots=True)
class Listing:
    """The paths that may differ from the last commit, and those that are not looked into."""

    paths: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tree's id and what of the folder is not in it."""

    tree: str
    left_out: tuple[LeftOut, ...]


async def listing(files: Git) -> Listing:
    """What differs between the last commit, the index and the files. Raises ToolError."""
    output = await files.run(*_STATUS, limits=_LISTING)
    if output.is_cut:
        raise ToolError(
            "There are too many new files to look at. Have the folder that is not part of the "
            "work removed, or named in .gitignore."
        )
    if output.status != 0:
        raise failure("status", output)
    return _parsed(output.out)


def only(seen: Listing, wanted: Sequence[str]) -> Listing:
    """What is seen of some files and folders. Raises ToolError for one without a change."""
    asked, met = {_inside(path) for path in wanted}, set[str]()

    def is_wanted(path: str) -> bool:
        parents = (str(parent) for parent in PurePosixPath(path).parents)
        hits = asked.intersection((path, *parents))
        met.update(hits)
        return bool(hits)

    paths = tuple(path for path in seen.paths if is_wanted(path))
    left_out = tuple(entry for entry in seen.left_out if is_wanted(entry.path))
    if missing := sorted(asked - met):
        raise ToolError(
            f"There is no change in {path_name(missing[0])}: no such file, or it is as in the last "
            "commit, or .gitignore names it."
        )
    return Listing(paths, left_out)


async def snapshot(git: Git, folder: Path, seen: Listing, scratch: Path) -> Snapshot:
    """The tree of `git`'s index with the listed paths as they are in `folder`.

    The index is changed accordingly. Nobody else may write to `scratch`, git's work tree.
    """
    taken = await in_thread(take, folder, seen.paths, scratch)
    if taken.gone:
        remove = ("update-index", "--force-remove", "-z", "--stdin")
        await git.must(*remove, stdin=joined(taken.gone), limits=LIMITS)
    filtered = await _filtered(git, scratch, taken.present) if taken.present else []
    skipped = {entry.path for entry in filtered}
    present = [path for path in taken.present if path not in skipped]
    if present:
        add = ("update-index", "--add", "--replace", "-z", "--stdin")
        await git.must(*add, stdin=joined(present), limits=LIMITS)
    tree = (await git.must("write-tree", limits=LIMITS)).decode().strip()
    return Snapshot(tree, (*seen.left_out, *taken.left_out, *filtered))


async def filters(git: Git, paths: Collection[str]) -> dict[str, str]:
    """Which of these paths are kept by a filter such as lfs, and by which."""
    arguments = ("check-attr", "-z", "--stdin", "filter")
    out = await git.must(*arguments, stdin=joined(paths), limits=LIMITS)
    fields = [os.fsdecode(field) for field in out.split(b"\0")]
    values = zip(fields[0::3], fields[2::3], strict=False)
    return {path: value for path, value in values if value not in ("unspecified", "unset", "set")}


def joined(paths: Iterable[str]) -> bytes:
    """Paths as git reads them with -z."""
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def _inside(path: str) -> str:
    clean = PurePosixPath(path)
    if not path or clean.is_absolute() or ".." in clean.parts:
        raise ToolError(f"{path_name(path)} is no path relative to the top of the workspace.")
    return str(clean)


async def _filtered(git: Git, scratch: Path, paths: Collection[str]) -> list[LeftOut]:
    """Files that only a program could turn into what is kept; it is not run here."""
    found = await filters(git, paths)
    pointers = await in_thread(_pointers, scratch, found)
    return [
        LeftOut(path, f"is kept by the filter {name}, which is not run here")
        for path, name in found.items()
        if path not in pointers
    ]


def _pointers(scratch: Path, paths: Iterable[str]) -> set[str]:
    """Those that already are what git-lfs keeps in place of a file."""
    return {path for path in paths if _is_pointer(scratch / path)}


def _is_pointer(path: Path) -> bool:
    if path.is_symlink() or path.stat().st_size > _MAX_POINTER:
        return path.is_symlink()
    return path.read_bytes().startswith(_POINTER)


def _parsed(out: bytes) -> Listing:
    paths, left_out = [], []
    for row in out.split(b"\0"):
        if row.startswith(b"? "):
            path = os.fsdecode(row[2:])
            if path.endswith("/"):
                left_out.append(LeftOut(path.rstrip("/"), "is a repository of its own"))
            else:
                paths.append(path)
        elif row.startswith((b"1 ", b"u ")):
            *fields, last = row.split(b" ", 8 if row.startswith(b"1") else 10)
            path = os.fsdecode(last)
            if _GITLINK in fields:
                left_out.append(LeftOut(path, "is a submodule; its pointer stays as it is"))
            else:
                paths.append(path)
    return Listing(tuple(paths), tuple(left_out))
