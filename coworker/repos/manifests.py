"""What build files say about a repository: how it starts and how its tests are run.

The files were written by anybody: whatever shape they have, reading them never fails.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

FILES = ("pyproject.toml", "package.json", "makefile", "go.mod", "cargo.toml", "pytest.ini")
"""The files that are looked at, in lower case."""
_TARGET = re.compile(r"^([A-Za-z0-9][\w-]*)[ \t]*:(?!=)", re.MULTILINE)
_MODULE = re.compile(r"^module[ \t]+(\S+)", re.MULTILINE)
_RUNNABLE = ("Dockerfile", "docker-compose.yml", "compose.yaml", "manage.py", "justfile", "tox.ini")
_MOST = 8


def entry_points(names: Sequence[str], texts: Mapping[str, str]) -> list[str]:
    """How one starts what is in here, a phrase per kind of build file."""
    by_name = {name.lower(): text for name, text in texts.items()}
    told = [
        *_python(_toml(by_name.get("pyproject.toml", ""))),
        *_node(_json(by_name.get("package.json", ""))),
        *_go(by_name.get("go.mod", ""), names),
        *_rust(_toml(by_name.get("cargo.toml", ""))),
    ]
    if targets := _targets(by_name):
        told.append(f"make {', '.join(targets[:_MOST])}")
    top = {name for name in names if "/" not in name}
    return told + [name for name in _RUNNABLE if name in top]


def test_commands(names: Sequence[str], texts: Mapping[str, str]) -> list[str]:
    """The usual commands for the tests, from the most to the least particular."""
    by_name = {name.lower(): text for name, text in texts.items()}
    pyproject = _toml(by_name.get("pyproject.toml", ""))
    scripts = _table(_json(by_name.get("package.json", "")), "scripts")
    hints = {
        "make test": "test" in _targets(by_name),
        "pytest": "pytest.ini" in by_name or bool(_table(pyproject, "tool", "pytest")),
        "npm test": "test" in scripts,
        "go test ./...": "go.mod" in by_name,
        "cargo test": "cargo.toml" in by_name,
    }
    told = [command for command, is_there in hints.items() if is_there]
    return [f"run: {', '.join(told)}"] if told else []


def _python(pyproject: Mapping[str, Any]) -> list[str]:
    scripts = {
        **_table(pyproject, "project", "scripts"),
        **_table(pyproject, "tool", "poetry", "scripts"),
    }
    return [f"{name} = {target}" for name, target in list(scripts.items())[:_MOST]]


def _node(package: Mapping[str, Any]) -> list[str]:
    bins = package.get("bin")
    told = [f"{name} = {target}" for name, target in list(_table(package, "bin").items())[:_MOST]]
    if isinstance(bins, str):
        told.append(f"{package.get('name', 'bin')} = {bins}")
    if isinstance(main := package.get("main"), str):
        told.append(f"main {main}")
    if scripts := list(_table(package, "scripts")):
        told.append(f"npm run {', '.join(scripts[:_MOST])}")
    return told


def _go(module: str, names: Sequence[str]) -> list[str]:
    found = _MODULE.search(module)
    mains = [name for name in names if name == "main.go" or name.endswith("/main.go")]
    return [f"go module {found[1]}", *mains[:_MOST]] if found else []


def _rust(cargo: Mapping[str, Any]) -> list[str]:
    name = _table(cargo, "package").get("name")
    bins = cargo.get("bin")
    more = (
        [entry.get("name") for entry in bins if isinstance(entry, dict)]
        if isinstance(bins, list)
        else []
    )
    return [f"cargo run {one}" for one in [name, *more][:_MOST] if isinstance(one, str)]


def _targets(by_name: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(_TARGET.findall(by_name.get("makefile", ""))))


def _table(tree: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The table at a path, empty when something else is there."""
    for key in path:
        inner = tree.get(key)
        tree = inner if isinstance(inner, dict) else {}
    return tree


def _toml(text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def _json(text: str) -> Mapping[str, Any]:
    try:
        tree = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}
