"""Limits on a run, checked before each model request. It counts nothing itself: the fold does."""

from __future__ import annotations

from dataclasses import dataclass

from coworker.config import Budget


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has used so far, and what its next request can cost at most."""

    steps: int
    tokens: int
    run_usd: float
    day_usd: float
    minutes: float
    next_usd: float


def exceeded(spent: Spent, budget: Budget) -> str | None:
    """One true sentence for the person when the next request would pass a limit, else None.

    A limit of 0 means none.
    """
    if budget.run_steps and spent.steps >= budget.run_steps:
        return f"I stopped after {spent.steps} steps, the limit of one run (budget.run_steps)."
    if budget.run_tokens and spent.tokens >= budget.run_tokens:
        return (
            f"I stopped after {spent.tokens:,} tokens; the limit of one run is "
            f"{budget.run_tokens:,} (budget.run_tokens)."
        )
    if budget.run_minutes and spent.minutes >= budget.run_minutes:
        return (
            f"I stopped after {spent.minutes:.0f} minutes, "
            "the limit of one run (budget.run_minutes)."
        )
    return _money(spent, budget)


def _money(spent: Spent, budget: Budget) -> str | None:
    for name, used, limit in (
        ("run", spent.run_usd, budget.run_usd),
        ("day", spent.day_usd, budget.day_usd),
    ):
        if limit and used + spent.next_usd > limit:
            return (
                f"I stopped before the next request to the model: it could cost "
                f"${spent.next_usd:.2f}, this {name} has cost ${used:.2f}, "
                f"and the limit is ${limit:.2f} (budget.{name}_usd)."
            )
    return None
