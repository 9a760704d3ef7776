"""Claims are held against what the host saw."""

import pytest

from coworker.agent.evidence import gathered, marked


def receipt(**fields):
    return {"receipt": fields}


def ran(command, exit_code=0):
    return receipt(kind="command", command=command, exit_code=exit_code)


EDIT = receipt(kind="edit", path="a.py", added=1, removed=1)
COMMIT = receipt(kind="commit", sha="3f2a1c", branch="coworker/x", stat="a.py | 2 +-")
PUSH = receipt(kind="push", ref="r", url="u", sha="3f2a1c")


@pytest.mark.parametrize(
    ("text", "done", "doubt"),
    [
        ("All tests pass.", [], "no test was run"),
        ("Done. The tests are green now.", [ran("ls")], "no test was run"),
        ("All tests pass.", [ran("pytest -q", 1)], "`pytest -q` ended with exit 1"),
        ("All tests pass.", [ran("pytest -q", 1), ran("npm test")], None),
        ("All tests pass.", [ran("make check"), EDIT], "files changed after `make check` ran"),
        ("All tests pass.", [EDIT, ran("python -m pytest")], None),
        ("12 passed, and I pushed it.", [ran("pytest")], "nothing was pushed"),
        ("I pushed it.", [PUSH], None),
        ("I committed the change.", [], "nothing was committed"),
        ("I've committed it.", [COMMIT], None),
        ("I fixed the rounding.", [], "no file was changed"),
        ("I fixed the rounding.", [EDIT], None),
        ("The tests do not pass.", [], None),
        ("Once the tests pass, push it.", [], None),
        ("Do the tests pass?", [], None),
        ("It checks whether a file was passed.", [], None),
        ("```\nAll tests pass.\n```", [], None),
        ("> All tests pass.", [], None),
        ("It was fixed in 3f2a1c by ann.", [], None),
    ],
)
def test_a_claim_without_a_receipt_is_named(text, done, doubt):
    shown = marked(text, done)
    assert shown.startswith(text)
    if doubt:
        assert "⚠ Unverified" in shown
        assert doubt in shown
    else:
        assert shown == text


def test_each_claim_is_named_once():
    assert marked("All tests pass. All tests pass.", []).count("Unverified") == 1


def test_the_summary_says_what_was_run_changed_and_kept():
    summary = gathered([EDIT, ran("pytest -q", 1), ran("pytest -q"), COMMIT, {"text": "x"}]).summary
    assert summary["commands"] == [
        {"command": "pytest -q", "exit_code": 1},
        {"command": "pytest -q", "exit_code": 0},
    ]
    assert (summary["commit"], summary["files"]) == ("3f2a1c", ["a.py"])
