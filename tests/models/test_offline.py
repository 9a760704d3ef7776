"""Talking to nobody: what the offline model looks up, and that it claims nothing else."""

from __future__ import annotations

import pytest

from coworker.models.offline import Offline
from coworker.types import Answer, Json, Progress, Request

READS = ("git_log", "git_status", "git_blame", "search", "read_file", "list_files")
ALL = (*READS, "shell", "remember", "recall", "schedule")


async def ask(
    *messages: Json, tools: tuple[str, ...] = ALL, model: Offline | None = None
) -> Answer:
    offered = [{"name": name} for name in tools]
    return await (model or Offline()).respond(Request("", offered, list(messages)), lambda _: None)


def user(text: str) -> Json:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def after(answer: Answer, text: str, *, is_error: bool = False) -> list[Json]:
    """The messages that carry its call and the result."""
    call = answer.content[0]["id"]
    result = {"type": "tool_result", "tool_use_id": call, "content": text, "is_error": is_error}
    return [
        {"role": "assistant", "content": answer.content},
        {"role": "user", "content": [result]},
    ]


def text_of(answer: Answer) -> str:
    assert answer.stop_reason == "end_turn"
    return str(answer.content[0]["text"])


@pytest.mark.parametrize(
    ("words", "tool", "arguments"),
    [
        ("what changed this week?", "git_log", {"since": "this week"}),
        ("What's new since Monday", "git_log", {"since": "Monday"}),
        ("hey, whats new today?", "git_log", {"since": "today"}),
        ("what happened in the last 3 days", "git_log", {"since": "3 days ago"}),
        ("what has changed last week", "git_log", {"since": "1 week ago"}),
        ("what changed since v1.2", "git_log", {"range": "v1.2..HEAD"}),
        (
            "what changed in src/cart.py since monday?",
            "git_log",
            {"path": "src/cart.py", "since": "monday"},
        ),
        ("show me the recent commits", "git_log", {}),
        ("who knows cart.py", "git_blame", {"path": "cart.py"}),
        ("Who knows this file src/shop/cart.py?", "git_blame", {"path": "src/shop/cart.py"}),
        ("who wrote `src/a.py`?", "git_blame", {"path": "src/a.py"}),
        ("find TODO", "search", {"pattern": "TODO"}),
        ('please search for "def total"', "search", {"pattern": "def total"}),
        ("show README.md", "read_file", {"path": "README.md"}),
        ("show src/a.py:10-20", "read_file", {"path": "src/a.py", "start": 10, "end": 20}),
        ("can you open a.py lines 3 to 9?", "read_file", {"path": "a.py", "start": 3, "end": 9}),
        ("status", "git_status", {}),
        ("list files in src/", "list_files", {"path": "src/"}),
        ("remember that ann owns billing", "remember", {"text": "ann owns billing"}),
        ("recall billing", "recall", {"queries": ["billing"]}),
        ("do you remember who owns it?", "recall", {"queries": ["who owns it?"]}),
        (
            "remind me to call bob tomorrow at 9",
            "schedule",
            {"prompt": "call bob", "when": "tomorrow at 9"},
        ),
        (
            "remind us every monday to update the deps",
            "schedule",
            {"prompt": "update the deps", "when": "every monday"},
        ),
    ],
)
async def test_plain_words_become_the_call_a_person_would_make(
    words: str, tool: str, arguments: Json
) -> None:
    answer = await ask(user("[ann, owner]"), user(words))
    (call,) = answer.content
    assert (answer.stop_reason, answer.model) == ("tool_use", "offline")
    assert (call["name"], call["input"]) == (tool, arguments)


async def test_run_the_checks_asks_for_a_command() -> None:
    answer = await ask(user("run the checks"))
    assert answer.content[0]["name"] == "shell"
    assert "pytest" in answer.content[0]["input"]["command"]


async def test_the_result_is_repeated_as_it_is_with_where_it_comes_from() -> None:
    said = user("what changed since monday?")
    call = await ask(said)
    answer = await ask(said, *after(call, "3f2a1c ann: Round once\n```\nodd"))
    assert text_of(answer) == (
        "git_log since=monday\n````\n3f2a1c ann: Round once\n```\nodd\n````\n\n"
        "(I am offline: no model is connected. This is what git_log returned, nothing more.)"
    )


async def test_a_long_result_says_how_much_is_missing() -> None:
    said = user("find x")
    answer = await ask(said, *after(await ask(said), "x" * 7_000))
    assert "… 1000 more characters" in text_of(answer)


async def test_a_failed_call_is_told_as_a_failure() -> None:
    said = user("what changed?")
    failure = "This conversation is not bound to a repository."
    answer = await ask(said, *after(await ask(said), failure, is_error=True))
    assert text_of(answer) == (
        f"git_log failed: {failure}\n\n(I am offline: no model is connected.)"
    )


async def test_a_bare_name_is_looked_for_elsewhere() -> None:
    talk = [user("who knows cart.py")]
    talk += after(await ask(*talk), "There is no file cart.py.", is_error=True)
    look = await ask(*talk)
    assert look.content[0]["input"] == {"glob": "**/cart.py"}
    talk += after(look, "1 file:\nsrc/shop/cart.py")
    again = await ask(*talk)
    assert again.content[0]["name"] == "git_blame"
    assert again.content[0]["input"] == {"path": "src/shop/cart.py"}
    talk += after(again, "ann 100 %")
    assert "git_blame path=src/shop/cart.py\n```\nann 100 %" in text_of(await ask(*talk))
    ids = [block["id"] for m in talk for block in m["content"] if block["type"] == "tool_use"]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("found", "said"),
    [("a/cart.py\nb/cart.py", "a/cart.py\nb/cart.py"), ("None.", "git_blame failed: No cart.py")],
)
async def test_an_unclear_name_is_told_as_it_is(found: str, said: str) -> None:
    talk = [user("who knows cart.py")]
    talk += after(await ask(*talk), "No cart.py", is_error=True)
    talk += after(await ask(*talk), found)
    assert said in text_of(await ask(*talk))


@pytest.mark.parametrize(
    "words",
    [
        "hello",
        "fix the bug in cart.py",
        "why is the sky blue?",
        "help",
        "who knows this file",
        "find " * 2_000,
    ],
)
async def test_for_anything_else_it_says_that_it_is_offline_and_how_to_connect_a_model(
    words: str,
) -> None:
    said = text_of(await ask(user(words)))
    assert said.startswith("I am offline: no model is connected.")
    assert "what changed" in said
    assert "ANTHROPIC_API_KEY" in said
    assert "ANTHROPIC_BASE_URL" in said
    assert "[models.large]" in said


@pytest.mark.parametrize(
    ("words", "tool"),
    [("remember x is y", "remember"), ("run the checks", "shell"), ("recall x", "recall")],
)
async def test_a_tool_that_is_not_offered_is_not_available_yet(words: str, tool: str) -> None:
    said = text_of(await ask(user(words), tools=READS))
    assert said.startswith(f"{tool} is not available here yet.")


async def test_it_does_not_pretend_to_finish_what_a_model_began() -> None:
    began = {"type": "tool_use", "id": "toolu_1", "name": "edit_file", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "edited"}
    messages = [
        user("what changed? fix it"),
        {"role": "assistant", "content": [began]},
        {"role": "user", "content": [result]},
    ]
    offline = Offline("claude-opus-5-5 is overloaded", "Say it again in a few minutes.")
    assert text_of(await ask(*messages, model=offline)) == (
        "I am offline: claude-opus-5-5 is overloaded. The work above is not finished. "
        "Say it again in a few minutes."
    )


async def test_new_words_while_it_works_are_a_new_question() -> None:
    said = user("find x")
    answer = await ask(said, *after(await ask(said), "1 line"), user("status"))
    assert answer.content[0]["name"] == "git_status"


async def test_the_reply_is_shown_like_any_other() -> None:
    shown: list[Progress] = []
    answer = await Offline().respond(Request("", [], [user("hello")]), shown.append)
    assert shown == [Progress("text", text_of(answer))]
