"""The scripted model itself: what it says, what it rejects, and that it runs as a process."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.fakes.anthropic import (
    FakeAnthropic,
    Json,
    call,
    looper,
    overloaded,
    rejection,
    say,
    spendthrift,
    stories,
    think,
    usage,
)

ROOT = Path(__file__).parents[2]


def request(*messages: Json, **more: object) -> Json:
    return {"model": "m", "max_tokens": 9, "messages": list(messages), **more}


def message(role: str, *blocks: Json) -> Json:
    return {"role": role, "content": list(blocks)}


def text(words: str) -> Json:
    return {"type": "text", "text": words}


ASKED = message("user", text("a"))
CALL = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "seen"}


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (request(message("assistant", text("hi"))), "first message must use the user role"),
        (request(message("user", text("  "))), "must be non-empty"),
        (request(message("user", text("hi")), temperature=0), "temperature: Extra inputs"),
        (request(message("user", text("a")), message("assistant", CALL)), "without `tool_result`"),
        (
            request(
                message("user", text("a")), message("assistant", CALL), message("user", text("b"))
            ),
            "without `tool_result`",
        ),
        (request(message("user", RESULT)), "unexpected `tool_use_id`"),
    ],
)
def test_it_rejects_what_the_real_server_rejects(asked: Json, complaint: str) -> None:
    assert complaint in str(rejection(asked))


def test_it_accepts_what_the_real_server_accepts() -> None:
    talk = [
        message("user", text("a")),
        message("user", text("b")),
        message("assistant", CALL),
        message("user", RESULT),
        message("user", text("c")),
    ]
    assert rejection(request(*talk, system="s", tools=[], thinking={}, stream=True)) is None


async def test_a_strict_one_answers_400_and_does_not_use_up_its_script() -> None:
    async with FakeAnthropic([say("hi")], strict=True) as fake, aiohttp.ClientSession() as http:
        async with http.post(f"{fake.url}/v1/messages", json=request(message("user"))) as refused:
            assert refused.status == 400
        sound = request(message("user", text("x")))
        async with http.post(f"{fake.url}/v1/messages", json=sound) as answer:
            assert "hi" in await answer.text()
    assert len(fake.requests) == 2


def test_steps_add_up_and_the_later_one_wins() -> None:
    step = think("hm") + say("I look.") + call("look", path="a") + usage(input=1) + usage(input=2)
    assert [block["type"] for block in step.content] == ["thinking", "text", "tool_use"]
    assert step.usage == {"input": 2}
    assert (overloaded(3) + say("x")).times == 3


def test_stories_answer_by_what_was_said_and_how_far_it_got() -> None:
    script = stories({"fix": [call("look"), say("done")], "": [say("hi")]})
    assert callable(script)
    asked = [message("user", text("[ann]"), text("Fix it"))]
    assert script(request(*asked)) == call("look")
    further = [*asked, message("assistant", CALL), message("user", RESULT)]
    assert script(request(*further)) == script(request(*further)) == say("done")
    assert script(request(*further, message("assistant", text("x")))) == say("done")
    assert script(request(message("user", text("hello")))) == say("hi")


def test_the_personas_never_end() -> None:
    loop, burn = looper("look", path="a"), spendthrift("look")
    assert callable(loop)
    assert callable(burn)
    assert loop({}) == loop({}) == call("look", path="a")
    assert sum(burn({}).usage.values()) == 900_000


async def test_it_runs_as_a_process_and_remembers_what_it_was_asked(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"": [{"content": [{"type": "text", "text": "from a file"}]}]}))
    arguments = ["-m", "tests.fakes.anthropic", "--script", str(script), "--delay", "0.01"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout
    async with asyncio.timeout(20), aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{int(await process.stdout.readline())}"
        sent = request(message("user", text("x")))
        async with http.post(f"{url}/v1/messages", json=sent) as answer:
            assert "from a file" in await answer.text()
        async with http.get(f"{url}/requests") as remembered:
            assert json.loads(await remembered.read()) == [sent]
        async with http.get(f"{url}/v1/models") as models:
            assert (await models.json())["data"][0]["id"] == "claude-opus-5-5"
        process.terminate()
        assert await process.wait() == 0
