"""How large an installation is: the product and what it requires, without developers' tools."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.rig import ROOT


def installed() -> tuple[int, float]:
    """Packages, and megabytes of their files as they lie here, compiled files included."""
    required = _closure("coworker", set(), {})
    sizes = [_bytes(name) for name in required if name != "coworker"]
    own = sum(file.stat().st_size for file in (ROOT / "coworker").rglob("*") if file.is_file())
    return len(required), (sum(sizes) + own) / 1e6


def _closure(name: str, extras: set[str], seen: dict[str, set[str]]) -> dict[str, set[str]]:
    """Everything that this package needs with these extras."""
    if extras <= seen.get(name, set()) and name in seen:
        return seen
    seen[name] = seen.get(name, set()) | extras
    for line in metadata.requires(name) or []:
        need = Requirement(line)
        given = [{"extra": extra} for extra in ("", *extras)]
        if need.marker is None or any(need.marker.evaluate(each) for each in given):
            _closure(need.name.lower().replace("_", "-"), set(need.extras), seen)
    return seen


def _bytes(name: str) -> int:
    paths = [Path(str(file.locate())) for file in metadata.files(name) or []]
    return sum(path.stat().st_size for path in paths if path.is_file())
