"""The configuration: one TOML file, the environment, and credential files.

The only reader of the environment. It knows where settings come from, not what they switch on.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import msgspec

from coworker.errors import ConfigError
from coworker.mistakes import (
    nearest,
    plain,
    refuse_empty,
    refuse_odd_hosts,
    refuse_odd_hour,
    refuse_odd_ids,
    refuse_odd_names,
    refuse_odd_paths,
    refuse_odd_urls,
    refuse_odd_zone,
    refuse_secrets,
    refuse_shared_ids,
    refuse_unknown,
)
from coworker.settings import Budget, Config, ModelConfig, Models, Rule
from coworker.types import Json, Role, Tier

ANTHROPIC_URL = "https://api.anthropic.com"
TOKENS = {
    "slack": ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"),
    "telegram": ("TELEGRAM_BOT_TOKEN",),
}
"""What each platform needs to be on."""
SECRET_NAMES = (*TOKENS["slack"], *TOKENS["telegram"], "ANTHROPIC_API_KEY")
_LOGINS = ("GH_TOKEN", "GITLAB_TOKEN")


def load(path: Path | None = None, state_dir: Path | None = None) -> Config:
    """Read file, environment and defaults; the later of file < environment < argument wins.

    Raises ConfigError that names the file, the key and the mend.
    """
    file = path or _find_file()
    raw = _read_toml(file) if file else {}
    where = str(file) if file else "the environment"
    refuse_secrets(raw, where, SECRET_NAMES)
    _merge_environment(raw, os.environ)
    if state_dir:
        raw["state_dir"] = str(state_dir)
    refuse_unknown(raw, Config, where)
    try:
        config = msgspec.convert(raw, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {plain(error)}") from None
    refuse_empty(raw.get("rules", ()), where)
    return _with_defaults(config, where)


def secret(name: str) -> str:
    """A secret by its name; "" if absent. Looked for in the environment, in
    `$CREDENTIALS_DIRECTORY`, and in the person's own folder.

    Raises ConfigError for a file of that folder which others can read.
    """
    if value := os.environ.get(name, "").strip():
        return value
    if folder := os.environ.get("CREDENTIALS_DIRECTORY"):
        with suppress(OSError):
            return (Path(folder) / name.lower()).read_text().strip()
    return _own_secret(credentials_dir() / name.lower())


def secrets(config: Config) -> dict[str, str]:
    """Every secret that we were given, by name: what must be seen by nobody."""
    models = (config.models.large, config.models.small)
    names = (*SECRET_NAMES, *(model.api_key_env for model in models if model))
    given = {name: os.environ.get(name, "") for name in _LOGINS}
    for name in names:
        with suppress(ConfigError):  # it is in no use
            given[name] = secret(name)
    return {name: value for name, value in given.items() if value}


def credentials_dir() -> Path:
    """The person's own folder of secrets, one per file."""
    return Path.home() / ".config/coworker/credentials"


def _own_secret(file: Path) -> str:
    try:
        is_open = file.stat().st_mode & 0o077
        value = file.read_text().strip()
    except OSError:
        return ""
    if is_open:
        raise ConfigError(
            f"{file} can be read by other users, so it is not used. Say: chmod 600 {file}"
        )
    return value


def runtime_dir(config: Config) -> Path:
    """Where the control socket lives: `$RUNTIME_DIRECTORY`, else the state directory."""
    under_systemd = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(under_systemd) if under_systemd else config.state


def from_systemd(name: str) -> str:
    """What systemd says in `NOTIFY_SOCKET` or `JOURNAL_STREAM`; "" when it does not run us."""
    return os.environ.get(name, "")


def watchdog_s() -> float:
    """Seconds within which systemd wants a sign of life from this process; 0 for never."""
    for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6 if for_us else 0


def color_allowed() -> bool:
    """False when the person set NO_COLOR to anything."""
    return not os.environ.get("NO_COLOR")


def program_environment() -> dict[str, str]:
    """The little that a helper program such as git or ripgrep may see of our environment."""
    return {"PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}


def person_environment() -> dict[str, str]:
    """What git, gh and glab need to log in as the person we run as; never for the sandbox."""
    names = ("HOME", "USER", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", *_LOGINS)
    return {name: value for name in names if (value := os.environ.get(name))}


def refuse_unknown_tools(config: Config, known: Mapping[str, Iterable[str]]) -> None:
    """A rule for a tool, or an argument of one, that does not exist protects nothing.

    `known` are the arguments of each tool. Raises ConfigError.
    """
    for number, rule in enumerate(config.rules, 1):
        if rule.tool != "*" and rule.tool not in known:
            mend = nearest(rule.tool, ("*", *known))
            raise ConfigError(f"rule {number}: tool: there is no tool {rule.tool!r}. {mend}")
        arguments = set(chain.from_iterable(known[t] for t in known if rule.tool in ("*", t)))
        for name in set(rule.args) - arguments:
            mend = nearest(name, sorted(arguments))
            raise ConfigError(f"rule {number}: args: {rule.tool} takes no {name!r}. {mend}")


def file_for(path: Path | None) -> Path:
    """The file that is read, or would be if it existed."""
    return path or _find_file() or Path.home() / ".config/coworker/config.toml"


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


def _with_defaults(config: Config, where: str) -> Config:
    refuse_odd_zone(config.timezone, f"{where}: timezone")
    for name, person in config.people.items():
        refuse_odd_zone(person.timezone or "UTC", f"{where}: people.{name}.timezone")
    for key, hour in (("from", config.quiet.begin), ("to", config.quiet.end)):
        refuse_odd_hour(hour, f"{where}: quiet.{key}")
    changes: dict[str, Any] = {"state_dir": config.state_dir or default_state_dir()}
    changes["models"] = _models(config.models)
    _refuse_nonsense(config, where)
    return msgspec.structs.replace(config, **changes)


def default_state_dir() -> str:
    """Where the state is kept when nobody says."""
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
    for name in ("stale_hours", "retention_days"):
        if not 0 <= (value := getattr(config, name)) < math.inf:
            raise ConfigError(f"{where}: {name}: {value} is no time. Use 0 for none.")
    if not 0 < (days := config.workspaces.keep_days) < math.inf:
        raise ConfigError(f"{where}: workspaces.keep_days: {days} is no time. Use 14, or 0.5.")
    _refuse_odd_urls(config, where)
    people = {f"people.{name}.ids": person.ids for name, person in config.people.items()}
    rooms = {f"repos.{name}.rooms": repo.rooms for name, repo in config.repos.items()}
    web = config.web
    hosts = {"web.allow": web.allow, "web.deny": web.deny, "web.private": web.private}
    refuse_odd_hosts(hosts, where)
    refuse_odd_names(config.people, f"{where}: people", get_args(Role))
    refuse_odd_ids(people, where, (*TOKENS, "terminal"))
    refuse_shared_ids(people, where)
    rooms |= {"audit.room": [config.audit.room]} if config.audit.room else {}
    refuse_odd_ids(rooms, where, (*TOKENS,))
    _refuse_odd_rules(config.rules, where)


def _refuse_odd_rules(rules: Sequence[Rule], where: str) -> None:
    """A rule that can match nothing protects nothing."""
    for number, rule in enumerate(rules, 1):
        rooms = [room for room in rule.rooms if room != "terminal"]
        refuse_odd_ids({f"rule {number}: rooms": rooms}, where, (*TOKENS,))
        refuse_odd_paths({f"rule {number}: paths": rule.paths}, where)


def _refuse_odd_urls(config: Config, where: str) -> None:
    urls = {
        "slack.base_url": config.slack.base_url,
        "telegram.base_url": config.telegram.base_url,
        "telegram.base_file_url": config.telegram.base_file_url,
    }
    models = {"large": config.models.large, "small": config.models.small}
    urls |= {f"models.{n}.base_url": m.base_url for n, m in models.items() if m and m.base_url}
    refuse_odd_urls(urls, where)


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
