"""Which model answers: the wanted one, then the other, then the offline one, and always said so.

It knows the configured models and their prices; how a server is spoken to is the client's matter.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from coworker.config import tier_names
from coworker.errors import ContextTooLong, ModelError, RateLimited
from coworker.models import prices
from coworker.models.client import MessagesClient, what_happened
from coworker.models.offline import Offline
from coworker.protocols import Clock
from coworker.settings import ModelConfig, Models
from coworker.types import Answer, Bill, Emit, Progress, Request, Tier

_TOKENS_A_SECOND = 200
"""No large model writes faster."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A tier and the model that sits there. `where` is its host; both are "" when nobody does.

    `obstacle` says why a model that is named cannot be asked.
    """

    tier: Tier
    model: str = ""
    where: str = ""
    configured: bool = False
    obstacle: str = ""


class Router:
    """All models as one. With none configured it is offline."""

    def __init__(self, models: Models, clock: Clock) -> None:
        seats = {"large": models.large, "small": models.small}
        self._configs = {tier: config for tier in tier_names() if (config := seats[tier])}
        self._clients = {
            tier: MessagesClient(config, tier, clock) for tier, config in self._configs.items()
        }

    async def respond(self, request: Request, emit: Emit, bill: Bill) -> Answer:
        """Answer a request; `notice` says so when another model than the wanted one answered.

        Raises ContextTooLong of the wanted model, and RateLimited when only waiting helps.
        """
        failures: list[ModelError] = []
        for tier in self._order(request):
            if failures:
                model = self._configs[tier].model
                emit(Progress("note", f"{what_happened(failures[-1])}; asking {model} instead."))
            try:
                answer = await self._clients[tier].respond(request, emit, bill)
            except ModelError as error:
                if isinstance(error, ContextTooLong) and not failures:
                    raise
                failures.append(error)
            else:
                return dataclasses.replace(answer, notice=_notice(failures, answer.model))
        return await self._without(request, failures, emit)

    async def probe(self, tier: Tier) -> None:
        """Ask that tier's model for a word, which costs far less than a cent. Raises ModelError."""
        await self._clients[tier].respond(PROBE, lambda _: None, Bill())

    def bound_usd(self, request: Request, seconds: float = math.inf) -> float:
        """The most dollars that an answer can have cost after so long, whoever gives it.

        Infinite without a known price.
        """
        written = round(min(request.max_tokens, seconds * _TOKENS_A_SECOND))
        known = [prices.price_of(self._configs[tier]) for tier in self._order(request)]
        bounds = [prices.bound(p, request.tokens, written) if p else math.inf for p in known]
        return max(bounds, default=0.0)

    def compact_at(self) -> int:
        """Tokens of history beyond which the large model wants a summary; 0 means never."""
        config = self._wanted("large")
        return config.context_tokens if config else 0

    def unpriced(self) -> str | None:
        """Why a budget cannot hold: a remote model whose price is not known."""
        for tier, config in self._configs.items():
            if prices.price_of(config) is None:
                return (
                    f"{config.model} at {self._clients[tier].host} has no known price, so a budget "
                    f"cannot hold. Give it one in [models.{tier}.price]."
                )
        return None

    def describe(self) -> list[Seat]:
        """Every tier and who sits there, for status and doctor."""
        return [self._seat(tier) for tier in tier_names()]

    async def aclose(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            await client.aclose()

    def _order(self, request: Request) -> list[Tier]:
        """The tiers to try: the wanted one first, and only local ones if the request must stay."""
        tiers = sorted(self._configs, key=lambda tier: tier != request.tier)
        return [t for t in tiers if self._configs[t].is_local or not request.local_only]

    def _wanted(self, tier: Tier) -> ModelConfig | None:
        return self._configs.get(tier) or next(iter(self._configs.values()), None)

    def _seat(self, tier: Tier) -> Seat:
        config = self._configs.get(tier)
        if config is None:
            return Seat(tier)
        client = self._clients[tier]
        obstacle = client.obstacle or ""
        return Seat(tier, config.model, client.host, not obstacle, obstacle)

    async def _without(
        self, request: Request, failures: Sequence[ModelError], emit: Emit
    ) -> Answer:
        waits = [fault for fault in failures if isinstance(fault, RateLimited)]
        if waits:
            shortest = min(fault.retry_after_s for fault in waits)
            limited = RateLimited(f"{_reasons(failures)}. Say it again then.", shortest)
            raise limited
        if failures:
            mends = dict.fromkeys(str(fault).partition(". ")[2] for fault in failures)
            reasons, mend = _reasons(failures), " ".join(mends)
            answer = await Offline(reasons, mend).respond(request, emit)
            stopgap = f"{reasons}. {mend}".strip()
            return dataclasses.replace(answer, stopgap=stopgap)
        if self._configs:
            return await Offline(_LOCAL_ONLY, _GO_LOCAL).respond(request, emit)
        return await Offline().respond(request, emit)


PROBE = Request(
    system="Answer with one word.",
    tools=[],
    messages=[{"role": "user", "content": "Are you there?"}],
    max_tokens=32,
)
_LOCAL_ONLY = "this repository is local_only, and no model on this machine is configured"
_GO_LOCAL = "Set base_url in [models.large] to a local server."


def _notice(failures: Sequence[ModelError], model: str) -> str:
    return f"{_reasons(failures)}; {model} answered instead." if failures else ""


def _reasons(failures: Sequence[ModelError]) -> str:
    return "; ".join(what_happened(fault) for fault in failures)
