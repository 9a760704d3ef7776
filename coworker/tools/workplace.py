"""Where a conversation works: its own workspace, set up once, and commands confined to it.

It joins workspaces and sandbox; what is done there belongs to the tools.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from coworker import sandbox
from coworker.errors import CoworkerError, ToolError
from coworker.protocols import ToolContext
from coworker.repos import gitdir, locks, marks
from coworker.repos.locks import Locks
from coworker.repos.remote import Address
from coworker.repos.root import Root
from coworker.repos.workspace import Workspace
from coworker.repos.workspaces import Workspaces
from coworker.sandbox import Box, Finished, Kind, Limits
from coworker.settings import Sandbox as Settings
from coworker.tools.base import bound_repo, bounded
from coworker.types import ConversationId, Json, Progress, Repo

_SETUP_S = 900.0
_READY = "set-up"
_ASKED = "set-up.asked"
_NOT_SET_UP = (
    "Set-up was not run on the clean checkout, for what it installs by was changed and nobody "
    "allowed that yet: {paths}. The tool setup asks a person."
)
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
        settings: Settings,
        original: Callable[[str], Repo | None],
    ) -> None:
        self._workspaces = workspaces
        self._state_dir = state_dir
        self._kind: Kind = settings.kind
        self._limits = Limits(memory_mb=settings.memory_mb)
        self.original = original
        self._is_confined = False
        self._making: dict[ConversationId, asyncio.Lock] = {}

    def get(self, conversation: ConversationId) -> Workspace | None:
        """A conversation's workspace, if it has written before."""
        return self._workspaces.get(slug(conversation))

    def notes(self, conversation: ConversationId) -> list[str]:
        """Sentences about what its workspace has and has not of the person's files."""
        workspace = self.get(conversation)
        return workspace.about.notes if workspace else []

    async def push_address(self, context: ToolContext) -> Address:
        """Where the repository's branches are pushed. Raises ToolError."""
        return await self._workspaces.push_address(self._source(context))

    async def workspace(self, context: ToolContext) -> Workspace:
        """A conversation's workspace, made and set up if need be. Raises ToolError."""
        repo = self._source(context)
        async with self._making.setdefault(context.conversation, asyncio.Lock()):
            await self._refuse_without_sandbox()
            name = slug(context.conversation)
            found = self._workspaces.get(name)
            if found is None:
                context.emit(Progress("tool", f"makes a workspace of {repo.name}"))
                found = await self._workspaces.open(
                    name, repo, carry_uncommitted=not repo.is_cloned
                )
            if not (found.folder / _READY).exists():
                await self._set_up(found, repo, context)
            with suppress(ToolError):  # work goes on, only that it cannot be taken back
                await marks.remember(found, context.run)
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

    async def check(
        self, conversation: ConversationId, repo: Repo
    ) -> tuple[list[Checked], list[str]]:
        """Run a repository's checks on a clean checkout of the last commit, set up anew if allowed.

        With them sentences about what was not done.
        """
        workspace = self.get(conversation)
        if workspace is None or not repo.checks:
            return [], []
        now = await locks.found(workspace.git, "HEAD", repo.setup)
        changed = locks.changed(await self._allowed(workspace, repo), now) if repo.setup else []
        async with workspace.clean_copy() as tree:
            box = self._bare(tree, repo)
            setup, checks = await _tried(box, [] if changed else repo.setup, repo.checks)
        results = checks or setup
        return results, [_NOT_SET_UP.format(paths=", ".join(changed[:5]))] if changed else []

    async def rehearse(self, repo: Repo) -> list[Checked]:
        """Run set-up and checks once on a clean checkout, as for work that changed nothing."""
        return await self.on_clean_copy(repo, repo.setup, repo.checks, "doctor")

    async def on_clean_copy(
        self,
        repo: Repo,
        setup: Sequence[str],
        commands: Sequence[str],
        whose: str = "gate",
        timeout_s: float | None = None,
    ) -> list[Checked]:
        """Run commands on a clean checkout of its own, after set-up; at its failure none of them.

        Each may take so many seconds. Raises ToolError when they could not be confined.
        """
        await self._refuse_without_sandbox()
        name = f"{whose}-{slug(ConversationId(repo.name))}"[:60]
        async with self._making.setdefault(ConversationId(name), asyncio.Lock()):
            workspace = await self._workspaces.open(name, repo, carry_uncommitted=False)
            try:
                async with workspace.clean_copy() as tree:
                    box = self._bare(tree, repo)
                    done, ended = await _tried(box, setup, commands, timeout_s)
                    return [*done, *ended]
            finally:
                await workspace.remove(force=True)

    async def ask_for_setup(self, context: ToolContext) -> list[str]:
        """The files that changed since set-up was last allowed; only these it may then run with."""
        workspace, repo = await self.workspace(context), self._source(context)
        now = await locks.found(workspace.git, await workspace.files(), repo.setup)
        _put(workspace.folder / _ASKED, {"call": context.call_id, "locks": now})
        return locks.changed(await self._allowed(workspace, repo), now)

    async def set_up_again(self, context: ToolContext) -> list[Checked]:
        """Run the set-up commands up to the first that fails. Raises ToolError.

        What they install by is allowed from now on.
        """
        workspace, repo = await self.workspace(context), self._source(context)
        now = await locks.found(workspace.git, await workspace.files(), repo.setup)
        asked = _got(workspace.folder / _ASKED)
        if asked.get("call") == context.call_id and asked["locks"] != now:
            raise ToolError("What set-up installs by changed after the question. Call setup again.")
        _put(workspace.folder / _READY, now)
        return await _all(self._box(workspace, repo.name, network=True), repo.setup)

    async def _refuse_without_sandbox(self) -> None:
        """Work whose commands could not be confined is not begun. Raises ToolError."""
        if self._kind == "bubblewrap" and not self._is_confined:
            if fault := await sandbox.self_test():
                raise ToolError(fault)
            self._is_confined = True

    def _source(self, context: ToolContext) -> Repo:
        """The repository itself, where the context may already name the workspace."""
        bound = bound_repo(context)
        return self.original(bound.name) or bound

    def _cache(self, repo: str) -> Path:
        return self._state_dir / "cache" / repo

    async def _set_up(self, workspace: Workspace, repo: Repo, context: ToolContext) -> None:
        """Once: a failure is told and not repeated, but what a death cut short begins anew."""
        ready, allowed = workspace.folder / _READY, await self._allowed(workspace, repo)
        try:
            await self._install(workspace, repo, context)
        except CoworkerError:
            _put(ready, allowed)
            raise
        _put(ready, allowed)

    async def _install(self, workspace: Workspace, repo: Repo, context: ToolContext) -> None:
        """The owner's set-up commands, with network. Raises ToolError when one fails."""
        context.emit(Progress("tool", f"sets up: {'; '.join(repo.setup)}"))
        for command, ended in await _all(self._box(workspace, repo.name, network=True), repo.setup):
            if ended.exit_code:
                raise ToolError(
                    f"The workspace is there, but setting it up failed: `{command}` ended with "
                    f"exit {ended.exit_code}.\n{bounded(ended.output, 4_000)}"
                )

    async def _allowed(self, workspace: Workspace, repo: Repo) -> Locks:
        """What set-up may install by: as the person had it, or as it was allowed since."""
        ready = workspace.folder / _READY
        if ready.exists():
            return _got(ready)
        return await locks.found(workspace.git, workspace.base(), repo.setup)

    def _bare(self, tree: Path, repo: Repo) -> Box:
        """A box around files that are no workspace: a clean checkout."""
        cache = self._cache(repo.name)
        return Box(workspace=tree, cache=cache, kind=self._kind, limits=self._limits)

    def _box(self, workspace: Workspace, repo: str, *, network: bool) -> Box:
        return Box(
            workspace=workspace.tree,
            cache=self._cache(repo),
            git_dir=workspace.git_dir,
            dotgit=workspace.dotgit,
            objects=workspace.objects,
            network=network,
            kind=self._kind,
            limits=self._limits,
        )


async def _tried(
    box: Box, setup: Sequence[str], checks: Sequence[str], timeout_s: float | None = None
) -> tuple[list[Checked], list[Checked]]:
    """Set-up with network and, when it succeeded, every check without."""
    done = await _all(replace(box, network=True), setup)
    if done and done[-1][1].exit_code:
        return done, []
    ended = [await sandbox.run(box, check, timeout_s=timeout_s) for check in checks]
    return done, list(zip(checks, ended, strict=True))


async def _all(box: Box, commands: Sequence[str]) -> list[Checked]:
    """Run commands up to the first that fails."""
    results: list[Checked] = []
    for command in commands:
        results.append((command, await sandbox.run(box, command, timeout_s=_SETUP_S)))
        if results[-1][1].exit_code:
            break
    return results


def _put(path: Path, value: Json) -> None:
    gitdir.put(path, msgspec.json.encode(value))


def _got(path: Path) -> Json:
    found: Json = msgspec.json.decode(gitdir.small_file(path) or b"{}")
    return found
