"""No spelling, link or swap leads a file tool out of the repository."""

import itertools
import os
import random
import socket
import threading
import time

import pytest

from coworker.errors import ToolError
from tests.repos import scene

CANARY = "the canary sings"


@pytest.fixture
def trap(tmp_path):
    """A repository with a secret beside it and every kind of link and odd file inside."""
    folder = scene.empty(tmp_path / "repo")
    scene.write(tmp_path, {"secret": CANARY, "repo-evil/secret": CANARY})
    scene.write(folder, {"src/a.txt": "inside\n", ".gitconfig": "x\n"})
    (folder / ".git" / "credentials").write_text(CANARY)
    links = {
        "out": "../secret",
        "out-absolute": str(tmp_path / "secret"),
        "up": "..",
        "src/deep": "../../secret",
        "chain": "out",
        "dot-git": ".git",
        "git-file": ".git/credentials",
        "proc": "/proc/self/root",
        "loop": "loop",
        "in": "src/a.txt",
        "in-absolute": str(folder / "src/a.txt"),
        "folder": "src",
        "folder-back": "src/../src",
        "here": ".",
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    return folder


SPELLINGS = [
    "../secret",
    "src/../../secret",
    "src/../../repo-evil/secret",
    "./../secret",
    "/etc/passwd",
    "//etc/passwd",
    "{outside}/secret",
    "{outside}/repo-evil/secret",
    "{outside}/repo/../secret",
    "~",
    "~root/.profile",
    "~/../secret",
    "..",
    "../",
    "src/a.txt/../../../secret",
    "secret\0.txt",
    "src/a.txt\n../secret",
    "a/" * 3000 + "x",
    "x" * 300,
    "..\\secret",
    "%2e%2e/secret",
    "\uff0e\uff0e/secret",
    "\u2024\u2024/secret",
    "out",
    "out-absolute",
    "up/secret",
    "src/deep",
    "chain",
    "here/up/secret",
    "here/here/out",
    "proc/etc/passwd",
    "/proc/self/environ",
    "/proc/self/root/etc/passwd",
    "/dev/zero",
    "loop",
    "pipe",
    "here/pipe",
    "socket",
    ".git/credentials",
    ".GIT/credentials",
    ".git./credentials",
    "src/../.git/credentials",
    "dot-git/credentials",
    "git-file",
    "here/git-file",
    "{outside}/repo/.git/credentials",
    "",
    ".",
    "src",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_read_file_refuses(spelling, trap, toolbox):
    box = toolbox(trap)
    path = spelling.replace("{outside}", str(trap.parent))
    words = await box.fails("read_file", path=path)
    assert CANARY not in words
    assert len(words) < 600


@pytest.mark.parametrize("name", ["list_files", "search", "git_blame", "git_log", "git_show"])
async def test_no_other_tool_shows_what_lies_outside(name, trap, toolbox):
    scene.commit(trap, "all", {})
    box = toolbox(trap)
    extra = {"search": {"pattern": "."}, "git_show": {"rev": "HEAD"}}.get(name, {})
    for spelling in SPELLINGS:
        path = spelling.replace("{outside}", str(trap.parent))
        try:
            text = await box.call(name, path=path, **extra)
        except ToolError as error:
            text = str(error)
        assert CANARY not in text, spelling
        assert "root:" not in text, spelling


@pytest.mark.parametrize(
    "spelling",
    ["src/a.txt", "./src//a.txt", "src/../src/a.txt", "in", "in-absolute", "folder/a.txt",
     "folder-back/a.txt", "here/src/a.txt", "{outside}/repo/src/a.txt", "here/in"],
)  # fmt: skip
async def test_what_lies_inside_is_read_by_any_spelling(spelling, trap, toolbox):
    path = spelling.replace("{outside}", str(trap.parent))
    assert "1\tinside" in await toolbox(trap).call("read_file", path=path)


async def test_names_that_only_look_like_git_are_read(trap, toolbox):
    assert "1\tx" in await toolbox(trap).call("read_file", path=".gitconfig")


async def test_a_repository_may_be_named_through_a_link(trap, toolbox, tmp_path):
    (tmp_path / "alias").symlink_to(trap)
    box = toolbox(tmp_path / "alias")
    assert "inside" in await box.call("read_file", path=f"{tmp_path}/alias/src/a.txt")
    assert "inside" in await box.call("read_file", path=f"{trap}/src/a.txt")
    assert await box.fails("read_file", path=f"{tmp_path}/secret")


async def test_nothing_is_read_when_the_repository_is_a_git_directory(trap, toolbox):
    box = toolbox(trap / ".git")
    for name, more in (("read_file", {"path": "credentials"}), ("list_files", {})):
        assert CANARY not in await box.fails(name, **more)
    assert CANARY not in await box.fails("search", pattern="canary")


async def test_search_does_not_follow_links_out(trap, toolbox, searcher):
    scene.write(trap, {"src/b.txt": "no bird\n"})
    text = await toolbox(trap).call("search", pattern="canary|bird")
    assert "no bird" in text
    assert CANARY not in text


async def test_git_does_not_look_through_a_folder_that_became_a_link(trap, toolbox, tmp_path):
    scene.commit(trap, "all", {"src/secret": "tracked\n"})
    (trap / "src" / "secret").unlink()
    (trap / "src" / "a.txt").unlink()
    (trap / "src" / "deep").unlink()
    (trap / "src").rmdir()
    (trap / "src").symlink_to("..")
    box = toolbox(trap)
    for name, extra in (("git_diff", {}), ("git_status", {}), ("search", {"pattern": "canary"})):
        assert CANARY not in await box.call(name, **extra)
    assert "outside" in await box.fails("git_blame", path="src/secret")


def _swap_until(stop, place, real, fake):
    """Let a path be the real folder and a link to the fake one, in turns."""
    while not stop.is_set():
        os.rename(place, real)
        os.symlink(fake, place)
        stop.wait(random.random() / 1000)
        os.unlink(place)
        os.rename(real, place)
        stop.wait(random.random() / 1000)


@pytest.fixture
def flickering(trap, tmp_path):
    """`src` is swapped for a link to a folder outside all the time."""
    scene.write(tmp_path, {"outside/a.txt": CANARY})
    stop = threading.Event()
    arguments = (stop, trap / "src", tmp_path / "repo-real", tmp_path / "outside")
    swapper = threading.Thread(target=_swap_until, args=arguments)
    swapper.start()
    yield trap
    stop.set()
    swapper.join()


async def test_a_swap_while_opening_never_shows_the_outside(flickering, toolbox):
    box, texts, end = toolbox(flickering), [], time.monotonic() + 2
    paths = itertools.cycle(["src/a.txt", "here/src/a.txt", "folder/a.txt"])
    while time.monotonic() < end:
        try:
            texts.append(await box.call("read_file", path=next(paths)))
        except ToolError as error:
            texts.append(str(error))
    assert any("inside" in text for text in texts)
    assert any("inside" not in text for text in texts)
    assert not any(CANARY in text for text in texts)


async def test_search_shows_only_lines_that_it_read_itself(trap, toolbox, tmp_path, monkeypatch):
    names = ["../secret", str(tmp_path / "secret"), "out", "up/secret", "git-file", "src/a.txt"]
    rows = "".join(f"printf '%s\\0001:1:{CANARY}\\n' '{name}'\n" for name in names)
    scene.write(tmp_path, {"bin/rg": f"#!/bin/sh\n{rows}"})
    (tmp_path / "bin/rg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    text = await toolbox(trap).call("search", pattern="x")
    assert "1: inside" in text
    assert CANARY not in text
