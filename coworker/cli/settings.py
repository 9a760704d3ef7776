"""The configuration file and the files of secrets, written whole or not at all.

It knows TOML and files, not what any key means.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coworker.config import credentials_dir, load
from coworker.errors import ConfigError, Denied
from coworker.types import Json

_HEAD = "# Written by `coworker setup`. docs/configuration.md explains every key.\n"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def rendered(settings: Json) -> str:
    """The settings as TOML. Tables, lists and plain values are all that a configuration has."""
    return _HEAD + "".join(f"{line}\n" for line in _table(settings, ""))


def difference(before: str, after: str, file: Path) -> str:
    """What would change, as a unified diff."""
    names = (str(file), f"{file} (new)")
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")
    return "\n".join(lines)


def lost_comments(before: str, after: str) -> bool:
    """Whether the old file says something that the new one does not: a line with a comment."""
    kept = set(after.splitlines())
    return any("#" in line and line not in kept for line in before.splitlines())


def secret_file(name: str, config_file: Path) -> Path:
    """Where a secret is kept: the machine's configuration has systemd's credential store."""
    if config_file.is_relative_to("/etc"):
        return Path("/etc/credstore") / f"coworker.{name.lower()}"
    return credentials_dir() / name.lower()


def check(text: str, file: Path) -> None:
    """Raises ConfigError when this would be refused as the configuration."""
    with tempfile.TemporaryDirectory(prefix="coworker-") as folder:
        draft = Path(folder) / "config.toml"
        draft.write_text(text, encoding="utf-8")
        try:
            load(draft)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(draft), str(file))) from None


def save(path: Path, text: str, *, is_secret: bool) -> None:
    """Write a file whole; a secret is for this person alone (mode 0600). Raises Denied."""
    try:
        _replace(path, text, 0o600 if is_secret else 0o644)
    except OSError as error:
        raise Denied(
            f"{path} cannot be written: {error.strerror or error}. "
            "Name another configuration with --config, or use the right user."
        ) from None


def _replace(path: Path, text: str, mode: int) -> None:
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        path.parent.chmod(0o700 if mode == 0o600 else 0o755)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).chmod(mode)
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


def _table(table: Json, path: str) -> Iterator[str]:
    """Plain values first: what follows a table's heading belongs to that table."""
    plain = {key: value for key, value in table.items() if not _is_nested(value)}
    for key, value in plain.items():
        yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        if key not in plain:
            yield from _nested(value, f"{path}{_key(key)}")


def _nested(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from ("", f"[[{path}]]", *_table(each, f"{path}."))
        return
    if not value or any(not _is_nested(each) for each in value.values()):
        yield from ("", f"[{path}]")
    yield from _table(value, f"{path}.")


def _is_nested(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
    )


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)
