"""How text, amounts and times are written for a person."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coworker.cli import words


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x1bP+q544e\x1b\\x", "x"),
        ("\x1bcreset", "reset"),
        ("cut \x1b[", "cut "),
        ("a\rb\r\nc", "a\nb\nc"),
        ("bell\x07 back\x08 del\x7f", "bell back del"),
        ("\u202egnp.exe\u2066", "gnp.exe"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("half \ud800", "half "),
        ("👩‍👩‍👧 ü 日本", "👩‍👩‍👧 ü 日本"),
    ],
)
def test_what_a_terminal_would_obey_is_removed(raw, shown):
    assert words.clean(raw) == shown


@given(st.text(alphabet="\x1b\x9b[]0;mP\\\x07\x9c\x90ab \n", max_size=60))
def test_no_escape_survives_whatever_surrounds_it(raw):
    assert not set(words.clean(raw)) & set("\x1b\x9b\x07\x9c\x90")


@given(st.text(max_size=40))
def test_json_is_exact_and_obeyed_by_no_terminal(text):
    line = words.as_json(text)
    assert json.loads(line) == text
    assert words.clean(line) == line


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (12.9, "12 s"),
        (160, "2 min 40 s"),
        (3900, "1 h 05 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations(seconds, written):
    assert words.duration(seconds) == written


@pytest.mark.parametrize(("amount", "written"), [(0, "$0.00"), (0.0042, "$0.0042"), (1.5, "$1.50")])
def test_small_money_is_not_nothing(amount, written):
    assert words.dollars(amount) == written


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [("short", 5, "short"), ("longer", 5, "long…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…")],
)
def test_text_is_cut_by_terminal_cells(text, cells, shown):
    assert words.fit(text, cells) == shown


def test_a_receipt_tells_what_it_knows():
    receipt = {"seconds": 160, "steps": 6, "cost_usd": 0.04, "model": "claude-opus-5-5"}
    line = "✓ 2 min 40 s · 6 steps · claude-opus-5-5 · $0.04"
    assert words.receipt_line("answered", receipt) == line
    assert words.receipt_line("failed", {"model": None}) == "✗ failed"
    assert words.receipt_line("stopped", {"seconds": 3, "steps": 1}) == "■ stopped · 3 s · 1 step"
