"""Where a conversation works: its own workspace, set up once, and commands confined to it.

It joins workspaces and sandbox; what is done there belongs to the tools.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from coworker import sandbox
from coworker.config import person_environment
from coworker.errors import CoworkerError, ToolError
from coworker.protocols import ToolContext
from coworker.repos import gitdir, kept, locks, marks
from coworker.repos.remote import Address, Pushed
from coworker.repos.root import Root
from coworker.repos.tree import erase
from coworker.repos.workspace import Workspace
from coworker.repos.workspaces import Workspaces
from coworker.sandbox import Box, Finished, Kind, Limits
from coworker.settings import Sandbox as Settings
from coworker.tools.base import bound_repo, bounded
from coworker.types import ConversationId, Json, Progress, Repo

_SETUP_S = 900.0
_READY = "set-up"
_ASKED = "set-up.asked"
_SHOWN, _MOST_SHOWN = "push.shown", 50
_RESTORED = (
    "The workspace came out of a backup, without what set-up had installed. Commands may miss it; "
    "the tool setup installs it again and asks a person."
)
_NOT_SET_UP = (
    "The checks ran with what set-up installs without this work, for what it installs by was "
    "changed and nobody allowed that yet: {paths}. The tool setup asks a person."
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
        self._turns: dict[ConversationId, asyncio.Lock] = {}

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

    async def ask_for_push(self, context: ToolContext) -> tuple[Workspace, Address]:
        """What a push would take, and where to; if a person allows it, only that is pushed."""
        workspace, address = await self.workspace(context), await self.push_address(context)
        record = workspace.folder / _SHOWN
        before = [*_got(record).items()][-_MOST_SHOWN:]
        _put(record, dict(before) | {context.call_id: [await workspace.head(), address.url]})
        return workspace, address

    async def push(self, context: ToolContext) -> tuple[Pushed, Address]:
        """Push the branch: the commit that a person was shown, or the last. Raises ToolError."""
        workspace, address = await self.workspace(context), await self.push_address(context)
        commit = "HEAD"
        if context.is_approved:
            commit, url = _got(workspace.folder / _SHOWN).get(context.call_id, ["", ""])
            if url != address.url:
                raise ToolError("Where it would be pushed changed after the question. Ask again.")
        return await workspace.push(address, person_environment(), commit), address

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
    ) -> tuple[Finished, dict[str, str]]:
        """Run a command in the workspace, without network.

        With it the files that were put back after it, and why.
        """
        async with (
            self.alone(context) as workspace,
            kept.as_they_were(workspace, context.guard) as put_back,
        ):
            finished = await sandbox.run(self._box(workspace), command, timeout_s=timeout_s)
        return finished, put_back

    @asynccontextmanager
    async def alone(self, context: ToolContext) -> AsyncIterator[Workspace]:
        """The workspace while no command runs in it that could change what is kept from changes."""
        workspace = await self.workspace(context)
        turn = self._turns.setdefault(context.conversation, asyncio.Lock())
        async with turn if context.guard else nullcontext():
            yield workspace

    async def check(
        self, conversation: ConversationId, repo: Repo
    ) -> tuple[list[Checked], list[str]]:
        """Run a repository's checks on a clean checkout of the last commit.

        Set-up runs there first, with network, and so from the files as a person has allowed them;
        then come those of the commit. With the results sentences about what was not done.
        """
        workspace = self.get(conversation)
        if workspace is None or not repo.checks:
            return [], []
        allowed = await locks.allowed(workspace)
        async with workspace.clean_copy(allowed) as copy:
            box = self._bare(copy)
            setup = await _all(self._with_network(box, workspace, repo, allowed), repo.setup)
            await workspace.bring(copy, "HEAD")
            checks = [] if _has_failed(setup) else await _each(box, repo.checks)
        changed = await _newer(workspace, repo, allowed)
        return checks or setup, [
            _NOT_SET_UP.format(paths=", ".join(changed[:5]))
        ] if changed else []

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
                async with workspace.clean_copy() as copy:
                    box = self._bare(copy)
                    base = workspace.base()
                    done = await _all(self._with_network(box, workspace, repo, base), setup)
                    return (
                        done
                        if _has_failed(done)
                        else [*done, *await _each(box, commands, timeout_s)]
                    )
            finally:
                await workspace.remove(force=True)

    async def ask_for_setup(self, context: ToolContext) -> str:
        """What changed since set-up was last allowed, as lines per file; just that may run."""
        workspace = await self.workspace(context)
        now = await marks.state(workspace)
        _put(workspace.folder / _ASKED, {"call": context.call_id, "files": now})
        return await workspace.stat_of(now, since=await locks.allowed(workspace))

    async def set_up_again(self, context: ToolContext) -> list[Checked]:
        """Run the set-up commands up to the first that fails, with a fresh home. Raises ToolError.

        From now on they may run from the files as they are.
        """
        workspace, repo = await self.workspace(context), self._source(context)
        now = await marks.state(workspace)
        asked = _got(workspace.folder / _ASKED)
        if asked.get("call") == context.call_id and asked["files"] != now:
            raise ToolError("Files changed after the question. Call setup again.")
        await locks.allow(workspace, now)
        box = self._box(workspace)
        await erase(box.home)
        return await _all(self._with_network(box, workspace, repo, now), repo.setup)

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

    async def _set_up(self, workspace: Workspace, repo: Repo, context: ToolContext) -> None:
        """Once: a failure is told and not repeated, but what a death cut short begins anew."""
        ready = workspace.folder / _READY
        try:
            await self._install(workspace, repo, context)
        except CoworkerError:
            _put(ready, {})
            raise
        _put(ready, {})

    async def _install(self, workspace: Workspace, repo: Repo, context: ToolContext) -> None:
        """The owner's set-up commands, with network. Raises ToolError when one fails."""
        if repo.setup and await workspace.head() != workspace.base():
            raise ToolError(_RESTORED)
        context.emit(Progress("tool", f"sets up: {'; '.join(repo.setup)}"))
        box = self._with_network(self._box(workspace), workspace, repo, workspace.base())
        for command, ended in await _all(box, repo.setup):
            if ended.exit_code:
                raise ToolError(
                    f"The workspace is there, but setting it up failed: `{command}` ended with "
                    f"exit {ended.exit_code}.\n{bounded(ended.output, 4_000)}"
                )

    def _with_network(self, box: Box, workspace: Workspace, repo: Repo, commit: str) -> Box:
        """The box for set-up from the files of a commit.

        All workspaces of a repository share what is downloaded, so only what the person's own
        files run may write there.
        """
        downloads = self._state_dir / "downloads" / repo.name
        is_theirs = commit == workspace.base()
        return replace(box, network=True, downloads=downloads if is_theirs else None)

    def _bare(self, copy: Path) -> Box:
        """A box around files that are no workspace: a clean checkout, with a home of its own."""
        home = copy.parent / "home"
        return Box(workspace=copy, home=home, kind=self._kind, limits=self._limits)

    def _box(self, workspace: Workspace) -> Box:
        return Box(
            workspace=workspace.tree,
            home=workspace.folder / "home",
            git_dir=workspace.git_dir,
            dotgit=workspace.dotgit,
            objects=workspace.objects,
            kind=self._kind,
            limits=self._limits,
        )


async def _newer(workspace: Workspace, repo: Repo, allowed: str) -> list[str]:
    """The files that set-up installs by and that are others in the last commit."""
    if not repo.setup:
        return []
    before = await locks.found(workspace.git, allowed, repo.setup)
    return locks.changed(before, await locks.found(workspace.git, "HEAD", repo.setup))


async def _each(box: Box, commands: Sequence[str], timeout_s: float | None = None) -> list[Checked]:
    return [(command, await sandbox.run(box, command, timeout_s=timeout_s)) for command in commands]


async def _all(box: Box, commands: Sequence[str]) -> list[Checked]:
    """Run commands up to the first that fails."""
    results: list[Checked] = []
    for command in commands:
        results.append((command, await sandbox.run(box, command, timeout_s=_SETUP_S)))
        if _has_failed(results):
            break
    return results


def _has_failed(results: Sequence[Checked]) -> bool:
    return bool(results and results[-1][1].exit_code)


def _put(path: Path, value: Json) -> None:
    gitdir.put(path, msgspec.json.encode(value))


def _got(path: Path) -> Json:
    found: Json = msgspec.json.decode(gitdir.small_file(path) or b"{}")
    return found
