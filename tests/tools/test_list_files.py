"""Listing what is there: what git does not ignore, in bounds, by glob."""

import os

import pytest

from coworker.tools.globs import Glob
from tests.repos import scene


async def test_tracked_and_new_files_are_listed_and_ignored_ones_are_not(shop):
    text = await shop.call("list_files")
    assert text == "4 files in the repository:\n.gitignore\nREADME.md\nsrc/cart.py\nsrc/new.py"


async def test_deleted_files_are_not_listed(shop, folder):
    (folder / "README.md").unlink()
    assert "README.md" not in await shop.call("list_files")


async def test_a_folder_and_a_glob_narrow_the_list(shop, folder):
    scene.write(folder, {"src/deep/a.ts": "", "src/deep/a.py": ""})
    assert await shop.call("list_files", path="src/deep") == (
        "2 files in src/deep:\nsrc/deep/a.py\nsrc/deep/a.ts"
    )
    assert await shop.call("list_files", path="src", glob="deep/*.ts") == (
        "1 file in src:\nsrc/deep/a.ts"
    )
    assert (
        await shop.call("list_files", glob="*.zig") == "No files of that pattern in the repository."
    )


async def test_what_cannot_be_listed_is_refused_in_words(shop):
    assert "Near it: src" in await shop.fails("list_files", path="scr")
    assert "no folder" in await shop.fails("list_files", path="README.md")
    assert "glob is empty" in await shop.fails("list_files", glob="")


async def test_thousands_of_files_are_told_by_folder(shop, folder):
    scene.write(folder, {f"pkg{n % 7}/{n}.py": "" for n in range(900)})
    text = await shop.call("list_files")
    assert "904 files in the repository, by folder" in text
    assert "\npkg0/ (129 files)\n" in text
    assert "\nREADME.md" in text
    globbed = await shop.call("list_files", glob="*.py")
    assert "902 files in the repository, the first 400" in globbed
    assert globbed.count("\n") == 400


async def test_odd_names_take_one_line_each_and_hide_nothing(shop, folder):
    names = ["new\nline", "bidi\u202e", "größe", os.fsdecode(b"bad\xff"), "-dash", "[glob]*"]
    scene.write(folder, dict.fromkeys(names, "x\n"))
    rows = (await shop.call("list_files")).split("\n")
    assert {"new\\x0aline", "bidi\\u202e", "größe", "bad\\xff", "-dash", "[glob]*"} <= set(rows)


async def test_links_are_listed_and_not_followed(shop, folder, tmp_path):
    scene.write(tmp_path, {"outside/secret": "x"})
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "again").symlink_to("src")
    text = await shop.call("list_files")
    assert "\nout" in text
    assert "secret" not in text
    assert "src/cart.py" in await shop.call("list_files", path="again")


async def test_a_plain_folder_is_walked(toolbox, tmp_path):
    scene.write(tmp_path, {"plain/a.txt": "", "plain/b/c.txt": "", "plain/b/.git/config": "url\n"})
    (tmp_path / "plain" / "up").symlink_to("..")
    box = toolbox(tmp_path / "plain")
    assert await box.call("list_files") == "3 files in the repository:\na.txt\nb/c.txt\nup"
    assert await box.call("list_files", path="b") == "1 file in b:\nb/c.txt"


async def test_a_repository_that_was_opened_below_its_top_shows_only_that_part(toolbox, folder):
    box = toolbox(folder / "src")
    assert await box.call("list_files") == "2 files in the repository:\ncart.py\nnew.py"
    assert "outside the repository" in await box.fails("list_files", path="..")


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        ("*.py", ["a.py", "x/y/a.py"], ["a.pyc", "py"]),
        ("src/*.py", ["src/a.py"], ["src/x/a.py", "x/src/a.py"]),
        ("src/**/*.py", ["src/a.py", "src/x/y/a.py"], ["a.py", "src/a.ts"]),
        ("**/test_*", ["test_a", "x/test_a"], ["x/a_test"]),
        ("*.{ts,tsx}", ["a.ts", "x/a.tsx"], ["a.js"]),
        ("{src,web}/*", ["src/a", "web/b"], ["lib/a"]),
        ("docs/", ["docs/a", "docs/x/b"], ["docs", "x"]),
        ("/a.py", ["a.py"], ["b.py"]),
        ("!*.md", ["a.py"], ["README.md", "x/a.md"]),
        ("[ab]?.c", ["a1.c", "b2.c"], ["c1.c", "a.c"]),
        ("a**b/**/**/c", ["axb/c", "ab/x/c"], ["a/b/c"]),
    ],
)
def test_globs_mean_what_they_mean_in_gitignore(glob, yes, no):
    assert [name for name in yes + no if Glob(glob).matches(name)] == yes


def test_no_glob_takes_for_ever():
    Glob("**/" * 60 + "x").matches("a/" * 120 + "b")
    Glob("*a" * 100 + "b").matches("a" * 250)
