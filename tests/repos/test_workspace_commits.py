"""What is done in a workspace becomes commits, can be looked at, taken back and found again."""

import asyncio
import os
import shutil
from glob import glob

import pytest

from coworker.errors import ToolError
from coworker.repos.commits import Identity
from coworker.repos.workspaces import Workspaces
from tests.repos import scene


@pytest.fixture
async def workspace(opened):
    """A workspace of a small repository."""
    return await opened()


async def statuses(workspace):
    return [(change.kind, change.path) for change in await workspace.status()]


async def stored(workspace, ref="HEAD"):
    """The files of a commit as git has them."""
    listed = await workspace.git.must("ls-tree", "-r", "-z", "--name-only", ref)
    return sorted(os.fsdecode(path) for path in listed.split(b"\0") if path)


async def test_changes_are_seen_and_committed(workspace):
    scene.write(workspace.tree, {"README.md": "new\n", "docs/a.md": "a\n"})
    (workspace.tree / "src" / "cart.py").unlink()
    assert await statuses(workspace) == [
        ("modified", "README.md"),
        ("added", "docs/a.md"),
        ("deleted", "src/cart.py"),
    ]
    made = await workspace.commit("Rework the shop", call_id="call-1")
    assert "3 files changed" in made.stat
    assert await stored(workspace) == [".gitignore", "README.md", "docs/a.md"]
    assert (await workspace.head(), await statuses(workspace)) == (made.sha, [])


async def test_no_change_is_no_commit(workspace):
    head = await workspace.head()
    scene.write(workspace.tree, {"ignored.log": "x\n"})
    (workspace.tree / "README.md").touch()
    assert await workspace.commit("Nothing", call_id="1") is None
    assert await workspace.head() == head


async def test_the_patch_and_the_lines_since_the_last_commit_or_the_base(workspace):
    scene.write(workspace.tree, {"README.md": "one\n"})
    await workspace.commit("One", call_id="1")
    scene.write(workspace.tree, {"README.md": "two\n"})
    assert "-one\n+two\n" in await workspace.diff()
    assert "+two\n" in await workspace.diff(workspace.base())
    assert "+one\n" not in await workspace.diff(workspace.base())
    assert "1 file changed, 1 insertion(+), 1 deletion(-)" in await workspace.diff_stat()


async def test_a_long_patch_says_that_it_was_cut(workspace):
    scene.write(workspace.tree, {"big.txt": "x\n" * 700_000})
    patch = await workspace.diff()
    assert len(patch) < 1_000_100
    assert patch.endswith(" more bytes are not shown)\n")


async def test_only_the_named_files_and_folders_are_committed(workspace):
    files = {"README.md": "x\n", "src/cart.py": "x\n", "src/new/a.py": "x\n", "srcs": "x\n"}
    scene.write(workspace.tree, files)
    made = await workspace.commit("Source", call_id="1", paths=["src/"])
    assert "2 files changed" in made.stat
    assert await statuses(workspace) == [("modified", "README.md"), ("added", "srcs")]
    await workspace.commit("All", call_id="2", paths=["."])
    assert await statuses(workspace) == []


@pytest.mark.parametrize(
    "path", ["missing.txt", "src/cart.py", "a.log", "../up", "/etc/passwd", ""]
)
async def test_a_named_file_without_a_change_is_refused(workspace, path):
    scene.write(workspace.tree, {"a.log": "x\n", "new.txt": "x\n"})
    with pytest.raises(ToolError, match=r"no change in|no path relative"):
        await workspace.commit("It", call_id="1", paths=["new.txt", path])
    assert await workspace.log() == []


async def test_the_message_the_author_and_the_call_are_in_the_commit(workspace):
    scene.write(workspace.tree, {"a.txt": "a\n"})
    text = "Add a\n\nBecause.\nCoworker-Call: forged\n\nSigned-off-by: ann <ann@example.com>"
    who = Identity("Ann <x>\nB", "ann@example.com")
    made = await workspace.commit(text, call_id="toolu_1", author=who)
    raw = (await workspace.git.must("log", "-1", "--format=%an|%ae|%cn%n%B")).decode()
    assert raw == (
        "Ann x B|ann@example.com|coworker\nAdd a\n\nBecause.\n\n"
        "Signed-off-by: ann <ann@example.com>\nCoworker-Call: toolu_1\n\n"
    )
    (line,) = await workspace.log()
    assert (line.sha, line.subject, line.call) == (made.sha, "Add a", "toolu_1")


async def test_an_empty_message_is_refused(workspace):
    scene.write(workspace.tree, {"a.txt": "a\n"})
    for text in ("", " \n", "Coworker-Call: x"):
        with pytest.raises(ToolError, match="message is empty"):
            await workspace.commit(text, call_id="1")


async def test_the_same_call_again_finds_its_own_commit(tmp_path, workspace):
    scene.write(workspace.tree, {"a.txt": "a\n"})
    made = await workspace.commit("Add", call_id="call-1")
    scene.write(workspace.tree, {"b.txt": "b\n"})
    again = Workspaces(tmp_path / "state").get("c1")
    assert (await again.commit("Add", call_id="call-1", paths=["a.txt"])).sha == made.sha
    assert await again.probe_commit("call-1") == made.sha
    assert await again.probe_commit("call") is None
    assert await statuses(again) == [("added", "b.txt")]


async def test_an_index_that_a_crash_left_behind_does_no_harm(workspace):
    index = workspace.git_dir / "index"
    shutil.copyfile(index, workspace.folder / "before")
    scene.write(workspace.tree, {"README.md": "one\n", "a.txt": "a\n"})
    await workspace.commit("One", call_id="1")
    shutil.copyfile(workspace.folder / "before", index)
    assert await statuses(workspace) == []
    scene.write(workspace.tree, {"b.txt": "b\n"})
    assert "1 file changed" in (await workspace.commit("Two", call_id="2")).stat


async def test_a_lock_that_a_killed_git_left_does_not_stop_it(workspace):
    scene.write(workspace.git_dir, {"refs/heads/coworker/c1.lock": "", "index.lock": ""})
    scene.write(workspace.tree, {"a.txt": "a\n"})
    assert await workspace.commit("Add", call_id="1")


async def test_files_folders_and_links_may_take_each_others_places(workspace):
    tree = workspace.tree
    scene.write(tree, {"dir/a": "x\n", "dir/b/c": "x\n", "file": "x\n", "other": "x\n"})
    await workspace.commit("Before", call_id="1")
    shutil.rmtree(tree / "dir")
    (tree / "dir").symlink_to("src")
    (tree / "file").unlink()
    scene.write(tree, {"file/inside/deep": "x\n"})
    (tree / "other").unlink()
    (tree / "other").symlink_to("/etc/passwd")
    await workspace.commit("After", call_id="2")
    names = {"dir", "file/inside/deep", "other", "src/cart.py"}
    assert names <= set(await stored(workspace))
    assert await statuses(workspace) == []
    shutil.rmtree(tree / "file")
    (tree / "dir").unlink()
    scene.write(tree, {"file": "x\n", "dir/a": "x\n"})
    await workspace.commit("Back", call_id="3")
    assert {"dir/a", "file"} <= set(await stored(workspace))
    assert await statuses(workspace) == []


@pytest.mark.parametrize(
    "name", ["new\nline", "tab\t", '"quoted"', "-dash", ":(top)x", "*", "ä ö", " ", "a\\b", b"\xff"]
)
async def test_a_file_of_any_name(workspace, name):
    path = os.fsdecode(name)
    scene.write(workspace.tree, {path: "x\n"})
    assert await statuses(workspace) == [("added", path)]
    await workspace.commit("Add", call_id="1", paths=[path])
    assert path in await stored(workspace)
    assert await statuses(workspace) == []


async def test_line_ends_and_modes_are_kept_as_the_attributes_say(workspace):
    tree = workspace.tree
    files = {"a.bat": b"a\r\n", "a.txt": b"a\r\nb\r\n", "raw": b"a\r\n", "run": b"#!/bin/sh\n"}
    scene.write(tree, {".gitattributes": "*.bat text eol=crlf\n*.txt text\n", **files})
    (tree / "run").chmod(0o755)
    await workspace.commit("Add", call_id="1")
    blobs = {"a.bat": b"a\n", "a.txt": b"a\nb\n", "raw": b"a\r\n"}
    for name, expected in blobs.items():
        assert await workspace.git.must("cat-file", "blob", f"HEAD:{name}") == expected
    assert b"100755" in await workspace.git.must("ls-tree", "HEAD", "run")
    scene.write(tree, {"a.bat": b"b\r\n"})  # the attributes are not among what changed
    await workspace.commit("Change", call_id="2")
    assert await workspace.git.must("cat-file", "blob", "HEAD:a.bat") == b"b\n"
    assert await statuses(workspace) == []


async def test_taken_back_the_files_are_as_they_were_and_nothing_is_lost(workspace):
    tree, base = workspace.tree, workspace.base()
    before = scene.content(tree)
    scene.write(tree, {"README.md": "one\n", "new/a.txt": "a\n", "ignored.log": "x\n"})
    (tree / "src" / "cart.py").unlink()
    (tree / "src").rmdir()
    (tree / "src").symlink_to("new")
    await workspace.commit("One", call_id="1")
    scene.write(tree, {"README.md": "not committed\n", "new/b.txt": "b\n"})
    there = scene.content(tree)
    kept = await workspace.reset_to(base)
    assert scene.content(tree) == {**before, "ignored.log": b"x\n"}
    assert (await workspace.head(), await statuses(workspace)) == (base, [])
    assert not (tree / "new").exists()
    await workspace.reset_to(kept)
    assert scene.content(tree) == there


async def test_what_stands_where_a_file_was_gives_way(workspace):
    tree = workspace.tree
    (tree / "README.md").unlink()
    scene.write(tree, {"README.md/ignored.log": "x\n"})
    (tree / "src" / "cart.py").unlink()
    os.mkfifo(tree / "src" / "cart.py")
    await workspace.reset_to("HEAD")
    assert (tree / "README.md").read_text().startswith("# Shop")
    assert (tree / "src" / "cart.py").is_file()
    assert await statuses(workspace) == []


@pytest.mark.parametrize("ref", ["", "-x", "--all", "nope", "f" * 40, "HEAD\n", "HEAD^{tree}"])
async def test_only_commits_can_be_gone_back_to(workspace, ref):
    with pytest.raises(ToolError, match="There is no commit"):
        await workspace.reset_to(ref)


async def test_a_clean_copy_has_only_what_is_committed(workspace):
    scene.write(workspace.tree, {"a.txt": "a\n"})
    await workspace.commit("Add", call_id="1")
    committed = scene.content(workspace.tree)
    scene.write(workspace.tree, {"dirty.txt": "x\n", "ignored.log": "x\n", "a.txt": "dirty\n"})
    async with workspace.clean_copy() as copy:
        assert scene.content(copy) == committed
        assert scene.git(copy, "rev-parse", "HEAD") == await workspace.head()
        (copy / "deep").mkdir(mode=0o000)
    assert not copy.exists()
    async with workspace.clean_copy(workspace.base()) as copy:
        assert "a.txt" not in scene.content(copy)


async def test_looking_and_committing_at_once(workspace):
    scene.write(workspace.tree, {f"{n}.txt": f"{n}\n" for n in range(20)})
    calls = [workspace.commit(f"{n}", call_id=f"{n}", paths=[f"{n}.txt"]) for n in range(20)]
    looks = [look() for _ in range(4) for look in (workspace.status, workspace.diff)]
    await asyncio.gather(*calls, *looks)
    assert len(await workspace.log()) == 20
    assert (await workspace.git.run("fsck", "--strict")).status == 0
    assert not list(workspace.folder.glob("scratch-*"))


async def test_cancelled_while_committing_it_can_be_done_again(workspace):
    scene.write(workspace.tree, {f"{n}.txt": f"{n}\n" for n in range(200)})
    for reached in ("", "/index", "/files", "/files/99.txt", "/index.*"):
        task = asyncio.create_task(workspace.commit("All", call_id=reached))
        while not task.done() and not glob(f"{workspace.folder}/scratch-*{reached}"):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not list(workspace.folder.glob("scratch-*"))
    await workspace.commit("All", call_id="last")
    assert await statuses(workspace) == []
    assert len(await workspace.log()) == 1


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"


async def test_a_changed_file_of_large_file_storage_is_left_out_and_never_kept_as_content(
    tmp_path, opened
):
    shop = scene.empty(tmp_path / "shop")
    rules = {".gitattributes": "[attr]big filter=lfs -text\n*.bin big\n"}
    scene.commit(shop, "First", {**rules, "a.bin": POINTER, "b.bin": POINTER})
    workspace = await opened(shop)
    with_content = {"a.bin": "content\n", "art/.gitattributes": "*.psd filter=lfs\n"}
    scene.write(workspace.tree, {**with_content, "art/new.psd": "content\n", "c.txt": "x\n"})
    (workspace.tree / "b.bin").rename(workspace.tree / "moved.bin")
    made = await workspace.commit("Work", call_id="1")
    assert {(entry.path, entry.why) for entry in made.left_out} == {
        (path, "is kept by the filter lfs, which is not run here")
        for path in ("a.bin", "art/new.psd")
    }
    names = [".gitattributes", "a.bin", "art/.gitattributes", "c.txt", "moved.bin"]
    assert await stored(workspace) == names
    for path in ("a.bin", "moved.bin"):
        assert await workspace.git.must("cat-file", "blob", f"HEAD:{path}") == POINTER.encode()
    with pytest.raises(ToolError, match=r"Nothing was committed.*a\.bin is kept by the filter lfs"):
        await workspace.commit("Only it", call_id="2")


async def test_a_submodule_stays_the_pointer_it_is(tmp_path, opened):
    shop, lib = scene.shop(tmp_path / "shop"), scene.shop(tmp_path / "lib")
    allow = ("-c", "protocol.file.allow=always")
    scene.git(shop, *allow, "submodule", "add", "-q", str(lib), "lib")
    scene.commit(shop, "Add lib", {})
    pointer = scene.git(shop, "rev-parse", "HEAD:lib")
    workspace = await opened(shop)
    scene.commit(scene.empty(workspace.tree / "lib"), "Ours", {"x.txt": "x\n"})
    scene.write(workspace.tree, {"a.txt": "a\n"})
    await workspace.commit("Work", call_id="1")
    assert scene.git(workspace.tree, "rev-parse", "HEAD:lib") == pointer
    shutil.rmtree(workspace.tree / "lib")
    scene.write(workspace.tree, {"lib": "a file now\n", "b.txt": "b\n"})
    await workspace.commit("More", call_id="2")
    assert scene.git(workspace.tree, "rev-parse", "HEAD:lib") == pointer
