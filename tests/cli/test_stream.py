"""A streamed answer is cut only where Markdown allows it, and never shown twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coworker.cli.stream import Stream

ANSWER = """# Title

One paragraph
of two lines.

- a list

  that goes on after a blank line
- and on

1. ```python
   x = 1

   y = 2
   ```

~~~
~ no end here ~~

```
~~~

| a | b |
|---|---|
| 1 | 2 |

The end."""

BLOCKS = [
    "# Title",
    "One paragraph\nof two lines.",
    "- a list\n\n  that goes on after a blank line\n- and on",
    "1. ```python\n   x = 1\n\n   y = 2\n   ```",
    "~~~\n~ no end here ~~\n\n```\n~~~",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "The end.",
]


@given(st.lists(st.integers(1, len(ANSWER)), max_size=30))
def test_blocks_do_not_depend_on_how_the_text_arrives(cuts):
    stream, blocks, start = Stream(), [], 0
    for end in [*sorted(cuts), len(ANSWER)]:
        blocks += stream.hear(ANSWER[start:end])
        start = end
    blocks += stream.pause()
    assert [block.strip() for block in blocks] == BLOCKS
    assert stream.remainder(ANSWER) == ""


def test_a_block_is_there_as_soon_as_the_next_one_begins():
    stream = Stream()
    assert stream.hear("one\n\n") == []
    assert stream.hear("t") == ["one\n\n"]


@pytest.mark.parametrize(
    ("streamed", "reply", "rest"),
    [
        ("one\n\ntwo", "one\n\ntwo", "two"),
        ("one\n\ntwo", "one\n\ntwo\n\n(claude-haiku answered instead.)", None),
        ("  one \n\nt", "one\n\nt", "t"),
        ("one\n\ntwo", "something else", "something else"),
        ("", "all of it", "all of it"),
    ],
)
def test_a_reply_is_shown_from_where_the_stream_ended(streamed, reply, rest):
    stream = Stream()
    stream.hear(streamed)
    expected = reply.partition("one")[2] if rest is None else rest
    assert stream.remainder(reply).strip() == expected.strip()


def test_what_came_before_a_tool_call_is_not_the_reply():
    stream = Stream()
    stream.hear("Let me look.")
    assert stream.pause() == ["Let me look."]
    stream.hear("Found it.\n\nHere: ")
    assert stream.remainder("Found it.\n\nHere: 7").strip() == "Here: 7"


def test_a_stream_that_paused_at_its_end_is_still_the_reply():
    stream = Stream()
    stream.hear("All done.")
    stream.pause()
    assert stream.remainder("All done.") == ""


def test_a_restarted_stream_counts_from_there():
    stream = Stream()
    stream.hear("Wrong.\n\nstill")
    stream.restart()
    stream.hear("Right.\n\nend")
    assert stream.remainder("Right.\n\nend").strip() == "end"
