"""What models have cost, as queries over entries; nothing is counted twice or kept beside them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

_PAID = "kind IN ('assistant', 'summary', 'error')"
"""A request that failed may have cost something too."""
_COST = "json_extract(body, '$.cost_usd')"
QUARTER_MS = 900_000
"""Every time zone begins its days at a multiple of this."""
_BY = {
    "conversation": "conversation",
    "person": "json_extract(body, '$.for.person')",
    "repo": "json_extract(body, '$.for.repo')",
    "schedule": "json_extract(body, '$.for.schedule')",
    "skill": "json_extract(body, '$.for.skill')",
    "quarter": f"at / {QUARTER_MS}",
}


@dataclass(frozen=True, slots=True)
class Row:
    """What was spent on one key, in dollars; "" is what nobody noted."""

    key: str
    requests: int
    usd: float


class Spending:
    """Sums over the log."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader

    def by(self, what: str, since: int = 0) -> list[Row]:
        """One row for each conversation, person, repo … since then (milliseconds UTC).

        `quarter` is a quarter of an hour: milliseconds UTC through `QUARTER_MS`.
        """
        sql = (
            f"SELECT coalesce({_BY[what]}, ''), count({_COST}), total({_COST}) FROM entry"  # noqa: S608
            f" WHERE {_PAID} AND at >= ? AND {_COST} IS NOT NULL GROUP BY 1 ORDER BY 3 DESC, 1"
        )
        return [Row(str(key), n, usd) for key, n, usd in self._reader.execute(sql, (since,))]

    def since(self, at: int) -> float:
        """Dollars since then (milliseconds UTC)."""
        sql = f"SELECT total({_COST}) FROM entry WHERE {_PAID} AND at >= ?"  # noqa: S608
        return float(self._reader.execute(sql, (at,)).fetchone()[0])

    def of_conversation(self, conversation: str) -> float:
        """Dollars of a conversation since it began."""
        sql = f"SELECT total({_COST}) FROM entry WHERE {_PAID} AND conversation = ?"  # noqa: S608
        return float(self._reader.execute(sql, (conversation,)).fetchone()[0])
