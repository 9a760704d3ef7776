"""Pull requests at the place a repository is pushed to, through the person's own gh or glab.

Without one of them it only knows the address at which a person opens one by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from coworker.config import person_environment
from coworker.errors import ToolError
from coworker.repos.program import Limits, find, run
from coworker.repos.text import one_line

_LIMITS = Limits(seconds=60)
_SCP = re.compile(r"^(?:[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>[^:].*)$")


@dataclass(frozen=True, slots=True)
class Opened:
    """A pull request, or with `is_open` False the address at which a person opens it."""

    url: str
    text: str
    is_open: bool


async def open_request(remote: str, branch: str, title: str, body: str) -> Opened:
    """Open a pull request for a pushed branch. Raises ToolError in words."""
    host, project = project_of(remote)
    argv = _creating(host, project, branch, title, body)
    if argv is None:
        link = _by_hand(host, project, branch)
        return Opened(link, f"gh or glab is not installed here. Open it by hand: {link}", False)
    output = await run(argv, env=person_environment(), limits=_LIMITS)
    found = re.search(r"https?://\S+", output.out.decode(errors="replace"))
    if output.status or not found:
        raise ToolError(f"{argv[0]} did not open it: {one_line(output.err or 'no address', 300)}")
    return Opened(found[0], f"Opened {found[0]}", True)


async def existing(remote: str, branch: str) -> str | None:
    """The address of the branch's pull request, if there is one and it can be asked for."""
    host, project = project_of(remote)
    argv = _listing(host, project, branch)
    if argv is None:
        return None
    output = await run(argv, env=person_environment(), limits=_LIMITS)
    found = re.search(r"https?://[^\s\"]+", output.out.decode(errors="replace"))
    return found[0] if found and output.status == 0 else None


def project_of(remote: str) -> tuple[str, str]:
    """(host, owner/name) of a remote's address. Raises ToolError when it is no such thing."""
    scp = None if "://" in remote else _SCP.match(remote)
    if scp:
        host, path = scp["host"], scp["path"]
    else:
        parts = urlsplit(remote)
        host, path = parts.hostname or "", parts.path
    project = path.strip("/").removesuffix(".git")
    if not host or "/" not in project:
        raise ToolError(
            "The remote is no project of a hosting service, so there is no pull request."
        )
    return host, project


def _is_gitlab(host: str) -> bool:
    return "gitlab" in host


def _creating(host: str, project: str, branch: str, title: str, body: str) -> list[str] | None:
    if _is_gitlab(host):
        named = ["--repo", f"https://{host}/{project}", "--source-branch", branch]
        words = ["--title", title, "--description", body, "--yes"]
        return ["glab", "mr", "create", *named, *words] if find("glab") else None
    named = ["--repo", f"{host}/{project}", "--head", branch]
    return ["gh", "pr", "create", *named, "--title", title, "--body", body] if find("gh") else None


def _listing(host: str, project: str, branch: str) -> list[str] | None:
    if _is_gitlab(host):
        named = ["--repo", f"https://{host}/{project}", "--source-branch", branch]
        return ["glab", "mr", "list", *named, "--output", "json"] if find("glab") else None
    named = ["--repo", f"{host}/{project}", "--head", branch, "--json", "url"]
    return ["gh", "pr", "list", *named] if find("gh") else None


def _by_hand(host: str, project: str, branch: str) -> str:
    if _is_gitlab(host):
        source = f"merge_request%5Bsource_branch%5D={quote(branch, safe='')}"
        return f"https://{host}/{project}/-/merge_requests/new?{source}"
    return f"https://{host}/{project}/compare/{quote(branch)}?expand=1"
