"""Addresses of other repositories: which are allowed, and how git may reach them.

It does not know what is fetched or pushed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from coworker.errors import CoworkerError, Denied, ToolError, Unavailable
from coworker.redact import Redactor
from coworker.repos.checkout import Checkout
from coworker.repos.git import Git, failure
from coworker.repos.program import Limits, Output
from coworker.repos.text import one_line
from coworker.types import Repo

LIMITS = Limits(seconds=600)
Protocol = Literal["https", "ssh", "file"]
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCP = re.compile(r"(?:[\w.-]+@)?\w[\w.-]*:(?!//)\S+")
_USER = re.compile(r"(?<=://)[^/@\s]+@")
_SECRETS = Redactor()
"""What looks like one may stand where a name would."""
_OURS_ONLY = ("GIT_CONFIG_COUNT", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_SSH_COMMAND")
_STALLED = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}
_LOCAL_SETTINGS = (
    "safe.directory=*",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.alternateRefsCommand=true",
    "receive.denyCurrentBranch=refuse",
    "receive.autogc=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
_PUSH = (
    "push",
    "--porcelain",
    "--no-verify",
    "--no-recurse-submodules",
    "--no-follow-tags",
    "--no-signed",
)
_BEHIND = (
    " That branch has commits that are not here: somebody else's, or what was undone here after "
    "it was pushed. Nothing of it was changed. Look at it there, delete it if nobody needs it, and "
    "push again."
)
_REFUSED = (
    "could not read Username",
    "could not read Password",
    "Authentication failed",
    "Permission denied",
    "Host key verification failed",
    "returned error: 403",
)


@dataclass(frozen=True, slots=True)
class Address:
    """Another repository by https, by ssh or on this machine.

    `login` is the name:password that stood in an https url; git is given it where no list of
    processes shows it.
    """

    url: str
    protocol: Protocol
    login: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """The address without the name or password in it."""
        return one_line(_USER.sub("", self.url))

    def environment(self, credentials: Mapping[str, str]) -> dict[str, str | None]:
        """What git needs to get there.

        `credentials` are the person's own variables, such as HOME and SSH_AUTH_SOCK; with them
        their git configuration is read, for it says how they log in.
        """
        reached = {"GIT_ALLOW_PROTOCOL": self.protocol}
        if self.protocol == "file":
            return dict(reached)
        login = _logged_in(self.url, self.login) if self.login else {}
        return {**dict.fromkeys(_OURS_ONLY), **credentials, **reached, **_STALLED, **login}

    def failure(self, command: str, output: Output) -> CoworkerError:
        """What to say when a command did not get there."""
        said = _USER.sub("", output.err)
        plain = failure(command, Output(output.status, b"", said, 0))
        if any(sign in said for sign in _REFUSED):
            hint = "Check that the person it runs as may use it with git by hand."
            return Denied(f"{self.shown} does not let us in: {_last(said)} {hint}")
        if self.protocol != "file" and isinstance(plain, ToolError):
            return Unavailable(f"{self.shown} cannot be reached: {_last(said)}")
        return plain


def address(url: str, near: Path | None = None) -> Address:
    """A checked address; a relative path counts from `near`.

    Raises ToolError in words for any but https, ssh and a folder of this machine.
    """
    shown = one_line(_USER.sub("", url))
    if not url or url.startswith("-") or _CONTROL.search(url) or "::" in url:
        raise ToolError(f"{shown or 'An empty address'} is no address that may be used.")
    if "://" in url and not url.startswith("file://"):
        return _remote(url, shown)
    if not url.startswith(("file://", "/", ".")) and _SCP.fullmatch(url):
        return Address(url, "ssh")
    path = Path(near or "/") / url.removeprefix("file://")
    if not path.is_dir():
        raise ToolError(f"{shown} is no folder on this machine. Use https, ssh or a path.")
    return Address(str(path), "file")


async def reach(there: Address, credentials: Mapping[str, str] | None = None) -> None:
    """Ask an address for its branches. Raises Denied, Unavailable, TryLater or ToolError."""
    local = [f"--upload-pack={local_command('upload-pack')}"] if there.protocol == "file" else []
    arguments = ("ls-remote", "--quiet", "--heads", *local, there.url)
    env = there.environment(credentials or {})
    output = await Git(Path("/nonexistent")).run(*arguments, limits=Limits(seconds=20), env=env)
    if output.status != 0:
        raise there.failure("ls-remote", output)


async def push_address(repo: Repo, checkout: Checkout) -> Address:
    """Where work on a repository is pushed: its configured url, else the origin of its checkout.

    Their configuration is parsed and nothing in it obeyed. Raises ToolError in words.
    """
    if repo.url:
        return address(repo.url)
    for key in ("remote.origin.pushurl", "remote.origin.url"):
        read = ("config", "--file", "-", "--no-includes", "--null", "--get-all", key)
        output = await Git(checkout.view).run(*read, stdin=checkout.settings or b"\n")
        if output.status == 0:
            return address(output.out.split(b"\0")[0].decode(errors="replace"), checkout.root)
    raise ToolError(
        f"{repo.name} has no origin, so there is nowhere to push. Add one to the checkout with "
        f"`git remote add origin URL`, or set url in [repos.{repo.name}]."
    )


def local_command(program: Literal["upload-pack", "receive-pack"]) -> str:
    """The other side's program for a repository on this machine, deaf to its hooks."""
    return " ".join(["git", *(f"-c '{setting}'" for setting in _LOCAL_SETTINGS), program])


@dataclass(frozen=True, slots=True)
class Pushed:
    """What arrived where: the branch's full name, the commit, the address as it may be shown."""

    ref: str
    sha: str
    to: str


async def push(
    git: Git, sha: str, ref: str, to: Address, credentials: Mapping[str, str] | None = None
) -> Pushed:
    """Make one branch there this commit: never by force, and nothing else.

    Raises ToolError when it is refused, Denied or Unavailable in words.
    """
    local = [f"--receive-pack={local_command('receive-pack')}"] if to.protocol == "file" else []
    arguments = (*_PUSH, *local, to.url, f"{sha}:{ref}")
    output = await git.run(*arguments, limits=LIMITS, env=to.environment(credentials or {}))
    if output.status == 0:
        return Pushed(ref, sha, to.shown)
    rows = [row for row in output.out.decode(errors="replace").splitlines() if row[:2] == "!\t"]
    if not rows:
        raise to.failure("push", output)
    reason = one_line(rows[0].rpartition("\t")[2])
    hint = _BEHIND if "fast-forward" in reason or "fetch first" in reason else ""
    raise ToolError(f"{to.shown} refused {ref.removeprefix('refs/heads/')}: {reason}.{hint}")


def _remote(url: str, shown: str) -> Address:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise ToolError(f"{shown} is no address that may be used.") from None
    if parts.scheme not in ("https", "ssh"):
        raise ToolError(f"{shown} is not allowed: only https, ssh and folders of this machine are.")
    if not re.match(r"[\w\[]", host) or " " in url:
        raise ToolError(f"{shown} is no address that may be used.")
    if parts.scheme == "ssh":
        return Address(url, "ssh")
    if parts.password is None and _SECRETS.text(url) == url:
        return Address(url, "https")
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return Address(plain, "https", unquote(f"{parts.username}:{parts.password or ''}"))


def _logged_in(url: str, login: str) -> dict[str, str]:
    """The variables with which git says that name and password to this server and no other."""
    parts, told = urlsplit(url), base64.b64encode(login.encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{parts.scheme}://{parts.netloc}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {told}",
    }


def _last(said: str) -> str:
    """The line that says why, out of everything that git and ssh say."""
    lines = [line for line in said.splitlines() if line.strip()]
    telling = [
        line
        for sign in (*_REFUSED, "ssh:", "fatal:", "error:", "")
        for line in lines
        if sign in line
    ]
    line = telling[0] if telling else "no reason was given"
    return one_line(line.removeprefix("fatal: "), 200).rstrip(".") + "."
