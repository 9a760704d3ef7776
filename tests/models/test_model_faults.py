"""A model server in trouble: what is tried again, and what a person is told when that is no use."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from coworker.errors import ContextTooLong, ModelError, ModelRefused, Overloaded, RateLimited
from coworker.models.client import MessagesClient
from coworker.settings import ModelConfig
from coworker.types import Answer, Bill, Json, Progress, Request, Usage
from tests.fakes import QuickClock
from tests.fakes.anthropic import (
    FakeAnthropic,
    Step,
    block,
    cut_stream,
    hang,
    no_stop_reason,
    overload_midstream,
    overloaded,
    reset,
    say,
    slow,
    status,
    usage,
)

KEY = "a-key-of-no-known-form"
HALF = say("half of an answer")


@dataclass
class Seen:
    """What was to be seen from outside while a model was asked."""

    shown: list[Progress] = field(default_factory=list)
    naps: list[float] = field(default_factory=list)
    requests: int = 0
    bill: Bill = field(default_factory=Bill)


async def ask(
    *steps: Step, seen: Seen | None = None, patience_s: float = 10.0, tokens: int = 0
) -> Answer:
    seen = seen or Seen()
    clock = QuickClock()
    async with FakeAnthropic(steps) as fake:
        config = ModelConfig(model="claude-opus-5-5", base_url=fake.url)
        client = MessagesClient(config, "large", clock, patience_s)
        try:
            return await client.respond(hello(tokens), seen.shown.append, seen.bill)
        finally:
            await client.aclose()
            seen.naps, seen.requests = clock.naps, len(fake.requests)


def hello(tokens: int = 0) -> Request:
    return Request("Be brief.", [], [{"role": "user", "content": "hello"}], tokens=tokens)


async def requests_of(client: MessagesClient, fake: FakeAnthropic) -> int:
    """How often the server is asked for one answer, whether it comes or not."""
    before = len(fake.requests)
    with suppress(ModelError):
        await client.respond(hello(), lambda _: None, Bill())
    return len(fake.requests) - before


def error(message: str, kind: str = "invalid_request_error") -> Json:
    return {"type": "error", "error": {"type": kind, "message": message}}


def events(text: str) -> Step:
    return status(200, {"content-type": "text/event-stream"}, text)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


@pytest.mark.parametrize(
    "fault",
    [
        overloaded(),
        status(500, body=error("boom", "api_error")),
        status(503, body="<html>upstream</html>"),
        status(408),
        status(409),
        reset(),
        HALF + reset(after=4),
        HALF + cut_stream(),
        HALF + no_stop_reason(),
        HALF + no_stop_reason(after=-1),
        events('data: {"type": "message_stop"}\n\n'),
        HALF + overload_midstream(),
        block(type="tool_use", name="", input={}),
        events("event: x\ndata: {oops\n\n"),
        events('data: {"index": "one"}\n\n'),
        events('data: {"type": "content_block_delta"}\n\n'),
        events(""),
    ],
)
async def test_a_passing_fault_is_tried_again(fault: Step) -> None:
    seen = Seen()
    answer = await ask(fault, say("whole"), seen=seen)
    assert [item["text"] for item in answer.content] == ["whole"]
    assert seen.requests == 2


async def test_it_tries_five_times_with_growing_pauses_then_says_what_to_do() -> None:
    seen = Seen()
    with pytest.raises(Overloaded) as raised:
        await ask(overloaded(9), seen=seen)
    said = "claude-opus-5-5 is overloaded. Say it again in a few minutes."
    assert str(raised.value) == said
    assert seen.requests == 5
    assert seen.naps == [pytest.approx(pause, rel=0.26) for pause in (0.5, 1, 2, 4)]


async def test_a_person_who_saw_half_an_answer_is_told_that_it_starts_again() -> None:
    seen = Seen()
    await ask(HALF + cut_stream(), say("whole"), seen=seen)
    assert seen.shown == [
        Progress("text", "half of an answer"),
        Progress("note", "claude-opus-5-5 broke off its answer; trying again."),
        Progress("text", "whole"),
    ]


async def test_a_person_who_saw_nothing_yet_is_told_why_it_takes_long() -> None:
    seen = Seen()
    await ask(overloaded(), say("whole"), seen=seen)
    note = Progress("note", "claude-opus-5-5 is overloaded; trying again.")
    assert seen.shown == [note, Progress("text", "whole")]


async def test_a_model_known_to_be_away_is_tried_once_until_it_answers_or_time_passes() -> None:
    clock = QuickClock()
    script = [overloaded(6), say("back"), overloaded(), say("again"), overloaded(6), say("late")]
    async with FakeAnthropic(script) as fake:
        client = MessagesClient(
            ModelConfig(model="claude-opus-5-5", base_url=fake.url), "large", clock
        )
        tries = [await requests_of(client, fake) for _ in range(5)]
        await clock.sleep(31)
        assert [*tries, await requests_of(client, fake)] == [5, 1, 1, 2, 5, 2]
        await client.aclose()


async def test_a_request_that_is_refused_does_not_make_a_model_seem_away() -> None:
    async with FakeAnthropic([status(413), overloaded(), say("whole")]) as fake:
        config = ModelConfig(model="claude-opus-5-5", base_url=fake.url)
        client = MessagesClient(config, "large", QuickClock())
        assert [await requests_of(client, fake) for _ in range(2)] == [1, 2]
        await client.aclose()


async def test_what_a_broken_answer_cost_is_not_forgotten() -> None:
    broken = HALF + usage(input=10**6, output=0) + cut_stream()
    seen = Seen()
    answer = await ask(broken, say("whole") + usage(input=0, output=0), seen=seen)
    assert seen.bill.usd == pytest.approx(4.0, rel=0.01)
    assert answer.usage == Usage()


@pytest.mark.parametrize("step", [HALF + usage(input=10**6, output=0) + hang(), hang()])
async def test_what_a_request_cost_that_somebody_stopped_is_not_forgotten(step: Step) -> None:
    """Without a word from the server, what there was to read counts."""
    seen = Seen()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await ask(step, seen=seen, tokens=10**6)
    assert seen.bill.usd == pytest.approx(4.0, rel=0.01)


@pytest.mark.parametrize("step", [status(500), status(529), status(401)])
async def test_what_was_refused_costs_nothing(step: Step) -> None:
    seen = Seen()
    with pytest.raises(ModelError):
        await ask(step, seen=seen, tokens=10**6)
    assert seen.bill.usd == 0


async def test_an_unreachable_server_is_named() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        client = MessagesClient(ModelConfig(model="qwen", base_url=url), "small", QuickClock())
        with pytest.raises(Overloaded) as raised:
            await client.respond(hello(), lambda _: None, Bill())
        await client.aclose()
    assert str(raised.value) == (
        "qwen cannot be reached at 127.0.0.1. "
        "Check model and base_url (without /v1) in [models.small]."
    )


@pytest.mark.parametrize("silence", [slow(60), HALF + hang(after=4)])
async def test_a_silent_server_is_given_up(silence: Step) -> None:
    answer = await ask(silence, say("whole"), patience_s=0.05)
    assert answer.content[0]["text"] == "whole"


async def test_a_short_wait_that_the_server_asks_for_is_kept() -> None:
    seen = Seen()
    limited = status(429, {"retry-after": "7"}, error("slow down", "rate_limit_error"))
    await ask(limited, say("whole"), seen=seen)
    assert seen.naps == [7.0]
    assert seen.shown[0] == Progress("note", "claude-opus-5-5 asks us to wait 7 s; trying again.")


async def test_a_long_wait_is_the_persons_to_decide() -> None:
    seen = Seen()
    with pytest.raises(RateLimited) as raised:
        await ask(status(429, {"retry-after": "3600"}), seen=seen)
    assert raised.value.retry_after_s == 3600
    assert str(raised.value) == "claude-opus-5-5 asks us to wait 60 min. Say it again then."
    assert seen.requests == 1


@pytest.mark.parametrize(
    "step",
    [
        status(400, body=error("prompt is too long: 210000 tokens > 200000 maximum")),
        status(400, body=error("This model's maximum context length is 8192 tokens.")),
        status(413, body=error("Request exceeds the maximum size", "request_too_large")),
    ],
)
async def test_a_history_that_does_not_fit_is_its_own_error(step: Step) -> None:
    seen = Seen()
    with pytest.raises(ContextTooLong, match="no longer fits claude-opus-5-5"):
        await ask(step, seen=seen)
    assert seen.requests == 1


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (status(401, body=error("invalid x-api-key")), ["valid key", "ANTHROPIC_API_KEY"]),
        (status(402, body=error("pay")), ["no credit", "ANTHROPIC_API_KEY"]),
        (status(400, body=error("Your credit balance is too low. Buy.")), ["no credit"]),
        (status(403, body=error("no")), ["does not allow", "ANTHROPIC_API_KEY"]),
        (status(404, body=error("model: nope")), ["does not know", "[models.large]", "base_url"]),
        (status(422, body=error("x: bad. More.")), ["(422): “x: bad”", "[models.large]"]),
        (status(418, body='{"weird": "json"}'), ["(418). Check"]),
        (status(200, body="<html>login</html>"), ["not speak the Messages API", "base_url"]),
    ],
)
async def test_a_refusal_says_which_setting_to_change(step: Step, words: list[str]) -> None:
    seen = Seen()
    with pytest.raises(ModelRefused) as raised:
        await ask(step, seen=seen)
    said = str(raised.value)
    assert all(word in said for word in words), said
    assert not set("{}<>\n") & set(said)
    assert seen.requests == 1


@pytest.mark.parametrize("echoed", [KEY, "sk-ant-another-key"])
async def test_a_key_that_the_server_repeats_is_not_shown(echoed: str) -> None:
    with pytest.raises(ModelError) as raised:
        await ask(status(400, body=error(f"bad key {echoed} given")))
    assert "bad key … given" in str(raised.value)
