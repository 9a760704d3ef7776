"""Limits, checked before each model request. It counts nothing itself: the log and the fold do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from coworker.settings import Budget

MONEY = ("run", "conversation", "schedule_day", "person_day", "repo_day", "day")
"""The limits in dollars, each a key of [budget] without its `_usd`; the narrowest first."""
SHARED = ("person_day", "repo_day", "day")
"""Those that only an owner lets a run pass: what one run takes is missing in all others."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has used so far."""

    steps: int
    tokens: int
    minutes: float


def exceeded(spent: Spent, budget: Budget) -> str | None:
    """One true sentence for the person when a run has reached a limit, else None.

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
    return None


@dataclass(frozen=True, slots=True)
class Account:
    """One limit in dollars, and what is spent of it. `key` says whose it is."""

    name: str
    key: str
    spent_usd: float
    limit_usd: float


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """Dollars that a request under way may take from some accounts."""

    usd: float
    accounts: frozenset[tuple[str, str]]


class Ledger:
    """What requests under way may still cost. They end with this process, and so does it."""

    def __init__(self) -> None:
        self._claims: list[Claim] = []
        self._released = asyncio.Event()

    async def claim(self, usd: float, accounts: Callable[[], Sequence[Account]]) -> Claim | Account:
        """Reserve that much, or name the account that is too small for it.

        Waits while only what others have reserved stands in the way.
        """
        while True:
            now = accounts()
            if short := _short(now, usd, {}):
                return short
            if not _short(now, usd, self._reserved()):
                claim = Claim(usd, frozenset((each.name, each.key) for each in now))
                self._claims.append(claim)
                return claim
            await self._released.wait()

    @contextmanager
    def held(self, claim: Claim) -> Iterator[None]:
        """Give the claim back at the end, when what the request did cost is in the log."""
        try:
            yield
        finally:
            self._claims.remove(claim)
            self._released.set()
            self._released = asyncio.Event()

    def _reserved(self) -> dict[tuple[str, str], float]:
        reserved: dict[tuple[str, str], float] = {}
        for claim in self._claims:
            for account in claim.accounts:
                reserved[account] = reserved.get(account, 0.0) + claim.usd
        return reserved


def _short(
    accounts: Sequence[Account], usd: float, reserved: dict[tuple[str, str], float]
) -> Account | None:
    for each in accounts:
        taken = each.spent_usd + reserved.get((each.name, each.key), 0.0)
        if usd and taken + usd > each.limit_usd:
            return each
    return None
