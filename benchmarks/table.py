"""Figures as a table for people and as JSON: quantiles, and ratios to the floor of the same run.

An aim such as "p95 <= 20" is said to be hit or missed, and nothing fails by it. It does not know
how anything was measured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_HEAD = f"{'':46}{'n':>6}{'p50':>10}{'p95':>10}{'p99':>10}{'max':>10}{'x floor':>9}  aim"
_LIMIT = re.compile(r"(?:(p50|p95|p99|max) )?<= ([\d.]+)$")


@dataclass(frozen=True)
class Figure:
    """What was measured, in which unit; `floor` is the same of the bare bot in the same run."""

    what: str
    unit: str
    values: Sequence[float]
    floor: Sequence[float] = ()
    aim: str = ""

    @property
    def ratio(self) -> float | None:
        """The median, in medians of the floor."""
        below = quantile(self.floor, 0.5)
        return quantile(self.values, 0.5) / below if below else None

    @property
    def verdict(self) -> str:
        """Whether the limits in the aim are kept, the median's where none is named."""
        limits = [found for part in self.aim.split(", ") if (found := _LIMIT.match(part))]
        shown = _quantiles(self.values)
        missed = any(shown[found[1] or "p50"] > float(found[2]) for found in limits)
        return ("missed" if missed else "hit") if limits else ""

    def as_json(self) -> dict[str, Any]:
        """Everything, with every single value."""
        rest = {"quantiles": _quantiles(self.values), "floor_quantiles": _quantiles(self.floor)}
        return {**self.__dict__, **rest, "x_floor": self.ratio, "verdict": self.verdict}


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed (nearest rank); 0 of none."""
    rank = max(0, -(-len(values) * round(share * 1000) // 1000) - 1)
    return sorted(values)[rank] if values else 0.0


def show(title: str, figures: Sequence[Figure]) -> None:
    """Print one section."""
    print(f"\n{title}\n{_HEAD}")
    for figure in figures:
        print(_line(figure), flush=True)


def _line(figure: Figure) -> str:
    numbers = [f"{len(figure.values):>6}"]
    shown = _quantiles(figure.values)
    single = len(figure.values) == 1
    numbers += [f"{'' if single and name != 'p50' else _short(shown[name]):>10}" for name in shown]
    ratio = "" if figure.ratio is None else f"{figure.ratio:.1f}"
    aim = f"{figure.aim}  {figure.verdict}"
    name = f"  {figure.what}, {figure.unit}".rstrip(", ")
    return f"{name:46}{''.join(numbers)}{ratio:>9}  {aim}".rstrip()


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: quantile(values, share) for name, share in shares.items()}


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
