"""Which words keep which files from changes."""

import pytest

from coworker.tools import offlimits

SAID = {
    "never touch migrations/": "migrations/",
    "Never ever change `migrations/`!": "migrations/",
    "please don't edit db/schema.sql, it is made by a program": "db/schema.sql",
    "don’t modify anything in migrations/.": "migrations/",
    "Nobody touches migrations/ but the database team.": "migrations/",
    "Nobody may change files under db": "db",
    "You must not alter the folder db": "db",
    "do not edit ./db/schema.sql": "db/schema.sql",
}
NOT_SAID = [
    "we never touch down before nine",
    "never touch nothing/",
    "never change the port",
    "don't edit /etc/passwd",
    "do not change ../other/",
    "never touch .git/config",
    "we changed migrations/ yesterday",
    "touch migrations/ whenever you like",
    "never push db/ on Fridays",
]


@pytest.fixture
def folder(tmp_path):
    """A repository's files."""
    for name in ("migrations/001.sql", "db/schema.sql", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n")
    return tmp_path


@pytest.mark.parametrize("words", SAID)
def test_words_that_keep_something(folder, words):
    assert offlimits.path(words, folder) == SAID[words]


@pytest.mark.parametrize("words", NOT_SAID)
def test_words_that_keep_nothing(folder, words):
    assert offlimits.path(words, folder) == ""
