"""From which files a repository's set-up may run, and which of them decide what it installs.

It knows nothing of what is in them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from coworker.repos import marks
from coworker.repos.git import Git
from coworker.repos.snapshot import LIMITS
from coworker.repos.workspace import Workspace

_NAME = re.compile(
    r"(uv|poetry|pdm|Pipfile|Cargo|Gemfile|composer|mix|flake|deno|pubspec|Podfile|packages)\.lock"
    r"|(package-lock|npm-shrinkwrap|package|composer|deno|Pipfile\.lock)\.json|pnpm-lock\.yaml"
    r"|yarn\.lock|bun\.lockb?|go\.(mod|sum|work)|(requirements|constraints)[\w.-]*\.(txt|in)"
    r"|pyproject\.toml|pylock[\w.]*\.toml|setup\.(py|cfg)|Pipfile|Gemfile|Cargo\.toml|build\.rs"
    r"|[Mm]akefile|GNUmakefile|justfile|\.npmrc|\.yarnrc(\.yml)?|pip\.conf|uv\.toml"
)
_ALLOWED = "refs/coworker/set-up"
_BETWEEN = re.compile(r"[\s;&|()<>=\"']+")
Locks = dict[str, str]
"""The path of each such file and the id of its content."""


async def allowed(workspace: Workspace) -> str:
    """The commit whose files set-up may run from: the person's, or what one has allowed since."""
    output = await workspace.git.run("rev-parse", "--quiet", "--verify", _ALLOWED)
    return output.out.decode().strip() or workspace.base()


async def allow(workspace: Workspace, commit: str) -> None:
    """From now on set-up may run from these files."""
    await marks.update(workspace, _ALLOWED, commit)


async def found(git: Git, tree: str, setup: Iterable[str]) -> Locks:
    """Those of a commit or tree, with the files that a set-up command itself names."""
    named = {str(PurePosixPath(word)) for command in setup for word in _BETWEEN.split(command)}
    listed = await git.must("ls-tree", "-r", "-z", "--full-tree", tree, limits=LIMITS)
    rows = (os.fsdecode(row).split("\t", 1) for row in listed.split(b"\0") if row)
    return {
        path: about.split(" ")[2]
        for about, path in rows
        if path in named or _NAME.fullmatch(path.rpartition("/")[2])
    }


def changed(old: Locks, new: Locks) -> list[str]:
    """The paths that were added, removed or have another content."""
    return sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
