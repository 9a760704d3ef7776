"""Run git so that nothing of a repository's own settings is obeyed.

It never discovers a repository: which git directory, files and index are meant is always said. It
does not know what its output means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from coworker.errors import DiskFull, ToolError
from coworker.repos import program
from coworker.repos.program import Limits, Output
from coworker.repos.text import one_line

ENVIRONMENT = {
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "credential.helper",
    "GIT_CONFIG_VALUE_0": "",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "GIT_SSH_COMMAND": "false",
    "GIT_EDITOR": "false",
    "GIT_PAGER": "cat",
}
"""What every git process of ours runs with, beside PATH and the language."""

_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.quotePath=false",
    "diff.autoRefreshIndex=false",  # git diff would write to their index
    "core.bigFileThreshold=32m",
    "log.showSignature=false",
    "gpg.program=false",
    "protocol.allow=never",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "color.ui=false",
)
_FLAGS = ("--no-pager", "--no-optional-locks", "--no-replace-objects", "--literal-pathspecs")


_FULL = ("No space left on device", "Disk quota exceeded", "Out of diskspace")


@dataclass(frozen=True, slots=True)
class Git:
    """The git command line on one trusted git directory and, if there are any, its files.

    New objects go to `objects` when it is given, which then also says what is borrowed.
    """

    git_dir: Path
    work_tree: Path | None = None
    index: Path | None = None
    objects: Path | None = None
    settings: tuple[str, ...] = ()

    async def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        limits: Limits = Limits(),  # noqa: B008  # frozen
        cwd: str = "/",
        env: Mapping[str, str | None] | None = None,
    ) -> Output:
        """Run one git command; paths are literal and relative to the work tree.

        `env` changes its environment, None takes a variable out. A failing command is an Output
        with its status. Raises Unavailable without git and TryLater when it takes too long.
        """
        settings = [part for setting in (*_SETTINGS, *self.settings) for part in ("-c", setting)]
        argv = ["git", *_FLAGS, *settings, *self._where(), *arguments]
        changed = {**ENVIRONMENT, **self._files(), **(env or {})}
        clean = {name: value for name, value in changed.items() if value is not None}
        return await program.run(argv, env=clean, cwd=cwd, stdin=stdin, limits=limits)

    async def must(
        self,
        *arguments: str,
        stdin: bytes = b"",
        limits: Limits = Limits(),  # noqa: B008  # frozen
        env: Mapping[str, str | None] | None = None,
    ) -> bytes:
        """The whole output of a command that has to succeed.

        Raises what `run` raises, DiskFull, and ToolError with git's own words or for a flood.
        """
        output = await self.run(*arguments, stdin=stdin, limits=limits, env=env)
        if output.status != 0:
            raise failure(arguments[0], output)
        if output.is_cut:
            raise ToolError(f"git {arguments[0]} says too much here ({output.size:,} bytes).")
        return output.out

    async def alone(
        self,
        *arguments: str,
        limits: Limits = Limits(),  # noqa: B008  # frozen
        env: Mapping[str, str | None] | None = None,
    ) -> Output:
        """Run a command that writes where nobody else does.

        So locks that are in the way were left by a git that was killed, and half a pack by one
        that failed: they are removed.
        """
        output = await self.run(*arguments, limits=limits, env=env)
        if output.status == 0:
            return output
        await asyncio.to_thread(_clear, self.git_dir)
        if ".lock': File exists" not in output.err:
            return output
        return await self.run(*arguments, limits=limits, env=env)

    def _where(self) -> list[str]:
        where = [f"--git-dir={self.git_dir}"]
        return [*where, f"--work-tree={self.work_tree}"] if self.work_tree else where

    def _files(self) -> dict[str, str]:
        files = {"GIT_INDEX_FILE": self.index, "GIT_OBJECT_DIRECTORY": self.objects}
        named = {name: str(path) for name, path in files.items() if path}
        return named if self.work_tree else {**named, "GIT_IMPLICIT_WORK_TREE": "0"}


def failure(command: str, output: Output) -> DiskFull | ToolError:
    """What to say of a git command that failed."""
    if any(sign in output.err for sign in _FULL):
        return DiskFull("The disk is full: git cannot write. Make room and try again.")
    reason = one_line(output.err, 300) or f"exit status {output.status}"
    return ToolError(f"git {command} failed: {reason}")


def _clear(git_dir: Path) -> None:
    left = [*git_dir.glob("*.lock"), *git_dir.glob("refs/**/*.lock")]
    for path in (*left, *git_dir.glob("objects/pack/tmp_*")):
        with suppress(OSError):
            path.unlink()
