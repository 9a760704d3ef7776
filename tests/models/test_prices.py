"""What tokens cost, and the most that a request can cost."""

from __future__ import annotations

import pytest

from coworker.models.prices import FREE, bound, cost, price_of
from coworker.settings import ModelConfig, Price
from coworker.types import Usage

MILLION = 1_000_000


def listed(model: str) -> Price:
    price = price_of(ModelConfig(model=model))
    assert price
    return price


@pytest.mark.parametrize(
    ("model", "dollars_in", "dollars_out"),
    [
        ("claude-fable-5-1", 10, 50),
        ("claude-opus-5-5", 4, 20),
        ("claude-opus-5-5-20260922", 4, 20),
        ("claude-opus-5-5-latest", 4, 20),
        ("claude-opus-5-5[1m]", 4, 20),
        ("claude-opus-5", 5, 25),
        ("claude-sonnet-5-5", 2, 10),
        ("claude-haiku-5-5", 0.1, 0.5),
        ("claude-haiku-4-5-20251001", 1, 5),
    ],
)
def test_known_models_have_their_list_price(
    model: str, dollars_in: float, dollars_out: float
) -> None:
    price = listed(model)
    assert (price.input, price.output) == (dollars_in, dollars_out)


@pytest.mark.parametrize("model", ["claude-opus-5-6", "claude-opus-5-5-mini", "gpt", "claude", ""])
def test_another_model_is_not_taken_for_a_known_one(model: str) -> None:
    assert price_of(ModelConfig(model=model)) is None


def test_a_local_model_is_free_and_a_configured_price_wins() -> None:
    local = "http://127.0.0.1:11434"
    price = Price(input=7, output=9)
    assert price_of(ModelConfig(model="qwen", base_url=local)) == FREE
    assert price_of(ModelConfig(model="qwen", base_url=local, price=price)) == price
    assert price_of(ModelConfig(model="claude-opus-5-5", price=price)) == price


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(input=MILLION), 4.0),
        (Usage(output=MILLION), 20.0),
        (Usage(cache_read=MILLION), 0.4),
        (Usage(cache_write=MILLION), 8.0),
        (Usage(), 0.0),
    ],
)
def test_each_kind_of_token_has_its_rate(usage: Usage, dollars: float) -> None:
    assert cost(listed("claude-opus-5-5"), usage) == pytest.approx(dollars)


def test_cache_writes_known_to_be_short_cost_less() -> None:
    written = Usage(cache_write=MILLION)
    assert cost(listed("claude-opus-5-5"), written, short_writes=MILLION) == pytest.approx(5.0)
    own = Price(input=1, output=1, cache_write=3)
    assert cost(own, written, short_writes=MILLION) == pytest.approx(3.0)


def test_a_long_prompt_moves_the_whole_request_into_the_dearer_band() -> None:
    haiku = listed("claude-haiku-5-5")
    at, beyond = (
        Usage(input=100_000, output=1_000),
        Usage(input=1, cache_read=100_000, output=1_000),
    )
    assert cost(haiku, at) == pytest.approx(0.01 + 0.0005)
    assert cost(haiku, beyond) == pytest.approx(0.0000005 + 0.005 + 0.0025)


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-haiku-5-5", "claude-fable-5-1"])
@pytest.mark.parametrize("prompt", [10, 100_000, 100_001, 900_000])
def test_no_request_costs_more_than_its_bound(model: str, prompt: int) -> None:
    price = listed(model)
    most = bound(price, prompt, 16_000)
    for usage in (
        Usage(input=prompt, output=16_000),
        Usage(cache_write=prompt, output=16_000),
        Usage(cache_read=prompt, output=16_000),
        Usage(input=prompt // 3, cache_write=prompt // 3, cache_read=prompt // 3, output=9_000),
    ):
        assert cost(price, usage) <= most + 1e-12
