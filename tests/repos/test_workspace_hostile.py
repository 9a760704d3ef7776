"""Whatever a hostile process does to the files of a workspace, nothing of it runs or gets out."""

import os
import random
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from coworker.errors import ToolError
from coworker.repos.program import Limits
from coworker.repos.remote import address
from tests.repos import scene
from tests.repos.evil import Evil

SECRET = "canary-of-a-secret-file"


@pytest.fixture
async def workspace(opened):
    """A workspace of a small repository."""
    return await opened()


async def history(workspace):
    """Every byte of every object that a workspace has made or borrows."""
    asked = ("cat-file", "--batch-all-objects", "--batch")
    return await workspace.git.must(*asked, limits=Limits(keep=200_000_000))


async def everything(workspace, to):
    """Call every method; the files may change at any time, so words are as good as results."""
    for call in (
        workspace.status,
        workspace.diff,
        workspace.diff_stat,
        lambda: workspace.commit("All", call_id=str(time.monotonic_ns())),
        workspace.status,
        lambda: workspace.push(address(str(to))),
        lambda: workspace.reset_to("HEAD~1"),
        workspace.unsaved,
    ):
        with suppress(ToolError):
            await call()


async def test_no_program_planted_in_the_files_runs(tmp_path, opened, workspaces):
    shop, lib, evil = scene.shop(tmp_path / "shop"), scene.shop(tmp_path / "lib"), Evil(tmp_path)
    scene.git(shop, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(lib), "real")
    scene.commit(shop, "Add a submodule", {})
    workspace = await opened(shop)
    evil.trap(workspace.tree)
    await workspace.commit("First", call_id="1")
    evil.touch(workspace.tree)
    await everything(workspace, shop)
    async with workspace.clean_copy():
        pass
    assert evil.ran == ""
    (workspace.tree / ".gitmodules").unlink()  # git itself refuses this one
    add = (f"--git-dir={workspace.git_dir}", f"--work-tree={workspace.tree}", "add", "-A")
    tempted = [evil.tempted(workspace.tree, *add) for _ in range(2)]
    assert "evil process" in tempted[1]
    await workspaces.sweep(0, 2 * 10**12)
    await workspace.remove(force=True)
    assert evil.ran == ""


async def test_repositories_inside_are_left_out_and_named(workspace):
    scene.commit(scene.empty(workspace.tree / "lib"), "Nested", {"n.txt": "n\n"})
    scene.write(workspace.tree, {"a.txt": "a\n"})
    first = await workspace.commit("Add a", call_id="1")
    assert [(entry.path, entry.why) for entry in first.left_out] == [
        ("lib", "is a repository of its own")
    ]
    scene.commit(scene.empty(workspace.tree / "later"), "Nested", {"n.txt": "n\n"})
    with pytest.raises(ToolError, match=r"Nothing was committed.*later is a repository of its own"):
        await workspace.commit("Again", call_id="2")
    listed = await workspace.git.must("ls-tree", "-r", "HEAD")
    assert b"lib" not in listed
    assert b"later" not in listed
    await workspace.reset_to(workspace.base())
    assert (workspace.tree / "lib" / "n.txt").exists()


async def test_a_folder_that_becomes_a_repository_keeps_its_files(workspace):
    scene.empty(workspace.tree / "src")
    scene.write(workspace.tree, {"src/cart.py": "changed\n"})
    assert await workspace.commit("Change", call_id="1")
    assert b"src/cart.py" in await workspace.git.must("ls-tree", "-r", "HEAD")


async def test_a_submodule_that_is_replaced_stays_a_pointer(tmp_path, opened):
    shop, lib = scene.shop(tmp_path / "shop"), scene.shop(tmp_path / "lib")
    scene.git(shop, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(lib), "lib")
    scene.commit(shop, "Add lib", {})
    workspace = await opened(shop)
    (workspace.tree / "lib").rmdir()
    scene.write(workspace.tree, {"lib": "a file\n", "a.txt": "a\n"})
    await workspace.commit("Add", call_id="1")
    assert b"160000 commit" in await workspace.git.must("ls-tree", "HEAD", "lib")


async def test_what_is_no_file_is_left_out_and_never_waited_for(workspace, monkeypatch):
    tree = workspace.tree
    scene.write(tree, {"fine.txt": "x\n"})
    for name in ("README.md", "src/cart.py"):
        (tree / name).unlink()
    os.mkfifo(tree / "README.md")
    monkeypatch.chdir(tree / "src")  # the whole path is longer than an address may be
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("cart.py")
    made = await workspace.commit("Add", call_id="1")
    assert [entry.why for entry in made.left_out] == ["is a pipe, socket or device"] * 2
    assert scene.content(tree).keys() >= {"fine.txt"}
    assert b"README.md" in await workspace.git.must("ls-tree", "HEAD")


async def test_a_huge_file_is_left_out_at_once(workspace):
    for name in ("huge.bin", "README.md"):
        with (workspace.tree / name).open("wb") as file:
            file.truncate(2_000_000_000)
    scene.write(workspace.tree, {"fine.txt": "x\n"})
    before = time.monotonic()
    made = await workspace.commit("Add", call_id="1")
    assert time.monotonic() - before < 10  # reading them would take longer
    assert {entry.path for entry in made.left_out} == {"huge.bin", "README.md"}
    assert "2,000 MB; more than 100 MB a file is not kept" in made.left_out[0].why
    await workspace.reset_to(made.sha)
    assert (workspace.tree / "README.md").read_text().startswith("# Shop")


async def test_many_big_files_are_bounded_together(workspace):
    for number in range(7):
        with (workspace.tree / f"{number}.bin").open("wb") as file:
            file.truncate(90_000_000)
    made = await workspace.commit("Add", call_id="1")
    assert [entry.path for entry in made.left_out] == ["5.bin", "6.bin"]
    assert "more than 500 MB of changes" in made.left_out[0].why


async def test_filtered_files_are_left_out_whatever_the_filter(workspace):
    scene.write(workspace.tree, {".gitattributes": "*.key filter=git-crypt\n", "a.key": "plain\n"})
    made = await workspace.commit("Add", call_id="1")
    assert [(entry.path, entry.why) for entry in made.left_out] == [
        ("a.key", "is kept by the filter git-crypt, which is not run here")
    ]
    assert b"plain" not in await history(workspace)


async def test_deep_folders_and_long_names_do_no_harm(workspace):
    fd = os.open(workspace.tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d" * 10, dir_fd=fd)
        inner = os.open("d" * 10, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("deep.txt", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    scene.write(workspace.tree, {"x" * 255: "x\n"})
    assert await workspace.commit("Add", call_id="1")
    await workspace.remove(force=True)
    assert not list((workspace.folder.parent / ".trash").glob("*"))


async def test_a_flood_of_new_files_is_refused_in_words(workspace):
    folder = workspace.tree / ("n" * 200) / ("n" * 200) / ("n" * 200) / ("n" * 200)
    folder.mkdir(parents=True)
    for number in range(20_000):
        os.close(os.open(folder / ("f" * 240 + str(number)), os.O_CREAT | os.O_WRONLY))
    with pytest.raises(ToolError, match="too many new files"):
        await workspace.commit("Add", call_id="1")


async def test_git_names_inside_the_files_are_not_recorded(workspace):
    scene.write(workspace.tree, {"a/.GIT/config": "x\n", "b/git~1/config": "x\n", "fine": "x\n"})
    await workspace.commit("Add", call_id="1")
    listed = await workspace.git.must("ls-tree", "-r", "--name-only", "HEAD")
    assert b"config" not in listed
    assert b"fine" in listed


@contextmanager
def swapping(tree, outside):
    """Somebody who swaps folders and files for links that lead out, as fast as can be."""
    stop = threading.Event()

    def swap():
        chance = random.Random(20261121)
        while not stop.is_set():
            for name, target in (("d", outside), ("f.txt", outside / "f.txt")):
                away = tree / f".{name}.away"
                for step in (
                    lambda name=name, away=away: (tree / name).rename(away),
                    lambda name=name, target=target: (tree / name).symlink_to(target),
                    lambda name=name: (tree / name).unlink(),
                    lambda name=name, away=away: away.rename(tree / name),
                ):
                    with suppress(OSError):  # somebody else moved it
                        step()
                    stop.wait(chance.uniform(0, 0.002))

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def test_swapped_links_lead_nowhere(tmp_path, opened):
    shop, outside = scene.empty(tmp_path / "shop"), tmp_path / "outside"
    names = [f"d/{number}.txt" for number in range(400)]
    scene.commit(shop, "First", {"a": "a\n", "f.txt": "f\n", **dict.fromkeys(names, "x\n")})
    workspace = await opened(shop)
    scene.write(outside, {f"{number}.txt": SECRET for number in range(420)})
    scene.write(outside, {"f.txt": SECRET, "outside-name.txt": SECRET})
    before, seen, end = scene.content(outside), "", time.monotonic() + 3
    with swapping(workspace.tree, outside):
        while time.monotonic() < end:
            scene.write(workspace.tree, {"a": f"{time.monotonic_ns()}\n"})
            await everything(workspace, shop)
            seen += await workspace.diff(workspace.base()) + str(await workspace.status())
    assert scene.content(outside) == before
    assert SECRET not in seen
    assert "outside-name" not in seen
    assert SECRET.encode() not in await history(workspace)


async def test_git_of_the_tree_is_not_believed(tmp_path, workspace):
    other = scene.shop(tmp_path / "other")
    (workspace.tree / ".git").write_text(f"gitdir: {other / '.git'}\n")
    scene.write(workspace.tree, {"a.txt": "a\n"})
    made = await workspace.commit("Add", call_id="1")
    assert made.sha == await workspace.head()
    assert scene.git(other, "log", "-1", "--format=%s") == "Say hello"
