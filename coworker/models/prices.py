"""What a request costs: list prices of the known models, and arithmetic on tokens.

It knows no server; a price in the configuration wins over the list.
"""

from __future__ import annotations

import re

from coworker.settings import ModelConfig, Price
from coworker.types import Usage

FREE = Price(input=0.0, output=0.0)
_MILLION = 1_000_000
# A date or an edition of the same model; "-2" would be another model with its own price.
_SUFFIX = re.compile(r"(-\d{8}|-latest|-v\d+|[@:\[].*)+$")
_CACHE_WRITE_5M = 1.25


class ListPrice(Price, frozen=True):
    """A price from the list: `cache_write` is for the hour, `cache_write_5m` for five minutes.

    A prompt of more than `band_tokens` is charged by `above` altogether.
    """

    cache_write_5m: float = 0.0
    band_tokens: int = 0
    above: Price | None = None


def price_of(model: ModelConfig) -> Price | None:
    """The configured price, the list price, nothing for an unknown local model; else None."""
    if model.price:
        return model.price
    listed = _LIST.get(_SUFFIX.sub("", model.model))
    return listed or (FREE if model.is_local else None)


def cost(price: Price, usage: Usage, short_writes: int = 0) -> float:
    """Dollars for these tokens.

    `short_writes` says how many of the cache writes are known to be for five minutes; the others
    are charged as if they were all for an hour, so the sum is never too low.
    """
    rates = _band(price, usage.input + usage.cache_read + usage.cache_write)
    short_rate = rates.cache_write_5m if isinstance(rates, ListPrice) else rates.write
    dollars = (
        usage.input * rates.input
        + usage.output * rates.output
        + usage.cache_read * rates.read
        + (usage.cache_write - short_writes) * rates.write
        + short_writes * short_rate
    )
    return dollars / _MILLION


def bound(price: Price, prompt_tokens: int, max_tokens: int) -> float:
    """The most dollars that one request can cost: all cached for an hour, all output used."""
    rates = _band(price, prompt_tokens)
    dearest = max(rates.input, rates.read, rates.write)
    return (prompt_tokens * dearest + max_tokens * rates.output) / _MILLION


def _band(price: Price, prompt_tokens: int) -> Price:
    if isinstance(price, ListPrice) and price.above and prompt_tokens > price.band_tokens:
        return price.above
    return price


def _listed(dollars_in: float, dollars_out: float) -> ListPrice:
    return ListPrice(
        input=dollars_in,
        output=dollars_out,
        cache_write_5m=dollars_in * _CACHE_WRITE_5M,
    )


def _banded(low: ListPrice, band_tokens: int, above: ListPrice) -> ListPrice:
    return ListPrice(
        input=low.input,
        output=low.output,
        cache_write_5m=low.cache_write_5m,
        band_tokens=band_tokens,
        above=above,
    )


_LIST: dict[str, ListPrice] = {
    "claude-fable-5-1": _listed(10, 50),
    "claude-fable-5": _listed(10, 50),
    "claude-mythos-5-1": _listed(10, 50),
    "claude-mythos-5": _listed(10, 50),
    "claude-opus-5-5": _listed(4, 20),
    "claude-opus-5": _listed(5, 25),
    "claude-opus-4-8": _listed(5, 25),
    "claude-opus-4-7": _listed(5, 25),
    "claude-opus-4-6": _listed(5, 25),
    "claude-opus-4-5": _listed(5, 25),
    "claude-sonnet-5-5": _listed(2, 10),
    "claude-sonnet-5": _listed(2, 10),
    "claude-sonnet-4-6": _listed(3, 15),
    "claude-sonnet-4-5": _listed(3, 15),
    "claude-haiku-5-5": _banded(_listed(0.1, 0.5), 100_000, _listed(0.5, 2.5)),
    "claude-haiku-4-5": _listed(1, 5),
}
