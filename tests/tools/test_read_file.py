"""Files of any size and kind, in little memory and clear words."""

import asyncio
import os
import resource
import time

import pytest

from coworker.tools.base import LIMIT
from tests.repos import scene


async def test_a_file_is_shown_with_line_numbers_and_its_length(shop):
    text = await shop.call("read_file", path="src/cart.py")
    assert text == "src/cart.py, lines 1-2 of 2\n1\tdef total():\n2\t    return 2"


async def test_a_stretch_says_how_to_go_on(shop, folder):
    scene.write(folder, {"n.txt": "".join(f"line {n}\n" for n in range(1, 101))})
    text = await shop.call("read_file", path="n.txt", start=10, end=12)
    assert text == (
        "n.txt, lines 10-12 of 100; go on with start=13\n10\tline 10\n11\tline 11\n12\tline 12"
    )
    assert "lines 99-100 of 100\n" in await shop.call("read_file", path="n.txt", start=99, end=500)


async def test_a_long_file_ends_where_the_next_call_begins(shop, folder):
    scene.write(folder, {"n.txt": "".join(f"{n:070}\n" for n in range(1, 5_001))})
    text = await shop.call("read_file", path="n.txt")
    assert len(text) <= LIMIT
    following = int(text.split("start=")[1].split("\n")[0])
    assert f"\n{following - 1}\t" in text
    assert f"\n{following}\t{following:070}" in await shop.call(
        "read_file", path="n.txt", start=following
    )


@pytest.mark.parametrize(
    ("content", "title"),
    [
        (b"", "f is empty."),
        (b"a\nb", "f, lines 1-2 of 2; no newline at the end"),
        (b"\n", "f, lines 1-1 of 1"),
        (b"a\r\nb\r\n", "f, lines 1-2 of 2; CRLF line ends"),
        (b"caf\xe9\n", "f, lines 1-1 of 1"),
    ],
)
async def test_ends_of_files_and_lines_are_told(shop, folder, content, title):
    scene.write(folder, {"f": content})
    text = await shop.call("read_file", path="f")
    assert text.split("\n")[0] == title
    assert "\r" not in text


async def test_bytes_that_are_not_utf8_are_shown_as_such(shop, folder):
    scene.write(folder, {"f": b"caf\xe9 \xf0\x9f\x90\n\x1b[31mred\x1b[0m \x07 \xe2\x80\xae\n"})
    text = await shop.call("read_file", path="f")
    assert text.split("\n")[1:] == ["1\tcaf\\xe9 \\xf0\\x9f\\x90", "2\tred \\x07 \\u202e"]


async def test_binary_and_missing_files_are_refused_in_words(shop, folder):
    scene.write(folder, {"f.bin": b"PNG\0\1"})
    assert "f.bin is binary (5 bytes)" in await shop.fails("read_file", path="f.bin")
    assert "Near it: cart.py" in await shop.fails("read_file", path="src/crt.py")
    assert "no folder nowhere" in await shop.fails("read_file", path="nowhere/a.py")
    assert "is a folder" in await shop.fails("read_file", path="src")
    assert "no folder" in await shop.fails("read_file", path="README.md/a")


async def test_lines_that_do_not_exist_are_refused_in_words(shop):
    assert "has 2 lines; there is no line 9" in await shop.fails(
        "read_file", path="src/cart.py", start=9
    )
    assert "before start=2" in await shop.fails("read_file", path="src/cart.py", start=2, end=1)
    assert "start must be a whole number >= 1" in await shop.fails(
        "read_file", path="src/cart.py", start=0
    )


async def test_a_line_of_five_megabytes_is_cut(shop, folder):
    scene.write(folder, {"f": b"x" * 5_000_000 + b"\nnext\n"})
    text = await shop.call("read_file", path="f")
    assert "[… 4,998,001 more bytes in this line]\n2\tnext" in text
    assert len(text) < 3_000


async def test_a_file_of_two_gigabytes_costs_little_memory_and_holds_nobody_up(shop, folder):
    with (folder / "huge").open("wb") as file:
        file.write(b"line\n" * 2_000)
        file.truncate(2_000_000_000)
    with (folder / "zeros").open("wb") as file:
        file.truncate(2_000_000_000)
    before, late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0.0
    reading = asyncio.create_task(shop.call("read_file", path="huge", end=2))
    while not reading.done():
        began = time.thread_time()
        await asyncio.sleep(0.001)
        late = max(late, time.thread_time() - began)
    assert "is binary" in await shop.fails("read_file", path="zeros")
    assert "huge, lines 1-2 of many more; go on with start=3" in await reading
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    assert late < 0.2


async def test_a_plain_folder_is_read_as_well(toolbox, tmp_path):
    scene.write(tmp_path, {"plain/a.txt": "a\n"})
    assert "1\ta" in await toolbox(tmp_path / "plain").call("read_file", path="a.txt")


async def test_a_repository_that_is_gone_or_bare_is_told(toolbox, tmp_path, folder):
    assert "cannot be opened" in await toolbox(tmp_path / "gone").fails("read_file", path="a.txt")
    scene.git(tmp_path, "clone", "-q", "--bare", str(folder), str(tmp_path / "shop.git"))
    assert "bare repository" in await toolbox(tmp_path / "shop.git").fails(
        "read_file", path="config"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_an_unreadable_file_is_told(shop, folder):
    (folder / "src" / "new.py").chmod(0)
    assert "Permission denied" in await shop.fails("read_file", path="src/new.py")
