"""Which model answers, what the person hears about it, and what it can cost."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from coworker.errors import ContextTooLong, RateLimited
from coworker.models.router import Router, Seat
from coworker.settings import ModelConfig, Models, Price
from coworker.types import Answer, Bill, Json, Progress, Request
from tests.fakes import QuickClock
from tests.fakes.anthropic import FakeAnthropic, Step, overloaded, say, status

DOWN = overloaded(5)
BAD_KEY = status(401)
TOO_LONG = status(413)
WAIT_AN_HOUR = status(429, {"retry-after": "3600"})


class Pair:
    """A router and the two models it may ask."""

    def __init__(self, router: Router, large: FakeAnthropic, small: FakeAnthropic) -> None:
        self.router = router
        self.large = large
        self.small = small
        self.shown: list[Progress] = []

    async def ask(self, text: str = "hello", tools: tuple[Json, ...] = (), **more: Any) -> Answer:
        messages = [{"role": "user", "content": [{"type": "text", "text": text}]}]
        return await self.router.respond(
            Request("", list(tools), messages, **more), self.shown.append, Bill()
        )


@asynccontextmanager
async def pair(large: Step, small: Step) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(FakeAnthropic([large]))
        two = await stack.enter_async_context(FakeAnthropic([small]))
        models = Models(
            large=ModelConfig(model="claude-opus-5-5", base_url=one.url),
            small=ModelConfig(model="claude-haiku-5-5", base_url=two.url),
        )
        router = Router(models, QuickClock())
        stack.push_async_callback(router.aclose)
        yield Pair(router, one, two)


def text_of(answer: Answer) -> str:
    return str(answer.content[0]["text"])


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")


async def test_the_wanted_model_answers_without_a_word_about_it() -> None:
    async with pair(say("large"), say("small")) as models:
        large, small = await models.ask(), await models.ask(tier="small")
    assert (text_of(large), large.model, large.notice) == ("large", "claude-opus-5-5", "")
    assert (text_of(small), small.model, small.notice) == ("small", "claude-haiku-5-5", "")


async def test_the_other_model_steps_in_and_the_person_is_told() -> None:
    async with pair(DOWN, say("small")) as models:
        answer = await models.ask()
    assert text_of(answer) == "small"
    assert answer.notice == "claude-opus-5-5 is overloaded; claude-haiku-5-5 answered instead."
    note = "claude-opus-5-5 is overloaded; asking claude-haiku-5-5 instead."
    assert models.shown[-2:] == [Progress("note", note), Progress("text", "small")]


async def test_the_large_model_steps_in_for_the_small_one() -> None:
    async with pair(say("large"), DOWN) as models:
        answer = await models.ask(tier="small")
    assert answer.notice == "claude-haiku-5-5 is overloaded; claude-opus-5-5 answered instead."


async def test_a_bad_key_is_named_in_the_notice() -> None:
    async with pair(BAD_KEY, say("small")) as models:
        answer = await models.ask()
    assert answer.notice == (
        "127.0.0.1 asks for a valid key for claude-opus-5-5; claude-haiku-5-5 answered instead."
    )


async def test_a_rate_limit_is_bridged_by_the_other_model() -> None:
    async with pair(WAIT_AN_HOUR, say("small")) as models:
        answer = await models.ask()
    assert answer.notice.startswith("claude-opus-5-5 asks us to wait 60 min; ")


async def test_a_rate_limit_with_nobody_else_is_told_as_a_time_to_come_back() -> None:
    async with pair(WAIT_AN_HOUR, DOWN) as models:
        with pytest.raises(RateLimited) as raised:
            await models.ask()
    assert raised.value.retry_after_s == 3600
    assert str(raised.value) == (
        "claude-opus-5-5 asks us to wait 60 min; claude-haiku-5-5 is overloaded. Say it again then."
    )


async def test_a_history_that_is_too_long_is_the_callers_matter() -> None:
    async with pair(TOO_LONG, say("small")) as models:
        with pytest.raises(ContextTooLong):
            await models.ask()
    assert not models.small.requests


async def test_with_every_model_down_the_offline_one_says_which_failed_and_why() -> None:
    async with pair(DOWN, BAD_KEY) as models:
        answer = await models.ask()
    assert answer.model == "offline"
    said = text_of(answer)
    assert "offline: claude-opus-5-5 is overloaded; 127.0.0.1 asks for a valid key" in said
    assert "Check ANTHROPIC_API_KEY" in said


async def test_with_every_model_down_it_can_still_look_things_up() -> None:
    async with pair(DOWN, DOWN) as models:
        answer = await models.ask("what changed?", ({"name": "git_log"},))
    assert (answer.stop_reason, answer.content[0]["name"]) == ("tool_use", "git_log")


async def test_with_no_model_configured_it_is_offline_and_says_how_to_connect_one() -> None:
    router = Router(Models(), QuickClock())
    answer = await router.respond(
        Request("", [], [{"role": "user", "content": "hello"}]), lambda _: None, Bill()
    )
    assert answer.model == "offline"
    assert "ANTHROPIC_API_KEY" in text_of(answer)


async def test_what_must_stay_here_is_never_sent_to_a_remote_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with pair(say("large"), say("small")) as models:
        # A model that names no local address counts as remote, wherever the variable leads.
        monkeypatch.setenv("ANTHROPIC_BASE_URL", models.large.url)
        remote = Router(Models(large=ModelConfig(model="claude-opus-5-5")), QuickClock())
        alone = Pair(remote, models.large, models.small)
        answer = await alone.ask(local_only=True)
    assert answer.model == "offline"
    assert "local_only" in text_of(answer)
    assert not models.large.requests


async def test_what_must_stay_here_goes_to_the_local_model_only() -> None:
    async with pair(say("large"), say("small")) as models:
        config = Models(
            large=ModelConfig(model="claude-opus-5-5", base_url="https://models.invalid"),
            small=ModelConfig(model="qwen", base_url=models.small.url),
        )
        router = Router(config, QuickClock())
        answer = await Pair(router, models.large, models.small).ask(local_only=True)
        await router.aclose()
    assert (text_of(answer), answer.model, answer.notice) == ("small", "qwen", "")


def bound(router: Router, **more: Any) -> float:
    return router.bound_usd(Request("", [], [], **{"max_tokens": 10**4, "tokens": 10**5, **more}))


def test_the_bound_is_that_of_the_dearest_model_that_may_answer() -> None:
    large = ModelConfig(model="claude-opus-5-5")
    small = ModelConfig(model="claude-haiku-5-5")
    local = ModelConfig(model="qwen", base_url="http://127.0.0.1:1")
    assert bound(Router(Models(large=large, small=small), QuickClock())) == pytest.approx(1.0)
    assert bound(Router(Models(small=small), QuickClock())) == pytest.approx(0.025)
    assert bound(Router(Models(), QuickClock())) == 0.0
    stepping_in = Router(Models(large=local, small=large), QuickClock())
    assert bound(stepping_in) == pytest.approx(1.0)
    assert bound(stepping_in, local_only=True) == 0.0


def test_a_remote_model_without_a_known_price_is_reported() -> None:
    remote = ModelConfig(model="mystery", base_url="https://models.example.com/x")
    router = Router(Models(small=remote), QuickClock())
    assert router.unpriced() == (
        "mystery at models.example.com has no known price, so a budget cannot hold. "
        "Give it one in [models.small.price]."
    )
    assert bound(router) == math.inf


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(model="claude-opus-5-5"),
        ModelConfig(model="mystery", price=Price(input=1, output=1)),
        ModelConfig(model="mystery", base_url="http://localhost:11434"),
    ],
)
def test_known_configured_and_local_prices_are_enough(config: ModelConfig) -> None:
    assert Router(Models(large=config), QuickClock()).unpriced() is None


def test_status_shows_who_sits_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    local = ModelConfig(model="qwen", base_url="http://user:word@127.0.0.1:11434")
    without_key = Models(large=ModelConfig(model="claude-opus-5-5"), small=local)
    assert Router(without_key, QuickClock()).describe() == [
        Seat(
            "large",
            "claude-opus-5-5",
            "api.anthropic.com",
            configured=False,
            obstacle="claude-opus-5-5 has no key. Set ANTHROPIC_API_KEY.",
        ),
        Seat("small", "qwen", "127.0.0.1", configured=True),
    ]
    assert Router(Models(), QuickClock()).describe() == [Seat("large"), Seat("small")]


def test_a_history_is_compacted_by_the_large_models_window() -> None:
    models = Models(
        large=ModelConfig(model="a", context_tokens=9),
        small=ModelConfig(model="b", context_tokens=5),
    )
    assert Router(models, QuickClock()).compact_at() == 9
    assert Router(Models(), QuickClock()).compact_at() == 0
