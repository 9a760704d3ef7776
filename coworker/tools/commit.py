"""Keep and publish work: commit, push, open a pull request. Credentials stay with the host."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from coworker.errors import ToolError
from coworker.protocols import Guard, Tool, ToolContext
from coworker.repos import forge
from coworker.repos.commits import Commit
from coworker.repos.remote import Pushed
from coworker.repos.text import code, exact, fenced, one_line
from coworker.repos.workspace import Workspace
from coworker.tools.base import Args, tool
from coworker.tools.workplace import Workplace
from coworker.types import Json, ToolResult

_SUBJECTS = 10
_CARD, _WHOLE = 3_000, 200_000
_MORE = "`!diff` shows all of it."
_CARRIED = "The uncommitted files of the checkout go along, as the commit below all others:"


class GitCommit(Args):
    """The message and, if not everything, the paths."""

    message: str
    paths: list[str] | None = None

    def describe(self) -> str:
        """The subject."""
        return f"commits “{self.message.strip().splitlines()[0] if self.message.strip() else ''}”"


class GitPush(Args):
    """Nothing to choose: the branch and the remote are fixed."""

    def describe(self) -> str:
        """What leaves the machine."""
        return "pushes this conversation's branch"

    def lasting(self) -> Json:
        """Any push from here: branch and remote are fixed anyway."""
        return {}


class OpenPr(Args):
    """Title and text."""

    title: str
    body: str

    def describe(self) -> str:
        """The title."""
        return f"opens a pull request “{self.title}”"

    def lasting(self) -> Json:
        """Any pull request from here, whatever its title."""
        return {}


def tools(workplace: Workplace) -> tuple[Tool, ...]:
    """The tools that keep and publish what was done in the workspaces of `workplace`."""
    return (_commit(workplace), *_publish(workplace))


def _commit(workplace: Workplace) -> Tool:
    async def committed(args: GitCommit, context: ToolContext) -> list[str]:
        changes = await (await workplace.workspace(context)).status()
        return [change.path for change in changes if _within(change.path, args.paths)]

    @tool(effect="write", rerun="safe", touching=committed)
    async def git_commit(args: GitCommit, context: ToolContext) -> ToolResult:
        """Commit the workspace's changes to this conversation's branch."""
        if not args.message.strip():
            raise ToolError("The message is empty. Say what the change does.")
        async with workplace.alone(context) as workspace:
            if context.guard and not context.is_approved:
                _refuse_kept(await committed(args, context), context.guard)
            commit = await workspace.commit(args.message, call_id=context.call_id, paths=args.paths)
        if commit is None:
            raise ToolError("Nothing has changed since the last commit, so none was made.")
        subject = args.message.strip().splitlines()[0]
        return ToolResult(_told(workspace, commit), receipt=_receipt(workspace, commit, subject))

    return git_commit


def _refuse_kept(paths: Sequence[str], guard: Guard) -> None:
    """A command may have changed something since the gate looked."""
    if reason := next(filter(None, map(guard, paths)), ""):
        raise ToolError(f"Not committed: files changed meanwhile, and {reason}. Look, then repeat.")


def _publish(workplace: Workplace) -> tuple[Tool, ...]:
    async def leaving(context: ToolContext) -> str:
        workspace, address = await workplace.ask_for_push(context)
        subjects = [f"- {code(one_line(each.subject, 100))}" for each in await workspace.log()]
        more = [f"- and {len(subjects) - _SUBJECTS} more"] if len(subjects) > _SUBJECTS else []
        head = f"{code(workspace.branch)} → {code(address.shown)}"
        said = [head, *subjects[:_SUBJECTS], *more]
        return "\n\n".join(["\n".join(said), await _changes(workspace, _CARD, _MORE)])

    async def would_push(_: GitPush, context: ToolContext) -> str:
        return await leaving(context)

    @tool(effect="world", rerun="safe", preview=would_push)
    async def git_push(args: GitPush, context: ToolContext) -> ToolResult:
        """Push this conversation's branch. A person is asked first."""
        pushed, _ = await workplace.push(context)
        return ToolResult(_out(pushed), receipt=_push_receipt(pushed))

    async def would_open(args: OpenPr, context: ToolContext) -> str:
        words = fenced(f"{args.title}\n\n{args.body}")
        return f"{words}\n\n{await leaving(context)}"

    async def opened(_: OpenPr, context: ToolContext) -> ToolResult | None:
        workspace = await workplace.workspace(context)
        remote = (await workplace.push_address(context)).url
        url = await forge.existing(remote, workspace.branch)
        return _opened(url) if url else None

    @tool(effect="world", rerun="probe", probe=opened, preview=would_open)
    async def open_pr(args: OpenPr, context: ToolContext) -> ToolResult:
        """Push this conversation's branch and open a pull request for it. A person is asked \
first."""
        forge.project_of((await workplace.push_address(context)).url)
        pushed, address = await workplace.push(context)
        branch = pushed.ref.removeprefix("refs/heads/")
        link = await forge.open_request(address.url, branch, args.title, args.body)
        if link.is_open:
            return _opened(link.url)
        return ToolResult(f"{_out(pushed)} {link.text}", receipt=_push_receipt(pushed))

    return git_push, open_pr


async def diff(workspace: Workspace | None) -> str:
    """All that a push from this workspace would take out, in Markdown."""
    if workspace is None or not (workspace.about.carried or await workspace.log()):
        return "Nothing is committed here yet, so there is no diff."
    rest = f"`git --git-dir={workspace.git_dir} log -p` on the machine shows all of it."
    return await _changes(workspace, _WHOLE, rest)


async def _changes(workspace: Workspace, room: int, rest: str) -> str:
    """What was committed, and below it what was carried over, as patches of so many characters."""
    base = workspace.base()
    shown = [_begun(await workspace.patch_of("HEAD", base), room, rest)]
    if workspace.about.carried:
        shown += [_CARRIED, _begun(await workspace.patch_of(base), room // 2, rest)]
    return "\n\n".join(shown)


def _begun(patch: str, room: int, rest: str) -> str:
    """The lines of a patch that fit, and how many do not."""
    text = exact(patch)
    if len(text) <= room:
        return fenced(text or "(no changes)", "diff")
    shown = text[: text.rfind("\n", 0, room) + 1] or text[:room]
    lines = text.count("\n", len(shown))
    return f"{fenced(shown, 'diff')}\n… {lines:,} more lines of this diff. {rest}"


def _within(path: str, chosen: list[str] | None) -> bool:
    names = [posixpath.normpath(each) for each in chosen or ["."]]
    return any(name in (".", path) or path.startswith(f"{name}/") for name in names)


def _told(workspace: Workspace, commit: Commit) -> str:
    left_out = [f"\nLeft out {entry.path}: {entry.why}" for entry in commit.left_out]
    where = f"Committed {commit.sha[:10]} on {workspace.branch}."
    return f"{where}\n{commit.stat}{''.join(left_out)}"


def _receipt(workspace: Workspace, commit: Commit, subject: str) -> Json:
    branch, stat = workspace.branch, commit.stat
    made = {"kind": "commit", "sha": commit.sha, "branch": branch, "stat": stat}
    return {**made, "subject": subject}


def _out(pushed: Pushed) -> str:
    return f"Pushed {pushed.sha[:10]} to {pushed.to} as {pushed.ref}."


def _push_receipt(pushed: Pushed) -> Json:
    return {"kind": "push", "ref": pushed.ref, "url": pushed.to, "sha": pushed.sha}


def _opened(url: str) -> ToolResult:
    return ToolResult(f"Opened {url}", receipt={"kind": "pr", "url": url})
