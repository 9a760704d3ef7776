"""Searching contents, with ripgrep and without it: the same answers."""

import asyncio

import pytest

from tests.repos import scene

pytestmark = pytest.mark.usefixtures("searcher")


async def test_hits_are_shown_by_file_with_line_numbers(shop):
    assert await shop.call("search", pattern=r"def \w+|x = ") == (
        "2 lines in 2 files:\nsrc/cart.py\n  1: def total():\nsrc/new.py\n  1: x = 1"
    )


async def test_nothing_found_is_said(shop):
    assert await shop.call("search", pattern="no such thing") == "No matches for no such thing."


async def test_ignored_files_are_not_searched_and_hidden_ones_are(shop, folder):
    scene.write(folder, {".github/ci.yml": "needle\n", "b.log": "needle\n"})
    text = await shop.call("search", pattern="needle")
    assert ".github/ci.yml" in text
    assert "b.log" not in text
    assert "No matches" in await shop.call("search", pattern="repositoryformatversion")


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"path": "src"}, ["src/a.py", "src/deep/b.ts"]),
        ({"path": "src/a.py"}, ["src/a.py"]),
        ({"path": "link"}, ["src/deep/b.ts"]),
        ({"glob": "*.py"}, ["src/a.py", "top.py"]),
        ({"glob": "*.{ts,js}"}, ["src/deep/b.ts"]),
        ({"glob": "src/**/*.ts"}, ["src/deep/b.ts"]),
        ({"path": "src", "glob": "deep/*"}, ["src/deep/b.ts"]),
        ({"path": "src", "glob": "*.py"}, ["src/a.py"]),
        ({"glob": "!*.py"}, ["src/deep/b.ts"]),
        ({"path": "src", "glob": "!*.ts"}, ["src/a.py"]),
    ],
)
async def test_a_path_and_a_glob_narrow_the_search(shop, folder, where, found):
    scene.write(folder, dict.fromkeys(["src/a.py", "src/deep/b.ts", "top.py"], "needle\n"))
    (folder / "link").symlink_to("src/deep")
    rows = (await shop.call("search", pattern="needle", **where)).split("\n")[1:]
    assert [row for row in rows if not row.startswith(" ")] == found


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "*", "a{2,1}"])
async def test_a_broken_pattern_is_explained(shop, pattern):
    words = await shop.fails("search", pattern=pattern)
    assert "not understood" in words
    assert "backslash" in words


@pytest.mark.parametrize("pattern", ["", "a\nb", "a\0b", "x" * 1001])
async def test_an_impossible_pattern_is_refused(shop, pattern):
    assert (await shop.fails("search", pattern=pattern)).startswith("The pattern ")


async def test_many_hits_are_bounded_per_file_and_in_all(shop, folder):
    scene.write(folder, {f"f{n:02}.txt": "needle\n" * 100 for n in range(30)})
    text = await shop.call("search", pattern="needle")
    assert text.startswith("200 lines in 10 files; there are more, name a path")
    assert text.count(": needle") == 200
    assert text.count("  [… more in this file]") == 10
    assert "\nf00.txt\n" in text


async def test_a_hit_far_out_in_a_long_line_is_shown_with_what_is_around_it(shop, folder):
    scene.write(folder, {"min.js": "ä" * 2_000_000 + "needle" + "é" * 2_000_000 + "\nneedle\n"})
    text = await shop.call("search", pattern="needle", path="min.js")
    assert "  1: …ää" in text
    assert "äneedleé" in text
    assert text.endswith("é…\n  2: needle")
    assert len(text) < 600


async def test_binary_odd_and_huge_files_do_no_harm(shop, folder):
    scene.write(
        folder, {"a.bin": b"\0needle\n", "latin.txt": b"caf\xe9 needle\n", "n\nl": "needle\n"}
    )
    with (folder / "huge").open("wb") as file:
        file.truncate(100_000_000)
    text = await shop.call("search", pattern="needle")
    assert "caf\\xe9 needle" in text
    assert "n\\x0al\n  1: needle" in text
    assert "a.bin" not in text


async def test_what_hides_in_a_hit_is_shown(shop, folder):
    scene.write(folder, {"a.txt": "needle \u202e\U000e0041\x1b[31m red\n"})
    assert "needle \\u202e\\U000e0041 red" in await shop.call("search", pattern="needle")


async def test_a_plain_folder_is_searched_as_well(toolbox, tmp_path):
    scene.write(tmp_path, {"plain/a.txt": "needle\n", "plain/b/.git/config": "needle\n"})
    text = await toolbox(tmp_path / "plain").call("search", pattern="needle")
    assert text == "1 line in 1 file:\na.txt\n  1: needle"


async def test_a_path_that_is_not_there_is_refused_in_words(shop):
    assert "Near it: src" in await shop.fails("search", pattern="x", path="scr")


async def test_searching_does_not_hold_up_others(shop, folder):
    scene.write(folder, {f"d{n % 9}/{n}.txt": "needle and more\n" * 50 for n in range(1_000)})
    searching, turns = asyncio.create_task(shop.call("search", pattern="needle")), 0
    while not searching.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert "there are more" in await searching
    assert turns > 3
