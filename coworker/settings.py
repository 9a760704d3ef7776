"""What can be configured: the tables of the configuration file, their keys and their defaults.

It knows no file and no environment: those are read in `config`.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

import msgspec

from coworker.types import Repo, Role, Verdict


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of the configuration file."""


class Price(Section, frozen=True):
    """Dollars per million tokens of each kind.

    What is not named of the cache follows from `input` as in the vendor's list: a tenth to read,
    twice to write.
    """

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None

    @property
    def read(self) -> float:
        """Of what is read from the cache."""
        return self.input * 0.1 if self.cache_read is None else self.cache_read

    @property
    def write(self) -> float:
        """Of what is written to the cache for an hour."""
        return self.input * 2.0 if self.cache_write is None else self.cache_write


class ModelConfig(Section, frozen=True):
    """One model server. `compatible` keeps to the common subset of the Messages API."""

    model: str
    base_url: str = ""
    api_key_env: str = "ANTHROPIC_API_KEY"
    compatible: bool = False
    context_tokens: int = 150_000
    price: Price | None = None

    @property
    def is_local(self) -> bool:
        """Whether requests stay on this machine."""
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


class Models(Section, frozen=True):
    """The large model for work, the small one for chores and as a fall-back."""

    large: ModelConfig | None = None
    small: ModelConfig | None = None


class Slack(Section, frozen=True):
    """Slack is on when both of its tokens are there."""

    base_url: str = "https://slack.com/api/"


class Telegram(Section, frozen=True):
    """Telegram is on when its token is there.

    `transcribe` is a program and its arguments that prints the words of the sound `{file}`.
    """

    base_url: str = "https://api.telegram.org/bot"
    base_file_url: str = "https://api.telegram.org/file/bot"
    transcribe: list[str] = []


class PersonConfig(Section, frozen=True):
    """Somebody who may speak to us. `ids` are `adapter:id`; `adapter:*` is everybody there.

    `timezone` is for their schedules, where it is not everybody's.
    """

    role: Role = "member"
    ids: list[str] = []
    timezone: str = ""


class RepoConfig(Section, frozen=True):
    """A repository by path or URL."""

    path: str = ""
    url: str = ""
    rooms: list[str] = []
    setup: list[str] = []
    checks: list[str] = []
    local_only: bool = False
    share_rooms: bool = False
    """Whether what was said in one of its rooms may be recalled in all of them."""


class Budget(Section, frozen=True):
    """Limits that are checked before each model request; 0 is none."""

    run_usd: float = 2.0
    conversation_usd: float = 0.0
    schedule_day_usd: float = 0.0
    person_day_usd: float = 0.0
    repo_day_usd: float = 0.0
    day_usd: float = 20.0
    run_steps: int = 60
    run_tokens: int = 5_000_000
    run_minutes: int = 120


class Sandbox(Section, frozen=True):
    """How commands are confined. `none` only by explicit choice."""

    kind: Literal["bubblewrap", "none"] = "bubblewrap"
    memory_mb: Annotated[int, msgspec.Meta(ge=64)] = 1900
    """What one command may use, with everything it starts."""


class WorkspaceKeeping(Section, frozen=True):
    """How long a conversation's workspace is kept; unsaved work is kept for ever."""

    keep_days: float = 14.0


class Audit(Section, frozen=True):
    """Where one hash over the whole log is posted every day; "" is nowhere."""

    room: str = ""


class Approvals(Section, frozen=True):
    """Questions that wait for a person's permission."""

    expire_hours: float = 24.0
    """After that an unanswered one counts as denied; 0 waits for ever."""


class Web(Section, frozen=True):
    """What `web_fetch` may reach, as hosts or `host:port`; a host stands for those below it too.

    Links to what is in `allow` may be clicked. `private` are addresses of this network that may be
    read all the same.
    """

    enabled: bool = True
    allow: list[str] = []
    deny: list[str] = []
    private: list[str] = []


class Rule(Section, frozen=True):
    """Deny beats ask beats allow among the rules that match; an absent field matches everything."""

    then: Verdict
    tool: str = "*"
    repo: str = "*"
    people: list[str] = []
    """Roles or names."""
    rooms: list[str] = []
    """`slack:C0SHOP`, or `terminal` for all of them."""
    paths: list[str] = []
    """Files and folders that the call would change, as patterns from the repository's root."""
    args: dict[str, str] = {}
    """Arguments as patterns: `{ command = "make *" }`."""
    tainted: bool | None = None
    """Whether the run has read anything that came from outside."""
    reason: str = ""


class Quiet(Section, frozen=True):
    """Hours, such as 22:00 to 07:00, in which no scheduled run begins; the same twice is none."""

    begin: str = msgspec.field(name="from", default="00:00")
    end: str = msgspec.field(name="to", default="00:00")


class Config(Section, frozen=True):
    """Everything that can be configured."""

    state_dir: str = ""
    timezone: str = "UTC"
    stale_hours: float = 6.0
    """Messages that waited longer while we were away are listed, not answered; 0 answers all."""
    retention_days: float = 0.0
    """Conversations that nobody touched for so long are forgotten, whole; 0 keeps everything."""
    models: Models = Models()
    slack: Slack = Slack()
    telegram: Telegram = Telegram()
    people: dict[str, PersonConfig] = {}
    repos: dict[str, RepoConfig] = {}
    budget: Budget = Budget()
    sandbox: Sandbox = Sandbox()
    workspaces: WorkspaceKeeping = WorkspaceKeeping()
    approvals: Approvals = Approvals()
    audit: Audit = Audit()
    web: Web = Web()
    quiet: Quiet = Quiet()
    rules: list[Rule] = []

    @property
    def state(self) -> Path:
        """The state directory as an absolute path."""
        return Path(self.state_dir).expanduser().absolute()

    @property
    def zone(self) -> ZoneInfo:
        """The time zone people's dates are shown in."""
        return ZoneInfo(self.timezone)

    def named_repos(self) -> list[Repo]:
        """The repositories, each with its checkout; that of a mere url is ours to make."""
        return [
            Repo(
                name=name,
                path=Path(repo.path).expanduser().absolute() if repo.path else self._clone(name),
                url=repo.url,
                local_only=repo.local_only,
                rooms=tuple(repo.rooms),
                setup=tuple(repo.setup),
                checks=tuple(repo.checks),
                share_rooms=repo.share_rooms,
                is_cloned=not repo.path,
            )
            for name, repo in self.repos.items()
            if repo.path or repo.url
        ]

    def _clone(self, name: str) -> Path:
        return self.state / "clones" / quote(name, safe="") / "files"
