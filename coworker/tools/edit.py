"""Change files of a conversation's workspace: exact edits and whole files.

It does not know git, nor where the workspace comes from.
"""

from __future__ import annotations

import asyncio
import difflib
from typing import Any

from coworker.errors import ToolError
from coworker.protocols import Tool, ToolContext
from coworker.redact import LABEL
from coworker.repos.root import Root
from coworker.repos.text import path_name
from coworker.tools.base import Args, bound_repo, tool
from coworker.tools.workplace import Workplace
from coworker.types import Json, ToolResult

_MAX_BYTES = 5_000_000
_SHOWN_LINES = 40
_NEAR = 0.6
_CHECKED_LINES = 20_000


class EditFile(Args):
    """Which text becomes which."""

    path: str
    old: str
    new: str

    def describe(self) -> str:
        """The file."""
        return f"edits {self.path}"


class WriteFile(Args):
    """A whole file."""

    path: str
    content: str

    def describe(self) -> str:
        """The file and its size."""
        return f"writes {self.path} ({len(self.content):,} characters)"


def tools(workplace: Workplace) -> tuple[Tool, ...]:
    """The tools that change files, in the workspaces of `workplace`."""

    async def applied(args: EditFile, context: ToolContext) -> ToolResult | None:
        root = await workplace.root(context)
        return await asyncio.to_thread(_applied, root, args)

    async def changed(args: Any, context: ToolContext) -> list[str]:
        root = Root(bound_repo(context).path)
        return await asyncio.to_thread(_led_to, root, args.path)

    @tool(effect="write", rerun="probe", probe=applied, touching=changed)
    async def edit_file(args: EditFile, context: ToolContext) -> ToolResult:
        """Replace a text that occurs exactly once in a file. Copy it without line numbers."""
        root = await workplace.root(context)
        return await asyncio.to_thread(_edit, root, args)

    @tool(effect="write", rerun="safe", touching=changed)
    async def write_file(args: WriteFile, context: ToolContext) -> ToolResult:
        """Make a file, or replace a whole one."""
        root = await workplace.root(context)
        return await asyncio.to_thread(_write, root, args)

    return edit_file, write_file


def _led_to(root: Root, path: str) -> list[str]:
    """The file by its name and by the one that it has without links, if that is another."""
    relative = root.inside(path)
    return [*{relative, root.leads_to(relative)}]


def _edit(root: Root, args: EditFile) -> ToolResult:
    relative, before = _text(root, args.path)
    old, new = _as_in_file(args, before)
    found = before.count(old) if old else 0
    if not old:
        raise ToolError("old is empty. Use write_file to make a file.")
    if old == new:
        raise ToolError("old and new are the same, so there is nothing to change.")
    if found == 0:
        raise ToolError(f"old does not occur in {path_name(relative)}.{_near(before, old)}")
    if found > 1:
        lines = ", ".join(str(line) for line in _lines_of(before, old))
        raise ToolError(
            f"old occurs {found} times in {path_name(relative)} (lines {lines}). "
            "Add lines around it until it is the only one."
        )
    return _changed(root, relative, before, before.replace(old, new))


def _applied(root: Root, args: EditFile) -> ToolResult | None:
    """The edit took effect when its new text is there and its old one is not."""
    relative, now = _text(root, args.path)
    old, new = _as_in_file(args, now)
    if new in now and (old not in now or old in new):
        before = now.replace(new, old, 1)
        return _result(relative, before, now)
    return None


def _write(root: Root, args: WriteFile) -> ToolResult:
    relative = root.inside(args.path)
    if len(args.content) > _MAX_BYTES:
        raise ToolError(f"The content is longer than {_MAX_BYTES:,} characters. Write less.")
    before = _text(root, args.path)[1] if root.has(relative) else ""
    return _changed(root, relative, before, args.content)


def _text(root: Root, path: str) -> tuple[str, str]:
    relative = root.inside(path)
    data = root.read(relative, _MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ToolError(f"{path_name(relative)} is larger than {_MAX_BYTES:,} bytes. Use shell.")
    try:
        return relative, data.decode()
    except UnicodeDecodeError:
        raise ToolError(f"{path_name(relative)} is not UTF-8 text. Use shell for it.") from None


def _as_in_file(args: EditFile, text: str) -> tuple[str, str]:
    """The model writes \\n; a file may have \\r\\n."""
    if "\r\n" in text and "\r\n" not in args.old:
        return args.old.replace("\n", "\r\n"), args.new.replace("\n", "\r\n")
    return args.old, args.new


def _changed(root: Root, relative: str, before: str, after: str) -> ToolResult:
    """Write it. What stands for a secret must not take the secret's place."""
    blanks = LABEL.findall(after)
    if blank := next((b for b in blanks if blanks.count(b) > before.count(b)), None):
        raise ToolError(
            f"Not written: {blank} only stands for a secret that you were not shown. "
            "Leave the line with it as it is: change those around it with edit_file."
        )
    root.put(relative, after.encode())
    return _result(relative, before, after)


def _result(relative: str, before: str, after: str) -> ToolResult:
    diff = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm=""))[2:]
    added = sum(line.startswith("+") for line in diff)
    removed = sum(line.startswith("-") for line in diff)
    receipt: Json = {"kind": "edit", "path": relative, "added": added, "removed": removed}
    shown = "\n".join(diff[:_SHOWN_LINES])
    more = f"\n… {len(diff) - _SHOWN_LINES} more lines" if len(diff) > _SHOWN_LINES else ""
    return ToolResult(f"{relative}: +{added} -{removed}\n{shown}{more}", receipt=receipt)


def _lines_of(text: str, part: str) -> list[int]:
    places: list[int] = []
    at = text.find(part)
    while at >= 0 and len(places) < 10:
        places.append(text.count("\n", 0, at) + 1)
        at = text.find(part, at + 1)
    return places


def _near(text: str, old: str) -> str:
    """The stretch of the file that is most like what was looked for."""
    wanted, lines = old.splitlines(), text.splitlines()[:_CHECKED_LINES]
    first = next((line.strip() for line in wanted if line.strip()), "")
    candidates = difflib.get_close_matches(first, {line.strip() for line in lines}, 1, _NEAR)
    if not candidates:
        return " Read the file again."
    start = next(n for n, line in enumerate(lines) if line.strip() == candidates[0])
    shown = "\n".join(lines[start : start + len(wanted)])
    return f" Nearest, at line {start + 1}:\n{shown}"
