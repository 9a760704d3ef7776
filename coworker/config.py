"""The configuration: one TOML file, the environment, and credential files.

The only reader of the environment. It knows which keys exist and nothing of what they switch on.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from coworker.errors import ConfigError
from coworker.types import Json, Repo, Role, Tier, Verdict

ANTHROPIC_URL = "https://api.anthropic.com"
SECRET_NAMES = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "TELEGRAM_BOT_TOKEN", "ANTHROPIC_API_KEY")
_SECRET_SHAPE = re.compile(
    r"sk-ant-[\w-]{8,}|xox[abepr]-[\w-]{8,}|xapp-[\w-]{8,}|^\d{6,}:[\w-]{30,}$"
    r"|gh[opsu]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|://[^/@\s:]+:[^/@\s]+@"
)
_SECRET_KEY = re.compile(r"(?i)(^|_)(token|secret|password|api_key|apikey)$")


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of the configuration file."""


class Price(Section, frozen=True):
    """Dollars per million tokens of each kind."""

    input: float
    output: float
    cache_read: float = 0.0
    cache_write: float = 0.0


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
    """Somebody who may speak to us. `ids` are `adapter:id`; `adapter:*` is everybody there."""

    role: Role = "member"
    ids: list[str] = []


class RepoConfig(Section, frozen=True):
    """A repository by path or URL."""

    path: str = ""
    url: str = ""
    rooms: list[str] = []
    setup: list[str] = []
    checks: list[str] = []
    local_only: bool = False


class Budget(Section, frozen=True):
    """Limits that are checked before each model request."""

    run_usd: float = 2.0
    day_usd: float = 20.0
    run_steps: int = 60
    run_tokens: int = 5_000_000
    run_minutes: int = 120


class Sandbox(Section, frozen=True):
    """How commands are confined. `none` only by explicit choice."""

    kind: Literal["bubblewrap", "none"] = "bubblewrap"


class WorkspaceKeeping(Section, frozen=True):
    """How long a conversation's workspace is kept; unsaved work is kept for ever."""

    keep_days: float = 14.0


class Rule(Section, frozen=True):
    """Deny beats ask beats allow among the rules that match; an absent field matches everything."""

    then: Verdict
    tool: str = "*"
    repo: str = "*"
    people: list[str] = []


class Config(Section, frozen=True):
    """Everything that can be configured."""

    state_dir: str = ""
    timezone: str = "UTC"
    stale_hours: float = 6.0
    """Messages that waited longer while we were away are listed, not answered; 0 answers all."""
    models: Models = Models()
    slack: Slack = Slack()
    telegram: Telegram = Telegram()
    people: dict[str, PersonConfig] = {}
    repos: dict[str, RepoConfig] = {}
    budget: Budget = Budget()
    sandbox: Sandbox = Sandbox()
    workspaces: WorkspaceKeeping = WorkspaceKeeping()
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
                is_cloned=not repo.path,
            )
            for name, repo in self.repos.items()
            if repo.path or repo.url
        ]

    def _clone(self, name: str) -> Path:
        return self.state / "clones" / quote(name, safe="") / "files"


def load(path: Path | None = None, state_dir: Path | None = None) -> Config:
    """Read file, environment and defaults; the later of file < environment < argument wins.

    Raises ConfigError that names the file, the key and the mend.
    """
    file = path or _find_file()
    raw = _read_toml(file) if file else {}
    where = str(file) if file else "the environment"
    _refuse_secrets(raw, where)
    _merge_environment(raw, os.environ)
    if state_dir:
        raw["state_dir"] = str(state_dir)
    _refuse_unknown(raw, Config, where)
    try:
        config = msgspec.convert(raw, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_plain(error)}") from None
    return _with_defaults(config, where)


def secret(name: str) -> str:
    """A secret from the environment or `$CREDENTIALS_DIRECTORY`, by its name; "" if absent."""
    value = os.environ.get(name, "").strip()
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if value or not folder:
        return value
    try:
        return (Path(folder) / name.lower()).read_text().strip()
    except OSError:
        return ""


def runtime_dir(config: Config) -> Path:
    """Where the control socket lives: `$RUNTIME_DIRECTORY`, else the state directory."""
    under_systemd = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(under_systemd) if under_systemd else config.state


def color_allowed() -> bool:
    """False when the person set NO_COLOR to anything."""
    return not os.environ.get("NO_COLOR")


def program_environment() -> dict[str, str]:
    """The little that a helper program such as git or ripgrep may see of our environment."""
    return {"PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}


def person_environment() -> dict[str, str]:
    """What git, gh and glab need to log in as the person we run as; never for the sandbox."""
    names = ("HOME", "USER", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", "GH_TOKEN", "GITLAB_TOKEN")
    return {name: value for name in names if (value := os.environ.get(name))}


def _find_file() -> Path | None:
    named = os.environ.get("COWORKER_CONFIG")
    if named:
        return Path(named)
    candidates = (Path.home() / ".config/coworker/config.toml", Path("/etc/coworker/config.toml"))
    return next((p for p in candidates if p.is_file()), None)


def _read_toml(file: Path) -> Json:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise ConfigError(f"{file}: {reason}. Name another file with --config.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: not UTF-8 text. Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}.") from None


def _refuse_secrets(table: Mapping[str, Any], where: str, prefix: str = "") -> None:
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            _refuse_secrets(value, where, f"{name}.")
        elif _SECRET_KEY.search(key) or _looks_secret(value):
            raise ConfigError(
                f"{where}: {name} looks like a secret, and secrets do not belong in this file. "
                f"Remove it (and consider it leaked), and put the new one in the environment or in "
                f"$CREDENTIALS_DIRECTORY as one of {', '.join(SECRET_NAMES)}."
            )


def _looks_secret(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and _SECRET_SHAPE.search(text) for text in texts)


def _merge_environment(raw: Json, environment: Mapping[str, str]) -> None:
    """Lay COWORKER_A__B=value over raw["a"]["b"]."""
    for name, value in environment.items():
        if not name.startswith("COWORKER_") or name == "COWORKER_CONFIG":
            continue
        *tables, key = name.removeprefix("COWORKER_").lower().split("__")
        table = raw
        for step in tables:
            table = table.setdefault(step, {})
        table[key] = value


def _refuse_unknown(raw: Any, kind: Any, where: str, prefix: str = "") -> None:
    """Name what is unknown and what would be known; msgspec alone would name only the former."""
    for key, value, inner in _children(raw, kind, where, prefix):
        _refuse_unknown(value, inner, where, f"{prefix}{key}.")


def _children(raw: Any, kind: Any, where: str, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    if get_origin(kind) is dict and isinstance(raw, dict):
        yield from ((key, value, get_args(kind)[1]) for key, value in raw.items())
        return
    if get_origin(kind) is list and isinstance(raw, list):
        yield from ((str(n), value, get_args(kind)[0]) for n, value in enumerate(raw))
        return
    struct = _struct_in(kind)
    if struct is None or not isinstance(raw, dict):
        return
    hints = get_type_hints(struct)
    for key, value in raw.items():
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1, cutoff=0.5)
            mend = (
                f"Did you mean {prefix}{near[0]}?" if near else f"Known here: {', '.join(hints)}."
            )
            raise ConfigError(f"{where}: unknown key {prefix}{key}. {mend}")
        if get_origin(hints[key]) is Literal and value not in (known := get_args(hints[key])):
            choices = ", ".join(known)
            raise ConfigError(f"{where}: {prefix}{key}: {value!r} is not one of {choices}.")
        yield key, value, hints[key]


def _struct_in(kind: Any) -> Any:
    for option in (kind, *get_args(kind)):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def _plain(error: msgspec.ValidationError) -> str:
    """`Expected `float`, got `str` - at `$.budget.run_usd`` in the words of the file."""
    what, _, place = str(error).partition(" - at ")
    key = place.strip("`").removeprefix("$.") or "a value"
    return f"{key}: {what[0].lower()}{what[1:]}."


def _with_defaults(config: Config, where: str) -> Config:
    try:
        ZoneInfo(config.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"{where}: timezone: there is no zone {config.timezone!r}. "
            "Use a name such as Europe/Berlin."
        ) from None
    changes: dict[str, Any] = {"state_dir": config.state_dir or _default_state_dir()}
    changes["models"] = _models(config.models)
    _refuse_nonsense(config, where)
    return msgspec.structs.replace(config, **changes)


def _default_state_dir() -> str:
    under_systemd = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    return under_systemd or f"{base}/coworker"


def _models(models: Models) -> Models:
    """The configured models with the addresses they go to, else what the environment offers."""
    if models == Models():
        return _models_from_environment()
    url = os.environ.get("ANTHROPIC_BASE_URL", "")
    placed = {
        tier: msgspec.structs.replace(model, base_url=model.base_url or url)
        for tier, model in (("large", models.large), ("small", models.small))
        if model
    }
    return Models(**placed)


def _refuse_nonsense(config: Config, where: str) -> None:
    """Limits that no sum can pass, or that every sum passes, would protect nothing."""
    for name in Budget.__struct_fields__:
        value = getattr(config.budget, name)
        if not 0 <= value < math.inf:
            raise ConfigError(f"{where}: budget.{name}: {value} is no limit. Use 0 for none.")
    if not 0 <= config.stale_hours < math.inf:
        raise ConfigError(f"{where}: stale_hours: {config.stale_hours} is no time. Use 0 for none.")
    if not 0 < (days := config.workspaces.keep_days) < math.inf:
        raise ConfigError(f"{where}: workspaces.keep_days: {days} is no time. Use 14, or 0.5.")


def _models_from_environment() -> Models:
    """A key or a server address in the environment is enough to be connected."""
    url = os.environ.get("ANTHROPIC_BASE_URL", "")
    if not url and not secret("ANTHROPIC_API_KEY"):
        return Models()
    return Models(
        large=ModelConfig(model="claude-opus-5-5", base_url=url),
        small=ModelConfig(model="claude-haiku-5-5", base_url=url),
    )


def model_url(model: ModelConfig) -> str:
    """The server that a model's requests go to."""
    return model.base_url or os.environ.get("ANTHROPIC_BASE_URL", "") or ANTHROPIC_URL


def tier_names() -> tuple[Tier, ...]:
    """The tiers in the order in which they are tried."""
    return ("large", "small")
