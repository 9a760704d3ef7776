"""Run git so that nothing of a repository's own settings is obeyed.

It never discovers a repository: which git directory, files and index are meant is always said. It
does not know what its output means.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coworker.repos import program
from coworker.repos.program import Limits, Output

ENVIRONMENT = {
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_COUNT": "0",
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
    "core.bigFileThreshold=32m",
    "log.showSignature=false",
    "gpg.program=false",
    "credential.helper=",
    "protocol.allow=never",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "color.ui=false",
)
_FLAGS = ("--no-pager", "--no-optional-locks", "--no-replace-objects", "--literal-pathspecs")


@dataclass(frozen=True, slots=True)
class Git:
    """The git command line on one trusted git directory and, if there are any, its files."""

    git_dir: Path
    work_tree: Path | None = None
    index: Path | None = None

    async def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        limits: Limits = Limits(),  # noqa: B008  # frozen
        cwd: str = "/",
    ) -> Output:
        """Run one git command; paths are literal and relative to the work tree.

        A failing command is an Output with its status. Raises Unavailable without git and TryLater
        when it takes too long.
        """
        argv = ["git", *_FLAGS, *_settings(), *self._where()]
        env = {**ENVIRONMENT, "GIT_INDEX_FILE": str(self.index)} if self.index else ENVIRONMENT
        return await program.run([*argv, *arguments], env=env, cwd=cwd, stdin=stdin, limits=limits)

    def _where(self) -> list[str]:
        where = [f"--git-dir={self.git_dir}"]
        return [*where, f"--work-tree={self.work_tree}"] if self.work_tree else where


def _settings() -> list[str]:
    return [part for setting in _SETTINGS for part in ("-c", setting)]
