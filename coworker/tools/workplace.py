"""Where a conversation works: its own workspace, set up once, and commands confined to it.

It joins workspaces and sandbox; what is done there belongs to the tools.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from coworker import sandbox
from coworker.errors import CoworkerError, ToolError
from coworker.protocols import ToolContext
from coworker.repos.remote import Address
from coworker.repos.root import Root
from coworker.repos.workspace import Workspace
from coworker.repos.workspaces import Workspaces
from coworker.sandbox import Box, Finished, Kind
from coworker.tools.base import bound_repo, bounded
from coworker.types import ConversationId, Progress, Repo

_SETUP_S = 900.0
_READY = "set-up"
Checked = tuple[str, Finished]
"""A command and how it ended."""


def slug(conversation: ConversationId) -> str:
    """A conversation's name as part of a branch and a folder."""
    return re.sub(r"[^a-z0-9]+", "-", conversation.lower()).strip("-")


class Workplace:
    """The workspaces of all conversations, made at the first write."""

    def __init__(
        self,
        workspaces: Workspaces,
        state_dir: Path,
        kind: Kind,
        original: Callable[[str], Repo | None],
    ) -> None:
        self._workspaces = workspaces
        self._state_dir = state_dir
        self._kind = kind
        self._original = original
        self._making: dict[ConversationId, asyncio.Lock] = {}

    def get(self, conversation: ConversationId) -> Workspace | None:
        """A conversation's workspace, if it has written before."""
        return self._workspaces.get(slug(conversation))

    async def push_address(self, context: ToolContext) -> Address:
        """Where the repository's branches are pushed. Raises ToolError."""
        return await self._workspaces.push_address(self._source(context))

    async def workspace(self, context: ToolContext) -> Workspace:
        """A conversation's workspace, made and set up if need be. Raises ToolError."""
        repo = self._source(context)
        async with self._making.setdefault(context.conversation, asyncio.Lock()):
            name = slug(context.conversation)
            found = self._workspaces.get(name)
            if found is None:
                context.emit(Progress("tool", f"makes a workspace of {repo.name}"))
                found = await self._workspaces.open(name, repo, carry_uncommitted=True)
            if not (found.folder / _READY).exists():
                await self._set_up(found, repo, context)
        return found

    async def root(self, context: ToolContext) -> Root:
        """The files of the workspace."""
        return Root((await self.workspace(context)).tree)

    async def run(
        self, context: ToolContext, command: str, timeout_s: float | None = None
    ) -> Finished:
        """Run a command in the workspace, without network."""
        workspace = await self.workspace(context)
        box = self._box(workspace, bound_repo(context).name, network=False)
        return await sandbox.run(box, command, timeout_s=timeout_s)

    async def check(self, conversation: ConversationId, repo: Repo) -> list[Checked]:
        """Run a repository's checks on a clean checkout of the last commit, set up anew."""
        workspace = self.get(conversation)
        if workspace is None or not repo.checks:
            return []
        async with workspace.clean_copy() as tree:
            box = Box(workspace=tree, cache=self._cache(repo.name), kind=self._kind)
            for command in repo.setup:
                await sandbox.run(dataclasses.replace(box, network=True), command)
            return [(command, await sandbox.run(box, command)) for command in repo.checks]

    async def take_back(self, conversation: ConversationId, commits: Sequence[str]) -> str:
        """Bring the branch back to before these commits, or the files to the last one."""
        workspace = self.get(conversation)
        if workspace is None:
            return "it changed no files."
        history = [line.sha for line in await workspace.log()]
        mine = [sha for sha in history if sha in commits]
        if commits and history[: len(mine)] != mine:
            return "later commits of this conversation build on it, so undo those runs first."
        target = history[len(mine)] if len(history) > len(mine) else workspace.base()
        kept = await workspace.reset_to(target)
        return (
            f"{workspace.branch} and its files are back at {target[:10]}, {len(mine)} commits "
            f"taken back. What was there is kept as {kept[:10]}."
        )

    def _source(self, context: ToolContext) -> Repo:
        """The repository itself, where the context may already name the workspace."""
        bound = bound_repo(context)
        return self._original(bound.name) or bound

    def _cache(self, repo: str) -> Path:
        return self._state_dir / "cache" / repo

    async def _set_up(self, workspace: Workspace, repo: Repo, context: ToolContext) -> None:
        """Once: a failure is told and not repeated, but what a death cut short begins anew."""
        ready = workspace.folder / _READY
        try:
            await self._install(workspace, repo, context)
        except CoworkerError:
            ready.touch()
            raise
        ready.touch()

    async def _install(self, workspace: Workspace, repo: Repo, context: ToolContext) -> None:
        """The owner's set-up commands, with network. Raises ToolError when one fails."""
        box = self._box(workspace, repo.name, network=True)
        for command in repo.setup:
            context.emit(Progress("tool", f"sets up: {command}"))
            finished = await sandbox.run(box, command, timeout_s=_SETUP_S)
            if finished.exit_code:
                raise ToolError(
                    f"The workspace is there, but setting it up failed: `{command}` ended with "
                    f"exit {finished.exit_code}.\n{bounded(finished.output, 4_000)}"
                )

    def _box(self, workspace: Workspace, repo: str, *, network: bool) -> Box:
        return Box(
            workspace=workspace.tree,
            cache=self._cache(repo),
            git_dir=workspace.git_dir,
            dotgit=workspace.dotgit,
            objects=workspace.objects,
            network=network,
            kind=self._kind,
        )
