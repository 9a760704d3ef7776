"""Long text in pages: nothing is lost, every page fits, and code stays code on each of them."""

import re

import pyromark
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coworker.adapters.render import pages, utf16

LINES = st.one_of(
    st.integers(0, 999).map(lambda n: f"word{n} is here"),
    st.integers(1, 60).map(lambda n: " ".join(f"w{n}x{m}" for m in range(n))),
    st.sampled_from(
        ["", " ", "```", "```py", "~~~", "````", "~~~~", "  ```", "😀" * 70, "x" * 500]
    ),
    st.integers(60, 140).map(lambda n: f"{'y' * n} ~~~"),
    st.integers(100, 300).map(lambda n: f"~~~{'z' * n}"),
)
TEXTS = st.lists(LINES, min_size=1, max_size=30).map("\n".join)
LIMITS = st.sampled_from([100, 150, 400])
MEASURES = st.sampled_from([len, utf16])
bounded = settings(derandomize=True, deadline=None, max_examples=150)


def bare(text):
    """Everything but white space and marks of fences, with the languages after them."""
    return re.sub(r"\s|(?<=```)py|[`~]", "", text)


def in_code(text):
    """Each whole word with whether a reader of Markdown takes it for code."""
    found, depth = [], 0
    for event in pyromark.events(text):
        match event:
            case {"Start": {"CodeBlock": _}}:
                depth += 1
            case {"End": "CodeBlock"}:
                depth -= 1
            case {"Text": words}:
                found += [
                    (word, depth > 0) for word in re.findall(r"\bword\d+\b|\bw\d+x\d+\b", words)
                ]
    return found


@bounded
@given(TEXTS, LIMITS, MEASURES)
def test_every_page_fits_and_nothing_is_lost(text, limit, measure):
    made = pages(text, limit, measure)
    assert [page for page in made if measure(page) > limit] == []
    assert bare("".join(made)) == bare(text)


@bounded
@given(TEXTS, LIMITS, MEASURES)
def test_what_is_code_is_code_on_its_page_and_nothing_else_is(text, limit, measure):
    shown = [word for page in pages(text, limit, measure) for word in in_code(page)]
    assert shown == in_code(text)


@pytest.mark.parametrize("length", range(2_984, 2_996))
def test_no_line_that_is_cut_ends_the_fence_that_it_is_in(length):
    made = pages(f"```\n{'x' * length} ```\nword1 is here\n```", 3_000)
    assert [word for page in made for word in in_code(page)] == [("word1", True)]


@bounded
@given(st.text(max_size=300), st.integers(50, 90), MEASURES)
def test_any_text_at_all_comes_to_an_end_and_fits(text, limit, measure):
    assert all(measure(page) <= limit for page in pages(text, limit, measure))


@pytest.mark.parametrize("fence", ["```", "~~~", "````"])
@pytest.mark.parametrize("before", ["", "Here it is:\n", "Here it is:\n\n"])
def test_a_long_fence_is_closed_and_opened_again(fence, before):
    code = "\n".join(f"print({n})" for n in range(600))
    made = pages(f"{before}{fence}python\n{code}\n{fence}\nThat is all.", 3_000)
    assert len(made) > 2
    together = "".join(made)
    assert together.count(f"{fence}python\n") == len(made) - bool(before)
    assert [n for n in range(600) if f"print({n})\n" not in together] == []
    assert made[-1].endswith(f"{fence}\n\nThat is all.")


@pytest.mark.parametrize("text", ["~" * 9_000, "```" + "x" * 9_000, "~~~" + "x" * 9_000 + "\n\nab"])
def test_a_fence_with_an_endless_beginning_has_an_end(text):
    made = pages(text, 3_000)
    assert max(map(len, made)) <= 3_000
    assert "".join(made).count(text[100]) >= 9_000 - 20
