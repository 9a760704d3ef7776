"""A question for a person parks the run."""

import pytest

from coworker.errors import ToolError
from coworker.protocols import ToolContext
from coworker.tools.ask import TOOLS
from coworker.types import ConversationId, Parked

[ask] = TOOLS


async def asked(**raw) -> Parked:
    return await ask.run(
        ask.parse(raw), ToolContext(None, ConversationId("t-1"), "call-1", lambda _: None)
    )


async def test_a_question_parks_the_run_with_its_options():
    assert await asked(question=" Which one? ", options=[" red", "blue "]) == Parked(
        "Which one?", ["red", "blue"]
    )
    assert await asked(question="Why?") == Parked("Why?", [])
    assert (ask.effect, ask.rerun) == ("read", "safe")


async def test_nothing_in_a_question_is_hidden_from_the_person():
    parked = await asked(question="Delete\u202e it?\x1b[8m no\x1b[0m", options=["y\u200bes"])
    assert parked == Parked("Delete\\u202e it? no", ["y\\u200bes"])


@pytest.mark.parametrize(
    "raw",
    [
        {"question": "  "},
        {"question": "x" * 3_001},
        {"question": "?", "options": ["a", "a"]},
        {"question": "?", "options": ["a", " "]},
        {"question": "?", "options": ["x" * 76]},
        {"question": "?", "options": [str(n) for n in range(11)]},
    ],
)
async def test_a_question_that_cannot_be_shown_is_refused(raw):
    with pytest.raises(ToolError):
        await asked(**raw)
