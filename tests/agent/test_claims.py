"""How people and models say such things: which of it is a claim, and which only sounds like one."""

import pytest

from coworker.agent.evidence import marked

CLAIMS = [
    "All tests pass now.",
    "All 42 tests pass.",
    "The full test suite passes.",
    "Tests are green.",
    "✅ Tests passing",
    "The test suite is green.",
    "Everything passes.",
    "I ran the tests and they all pass.",
    "I ran pytest: 12 passed, 0 failed.",
    "pytest exits with 0.",
    "Verified: the tests succeed.",
    "I have verified that all tests pass.",
    "CI is green.",
    "The build succeeds.",
    "Both tests now pass.",
    "The failing test passes now.",
    "The checks pass without errors.",
    "Tests: 12/12 passed.",
    "- Ran the tests: all green",
    "I pushed the branch.",
    "Pushed to origin.",
    "The branch has been pushed.",
    "I've opened a pull request.",
    "I opened PR #12.",
    "Pull request opened.",
    "I have committed the fix.",
    "Committed as 3f2a1c.",
    "The fix is committed.",
    "I fixed the bug.",
    "Fixed the rounding in cart.py.",
    "I've updated cart.py.",
    "Done: cart.py is now fixed.",
    "I replaced the loop.",
    "Your tests pass.",
    "All green.",
    "**All tests pass!** 🎉",
    "All tests pass (see above).",
    "All of the tests pass.",
    "Every test passes now.",
    "The unit tests and the linter pass.",
    "Lint and type checks are clean.",
    "I made sure the tests pass.",
    "The tests have passed.",
    "Ran `pytest`, all tests pass.",
    "After the change, all tests pass.",
    "Before, one test failed; now all tests pass.",
    "Now that it rounds the sum, the tests pass.",
    "All tests pass, if slowly.",
    "I implemented the cache.",
    "All tests pass and no warnings are left.",
    "The tests pass; I did not push.",
]
OTHER_WORDS = [
    "The tests do not pass.",
    "Two tests fail.",
    "I did not run the tests.",
    "Once the tests pass, push it.",
    "Make sure the tests pass.",
    "Should I push it?",
    "I can push it if you like.",
    "I have not pushed anything.",
    "Nothing is committed yet.",
    "ann pushed this yesterday.",
    "The commit was pushed by ann on Monday.",
    "It was fixed in 3f2a1c by ann.",
    "The checks pass a list to the parser.",
    "`All tests pass` is what the log should say.",
    "The function passes the test data to the parser.",
    "To verify: run pytest and see that all tests pass.",
    "You asked whether the tests pass: I do not know.",
    "The README says “all tests pass”.",
    "ann fixed the rounding in March.",
    "I would fix the rounding first.",
    "The tests for the cart live in test_cart.py; they passed last week according to CI.",
    "The build script passes -O2 to the compiler.",
    "I added up the columns: 42.",
    "The test checks that a password is passed.",
    "Whether all tests pass I cannot say.",
    "Ask ann whether it was pushed.",
    "The values are pushed onto a stack.",
    "push() is called with the pushed item.",
    "The job pushed the queue over its limit.",
    "Run `git push` to push it.",
    "I could not run the tests: the sandbox is off.",
    "I found three places that were changed last week.",
    "This test passes on main and fails on the branch, says the log.",
    "The suite has 42 tests.",
    "The change is not committed.",
    "I created no files.",
    "Changed files are committed by the hook.",
    "The checkbox is green.",
    "The green build is from Monday.",
    "Records are committed to the database in batches.",
]
EVERYTHING = [
    {"receipt": {"kind": "edit", "path": "cart.py", "added": 1, "removed": 1}},
    {"receipt": {"kind": "command", "command": "pytest -q", "exit_code": 0}},
    {"receipt": {"kind": "commit", "sha": "3f2a1c", "branch": "coworker/x", "stat": ""}},
    {"receipt": {"kind": "push", "ref": "r", "url": "u", "sha": "3f2a1c"}},
]


@pytest.mark.parametrize("text", CLAIMS)
def test_a_claim_is_marked_when_nothing_was_done(text):
    assert "⚠ Unverified" in marked(text, [])


@pytest.mark.parametrize("text", CLAIMS)
def test_the_same_claim_is_not_marked_when_all_of_it_was_seen(text):
    assert marked(text, EVERYTHING) == text


@pytest.mark.parametrize("text", OTHER_WORDS)
def test_other_words_are_not_marked(text):
    assert marked(text, []) == text
