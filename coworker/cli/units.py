"""`coworker service`: the systemd units of this installation, and what a person runs next.

It writes files and says sentences; starting and stopping is systemctl's.
"""

from __future__ import annotations

import pwd
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import coworker
from coworker.cli import output
from coworker.config import default_state_dir, person_environment
from coworker.errors import Denied, NotFound
from coworker.settings import Config

_USER = "coworker"
_SYSTEM = ("coworker.service", "coworker-backup.service", "coworker-backup.timer")
_HOMES = ("/home", "/root", "/run/user")
_SHIPPED = "/opt/coworker/.venv/bin/coworker"
_NEXT = """\
Next, {who}:
{steps}
Your own changes belong into `{systemctl} edit coworker`: an upgrade leaves those alone."""


@dataclass(frozen=True)
class Choice:
    """What was chosen on the command line."""

    config: Path | None
    state_dir: Path | None
    user: bool
    dry_run: bool

    @property
    def folder(self) -> Path:
        """Where the units go."""
        if not self.user:
            return Path("/etc/systemd/system")
        named = person_environment().get("XDG_CONFIG_HOME") or "~/.config"
        return Path(named).expanduser() / "systemd/user"

    @property
    def systemctl(self) -> str:
        """The command for this kind of unit."""
        return "systemctl --user" if self.user else "systemctl"


def show(config: Config, choice: Choice) -> int:
    """Print the units as they would be written."""
    for name, text in _units(config, choice).items():
        output.say(f"# --- {choice.folder / name}\n{text}")
    return 0


def install(config: Config, choice: Choice) -> int:
    """Write the units. Whatever they replace is kept and named. Raises Denied."""
    for name, text in _units(config, choice).items():
        path = choice.folder / name
        for sentence in _write(path, text, choice.dry_run):
            output.say(sentence)
    for warning in _unreachable(config, choice):
        output.say(warning)
    output.say(_next(choice))
    return 0


def uninstall(_: Config, choice: Choice) -> int:
    """Remove the units and what enables them. Raises Denied."""
    names = ("coworker.service",) if choice.user else _SYSTEM
    files = [path for name in names for path in _installed(choice.folder, name)]
    for path in files:
        output.say(f"{'Would remove' if choice.dry_run else 'Removed'} {path}.")
        if not choice.dry_run:
            _try(path, path.unlink)
    if not files:
        raise NotFound(f"No unit of coworker is in {choice.folder}. Nothing was removed.")
    stop = f"{choice.systemctl} stop {' '.join(names)}; {choice.systemctl} daemon-reload"
    output.say(f"Next: {stop}\nThe state directory and the configuration stay.")
    return 0


ACTIONS = {"service install": install, "service show": show, "service uninstall": uninstall}


def _units(config: Config, choice: Choice) -> dict[str, str]:
    if choice.user:
        return {"coworker.service": _rendered("coworker.user.service", config, choice)}
    return {name: _rendered(name, config, choice) for name in _SYSTEM}


def _rendered(name: str, config: Config, choice: Choice) -> str:
    """The shipped unit with this installation's command and directories."""
    text = (_folder() / name).read_text()
    text = text.replace(f"ExecStart={_SHIPPED}", f"ExecStart={_command(config, choice)}")
    if any(_is_in_a_home(path) for path in _needed(config, choice)):
        text = text.replace("ProtectHome=yes", "ProtectHome=read-only")
    writable = "".join(f"ReadWritePaths={_word(path)}\n" for path in _written(config))
    return re.sub(r"(?m)^ProtectSystem=strict\n", lambda found: found[0] + writable, text)


def _folder() -> Path:
    """Inside the package when it was installed from a wheel, beside it in a checkout."""
    package = Path(coworker.__file__).parent
    inside = package / "systemd"
    return inside if inside.is_dir() else package.parent / "systemd"


def _command(config: Config, choice: Choice) -> str:
    script = Path(sys.executable).with_name("coworker")
    words = [_word(script)] if script.exists() else [_word(Path(sys.executable)), "-m", "coworker"]
    if choice.config:
        words += ["--config", _word(choice.config.absolute())]
    if choice.state_dir:
        words += ["--state-dir", _word(config.state)]
    return " ".join(words)


def _word(path: Path) -> str:
    """One word of a unit's line: systemd expands % and splits at blanks."""
    text = str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if re.search(r"[\s\"']", text) else text


def _needed(config: Config, choice: Choice) -> list[Path]:
    """What the daemon reads: the program, its Python, the configuration, the repositories."""
    given = [choice.config.absolute()] if choice.config else []
    checkouts = [repo.path for repo in config.named_repos()]
    return [Path(sys.executable), Path(sys.base_prefix), *given, *checkouts, *_written(config)]


def _written(config: Config) -> list[Path]:
    """What it writes elsewhere: a state directory of your choice, remotes that are paths."""
    chosen = config.state != Path(default_state_dir()).absolute()
    remotes = [Path(repo.url) for repo in config.repos.values() if repo.url.startswith("/")]
    return [*([config.state] if chosen else []), *remotes]


def _is_in_a_home(path: Path) -> bool:
    return any(path.is_relative_to(home) for home in _HOMES)


def _write(path: Path, text: str, dry_run: bool) -> list[str]:
    before = path.read_text() if path.exists() else None
    if before == text:
        return [f"{path} is up to date."]
    kept = path.with_name(f"{path.name}.old")
    if dry_run:
        return [f"Would write {path}" + (f" and keep what is there as {kept}." if before else ".")]
    _try(path, lambda: path.parent.mkdir(parents=True, exist_ok=True))
    said = []
    if before is not None:
        _try(kept, lambda: path.replace(kept))
        said.append(f"{path} was another one; it is kept as {kept}.")
    _try(path, lambda: path.write_text(text))
    _try(path, lambda: path.chmod(0o644))
    return [*said, f"Wrote {path}."]


def _try(path: Path, act: Callable[[], object]) -> None:
    try:
        act()
    except OSError as error:
        raise Denied(
            f"{path} cannot be changed: {error.strerror or error}. Say it with sudo, or use --user."
        ) from None


def _installed(folder: Path, name: str) -> list[Path]:
    """The unit itself and the links that enable it."""
    found = [folder / name, *folder.glob(f"*.wants/{name}")]
    return [path for path in found if path.is_symlink() or path.exists()]


def _unreachable(config: Config, choice: Choice) -> list[str]:
    if choice.user:
        return []
    closed = {str(gate) for path in _needed(config, choice) if (gate := _closed(path))}
    return [
        f"Attention: {gate} is closed to the user {_USER}, and what it needs is below. "
        "Install and keep repositories elsewhere (/opt, /srv), or use --user."
        for gate in sorted(closed)
    ]


def _closed(path: Path) -> Path | None:
    """The first folder on the way to it that other users may not pass."""
    way = [folder for folder in reversed(path.parents) if folder.exists()]
    return next((folder for folder in way if not folder.stat().st_mode & 0o001), None)


def _next(choice: Choice) -> str:
    steps = [f"{choice.systemctl} daemon-reload"]
    if choice.user:
        steps.append(f"{choice.systemctl} enable --now coworker.service")
        steps.append("loginctl enable-linger        # so that it stays when you log out")
    else:
        if not _user_exists():
            made = "useradd --system --home-dir /var/lib/coworker --shell /usr/sbin/nologin"
            steps.insert(0, f"{made} {_USER}")
        steps.append(f"{choice.systemctl} enable --now coworker.service coworker-backup.timer")
    who = "as yourself" if choice.user else "as root"
    listed = "\n".join(f"  {step}" for step in steps)
    return _NEXT.format(who=who, steps=listed, systemctl=choice.systemctl)


def _user_exists() -> bool:
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        return False
    return True
