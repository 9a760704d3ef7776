"""Read, list and search the files of a conversation's repository, and nothing outside of it.

It does not know git's history.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import msgspec

from coworker.errors import NotFound, ToolError
from coworker.protocols import Tool, ToolContext
from coworker.repos.checkout import Checkout, Checkouts
from coworker.repos.program import Limits
from coworker.repos.root import Root
from coworker.repos.text import is_binary, one_line, path_name
from coworker.tools import lines
from coworker.tools.base import LIMIT, Args, bound_repo, bounded, tool
from coworker.tools.globs import Glob
from coworker.tools.search import find

_MAX_LISTED = 400
_MAX_WALKED = 100_000
_LISTING = Limits(seconds=20, keep=64_000_000)
_ENOUGH = LIMIT - 500
Line = Annotated[int, msgspec.Meta(ge=1)]


class ReadFile(Args):
    """A file, or some of its lines, from 1 and inclusive."""

    path: str
    start: Line | None = None
    end: Line | None = None

    def describe(self) -> str:
        """The file and the lines."""
        stretch = f" from line {self.start or 1}" if self.start or self.end else ""
        return f"reads {self.path}{stretch}{f' to {self.end}' if self.end else ''}"


class ListFiles(Args):
    """A folder and which of its files."""

    path: str | None = None
    glob: str | None = None

    def describe(self) -> str:
        """The folder and the pattern."""
        where = f" in {self.path}" if self.path else ""
        return f"lists {self.glob or 'files'}{where}"


class Search(Args):
    """What is looked for, and where."""

    pattern: str
    path: str | None = None
    glob: str | None = None

    def describe(self) -> str:
        """The pattern and the place."""
        where = f" in {self.path or self.glob}" if self.path or self.glob else ""
        return f"searches for {self.pattern}{where}"


def tools(checkouts: Checkouts) -> tuple[Tool, ...]:
    """The file tools, which see repositories through `checkouts`."""

    @tool(effect="read", rerun="safe")
    async def read_file(args: ReadFile, context: ToolContext) -> str:
        """Read a text file, with line numbers. Paths are relative to the repository."""
        root, _ = await _rooted(checkouts, context)
        return await asyncio.to_thread(_read, root, args)

    @tool(effect="read", rerun="safe")
    async def list_files(args: ListFiles, context: ToolContext) -> str:
        """List files that git does not ignore. glob: *.py, src/**/*.ts"""
        root, checkout = await _rooted(checkouts, context)
        return await _list(root, checkout, args)

    @tool(effect="read", rerun="safe")
    async def search(args: Search, context: ToolContext) -> str:
        """Search file contents for a regular expression; (?i) ignores case."""
        root, checkout = await _rooted(checkouts, context)
        where = root.inside(args.path or ".")
        return await find(root, checkout, args.pattern, where, args.glob)

    return read_file, list_files, search


async def _rooted(checkouts: Checkouts, context: ToolContext) -> tuple[Root, Checkout | None]:
    """The files of the conversation's repository, and the repository if it is one."""
    repo = bound_repo(context)
    try:
        checkout = await checkouts.open(repo)
    except NotFound:
        return Root(repo.path), None  # a plain folder; a missing one is refused when it is opened
    if checkout.is_bare:
        raise ToolError(
            f"{repo.name} is a bare repository: it has history and no files. "
            "git_show with a rev and a path shows a file, git_log the history."
        )
    return Root(repo.path), checkout


def _read(root: Root, args: ReadFile) -> str:
    relative, start = root.inside(args.path), args.start or 1
    if args.end and args.end < start:
        raise ToolError(f"end={args.end} lies before start={start}.")
    with root.file(relative) as fd, open(fd, "rb", closefd=False) as file:
        size = os.fstat(fd).st_size
        if is_binary(file.peek(8_192)):
            name = path_name(relative)
            raise ToolError(f"{name} is binary ({size:,} bytes), so there is no text to show.")
        found = lines.read(file, start, args.end, _ENOUGH)
    if not found.texts and start > 1:
        raise ToolError(f"{path_name(relative)} has {found.total} lines; there is no line {start}.")
    body = (f"{number}\t{text}" for number, text in enumerate(found.texts, start))
    return bounded("\n".join([_title(relative, start, found), *body]), more="Read fewer lines.")


def _title(relative: str, start: int, found: lines.Lines) -> str:
    """What is shown of how much, and how to see the rest."""
    if not found.texts:
        return f"{path_name(relative)} is empty."
    last = start + len(found.texts) - 1
    total = "many more" if found.total is None else f"{found.total:,}"
    notes = ["CRLF line ends"] if found.has_crlf else []
    if not found.ends_in_newline and last == found.total:
        notes.append("no newline at the end")
    if last != found.total:
        notes.append(f"go on with start={last + 1}")
    return "; ".join([f"{path_name(relative)}, lines {start}-{last} of {total}", *notes])


async def _list(root: Root, checkout: Checkout | None, args: ListFiles) -> str:
    folder = await asyncio.to_thread(_folder, root, root.inside(args.path or "."))
    glob = None if args.glob is None else Glob(args.glob)
    if checkout is None:
        names = await asyncio.to_thread(_walk, root, folder)
    else:
        names = await _known_to_git(checkout, folder)
    return await asyncio.to_thread(_listing, root, folder, names, glob)


def _folder(root: Root, relative: str) -> str:
    with root.folder(relative):
        return root.resolved(relative)


async def _known_to_git(checkout: Checkout, folder: str) -> list[str]:
    """Tracked and new files beneath a folder, relative to it."""
    flags = ("-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    place = checkout.below(folder)
    output = await checkout.git.run("ls-files", *flags, "--", place, limits=_LISTING)
    if output.status:
        raise ToolError(f"git could not list the files: {one_line(output.err)}.")
    start = 0 if place == "." else len(os.fsencode(place)) + 1
    return [os.fsdecode(name[start:]) for name in output.out.split(b"\0") if name[start:]]


def _walk(root: Root, folder: str) -> list[str]:
    """The same without git: every file, through folder handles."""
    names: list[str] = []
    with root.folder(folder) as fd:
        for place, folders, files, here in os.fwalk(".", dir_fd=fd):
            links = [name for name in folders if _is_link(name, here)]
            folders[:] = sorted(name for name in folders if name != ".git")
            below = place.removeprefix(".").lstrip("/")
            names += [f"{below}/{name}".lstrip("/") for name in files + links if name != ".git"]
            if len(names) >= _MAX_WALKED:
                break
    return names


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:  # gone meanwhile
        return False


def _listing(root: Root, folder: str, names: list[str], glob: Glob | None) -> str:
    where = "the repository" if folder == "." else path_name(folder)
    found = sorted(name for name in names if glob is None or glob.matches(name))
    if not found:
        return f"No files{' of that pattern' if glob else ''} in {where}."
    title = f"{_files(len(found))} in {where}"
    start = "" if folder == "." else f"{folder}/"
    if len(found) > _MAX_LISTED and glob is None:
        shown = list(_by_folder(found))
        title += ", by folder (name a path or a glob to see more)"
    else:
        shown = [name for name in found[:_MAX_LISTED] if root.has(f"{start}{name}")]
        if len(found) > _MAX_LISTED:
            title += f", the first {_MAX_LISTED} (name a path or a narrower glob)"
    rows = [path_name(f"{start}{name}") for name in shown[:_MAX_LISTED]]
    more = "Name a path or a narrower glob."
    return bounded("\n".join([f"{title}:", *rows]), more=more)


def _by_folder(names: list[str]) -> Iterator[str]:
    """Folders with the number of files beneath them, then the files right here."""
    counts = Counter(name.partition("/")[0] for name in names if "/" in name)
    yield from (f"{folder}/ ({_files(count)})" for folder, count in sorted(counts.items()))
    yield from (name for name in names if "/" not in name)


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"
