"""Look at a repository's history and state: log, diff, show, blame and status.

It never changes anything, and does not know how git is kept from running a repository's programs.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, NoReturn

import msgspec

from coworker.errors import ToolError
from coworker.protocols import Tool, ToolContext
from coworker.repos.checkout import Checkout, Checkouts
from coworker.repos.program import Limits
from coworker.repos.root import Root
from coworker.repos.text import decoded, one_line, path_name
from coworker.repos.workspace import Workspace
from coworker.tools.base import Args, bound_repo, bounded, tool
from coworker.tools.blame import Stretch, annotated
from coworker.tools.since import begin_of
from coworker.types import ConversationId

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LIMITS = Limits(seconds=30, keep=400_000)
_PATCH = ("--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--stat=100", "--patch")
_COMMIT = "%h %cs %an: %s"
_NO_REVISION = re.compile(
    r"bad revision|unknown revision|bad object|[Nn]ot a valid object|no such ref"
)
_UNBORN = re.compile(r"any commits yet|\bHEAD\b")
_NO_PATH = re.compile(r"does not exist in|exists on disk, but not in|no such path")
_DEFAULT_COMMITS = 20
_MAX_BLAMED = 5_000_000
Count = Annotated[int, msgspec.Meta(ge=1, le=500)]
Line = Annotated[int, msgspec.Meta(ge=1)]


class GitLog(Args):
    """Which commits."""

    range: str | None = None
    path: str | None = None
    limit: Count | None = None
    since: str | None = None

    def describe(self) -> str:
        """The file or the range."""
        since = f" since {self.since}" if self.since else ""
        return f"looks at the history{_of(self.path or self.range)}{since}"


class GitDiff(Args):
    """Between what, and where."""

    range: str | None = None
    path: str | None = None

    def describe(self) -> str:
        """The file or the range."""
        return f"looks at the changes{_of(self.path)}{f' in {self.range}' if self.range else ''}"


class GitShow(Args):
    """A commit, or a file at a commit."""

    rev: str
    path: str | None = None

    def describe(self) -> str:
        """The commit and the file."""
        return f"looks at {f'{self.path} at ' if self.path else ''}{self.rev}"


class GitBlame(Args):
    """A file, or some of its lines, from 1 and inclusive."""

    path: str
    start: Line | None = None
    end: Line | None = None

    def describe(self) -> str:
        """The file."""
        return f"looks up who wrote {self.path}"


class GitStatus(Args):
    """Nothing to choose."""

    def describe(self) -> str:
        """The state."""
        return "looks at the state of the checkout"


def _nobodys(_: ConversationId) -> None:
    """The workspaces where there are none."""


def tools(
    checkouts: Checkouts, own: Callable[[ConversationId], Workspace | None] = _nobodys
) -> tuple[Tool, ...]:
    """The git tools, which see repositories through `checkouts`.

    `own` is a conversation's workspace: whose files may change while they are looked at.
    """

    async def opened(context: ToolContext) -> Checkout:
        return await checkouts.open(bound_repo(context))

    @tool(effect="read", rerun="safe")
    async def git_log(args: GitLog, context: ToolContext) -> str:
        """Commits, newest first. since: 2026-11-01, "2 weeks ago", monday"""
        return await _log(await opened(context), args)

    @tool(effect="read", rerun="safe")
    async def git_diff(args: GitDiff, context: ToolContext) -> str:
        """Changes in a range such as main..HEAD; without one, what is not committed."""
        workspace = own(context.conversation)
        return await _diff(await opened(context), args, workspace)

    @tool(effect="read", rerun="safe")
    async def git_show(args: GitShow, context: ToolContext) -> str:
        """A commit with its changes, or with a path that file at that commit."""
        return await _show(await opened(context), args)

    @tool(effect="read", rerun="safe")
    async def git_blame(args: GitBlame, context: ToolContext) -> str:
        """Who wrote a file: shares, and the last commit of each line."""
        return await _blame(await opened(context), args)

    @tool(effect="read", rerun="safe")
    async def git_status(args: GitStatus, context: ToolContext) -> str:
        """The branch and the files that are changed or new."""
        if workspace := own(context.conversation):
            return await _work(workspace)
        return await _status(await opened(context))

    return git_log, git_diff, git_show, git_blame, git_status


async def _log(checkout: Checkout, args: GitLog) -> str:
    limit = args.limit or _DEFAULT_COMMITS
    arguments = ["log", f"--max-count={limit + 1}", f"--format={_COMMIT}"]
    if args.since:
        arguments.append(f"--since={await _since(checkout, args.since)}")
    revision, where = _revision("range", args.range), _where(checkout, args.path)
    text = await _git(checkout, *arguments, "--end-of-options", revision, "--", *where)
    rows = [one_line(row, 240) for row in text.split("\n") if row]
    if not rows:
        return f"No commits{_of(args.path)}{f' since {args.since}' if args.since else ''}."
    if len(rows) > limit:
        rows[limit:] = [f"[older ones are left out: raise limit above {limit}, or name a path]"]
    return bounded("\n".join(rows), more="Ask for a smaller limit.")


async def _diff(checkout: Checkout, args: GitDiff, workspace: Workspace | None) -> str:
    revision, where = _revision("range", args.range), _where(checkout, args.path)
    if checkout.is_bare and ".." not in revision:
        raise ToolError("A bare repository has no files to compare. Name a range such as A..B.")
    if workspace and ".." not in revision:
        text = await workspace.diff(revision, where)
    else:
        submodules = [] if ".." in revision else ["--ignore-submodules=all"]
        arguments = ["diff", *_patch(checkout), *submodules, "--end-of-options", revision]
        text = await _git(checkout, *arguments, "--", *where)
    what = f"in {args.range}" if args.range else "that are not committed"
    return (
        bounded(text, more="Name a path.")
        if text.strip()
        else f"No changes {what}{_of(args.path)}."
    )


async def _show(checkout: Checkout, args: GitShow) -> str:
    revision, path = args.rev, args.path
    if path is None and ":" in revision and not revision.startswith(":") and "^{/" not in revision:
        revision, _, path = revision.partition(":")
    revision = _revision("rev", revision)
    if path is None:
        arguments = [*_patch(checkout), "--diff-merges=first-parent", f"--format={_COMMIT}%n%n%b"]
        where = _where(checkout, None)
        text = await _git(checkout, "show", *arguments, "--end-of-options", revision, "--", *where)
        return bounded(text, more="git_diff with a range and a path shows less.")
    return await _file_at(checkout, revision, _where(checkout, path or ".")[0])


async def _file_at(checkout: Checkout, revision: str, place: str) -> str:
    """A file, or the names in a folder, as a commit has it."""
    name = f"{revision}:{'' if place == '.' else place}"
    shown = f"{path_name(place)} at {one_line(revision)}"
    try:
        text = await _git(checkout, "show", "--no-textconv", "--end-of-options", name, "--")
    except ToolError:
        known = await checkout.git.run("rev-parse", "--quiet", "--verify", revision)
        found = await checkout.git.run("cat-file", "-e", name)
        if known.status or not found.status:
            raise
        mend = "git_log with the path says when it changed."
        raise ToolError(f"There is no {shown}. {mend}") from None
    return bounded(f"{shown}:\n{text}")


async def _blame(checkout: Checkout, args: GitBlame) -> str:
    place = _where(checkout, args.path)[0]
    arguments = ["blame", "--porcelain", "--root"]
    if args.start or args.end:
        arguments += ["-L", f"{args.start or 1},{args.end or ''}"]
    content = await asyncio.to_thread(_content, checkout, args.path)
    if content is None:
        output = await _git(checkout, *arguments, "HEAD", "--", place)
    else:
        output = await _git(checkout, *arguments, "--contents", "-", "--", place, stdin=content)
    stretch = Stretch(one_line(args.path), args.start, args.end)
    return bounded(annotated(output, stretch), more="Name start and end.")


def _content(checkout: Checkout, path: str) -> bytes | None:
    """The file as it lies there now, so that line numbers are those of read_file."""
    if checkout.is_bare:
        return None
    root = Root(checkout.path)
    relative = root.inside(path)
    if not root.has(relative):
        return None
    content = root.read(relative, _MAX_BLAMED + 1)
    if len(content) > _MAX_BLAMED:
        raise ToolError(f"{one_line(relative)} is too big for this. git_log with its path is not.")
    decoded(content, one_line(relative))
    return content


async def _status(checkout: Checkout) -> str:
    if checkout.is_bare:
        raise ToolError("A bare repository has no files that could be changed.")
    flags = ("--porcelain=v1", "-z", "--branch", "--untracked-files=normal")
    where = _where(checkout, None)
    text, last = await asyncio.gather(
        _git(checkout, "status", *flags, "--ignore-submodules=all", "--", *where, names=True),
        checkout.git.run("log", "--max-count=1", f"--format={_COMMIT}", limits=_LIMITS),
    )
    branch, *rest = text.split("\0")
    rows = _changes(rest, checkout.prefix)
    new = sum(row.startswith("??") for row in rows)
    state = f"{len(rows) - new} changed, {new} new" if rows else "Nothing is changed"
    commit = decoded(last.out, "the last commit").strip() if last.status == 0 else "no commits yet"
    title = f"{_branch(branch)}, {one_line(commit)}\n{state}."
    return bounded("\n".join([title, *rows]), more="git_diff with a path shows changes.")


async def _work(workspace: Workspace) -> str:
    """The same of a workspace, whose files are looked at only as copies."""
    changes, commits = await asyncio.gather(workspace.status(), workspace.log())
    rows = [
        f"{each.kind} {path_name(each.path)}{f': {each.why}' if each.why else ''}"
        for each in changes
    ]
    made = [f"{each.sha[:10]} {one_line(each.subject, 120)}" for each in commits]
    title = f"On {workspace.branch}, {len(made)} commits made here."
    state = f"{len(rows)} not committed:" if rows else "Everything is committed."
    return bounded("\n".join([title, *made, state, *rows]), more="git_diff shows changes.")


def _branch(row: str) -> str:
    name = row.removeprefix("## ").removeprefix("No commits yet on ").partition("...")[0]
    return "No branch (detached HEAD)" if name == "HEAD (no branch)" else f"On {one_line(name)}"


def _changes(fields: list[str], prefix: str) -> list[str]:
    """`XY path` per change; a rename brings its old path as the field after it."""
    rows, todo, start = [], iter(field for field in fields if field), f"{prefix}/" if prefix else ""
    for entry in todo:
        old = f" (was {next(todo, '')})" if "R" in entry[:2] or "C" in entry[:2] else ""
        rows.append(entry[:3] + path_name(entry[3:].removeprefix(start) + old))
    return rows


async def _git(checkout: Checkout, *arguments: str, stdin: bytes = b"", names: bool = False) -> str:
    """A git command's output as text. Raises ToolError in words when it fails."""
    output = await checkout.git.run(*arguments, stdin=stdin, limits=_LIMITS)
    if output.status:
        await _fail(checkout, arguments, output.err)
    text = output.out.decode(errors="surrogateescape") if names else decoded(output.out, "This")
    missing = output.size - len(output.out)
    return f"{text}\n[… {missing:,} more bytes are not here]" if missing else text


async def _fail(checkout: Checkout, arguments: tuple[str, ...], err: str) -> NoReturn:
    """Say what git's complaint means and what would work."""
    if _UNBORN.search(err) and not await checkout.head():
        raise ToolError("The repository has no commits yet, so there is no history to look at.")
    reason = one_line(err.split("\n")[0].removeprefix("fatal: "))
    if _NO_REVISION.search(err):
        form = ("--format=%(refname:short)", "--sort=-committerdate", "--count=10")
        refs = await checkout.git.run("for-each-ref", *form, "refs/heads", "refs/tags")
        names = ", ".join(one_line(name) for name in refs.out.decode(errors="replace").split())
        raise ToolError(f"There is no such commit, branch or tag ({reason}). There are: {names}.")
    if _NO_PATH.search(err):
        raise ToolError(
            f"It is not in that commit: {reason}. git_log with the path says when it was."
        )
    raise ToolError(f"git {arguments[0]} failed: {reason}.")


async def _since(checkout: Checkout, text: str) -> str:
    """A date that git understands; its own parser takes anything else for now."""
    _refuse_odd("since", text)
    date = begin_of(text, datetime.now().astimezone())
    output = await checkout.git.run("rev-parse", f"--since={date}")
    age = output.out.decode().strip().removeprefix("--max-age=")
    if not age.isdigit() or int(age) > time.time() - 3:
        raise ToolError(
            f"since={one_line(text)} is no date in the past. "
            'Write 2026-11-01, "3 days ago", monday, yesterday or "this week".'
        )
    return date


def _revision(name: str, text: str | None) -> str:
    """What git may take for a revision; HEAD when nothing is said."""
    if text is None:
        return "HEAD"
    _refuse_odd(name, text)
    if not text.strip():
        raise ToolError(f"{name} is empty. Name a commit, branch or tag, such as HEAD~1.")
    return text


def _where(checkout: Checkout, path: str | None) -> list[str]:
    """A path as git counts it; the folder that was opened when nothing is said."""
    if path is None:
        return [checkout.prefix] if checkout.prefix else []
    _refuse_odd("path", path)
    return [checkout.below(Root(checkout.path).inside(path))]


def _refuse_odd(name: str, text: str) -> None:
    if text.startswith("-"):
        mend = f" Write ./{text} for a file of that name." if name == "path" else ""
        raise ToolError(f'{name} may not begin with "-": options are not taken.{mend}')
    if _CONTROL.search(text):
        raise ToolError(f"{name} has control characters in it. Write it plainly.")


def _patch(checkout: Checkout) -> list[str]:
    """How changes are shown: with a summary, by git itself, and only those beneath the folder."""
    return [*_PATCH, f"--relative={checkout.prefix}/"] if checkout.prefix else list(_PATCH)


def _of(what: str | None) -> str:
    return f" of {one_line(what)}" if what else ""
