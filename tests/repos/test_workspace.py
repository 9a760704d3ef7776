"""Every conversation gets files and a branch of its own, and the person's checkout stays theirs."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from coworker.errors import Denied, ToolError
from coworker.repos.remote import address
from coworker.repos.workspaces import Workspaces
from coworker.types import Repo
from tests.repos import scene

ROOT = Path(__file__).parent.parent.parent
NOW_MS = 1_800_000_000_000


async def test_it_has_the_files_of_the_last_commit_on_a_branch_of_its_own(tmp_path, opened):
    workspace = await opened()
    shop = tmp_path / "shop"
    assert workspace.branch == "coworker/c1"
    assert workspace.base() == await workspace.head() == scene.git(shop, "rev-parse", "HEAD")
    assert scene.content(workspace.tree)["src/cart.py"] == b"def total():\n    return 1\n"
    assert not (workspace.tree / "src" / "new.py").exists()
    assert (await workspace.status(), await workspace.log()) == ([], [])
    assert not workspace.about.carried


async def test_git_inside_it_works_and_sees_no_other_branch(tmp_path, opened):
    scene.git(scene.shop(tmp_path / "shop"), "branch", "secret")
    await opened(tmp_path / "shop", "c2")
    workspace = await opened(tmp_path / "shop")
    assert scene.git(workspace.tree, "branch", "--all") == "* coworker/c1"
    assert scene.git(workspace.tree, "status", "--porcelain") == ""
    assert workspace.dotgit.read_bytes() == (workspace.tree / ".git").read_bytes()


async def test_uncommitted_files_are_carried_over_as_a_labelled_base(opened):
    workspace = await opened(carry=True)
    assert workspace.about.carried
    assert workspace.about.notes == [
        "The work builds on the uncommitted files of the checkout, kept as commit "
        f"{workspace.base()[:10]}. A push takes that commit along."
    ]
    assert scene.content(workspace.tree)["src/cart.py"] == b"def total():\n    return 2\n"
    assert scene.content(workspace.tree)["src/new.py"] == b"x = 1\n"
    assert not (workspace.tree / "a.log").exists()  # ignored
    label = await workspace.git.must("log", "-1", "--format=%s", workspace.base())
    assert label == b"Uncommitted changes of the checkout (base)\n"
    assert (await workspace.status(), await workspace.has_unpushed()) == ([], False)


async def test_a_clean_checkout_has_nothing_to_carry(tmp_path, opened):
    shop = scene.shop(tmp_path / "shop")
    scene.git(shop, "stash", "-qu")
    workspace = await opened(shop, carry=True)
    assert not workspace.about.carried
    assert workspace.base() == scene.git(shop, "rev-parse", "HEAD")


async def test_the_checkout_is_untouched(tmp_path, opened):
    shop = scene.shop(tmp_path / "shop")
    scene.git(shop, "stash", "-q")
    scene.write(shop, {"src/cart.py": "staged\n", "README.md": "changed\n"})
    scene.git(shop, "add", "src/cart.py")
    os.utime(shop / ".gitignore")  # plain git would refresh its index
    before = scene.untouched(shop)
    workspace = await opened(shop, carry=True)
    scene.write(workspace.tree, {"src/cart.py": "ours\n"})
    await workspace.commit("Ours", call_id="1")
    assert scene.untouched(shop) == before


async def test_every_kind_of_change_is_carried(tmp_path, opened):
    shop = scene.empty(tmp_path / "shop")
    files = {"gone": "x\n", "dir/a": "x\n", "file": "x\n", "to-link": "x\n", "run.sh": "x\n"}
    scene.commit(shop, "First", {**files, "staged-gone": "x\n", ".gitignore": "*.log\n"})
    for name in ("gone", "dir/a", "file", "to-link"):
        (shop / name).unlink()
    (shop / "dir").rmdir()
    scene.git(shop, "rm", "-q", "staged-gone")
    scene.write(shop, {"dir": "a file now\n", "file/inside": "x\n", "new\nline": "x\n", "ä": "x\n"})
    (shop / "to-link").symlink_to("/etc/passwd")
    (shop / "run.sh").chmod(0o755)
    scene.write(shop, {"forced.log": "x\n", "then-gone": "x\n"})
    scene.git(shop, "add", "-f", "forced.log", "then-gone")
    (shop / "then-gone").unlink()
    workspace = await opened(shop, carry=True)
    assert scene.content(workspace.tree) == scene.content(shop)
    assert (workspace.tree / "run.sh").stat().st_mode & stat.S_IXUSR
    assert await workspace.status() == []


async def test_the_middle_of_a_merge_with_conflicts_is_carried(tmp_path, opened):
    shop = scene.empty(tmp_path / "shop")
    scene.commit(shop, "First", {"a.txt": "a\n"})
    scene.git(shop, "checkout", "-q", "-b", "side")
    scene.commit(shop, "Side", {"a.txt": "side\n"})
    scene.git(shop, "checkout", "-q", "main")
    scene.commit(shop, "Main", {"a.txt": "main\n"})
    merge = ["git", "-C", shop, "-c", "user.name=a", "-c", "user.email=a@b", "merge", "-q", "side"]
    subprocess.run(merge, capture_output=True)
    before = scene.untouched(shop)
    workspace = await opened(shop, carry=True)
    assert b"<<<<<<<" in scene.content(workspace.tree)["a.txt"]
    assert scene.untouched(shop) == before


async def test_line_ends_modes_and_links_are_as_in_the_checkout(tmp_path, opened):
    shop = scene.empty(tmp_path / "shop")
    scene.git(shop, "config", "core.autocrlf", "true")
    scene.write(shop, {"dos.txt": "a\r\nb\r\n", "run": "#!/bin/sh\n"})
    (shop / "run").chmod(0o755)
    (shop / "link").symlink_to("dos.txt")
    scene.commit(shop, "First", {"kept.bat": "a\r\n", ".gitattributes": "*.bat -text\n"})
    scene.write(shop, {"dos.txt": "a\r\nB\r\n"})
    workspace = await opened(shop, carry=True)
    stored = await workspace.git.must("cat-file", "blob", "HEAD:dos.txt")
    assert stored == b"a\nB\n"
    assert (workspace.tree / "kept.bat").read_bytes() == b"a\r\n"
    assert os.readlink(workspace.tree / "link") == "dos.txt"
    assert (workspace.tree / "run").stat().st_mode & stat.S_IXUSR


async def test_repositories_inside_the_checkout_are_left_out_and_named(tmp_path, opened):
    shop = scene.shop(tmp_path / "shop")
    scene.commit(scene.empty(shop / "vendor" / "lib"), "Nested", {"n.txt": "n\n"})
    workspace = await opened(shop, carry=True)
    assert not (workspace.tree / "vendor").exists()
    assert workspace.about.notes[1:] == ["Not carried over: vendor/lib is a repository of its own."]


async def test_submodules_stay_pointers_and_are_named(tmp_path, opened):
    shop, lib = scene.shop(tmp_path / "shop"), scene.shop(tmp_path / "lib")
    allow = ("-c", "protocol.file.allow=always")
    scene.git(shop, *allow, "submodule", "add", "-q", str(lib), "lib")
    scene.commit(shop, "Add lib", {})
    scene.write(shop, {"lib/README.md": "changed\n"})
    workspace = await opened(shop, carry=True)
    assert "Submodules are left as they are, without their files: lib." in workspace.about.notes
    assert list((workspace.tree / "lib").iterdir()) == []
    scene.write(workspace.tree, {"lib/x.txt": "x\n"})
    assert await workspace.status() == []


async def test_files_of_large_file_storage_stay_pointers_and_are_named(tmp_path, opened):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
    shop = scene.empty(tmp_path / "shop")
    scene.commit(shop, "First", {".gitattributes": "*.bin filter=lfs -text\n", "a.bin": pointer})
    scene.write(shop, {"a.bin": "real content\n", "new.bin": pointer})
    workspace = await opened(shop, carry=True)
    _, carried, stays = workspace.about.notes
    assert carried.startswith("Not carried over: a.bin is kept by the filter lfs")
    assert stays.startswith("The filter lfs is not run here: 2 files")
    assert scene.content(workspace.tree)["a.bin"] == scene.content(workspace.tree)["new.bin"]
    assert await workspace.status() == []


async def test_a_detached_head_in_a_linked_worktree(tmp_path, opened):
    shop = scene.shop(tmp_path / "shop")
    scene.git(shop, "worktree", "add", "-q", "--detach", str(tmp_path / "side"), "HEAD~1")
    scene.write(tmp_path / "side", {"side.txt": "x\n"})
    workspace = await opened(tmp_path / "side", carry=True)
    assert scene.content(workspace.tree) == scene.content(tmp_path / "side")


async def test_a_repository_without_commits(tmp_path, opened):
    shop = scene.empty(tmp_path / "new")
    scene.write(shop, {"a.txt": "a\n"})
    carried = await opened(shop, "c1", carry=True)
    assert scene.content(carried.tree) == {"a.txt": b"a\n"}
    bare = await opened(shop, "c2")
    assert (scene.content(bare.tree), bare.about.carried) == ({}, False)
    scene.write(bare.tree, {"b.txt": "b\n"})
    assert (await bare.commit("First", call_id="1")).stat.startswith(" b.txt | 1 +")


async def test_a_shallow_clone_can_be_worked_on_and_pushed_back(tmp_path, opened):
    shop = scene.shop(tmp_path / "shop")
    scene.git(tmp_path, "clone", "-q", "--depth=1", f"file://{shop}", str(tmp_path / "shallow"))
    workspace = await opened(tmp_path / "shallow")
    scene.write(workspace.tree, {"a.txt": "a\n"})
    made = await workspace.commit("Add", call_id="1")
    await workspace.push(address(str(shop)))
    assert scene.git(shop, "rev-parse", "coworker/c1") == made.sha


async def test_a_sha256_repository(tmp_path, opened):
    shop = scene.empty(tmp_path / "new", "--object-format=sha256")
    scene.commit(shop, "First", {"a.txt": "a\n"})
    scene.write(shop, {"b.txt": "b\n"})
    workspace = await opened(shop, carry=True)
    assert len(await workspace.head()) == 64
    assert scene.content(workspace.tree) == scene.content(shop)


async def test_a_bare_repository_has_nothing_to_carry(tmp_path, opened):
    shop = scene.shop(tmp_path / "shop")
    scene.git(tmp_path, "clone", "-q", "--bare", str(shop), str(tmp_path / "shop.git"))
    workspace = await opened(tmp_path / "shop.git", carry=True)
    assert scene.content(workspace.tree)["README.md"] == b"# Shop\n\nSells things.\n"


async def test_a_branch_that_is_somebodys_is_not_taken(tmp_path, opened):
    shop = scene.shop(tmp_path / "shop")
    scene.git(shop, "branch", "coworker/c1")
    scene.git(shop, "update-ref", "refs/remotes/origin/coworker/c1-2", "HEAD")
    scene.git(shop, "branch", "coworker/c2/old")
    assert (await opened(shop, "c1")).branch == "coworker/c1-3"
    assert (await opened(shop, "c2")).branch == "coworker/c2-2"
    assert (await opened(shop, "c2-2")).branch == "coworker/c2-2-2"


async def test_eight_at_once_are_eight(tmp_path, opened, workspaces):
    shop = scene.shop(tmp_path / "shop")
    made = await asyncio.gather(*(opened(shop, f"c{n}", carry=True) for n in range(8)))
    assert len({workspace.tree for workspace in made}) == 8
    assert [workspace.branch for workspace in workspaces.all()] == [
        f"coworker/c{n}" for n in range(8)
    ]
    assert all(scene.content(workspace.tree) == scene.content(made[0].tree) for workspace in made)


async def test_the_same_one_twice_at_once_is_one(tmp_path, opened):
    shop = scene.shop(tmp_path / "shop")
    first, second = await asyncio.gather(opened(shop), opened(shop))
    assert first is second


async def test_it_is_found_again_after_a_restart(tmp_path, opened):
    before = await opened(carry=True)
    scene.write(before.tree, {"ours.txt": "x\n"})
    (before.folder / "scratch-00000000").mkdir()
    again = Workspaces(tmp_path / "state")
    assert again.get("c1").about == before.about
    assert again.get("c2") is None
    repo = Repo("shop", tmp_path / "shop")
    found = await again.open("c1", repo, carry_uncommitted=False)
    assert [change.path for change in await found.status()] == ["ours.txt"]
    assert not list(found.folder.glob("scratch-*"))
    with pytest.raises(ToolError, match="belongs to shop"):
        await again.open("c1", Repo("other", tmp_path / "shop"), carry_uncommitted=False)


@pytest.mark.parametrize(
    "slug", ["", "..", "../up", "a/b", "a.lock", "a..b", "A", ".new", "x" * 70]
)
async def test_only_plain_names_are_slugs(tmp_path, opened, workspaces, slug):
    with pytest.raises(ToolError, match="cannot name a workspace"):
        await opened(scene.shop(tmp_path / "shop"), slug)
    assert workspaces.get(slug) is None


async def test_cancelled_while_it_is_made_it_leaves_nothing(tmp_path, opened, workspaces):
    shop = scene.shop(tmp_path / "shop")
    for part in range(6):
        task = asyncio.create_task(opened(shop, carry=True))
        drafts = tmp_path / "state" / "workspaces" / ".new"
        while not task.done() and not list(drafts.glob(f"*/{'?' * part}*")):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert list(drafts.glob("*")) == []
    assert scene.content((await opened(shop, carry=True)).tree)["src/new.py"] == b"x = 1\n"


_MAKE = """
import asyncio, os, sys
from pathlib import Path
from coworker.repos.workspaces import Workspaces
from coworker.types import Repo
state, shop = map(Path, sys.argv[1:3])
asyncio.run(asyncio.to_thread(int))  # everything is imported
if sys.argv[3:]:
    os.setgid(65534)
    os.setuid(65534)
made = Workspaces(state).open("c1", Repo("shop", shop), carry_uncommitted=True)
asyncio.run(made)
"""


@pytest.fixture
def deadly_git(tmp_path):
    """`deadly_git(n)` makes git's n-th call kill its caller, and go on as if nothing was."""
    real, calls = shutil.which("git"), tmp_path / "calls"

    def deadly_git(number: int) -> str:
        folder = tmp_path / f"deadly{number}"
        script = f"echo >> {calls}\n[ $(wc -l < {calls}) = {number} ] && kill -9 $PPID"
        scene.write(folder, {"git": f'#!/bin/sh\n{script}\nexec {real} "$@"\n'})
        (folder / "git").chmod(0o755)
        calls.unlink(missing_ok=True)
        return f"{folder}:{os.environ['PATH']}"

    return deadly_git


@pytest.mark.slow
async def test_killed_at_any_point_of_its_making_it_is_made_the_next_time(tmp_path, deadly_git):
    shop = scene.shop(tmp_path / "shop")
    scene.write(shop, {f"many/{number}.txt": "x\n" for number in range(300)})
    expected = {
        name: text for name, text in scene.content(shop).items() if not name.endswith(".log")
    }
    deaths = 0
    for number in range(1, 30):
        state, env = tmp_path / f"state{number}", {"PATH": deadly_git(number)}
        making = [sys.executable, "-c", _MAKE, str(state), str(shop)]
        deaths += subprocess.run(making, cwd=ROOT, env=env).returncode == -signal.SIGKILL
        again = Workspaces(state)
        workspace = await again.open("c1", Repo("shop", shop), carry_uncommitted=True)
        assert scene.content(workspace.tree) == expected
        assert await workspace.status() == []
        assert (await workspace.git.run("fsck", "--strict")).status == 0
        await again.sweep(1e9, NOW_MS)
        assert not list((state / "workspaces").glob(".new/*"))
        if deaths < number:
            break
    assert deaths >= 12


async def test_what_would_be_lost_is_not_removed(opened, workspaces):
    workspace = await opened()
    scene.write(workspace.tree, {"a.txt": "a\n"})
    with pytest.raises(Denied, match="changes that are not committed"):
        await workspace.remove()
    await workspace.commit("Add", call_id="1")
    with pytest.raises(Denied, match="commits that are not pushed"):
        await workspace.remove()
    await workspace.remove(force=True)
    assert workspaces.get("c1") is None
    assert not workspace.folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_a_checkout_that_may_only_be_read(tmp_path):
    shop, state = scene.shop(tmp_path / "shop"), tmp_path / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.getuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    before = scene.untouched(shop)
    made = [sys.executable, "-c", _MAKE, str(state), str(shop), "as nobody"]
    subprocess.run(made, cwd=ROOT, check=True)
    assert scene.untouched(shop) == before
    assert (state / "workspaces" / "c1" / "tree" / "src" / "new.py").exists()


async def test_a_sweep_removes_what_is_merged_or_old_and_nothing_else(tmp_path, opened, workspaces):
    shop = scene.shop(tmp_path / "shop")
    for slug in ("dirty", "fresh", "kept", "merged", "pushed", "unpushed"):
        workspace = await opened(shop, slug)
        scene.write(workspace.tree, {f"{slug}.txt": "x\n"} if slug not in ("fresh", "kept") else {})
        if slug != "dirty":
            await workspace.commit("Work", call_id="1")
        if slug in ("merged", "pushed"):
            await workspace.push(address(str(shop)))
    scene.git(shop, "merge", "-q", "coworker/merged")
    await workspaces.mirror(Repo("shop", shop)).fetch()
    used_ms = int(workspace.folder.stat().st_mtime * 1000)
    assert await workspaces.sweep(3600, used_ms, {"kept"}.__contains__) == ["merged"]
    later_ms = used_ms + 7_200_000
    assert await workspaces.sweep(3600, later_ms, {"kept"}.__contains__) == ["fresh", "pushed"]
    assert [found.slug for found in workspaces.all()] == ["dirty", "kept", "unpushed"]


async def test_a_damaged_one_stops_nobody(opened, workspaces, tmp_path):
    shop = scene.shop(tmp_path / "shop")
    (await opened(shop, "c1")).folder.joinpath("about.json").write_text("{")
    again = Workspaces(tmp_path / "state")
    assert again.all() == []
    assert await again.sweep(0, NOW_MS) == []
    with pytest.raises(ToolError, match=r"is damaged\. Save what matters"):
        await again.open("c1", Repo("shop", shop), carry_uncommitted=False)
    assert await again.open("c2", Repo("shop", shop), carry_uncommitted=False)
