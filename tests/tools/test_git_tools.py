"""History and state in few words, and refusals that say what would work."""

from datetime import datetime

import pytest

from coworker.tools.since import begin_of
from tests.repos import scene


@pytest.fixture
def past(tmp_path, toolbox):
    """A repository with commits over some weeks."""
    folder = scene.empty(tmp_path / "past")
    for n, day in enumerate(("2026-10-01", "2026-10-20", "2026-11-02"), 1):
        when = f"{day}T09:00:00+02:00"
        scene.commit(folder, f"Change {n}", {f"f{n}.txt": "x\n"}, when=when)
    return toolbox(folder)


async def test_the_log_has_a_line_per_commit(shop):
    rows = (await shop.call("git_log")).split("\n")
    assert [row.split(" ", 1)[1] for row in rows] == [
        "2026-11-20 ann: Say hello",
        "2026-11-20 bob: Count lines",
        "2026-11-20 ann: Add the cart",
    ]


async def test_the_log_is_narrowed_by_path_range_limit_and_date(past):
    assert "Change 2" in await past.call("git_log", path="f2.txt")
    assert (await past.call("git_log", range="HEAD~1..HEAD")).endswith("ann: Change 3")
    limited = await past.call("git_log", limit=1)
    assert (
        limited.split("\n")[1] == "[older ones are left out: raise limit above 1, or name a path]"
    )
    since = await past.call("git_log", since="2026-10-20")
    assert "Change 2" in since
    assert "Change 1" not in since
    assert "No commits of nope.txt" in await past.call("git_log", path="nope.txt")
    assert "No commits since 2026-11-10" in await past.call("git_log", since="2026-11-10")


@pytest.mark.parametrize("since", ["blah", "tomorrow maybe", "2096-01-01", "x" * 300])
async def test_a_date_that_git_does_not_understand_is_refused(past, since):
    assert "is no date in the past" in await past.fails("git_log", since=since)


@pytest.mark.parametrize(
    ("words", "begin"),
    [
        ("2026-11-01", "2026-11-01 00:00"),
        ("today", "2026-11-18 00:00"),
        ("Yesterday", "2026-11-17 00:00"),
        ("this week", "2026-11-16 00:00"),
        ("since monday", "2026-11-16 00:00"),
        ("last Friday", "2026-11-13 00:00"),
        ("wednesday", "2026-11-11 00:00"),
        ("this month", "2026-11-01 00:00"),
        ("this year", "2026-01-01 00:00"),
        ("2 weeks ago", "2 weeks ago"),
    ],
)
def test_days_in_words_begin_at_midnight(words, begin):
    assert begin_of(words, datetime(2026, 11, 18, 15, 30)) == begin


async def test_the_diff_shows_what_is_not_committed(shop, folder):
    text = await shop.call("git_diff")
    assert "src/cart.py | 2 +-" in text
    assert "-    return 1\n+    return 2" in text
    assert await shop.call("git_diff", path="README.md") == (
        "No changes that are not committed of README.md."
    )
    scene.git(folder, "add", "src/cart.py")
    assert "+    return 2" in await shop.call("git_diff", path="src")


async def test_the_diff_of_a_range(shop):
    text = await shop.call("git_diff", range="HEAD~2..HEAD~1")
    assert "+    return 1" in text
    assert await shop.call("git_diff", range="HEAD..HEAD") == "No changes in HEAD..HEAD."


async def test_a_big_diff_keeps_its_summary(shop, folder):
    scene.commit(folder, "Big", {"big.txt": "x\n" * 400_000})
    text = await shop.call("git_diff", range="HEAD~1..HEAD")
    assert "big.txt" in text.split("diff --git")[0]
    assert "more bytes are not here" in text
    assert len(text) <= 20_000


async def test_a_commit_is_shown_with_its_changes(shop):
    text = await shop.call("git_show", rev="HEAD~1")
    assert "2026-11-20 bob: Count lines" in text
    assert "+    return 1" in text


@pytest.mark.parametrize(
    "arguments",
    [
        {"rev": "HEAD~1:src/cart.py"},
        {"rev": "HEAD~1", "path": "src/cart.py"},
        {"rev": "HEAD~1", "path": "./src//cart.py"},
    ],
)
async def test_a_file_is_shown_as_it_was(shop, arguments):
    assert await shop.call("git_show", **arguments) == (
        "src/cart.py at HEAD~1:\ndef total():\n    return 1\n"
    )


async def test_a_folder_is_shown_as_it_was(shop):
    assert "src/" in await shop.call("git_show", rev="HEAD", path=".")
    assert "cart.py" in await shop.call("git_show", rev="HEAD:src")


async def test_a_merge_is_shown_against_its_first_parent(shop, folder):
    scene.git(folder, "stash", "-qu")
    scene.git(folder, "checkout", "-q", "-b", "side", "HEAD~1")
    scene.commit(folder, "Side", {"side.txt": "x\n"})
    scene.git(folder, "checkout", "-q", "main")
    scene.git(folder, "merge", "-q", "--no-ff", "-m", "Merge", "side")
    text = await shop.call("git_show", rev="HEAD")
    assert "side.txt" in text
    assert "README.md" not in text


async def test_binary_content_is_refused_in_words(shop, folder):
    scene.commit(folder, "Logo", {"logo.png": b"\0\1"})
    assert "is binary" in await shop.fails("git_show", rev="HEAD:logo.png")
    assert "is binary" in await shop.fails("git_blame", path="logo.png")
    assert "Binary files" in await shop.call("git_show", rev="HEAD")


async def test_blame_tells_shares_and_stretches(shop):
    text = await shop.call("git_blame", path="src/cart.py")
    title, first, second = text.split("\n")
    assert title == "src/cart.py, 2 lines: ann 50 % (last 2026-11-20), not committed yet 50 %"
    assert first.startswith("1  ")
    assert first.endswith("2026-11-20 ann: Add the cart")
    assert second == "2  not committed yet"


async def test_blame_shows_the_lines_that_were_named(shop):
    text = await shop.call("git_blame", path="src/cart.py", start=1, end=1)
    assert text.endswith("ann: Add the cart\n\t1\tdef total():")


async def test_blame_of_odd_files_is_told_in_words(shop, folder):
    scene.write(folder, {"empty.txt": ""})
    scene.commit(folder, "Empty", {})
    assert await shop.call("git_blame", path="empty.txt") == "empty.txt is empty."
    scene.write(folder, {"fresh.txt": "x\n"})
    assert "no such path 'fresh.txt' in HEAD" in await shop.fails("git_blame", path="fresh.txt")
    assert "no such path nope.txt" in await shop.fails("git_blame", path="nope.txt")
    assert "has only 2 lines" in await shop.fails("git_blame", path="src/cart.py", start=9)
    (folder / "README.md").unlink()
    assert "3 lines: ann 100 %" in await shop.call("git_blame", path="README.md")


async def test_status_tells_the_branch_and_the_changes(shop, folder):
    scene.git(folder, "mv", "README.md", "READ ME.md")
    head, state, *rows = (await shop.call("git_status")).split("\n")
    assert head.startswith("On main, ")
    assert head.endswith("ann: Say hello")
    assert state == "2 changed, 1 new."
    assert rows == ["R  READ ME.md (was README.md)", " M src/cart.py", "?? src/new.py"]


async def test_status_of_a_clean_and_of_a_detached_checkout(past):
    assert (await past.call("git_status")).endswith("ann: Change 3\nNothing is changed.")
    scene.git(past.repo.path, "checkout", "-q", "HEAD~1")
    assert (await past.call("git_status")).startswith("No branch (detached HEAD), ")


async def test_an_unknown_revision_is_told_with_those_that_exist(shop, folder):
    scene.git(folder, "tag", "v1")
    for name, arguments in (
        ("git_log", {"range": "mian"}),
        ("git_diff", {"range": "mian..HEAD"}),
        ("git_show", {"rev": "mian"}),
        ("git_show", {"rev": "deadbeef"}),
        ("git_show", {"rev": "mian:README.md"}),
    ):
        words = await shop.fails(name, **arguments)
        assert words.startswith("There is no such commit, branch or tag"), arguments
        assert "There are: main, v1." in words


async def test_a_path_that_was_not_there_is_told(shop):
    words = await shop.fails("git_show", rev="HEAD~2", path="README.md")
    assert words.startswith("There is no README.md at HEAD~2.")


async def test_an_empty_repository_says_so_in_its_own_words(toolbox, tmp_path):
    box = toolbox(scene.empty(tmp_path / "new"))
    for name, arguments in (
        ("git_log", {}),
        ("git_diff", {}),
        ("git_show", {"rev": "HEAD"}),
        ("git_blame", {"path": "a"}),
    ):
        assert "has no commits yet" in await box.fails(name, **arguments)
    assert await box.call("git_status") == "On main, no commits yet\nNothing is changed."
    assert await box.call("list_files") == "No files in the repository."


async def test_a_plain_folder_has_no_history(toolbox, tmp_path):
    (tmp_path / "plain").mkdir()
    assert "is no git repository" in await toolbox(tmp_path / "plain").fails("git_log")


async def test_a_bare_repository_has_history_and_no_state(toolbox, tmp_path, folder):
    scene.git(tmp_path, "clone", "-q", "--bare", str(folder), str(tmp_path / "bare.git"))
    box = toolbox(tmp_path / "bare.git")
    assert "Say hello" in await box.call("git_log")
    assert "+    return 1" in await box.call("git_diff", range="HEAD~2..HEAD")
    assert "Add the cart" in await box.call("git_blame", path="src/cart.py")
    assert "no files to compare" in await box.fails("git_diff")
    assert "no files that could be changed" in await box.fails("git_status")


async def test_a_partial_clone_never_fetches(toolbox, tmp_path, folder):
    scene.git(folder, "config", "uploadpack.allowFilter", "true")
    source = f"file://{folder}"
    scene.git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", source, "part")
    box = toolbox(tmp_path / "part")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "part" / ".git").rglob("*")}
    assert "Say hello" in await box.call("git_log")
    assert "git show failed" in await box.fails("git_show", rev="HEAD")
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "part" / ".git").rglob("*")}
    assert after == before


async def test_what_people_wrote_into_history_hides_nothing(shop, folder):
    evil = "Fix\u202e\U000e0041 \x1b[31mred\x1b[0m \x07"
    scene.commit(folder, evil, {"a\u202e.txt": "b\u202e\x07\n"}, who="m\u202eallory")
    for name, arguments in (
        ("git_log", {}),
        ("git_show", {"rev": "HEAD"}),
        ("git_status", {}),
        ("git_blame", {"path": "a\u202e.txt", "start": 1}),
    ):
        text = await shop.call(name, **arguments)
        assert "m\\u202eallory: Fix\\u202e\\U000e0041 red" in text, name
        assert not any(hidden in text for hidden in "\u202e\U000e0041\x1b\x07")


async def test_paths_and_revisions_with_control_characters_are_refused(shop):
    for name, arguments in (
        ("git_log", {"range": "HEAD\n--output=x"}),
        ("git_log", {"since": "yesterday\0"}),
        ("git_show", {"rev": "HEAD\x1b"}),
        ("git_blame", {"path": "a\nb"}),
    ):
        assert "control characters" in await shop.fails(name, **arguments)


async def test_a_path_is_literal_and_not_a_pattern(shop, folder):
    scene.commit(folder, "Odd", {"[a]*.txt": "x\n", ":(top)x": "y\n", "a1.txt": "z\n"})
    assert "Odd" in await shop.call("git_log", path="[a]*.txt")
    assert "Odd" in await shop.call("git_log", path=":(top)x")
    assert "No commits" in await shop.call("git_log", path="*.nothing")
    assert "No commits" in await shop.call("git_log", path=":/")


async def test_a_repository_that_was_opened_below_its_top_shows_only_that_part(toolbox, folder):
    box = toolbox(folder / "src")
    assert "Say hello" not in await box.call("git_log")
    assert await box.call("git_log", path="cart.py") == await box.call("git_log")
    assert "README" not in await box.call("git_show", rev="HEAD")
    assert (await box.call("git_show", rev="HEAD:cart.py")).endswith("return 1\n")
    assert "ann" in await box.call("git_blame", path="cart.py")
    assert "outside" in await box.fails("git_show", rev="HEAD", path="../README.md")
    assert " M cart.py" in await box.call("git_status")
    assert "b/cart.py" in await box.call("git_diff")
