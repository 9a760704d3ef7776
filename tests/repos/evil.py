"""Repositories that plant a program wherever git looks for one."""

import os
import stat
import subprocess
from pathlib import Path

from tests.repos import scene

ATTRIBUTES = "* filter=x diff=x merge=x\n"
MODULES = '[submodule "real"]\n\tpath = real\n\turl = ./real\n\tupdate = !cmd\n\tignore = none\n'
_HOOKS = ("post-index-change", "pre-commit", "post-checkout", "reference-transaction", "pre-push",
          "pre-receive", "update", "post-receive", "post-update", "proc-receive",
          "push-to-checkout")  # fmt: skip
_CONFIG = """
[core]
    fsmonitor = {evil} fsmonitor
    hooksPath = {hooks}
    pager = {evil} pager
    sshCommand = {evil} ssh
    alternateRefsCommand = {evil} alternates
[diff]
    external = {evil} external
[diff "x"]
    textconv = {evil} textconv
    command = {evil} command
[merge "x"]
    driver = {evil} merge
[filter "x"]
    clean = {evil} clean
    smudge = {evil} smudge
    process = {evil} process
    required = true
[uploadpack]
    packObjectsHook = {evil} pack
[receive]
    denyCurrentBranch = updateInstead
[credential]
    helper = !{evil} helper
[gpg]
    program = {evil}
[commit]
    gpgSign = true
[submodule "real"]
    update = !{evil} submodule
"""


class Evil:
    """A program that leaves a trace when it runs, and where to plant it."""

    def __init__(self, folder: Path) -> None:
        self.trace = folder / "trace"
        self.program = folder / "evil"
        self.program.write_text(f'#!/bin/sh\necho "$0 $@" >> {self.trace}\ncat\n')
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    @property
    def ran(self) -> str:
        """What ran, "" for nothing; asked once."""
        text = self.trace.read_text() if self.trace.exists() else ""
        self.trace.unlink(missing_ok=True)
        return text

    def tempted(self, folder: Path, *args: str) -> str:
        """What runs when plain git is used there: the proof that the traps are armed."""
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        subprocess.run(["git", "-C", str(folder), *args], env=env, capture_output=True)
        return self.ran

    def plant(self, git_dir: Path) -> None:
        """Put it into every setting and hook of a git directory."""
        hooks = git_dir / "hooks"
        hooks.mkdir(exist_ok=True)
        for name in _HOOKS:
            (hooks / name).unlink(missing_ok=True)
            (hooks / name).symlink_to(self.program)
        with (git_dir / "config").open("a") as config:
            config.write(_CONFIG.format(evil=self.program, hooks=hooks))
        (git_dir / "info").mkdir(exist_ok=True)
        (git_dir / "info" / "attributes").write_text(ATTRIBUTES)

    def nested(self, folder: Path) -> None:
        """A repository with changes that git would want its filters for."""
        scene.empty(folder)
        scene.commit(folder, "Nested", {".gitattributes": ATTRIBUTES, "n.txt": "n\n"})
        self.plant(folder / ".git")
        scene.write(folder, {"n.txt": "changed\n", "more.txt": "x\n"})

    def trap(self, tree: Path) -> None:
        """Everything that a hostile process can do to the files of a workspace."""
        (tree / ".git").unlink()
        self.nested(tree)  # .git is replaced by a repository of its own
        self.nested(tree / "nested")
        self.nested(tree / "src" / "nested")
        self.nested(tree / "real")
        scene.git(tree, "init", "-q", "--bare", str(tree / "bare"))
        self.plant(tree / "bare")
        attributes = {".gitattributes": "* diff=x merge=x\n", "filtered/.gitattributes": ATTRIBUTES}
        scene.write(tree, {**attributes, ".gitmodules": MODULES, "new.txt": "x\n"})

    def touch(self, tree: Path) -> None:
        """Change every nested repository, so that git would have to look at it anew."""
        for folder in (tree, tree / "nested", tree / "src" / "nested", tree / "real"):
            scene.write(folder, {"n.txt": "changed again\n", "later.txt": "x\n"})
