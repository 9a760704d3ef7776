"""One model server, from outside: what is sent, what comes back, and how it ends."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from coworker.errors import (
    ModelRefused,
)
from coworker.models.client import MessagesClient
from coworker.settings import ModelConfig, Price
from coworker.types import Answer, Bill, Json, Progress, Request, Usage
from tests.fakes import QuickClock, until
from tests.fakes.anthropic import (
    FakeAnthropic,
    Step,
    block,
    call,
    half_json,
    hang,
    max_tokens,
    pause_turn,
    refusal,
    say,
    status,
    think,
    usage,
)

KEY = "sk-ant-test-0123456789"
TOOLS = [{"name": "read_file", "description": "Reads.", "input_schema": {"type": "object"}}]


class Talk:
    """A client, the fake it talks to, and what it showed on the way."""

    def __init__(self, fake: FakeAnthropic, client: MessagesClient, clock: QuickClock) -> None:
        self.fake = fake
        self.client = client
        self.clock = clock
        self.shown: list[Progress] = []
        self.bill = Bill()

    async def ask(self, *messages: Json, **request: Any) -> Answer:
        sent = list(messages) or [user("hello")]
        asked = Request(system="Be brief.", tools=TOOLS, messages=sent, **request)
        return await self.client.respond(asked, self.shown.append, self.bill)

    def told(self, kind: str) -> list[str]:
        return [progress.text for progress in self.shown if progress.kind == kind]


@asynccontextmanager
async def talking(*steps: Step, **config: Any) -> AsyncIterator[Talk]:
    async with FakeAnthropic(steps, strict=True) as fake, talking_to(fake, **config) as talk:
        yield talk


@asynccontextmanager
async def talking_to(
    fake: FakeAnthropic, patience_s: float = 10.0, **config: Any
) -> AsyncIterator[Talk]:
    clock = QuickClock()
    settings = {"model": "claude-opus-5-5", "base_url": fake.url} | config
    client = MessagesClient(ModelConfig(**settings), "large", clock, patience_s)
    try:
        yield Talk(fake, client, clock)
    finally:
        await client.aclose()


def user(*texts: str) -> Json:
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def result_of(call_id: str, text: str) -> Json:
    content = [{"type": "tool_result", "tool_use_id": call_id, "content": text}]
    return {"role": "user", "content": content}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


# What is sent


async def test_the_full_dialect_caches_the_prefix_and_asks_for_summarised_thinking() -> None:
    async with talking(say("hi")) as talk:
        await talk.ask(user("one"), user("two"), max_tokens=99)
    (sent,) = talk.fake.requests
    assert sent == {
        "model": "claude-opus-5-5",
        "max_tokens": 99,
        "system": [
            {
                "type": "text",
                "text": "Be brief.",
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
            }
        ],
        "tools": TOOLS,
        "messages": [user("one"), user("two")],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "cache_control": {"type": "ephemeral"},
        "stream": True,
    }


async def test_a_compatible_server_gets_the_common_subset_with_alternating_roles() -> None:
    history = [
        user("a"),
        user("b"),
        assistant({"type": "thinking", "thinking": "hm", "signature": "s"}),
        {"role": "user", "content": "c"},
        assistant({"type": "text", "text": "d"}),
        assistant({"type": "text", "text": "e"}),
        user("f"),
    ]
    async with talking(say("hi"), compatible=True) as talk:
        await talk.ask(*history, max_tokens=99)
    (sent,) = talk.fake.requests
    assert sent == {
        "model": "claude-opus-5-5",
        "max_tokens": 99,
        "system": "Be brief.",
        "tools": TOOLS,
        "messages": [
            user("a", "b", "c"),
            assistant({"type": "text", "text": "d"}, {"type": "text", "text": "e"}),
            user("f"),
        ],
        "stream": True,
    }


async def test_the_configured_key_is_sent() -> None:
    async with talking(say("hi")) as talk:
        await talk.ask()
    assert talk.fake.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_without_a_key_a_local_server_never_gets_one_that_lies_around(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "somebody-elses")
    async with talking(say("hi"), api_key_env="NOT_SET") as talk:
        await talk.ask()
    assert talk.fake.headers[0]["Authorization"] == "Bearer none"
    assert "somebody-elses" not in str(talk.fake.headers)


async def test_the_vendors_own_server_is_not_asked_without_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    client = MessagesClient(ModelConfig(model="claude-opus-5-5"), "large", QuickClock())
    with pytest.raises(ModelRefused, match=r"claude-opus-5-5 has no key. Set ANTHROPIC_API_KEY\."):
        await client.respond(Request("", [], [user("hello")]), lambda _: None, Bill())


async def test_a_model_on_this_machine_is_asked_directly_whatever_proxy_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeAnthropic() as proxy, FakeAnthropic([say("hi")]) as fake:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with talking_to(fake) as talk:
            await talk.ask()
    assert len(fake.requests) == 1
    assert not proxy.requests


async def test_a_redirect_is_not_followed() -> None:
    async with FakeAnthropic([say("hi")]) as elsewhere:
        moved = status(307, {"location": f"{elsewhere.url}/v1/messages"})
        async with talking(moved) as talk:
            with pytest.raises(ModelRefused, match="redirects the requests"):
                await talk.ask()
    assert not elsewhere.requests


# What comes back


async def test_text_and_thinking_are_shown_while_they_arrive() -> None:
    thought, words = "First I read the file. " * 5, "It rounds too early. " * 5
    async with talking(think(thought) + say(words)) as talk:
        await talk.ask()
    assert "".join(talk.told("thinking")) == thought
    assert "".join(talk.told("text")) == words
    assert len(talk.told("text")) > 1


async def test_an_answer_is_kept_and_replayed_byte_for_byte() -> None:
    step = (
        think("Ünïcode “quotes” \n tabs\t", signature="c2ln/+==")
        + block(type="redacted_thinking", data="b3BhcXVl")
        + say("I look.  ")
        + call("read_file", path="a\nb", deep={"list": [1, 2.5, None, True]})
        + call("read_file")
    )
    async with talking(step, say("done")) as talk:
        answer = await talk.ask()
        calls = [item["id"] for item in answer.content if item["type"] == "tool_use"]
        results = {"role": "user", "content": [result_of(c, "x")["content"][0] for c in calls]}
        await talk.ask(user("hello"), assistant(*answer.content), results)
    given = [
        {"type": "tool_use", "id": calls.pop(0), **item} if item["type"] == "tool_use" else item
        for item in step.content
    ]
    ordered = [{key: item[key] for key in sorted(item)} for item in given]
    received = [{key: item[key] for key in sorted(item)} for item in answer.content]
    assert json.dumps(received) == json.dumps(ordered)
    replayed = talk.fake.requests[1]["messages"][1]["content"]
    assert json.dumps(replayed) == json.dumps(answer.content)


async def test_tokens_of_all_four_kinds_are_counted_and_priced() -> None:
    spent = usage(input=1_000, output=2_000, cache_read=30_000, cache_write=4_000)
    async with talking(say("hi") + spent) as talk:
        answer = await talk.ask()
    assert answer.usage == Usage(input=1_000, output=2_000, cache_read=30_000, cache_write=4_000)
    assert talk.bill.usd == pytest.approx(0.004 + 0.04 + 0.012 + 0.032)


async def test_cache_writes_for_five_minutes_are_charged_as_such() -> None:
    async with talking(say("hi") + usage(input=0, output=0, cache_write_5m=1_000_000)) as talk:
        answer = await talk.ask()
    assert answer.usage.cache_write == 1_000_000
    assert talk.bill.usd == pytest.approx(5.0)


async def test_a_configured_price_wins() -> None:
    price = Price(input=1.0, output=10.0)
    async with talking(say("hi") + usage(input=10**6, output=10**6), price=price) as talk:
        await talk.ask()
    assert talk.bill.usd == pytest.approx(11.0)


@pytest.mark.parametrize(
    "text",
    [
        '{"path": "a',
        '{"path": "a"}}',
        '["a"]',
        "nonsense",
        '{"size": NaN}',
        '{"path": "\\ud800"}',
        "null",
    ],
)
async def test_a_call_with_bad_arguments_is_marked_and_the_rest_of_the_answer_is_kept(
    text: str,
) -> None:
    step = half_json("read_file", text) + call("read_file", path="b") + usage(output=77)
    async with talking(say("I look.") + step) as talk:
        answer = await talk.ask()
    said, bad, good = answer.content
    assert said["text"] == "I look."
    assert good["input"] == {"path": "b"}
    assert bad["input"] == {}
    assert answer.malformed == {bad["id"]: f"the arguments are not a complete JSON object: {text}."}
    assert (answer.stop_reason, answer.usage.output) == ("tool_use", 77)


async def test_a_call_without_arguments_has_empty_ones() -> None:
    async with talking(call("read_file")) as talk:
        answer = await talk.ask()
    assert answer.content[0]["input"] == {}
    assert not answer.malformed


@pytest.mark.parametrize("text", ['{"path": "a", "content": "long', ""])
async def test_a_call_cut_off_by_the_output_limit_is_marked(text: str) -> None:
    async with talking(half_json("write_file", text) + max_tokens()) as talk:
        answer = await talk.ask()
    assert answer.stop_reason == "max_tokens"
    assert "cut off by the output limit" in answer.malformed[answer.content[0]["id"]]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (refusal(), "refusal"),
        (say("wait") + pause_turn(), "pause_turn"),
        (say("half a sen") + max_tokens(), "max_tokens"),
        (
            say("full") + Step(stop_reason="model_context_window_exceeded"),
            "model_context_window_exceeded",
        ),
    ],
)
async def test_other_endings_are_returned_as_they_are(step: Step, reason: str) -> None:
    async with talking(step) as talk:
        answer = await talk.ask()
    assert answer.stop_reason == reason
    assert answer.content == list(step.content)
    assert not answer.malformed


# Being a good tenant


async def test_stopping_closes_the_stream_at_once() -> None:
    async with talking(say("a long story") + hang(after=5)) as talk:
        asking = asyncio.create_task(talk.ask())
        await until(lambda: talk.told("text"))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: talk.fake.dropped == 1, seconds=1.0)


async def test_hundreds_of_answers_are_under_way_at_once() -> None:
    async with FakeAnthropic(lambda _: hang()) as fake, talking_to(fake) as talk:
        asking = [asyncio.create_task(talk.ask()) for _ in range(300)]
        await until(lambda: len(fake.requests) == 300)
        for task in asking:
            task.cancel()
        ended = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended)
        await until(lambda: fake.dropped == 300)


async def test_answers_under_way_at_once_do_not_mix() -> None:
    def echo(request: Json) -> Step:
        return say(request["messages"][0]["content"][0]["text"])

    async with FakeAnthropic(echo) as fake, talking_to(fake) as talk:
        answers = await asyncio.gather(*(talk.ask(user(str(n))) for n in range(100)))
    assert [answer.content[0]["text"] for answer in answers] == [str(n) for n in range(100)]


async def test_a_closed_client_opens_again_when_it_is_needed() -> None:
    async with talking(say("one"), say("two")) as talk:
        await talk.ask()
        await talk.client.aclose()
        answer = await talk.ask()
    assert answer.content[0]["text"] == "two"


def test_nothing_of_the_vendor_is_loaded_before_the_first_request() -> None:
    program = (
        "import sys, coworker.models.router as r, coworker.config as c\n"
        "r.Router(c.Models(large=c.ModelConfig(model='m')), None)\n"
        "print([name for name in ('anthropic', 'httpx2', 'aiohttp') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
