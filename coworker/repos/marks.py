"""What a workspace was like before each run that worked in it, so that a run can be taken back.

It does not know what the runs did.
"""

from __future__ import annotations

import itertools

from coworker.repos import commits
from coworker.repos.commits import Identity
from coworker.repos.git import failure
from coworker.repos.snapshot import LIMITS
from coworker.repos.workspace import Workspace

_REFS = "refs/coworker/before"
_NO_DATE = {"GIT_AUTHOR_DATE": "@0 +0000", "GIT_COMMITTER_DATE": "@0 +0000"}
"""The same files on the same commit are the same state, whenever it was."""
NOTHING = (
    "nothing was taken back, for nothing is remembered from before it: it changed no files, or "
    "was taken back already."
)


async def remember(workspace: Workspace, run: int) -> None:
    """Keep the state from before a run, once. Raises ToolError and DiskFull."""
    ref = f"{_REFS}/{run}"
    if not (workspace.git_dir / ref).exists():
        await update(workspace, ref, await state(workspace))


async def take_back(workspace: Workspace, run: int) -> str:
    """Bring branch and files to before a run, unless later ones build on it; what was done."""
    marks = await _marks(workspace)
    if run not in marks:
        return NOTHING
    numbers = sorted(number for number in marks if number >= run)
    states = [*(marks[number] for number in numbers), await state(workspace)]
    changing = [n for n, (a, b) in zip(numbers, itertools.pairwise(states), strict=True) if a != b]
    if later := [number for number in changing if number > run]:
        named = ", ".join(str(number) for number in reversed(later))
        return f"not taken back, for later runs build on it. Undo these first, in turn: {named}."
    told = await _restore(workspace, marks[run]) if changing else NOTHING
    for number in reversed(numbers):
        await update(workspace, "-d", f"{_REFS}/{number}")
    return told


async def state(workspace: Workspace) -> str:
    """A commit of the files as they are now, on top of the last one; it is nobody's branch."""
    arguments = ("commit-tree", await workspace.files(), "-p", await workspace.head())
    env = commits.environment(Identity()) | _NO_DATE
    made = await workspace.git.must(*arguments, stdin=b"Before a run\n", env=env)
    return made.decode().strip()


async def update(workspace: Workspace, *arguments: str) -> None:
    """Change a reference of a workspace's git directory, as `git update-ref` does."""
    output = await workspace.git.alone("update-ref", *arguments)
    if output.status != 0:
        raise failure("update-ref", output)


async def _restore(workspace: Workspace, mark: str) -> str:
    made = await workspace.git.must("rev-list", "--count", f"{mark}~1..HEAD", limits=LIMITS)
    kept = await workspace.reset_to(f"{mark}~1", files=mark)
    count = int(made)
    return (
        f"{workspace.branch} and its files are as before it, {count} "
        f"commit{'' if count == 1 else 's'} taken back. Files that git ignores stay. "
        f"What was there is kept as {kept[:10]}."
    )


async def _marks(workspace: Workspace) -> dict[int, str]:
    form = ("for-each-ref", "--format=%(refname:lstrip=3) %(objectname)", _REFS)
    rows = (await workspace.git.must(*form, limits=LIMITS)).decode().splitlines()
    return {int(number): sha for number, sha in (row.split(" ") for row in rows)}
