"""Run a command in the conversation's workspace, confined. It knows nothing of how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from coworker.protocols import Tool, ToolContext
from coworker.repos.text import path_name
from coworker.sandbox import Finished
from coworker.tools.base import Args, bounded, tool
from coworker.tools.workplace import Workplace
from coworker.types import Json, ToolResult

_DEFAULT_S = 300.0
_NAMED = 20
_KILLED = {
    "time": "it took too long",
    "memory": "it used too much memory",
    "processes": "it started too many processes",
    "cpu": "it used too much processor time",
    "disk": "it wrote too much",
    "file size": "a file grew too large",
    "system call": "it made a system call that is not allowed",
    "signal": "it was ended by a signal",
}


class Shell(Args):
    """A command line and how long it may take."""

    command: str
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] | None = None

    def describe(self) -> str:
        """The whole command."""
        return f"runs {self.command}"


def tools(workplace: Workplace) -> tuple[Tool, ...]:
    """The shell, in the workspaces of `workplace`."""

    @tool(effect="write", rerun="never")
    async def shell(args: Shell, context: ToolContext) -> ToolResult:
        """Run a command in the workspace: no network, nothing outside is visible. 300 s unless \
timeout_s says more. Commit with git_commit, not here."""
        seconds = args.timeout_s or _DEFAULT_S
        finished, put_back = await workplace.run(context, args.command, seconds)
        return ToolResult(
            told(finished) + _undone(put_back),
            is_error=bool(finished.exit_code or put_back),
            receipt=receipt(args.command, finished),
        )

    return (shell,)


def told(finished: Finished) -> str:
    """Output and how it ended."""
    ended = f"[exit {finished.exit_code} · {finished.seconds:.1f} s]"
    if finished.killed_by:
        ended += f" [ended early: {_KILLED[finished.killed_by]}]"
    left_out = f" [{finished.omitted:,} bytes left out of the middle]" if finished.omitted else ""
    return f"{bounded(finished.output)}\n{ended}{left_out}".lstrip("\n")


def _undone(put_back: Mapping[str, str]) -> str:
    """Which files are as before the command after all."""
    paths = ", ".join(map(path_name, [*put_back][:_NAMED]))
    more = f" and {len(put_back) - _NAMED} more" if len(put_back) > _NAMED else ""
    reasons = "; ".join(dict.fromkeys(put_back.values()))
    told = f"\nPut back, for a command may not change it: {paths}{more} ({reasons})."
    return told if put_back else ""


def receipt(command: str, finished: Finished) -> Json:
    """What the host saw: the command and its exit code."""
    return {
        "kind": "command",
        "command": command,
        "exit_code": finished.exit_code,
        "seconds": round(finished.seconds, 1),
    }
