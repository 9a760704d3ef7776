"""Search file contents with ripgrep, or with git where ripgrep is missing.

The programs only say where something is; the lines themselves are read here, through handles that
cannot leave the repository. It does not know who asked.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from coworker.errors import ToolError
from coworker.repos import program
from coworker.repos.checkout import Checkout
from coworker.repos.git import Git
from coworker.repos.program import Limits, Output
from coworker.repos.root import Root
from coworker.repos.text import one_line, path_name
from coworker.tools import lines
from coworker.tools.base import bounded
from coworker.tools.globs import Glob

_PER_FILE = 20
_MAX_HITS = 200
_WIDTH = 240
_MAX_PATTERN = 1_000
_LIMITS = Limits(seconds=20, keep=400_000, drain=False)
_RIPGREP = (
    "rg",
    "--no-config",
    "--encoding=none",
    "--no-mmap",
    "--color=never",
    "--no-heading",
    "--with-filename",
    "--line-number",
    "--column",
    "--null",
    "--max-columns=1",  # the places are enough
    f"--max-count={_PER_FILE + 1}",
    "--sort=path",
    "--no-messages",
    "--hidden",
    "--no-ignore-global",
    "--no-ignore-parent",
)
_GIT_GREP = (
    "--no-literal-pathspecs",
    "grep",
    "--no-index",
    "--exclude-standard",
    "--no-textconv",
    "-I",
    "--null",
    "--line-number",
    "--column",
    "--only-matching",
)
_RIPGREP_HIT = re.compile(rb"([^\0]+)\0(\d+):(\d+):[^\n]*\n")
_GIT_HIT = re.compile(rb"([^\0]+)\0(\d+)\0(\d+)\0[^\n]*\n")


@dataclass(slots=True)
class Hits:
    """Where something was found: lines, each with its first column (both from 1), by path."""

    places: dict[str, dict[int, int]] = field(default_factory=dict)
    count: int = 0
    is_cut: bool = False

    def add(self, path: str, line: int, column: int) -> None:
        """Note one place; one more than a file's share tells that the file has more."""
        places = self.places.get(path, {})
        if line in places or len(places) > _PER_FILE:
            return
        if self.count >= _MAX_HITS and len(places) < _PER_FILE:
            self.is_cut = True
            return
        self.count += len(places) < _PER_FILE
        self.places.setdefault(path, places)[line] = column


async def find(
    root: Root, checkout: Checkout | None, pattern: str, where: str, glob: str | None
) -> str:
    """What a search found, as text for the model. Raises ToolError in words."""
    _refuse_impossible(pattern)
    chosen = None if glob is None else Glob(glob)
    place = await asyncio.to_thread(root.resolved, where)
    with root.folder() as fd:
        cwd = f"/proc/self/fd/{fd}"
        if program.find("rg"):
            hits = await _ripgrep(cwd, pattern, place, chosen)
        else:
            git = checkout.git if checkout else Git(Path("/nonexistent"))
            hits = await _git_grep(git, cwd, pattern, place, chosen)
    if not hits.places:
        return f"No matches for {one_line(pattern)}."
    return await asyncio.to_thread(_shown, root, hits)


def _refuse_impossible(pattern: str) -> None:
    if not pattern:
        raise ToolError("The pattern is empty. list_files lists files.")
    if "\0" in pattern or "\n" in pattern:
        raise ToolError("The pattern has a line break or NUL in it. Search for one line at a time.")
    if len(pattern) > _MAX_PATTERN:
        raise ToolError(f"The pattern is longer than {_MAX_PATTERN} characters.")


async def _ripgrep(cwd: str, pattern: str, place: str, glob: Glob | None) -> Hits:
    globs = [f"--glob={one}" for one in glob.anchored(place)] if glob else []
    start = "./" if place == "." else f"./{place}"
    argv = [*_RIPGREP, *globs, "--glob=!.git", f"--regexp={pattern}", "--", start]
    output = await program.run(argv, cwd=cwd, limits=_LIMITS)
    return _hits(output, _RIPGREP_HIT)


async def _git_grep(git: Git, cwd: str, pattern: str, place: str, glob: Glob | None) -> Hits:
    """Without Perl's syntax, where this git was built without it."""
    output = Output(128, b"", "", 0)
    for syntax in ("--perl-regexp", "--extended-regexp"):
        argv = [*_GIT_GREP, syntax, "-e", pattern, "--", *_pathspecs(place, glob)]
        output = await git.run(*argv, cwd=cwd, limits=_LIMITS)
        if "Perl-compatible" not in output.err:
            break
    return _hits(output, _GIT_HIT)


def _pathspecs(place: str, glob: Glob | None) -> list[str]:
    if glob is None:
        return [f":(literal){place}"]
    if glob.is_negated:
        excluded = [f":(exclude,glob){one.removeprefix('!')}" for one in glob.anchored(place)]
        return [f":(literal){place}", *excluded]
    return [f":(glob){one}" for one in glob.anchored(place)]


def _hits(output: Output, form: re.Pattern[bytes]) -> Hits:
    hits = Hits(is_cut=output.is_cut)
    for path, line, column in form.findall(output.out):
        hits.add(os.fsdecode(path).removeprefix("./"), int(line), int(column))
    if not hits.places and output.status not in (0, 1) and output.err:
        raise ToolError(
            f"The pattern or the glob was not understood: {_reason(output.err)}. "
            "Escape ( [ { . * + ? | \\ with a backslash to search for them literally."
        )
    return hits


def _reason(err: str) -> str:
    """The line of an error that says why."""
    rows = [row.strip() for row in err.splitlines() if row.strip()]
    named = [row for row in rows if row.startswith("error: ")]
    return one_line((named or rows)[0]).removeprefix("error: ").rstrip(".")


def _shown(root: Root, hits: Hits) -> str:
    rows: list[str] = []
    for path, places in hits.places.items():
        with suppress(ToolError):  # gone since, or a link that leads out
            rows += _in_file(root, path, places)
    more = "; there are more, name a path, a glob or a narrower pattern" if hits.is_cut else ""
    files = len(hits.places)
    count = f"{hits.count} line{'' if hits.count == 1 else 's'}"
    title = f"{count} in {files} file{'' if files == 1 else 's'}{more}:"
    return bounded("\n".join([title, *rows]), more="Name a path, a glob or a narrower pattern.")


def _in_file(root: Root, path: str, places: dict[int, int]) -> Iterator[str]:
    shown = sorted(places)[:_PER_FILE]
    with root.file(path) as fd, open(fd, "rb", closefd=False) as file:
        yield path_name(path)
        at = 1
        for line in shown:
            at += lines.skip(file, line - at)
            yield f"  {line}: {lines.around(file, places[line] - 1, _WIDTH)}"
    if len(places) > len(shown):
        yield "  [… more in this file]"
