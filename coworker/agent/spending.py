"""Whose money a request spends, what is left of it, and the question when that is too little.

It counts nothing: what was spent is a query over entries.
"""

from __future__ import annotations

from datetime import datetime

from coworker.agent import words
from coworker.agent.act import Ports
from coworker.agent.fold import State
from coworker.policy.approvals import MORE, STOP
from coworker.policy.budget import MONEY, SHARED, Account
from coworker.store.log import Conversation
from coworker.store.spending import QUARTER_MS, Spending
from coworker.types import Json

BY = ("conversation", "repo", "person", "schedule", "day", "skill")
"""What costs can be summed by."""
_RAISE_USD = 1.0
_DAY_MS = 86_400_000
_OF = {
    "run": "for this run",
    "conversation": "in this conversation",
    "schedule_day": "for this schedule today",
    "person_day": "for {key} today",
    "repo_day": "on {key} today",
    "day": "today",
}


def purpose(state: State, conversation: Conversation) -> Json:
    """For whom and for what a request is made."""
    return {
        "person": state.senders[0] if state.senders else "",
        "repo": conversation.repo or "",
        "schedule": state.schedule,
    }


def accounts(state: State, conversation: Conversation, ports: Ports) -> list[Account]:
    """Every limit in dollars that a request of this run must stay within."""
    budget, keys = ports.config.budget, _keys(state, conversation, ports)
    limits = {name: getattr(budget, f"{name}_usd") for name in MONEY if keys[name]}
    return [
        Account(
            name,
            keys[name],
            state.cost_usd if name == "run" else spent_usd(name, keys[name], ports),
            limit + state.allowance.get(name, 0.0),
        )
        for name, limit in limits.items()
        if limit
    ]


def spent_usd(limit: str, key: str, ports: Ports) -> float:
    """Dollars that the log holds against a limit other than a run's own."""
    spending = ports.log.spending
    if limit == "conversation":
        return spending.of_conversation(key)
    midnight = words.midnight(ports.clock.now_ms(), ports.config.zone)
    if limit == "day":
        return spending.since(midnight)
    rows = spending.by(limit.removesuffix("_day"), midnight)
    if limit == "person_day":
        return sum(row.usd for row in rows if name_of(row.key, ports) == key)
    return sum(row.usd for row in rows if row.key == key)


async def costs(by: str, days: int, ports: Ports) -> list[Json]:
    """What models have cost in the last days, today among them, or ever (0); the dearest first."""
    now, zone = ports.clock.now_ms(), ports.config.zone
    since = words.midnight(now - (days - 1) * _DAY_MS, zone) if days else 0
    what = "quarter" if by == "day" else by
    sums: dict[str, Json] = {}
    for row in await ports.log.apart(lambda db: Spending(db).by(what, since)):
        key = _shown(by, row.key, ports)
        found = sums.setdefault(key, {by: key, "requests": 0, "cost_usd": 0.0})
        found["requests"] += row.requests
        found["cost_usd"] += row.usd
    if by == "day":
        return [sums[day] for day in sorted(sums)]
    return sorted(sums.values(), key=lambda found: -found["cost_usd"])


def _shown(by: str, key: str, ports: Ports) -> str:
    if by == "person":
        return name_of(key, ports) if key else ""
    if by == "day":
        return f"{datetime.fromtimestamp(int(key) * QUARTER_MS / 1000, ports.config.zone):%Y-%m-%d}"
    return key


def name_of(sender: str, ports: Ports) -> str:
    """A person's name, whichever of their ids it is; the id itself when it is not known."""
    person = ports.people.find(sender)
    return person.name if person else sender


def question(short: Account, usd: float, state: State) -> Json:
    """The body of an `ask` without a call: may the run pass this limit by a dollar?"""
    return {
        "ask": state.asks + 1,
        "call": "",
        "question": (
            f"I have spent ${short.spent_usd:.2f} of the ${short.limit_usd:.2f} "
            f"{whose(short)}; the next step may cost up to ${usd:.2f}."
        ),
        "options": [MORE, STOP],
        "approval": True,
        "owner": short.name in SHARED,
        "asker": state.senders[0],
        "run": state.run,
        "limit": short.name,
        "usd": _RAISE_USD,
    }


def whose(account: Account) -> str:
    """An account in words: `for this run`, `on shop today`."""
    return _OF[account.name].format(key=account.key)


def _keys(state: State, conversation: Conversation, ports: Ports) -> dict[str, str]:
    """The key of each account; "" where this run has none."""
    who = purpose(state, conversation)
    return {
        "run": f"{conversation.id}/{state.run}",
        "conversation": conversation.id,
        "schedule_day": who["schedule"],
        "person_day": name_of(who["person"], ports),
        "repo_day": who["repo"],
        "day": "today",
    }
