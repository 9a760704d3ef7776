"""How tools are declared, how arguments are refused, how output is bounded."""

import json

import msgspec
import pytest

from coworker.errors import ToolError
from coworker.protocols import ToolContext
from coworker.tools.base import LIMIT, Args, bounded, tool
from coworker.types import ConversationId, ToolResult


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """One step."""

    title: str
    check: str | None = None


class Bake(Args):
    """What to bake."""

    cake: str
    layers: int | None = None
    vegan: bool = False
    steps: list[Step] | None = None

    def describe(self) -> str:
        return f"bakes {self.cake}"


@tool(effect="write", rerun="never")
async def bake(args: Bake, context: ToolContext) -> str:
    """Bake
    a cake."""
    return {"long": "x\n" * 50_000, "odd": "a\r\n\x1b[31mb\x07\u202e\U000e0041"}.get(
        args.cake, args.cake
    )


@tool(effect="read", rerun="safe")
async def burn(args: Bake, context: ToolContext) -> ToolResult:
    """Burn it."""
    raise FileNotFoundError(2, "No such file or directory")


async def run(**raw) -> str:
    result = await bake.run(
        bake.parse(raw), ToolContext(None, ConversationId("t-1"), "call-1", lambda _: None)
    )
    assert isinstance(result, ToolResult)
    return result.text


def test_a_tool_is_what_its_function_says():
    assert (bake.name, bake.description, bake.effect, bake.rerun) == (
        "bake",
        "Bake a cake.",
        "write",
        "never",
    )
    assert bake.describe(bake.parse({"cake": "a\nb\u202e"})) == "bakes a b\\u202e"


def test_the_schema_has_nothing_that_a_model_does_not_need():
    step = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "check": {"type": "string"}},
    }
    assert bake.schema == {
        "type": "object",
        "properties": {
            "cake": {"type": "string"},
            "layers": {"type": "integer"},
            "vegan": {"type": "boolean"},
            "steps": {"type": "array", "items": {**step, "required": ["title"]}},
        },
        "required": ["cake"],
    }


def test_optional_arguments_may_be_null():
    assert bake.parse({"cake": "x", "layers": None}) == Bake(cake="x")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({}, "cake is missing"),
        ({"cake": 3}, "cake must be text, not a whole number"),
        ({"cake": None}, "cake must be text, not null"),
        ({"cake": "x", "layers": "3"}, "layers must be a whole number, not text"),
        ({"cake": "x", "vegan": 1}, "vegan must be true or false, not a whole number"),
        ({"cake": "x", "steps": {}}, "steps must be a list, not an object"),
        ({"cake": "x", "steps": [{"check": "y"}]}, "steps[0].title is missing"),
        ({"cake": "x", "steps": [{"title": 1}]}, "steps[0].title must be text"),
        ({"cake": "x", "layer": 3}, "there is no argument layer; did you mean layers?"),
        ({"cake": "x", "sandbox": False}, "there is no argument sandbox"),
        ({"cake": "\ud800"}, "half a character"),
        ([], "the whole must be an object, not a list"),
        ("cake", "the whole must be an object, not text"),
    ],
)
def test_wrong_arguments_are_refused_in_words_that_tell_what_is_right(raw, words):
    with pytest.raises(ToolError) as caught:
        bake.parse(raw)
    assert f"bake: {words}" in str(caught.value)
    assert "cake (text), layers? (whole number), vegan? (boolean), steps? (list of" in str(
        caught.value
    )


async def test_a_long_result_keeps_its_head_and_tail_and_says_what_is_missing():
    text = await run(cake="long")
    assert len(text) <= LIMIT
    assert text.startswith("x\nx\n")
    assert text.endswith("x\nx\n")
    assert "lines" in text
    assert "bytes) are left out here" in text


async def test_nothing_invisible_passes():
    assert await run(cake="odd") == "a\nb\\x07\\u202e\\U000e0041"


async def test_a_fault_of_the_machine_is_words_for_the_model():
    with pytest.raises(ToolError, match="burn failed: No such file or directory"):
        await burn.run(
            Bake(cake="x"), ToolContext(None, ConversationId("t-1"), "call-1", lambda _: None)
        )


@pytest.mark.parametrize("limit", [400, 1_000, 20_000])
@pytest.mark.parametrize("text", ["x" * 90_000, "é\n" * 90_000, "\u202e" * 90_000, "\n" * 90_000])
def test_the_bound_holds_for_any_text_and_bounding_twice_changes_nothing(text, limit):
    once = bounded(text, limit)
    assert len(once) <= limit
    assert bounded(once, limit) == once


@pytest.mark.parametrize("kept", ["tab\there", "größe ☃", "👩‍👩‍👧", "می‌خواهم", "क्‍ष", "❤️", "a\nb"])
def test_visible_text_stays_as_it_is(kept):
    assert bounded(kept) == kept


def test_all_tools_together_fit_a_small_first_request(toolbox):
    offered = [
        {"name": one.name, "description": one.description, "input_schema": one.schema}
        for one in toolbox(None).tools.values()
    ]
    assert len(json.dumps(offered)) <= 270 * len(offered)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("read_file", {"path": "a"}),
        ("list_files", {}),
        ("search", {"pattern": "a"}),
        ("git_log", {}),
        ("git_diff", {}),
        ("git_show", {"rev": "HEAD"}),
        ("git_blame", {"path": "a"}),
        ("git_status", {}),
    ],
)
async def test_without_a_repository_every_tool_says_so(toolbox, name, arguments):
    words = await toolbox(None).fails(name, **arguments)
    assert words.startswith("This conversation is not bound to a repository")
