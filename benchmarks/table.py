"""Figures as a table for people and as JSON: quantiles, and ratios to the floor of the same run.

It judges nothing: aims stand beside the figures. It does not know how anything was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_HEAD = f"{'':46}{'n':>6}{'p50':>10}{'p95':>10}{'p99':>10}{'max':>10}{'x floor':>9}  aim"


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

    def as_json(self) -> dict[str, Any]:
        """Everything, with every single value."""
        rest = {"quantiles": _quantiles(self.values), "floor_quantiles": _quantiles(self.floor)}
        return {**self.__dict__, **rest, "x_floor": self.ratio}


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
    name = f"  {figure.what}, {figure.unit}".rstrip(", ")
    return f"{name:46}{''.join(numbers)}{ratio:>9}  {figure.aim}".rstrip()


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: quantile(values, share) for name, share in shares.items()}


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
