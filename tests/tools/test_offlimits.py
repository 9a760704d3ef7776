"""Which words keep which files from changes."""

import pytest

from coworker.tools import offlimits

SAID = {
    "never touch migrations/": ["migrations/"],
    "Never ever change `migrations/`!": ["migrations/"],
    "please don't edit db/schema.sql, it is made by a program": ["db/schema.sql"],
    "don’t modify anything in migrations/.": ["migrations/"],
    "Nobody touches migrations/ but the database team.": ["migrations/"],
    "Nobody may change files under db": ["db"],
    "You must not alter the folder db": ["db"],
    "do not edit ./db/schema.sql": ["db/schema.sql"],
    "never touch migrations/ or docs/": ["migrations/", "docs/"],
    "never touch `migrations/`, `docs/` and db, please": ["migrations/", "docs/", "db"],
    "never touch migrations/ and/or anything in docs/ because they are theirs": [
        "migrations/",
        "docs/",
    ],
    "never touch migrations/. Never edit docs/.": ["migrations/", "docs/"],
    "never touch migrations/ or you will be sorry": ["migrations/"],
    "never touch migrations/, docs/ is fine": ["migrations/"],
    "never touch migrations/. And docs/ waits for you.": ["migrations/"],
    "leave migrations/ alone": ["migrations/"],
    "please leave the folder migrations/ and docs/ alone": ["migrations/", "docs/"],
    "nobody may write to docs/": ["docs/"],
    "Never write into migrations/": ["migrations/"],
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
    "never leave migrations/ alone with an intern",
    "leave docs/ to me",
    "never write docs for migrations/",
]


@pytest.fixture
def folder(tmp_path):
    """A repository's files."""
    for name in ("migrations/001.sql", "db/schema.sql", ".git/config", "docs/a.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n")
    return tmp_path


@pytest.mark.parametrize("words", SAID)
def test_words_that_keep_something(folder, words):
    assert offlimits.paths(words, folder) == SAID[words]


@pytest.mark.parametrize("words", NOT_SAID)
def test_words_that_keep_nothing(folder, words):
    assert offlimits.paths(words, folder) == []


@pytest.mark.parametrize(
    ("words", "is_limited"),
    [
        ("we never change src/a.py by hand, but the generator does", True),
        ("Nobody touches migrations/ but the database team.", True),
        ("never touch migrations/ without asking", True),
        ("unless I say so, never touch migrations/", True),
        ("leave docs/ alone until Friday", True),
        ("edit what you like, but never touch migrations/", False),
        ("never touch migrations/, that is the database team's", False),
    ],
)
def test_which_words_name_a_condition(words, is_limited):
    assert offlimits.is_limited(words) == is_limited
