"""A mirror has what its source has, keeps what it had, and obeys nothing of the source."""

import asyncio
import os
import shutil
import subprocess

import pytest

from coworker.errors import NotFound, ToolError, Unavailable
from coworker.repos.mirror import Mirror
from coworker.types import Repo
from tests.repos import scene
from tests.repos.evil import Evil


@pytest.fixture
def mirrored(tmp_path):
    """`await mirrored(folder)` is a mirror that has been fetched."""

    async def mirrored(folder, url="", name="shop"):
        mirror = Mirror(tmp_path / "state", Repo(name, folder, url))
        await mirror.fetch()
        return mirror

    return mirrored


async def test_it_has_the_branches_and_begins_where_the_person_is(tmp_path, mirrored):
    folder = scene.shop(tmp_path / "shop")
    scene.git(folder, "branch", "old", "HEAD~1")
    mirror = await mirrored(folder)
    head = scene.git(folder, "rev-parse", "HEAD")
    assert await mirror.start() == head
    assert await mirror.refs() == {
        "refs/heads/main": head,
        "refs/heads/old": scene.git(folder, "rev-parse", "old"),
    }
    assert mirror.path == tmp_path / "state" / "mirrors" / "shop.git"


async def test_the_source_is_not_written(tmp_path, mirrored):
    folder = scene.shop(tmp_path / "shop")
    before = scene.untouched(folder)
    await (await mirrored(folder)).fetch()
    assert scene.untouched(folder) == before


async def test_it_follows_new_moved_and_removed_branches(tmp_path, mirrored):
    folder = scene.shop(tmp_path / "shop")
    scene.git(folder, "branch", "a")
    mirror = await mirrored(folder)
    scene.git(folder, "branch", "-D", "a")
    scene.git(folder, "branch", "a/b")  # where a file was is a folder now
    scene.git(folder, "reset", "-q", "--soft", "HEAD~1")
    await mirror.fetch()
    head = scene.git(folder, "rev-parse", "HEAD")
    assert set(await mirror.refs()) == {"refs/heads/main", "refs/heads/a/b"}
    assert await mirror.start() == head


async def test_what_it_had_it_keeps_though_the_source_forgets(tmp_path, mirrored):
    folder = scene.shop(tmp_path / "shop")
    mirror = await mirrored(folder)
    lost = scene.git(folder, "rev-parse", "HEAD")
    scene.git(folder, "reset", "-q", "--hard", "HEAD~1")
    scene.git(folder, "reflog", "expire", "--expire=now", "--all")
    scene.git(folder, "gc", "-q", "--prune=now")
    await mirror.fetch()
    await mirror.git.run("gc", "--auto", "-q")
    shutil.rmtree(folder)
    assert (await mirror.git.must("cat-file", "-t", lost)) == b"commit\n"
    assert (await mirror.git.run("fsck", "--full", "--strict")).status == 0


async def test_many_who_ask_at_once_share_few_fetches(tmp_path, mirrored, monkeypatch):
    folder, calls = scene.shop(tmp_path / "shop"), tmp_path / "calls"
    mirror = await mirrored(folder)
    counting = f'#!/bin/sh\necho "$@" >> {calls}\nexec {shutil.which("git")} "$@"\n'
    scene.write(tmp_path, {"bin/git": counting})
    (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    scene.commit(folder, "Newer", {"newer.txt": "x\n"})
    await asyncio.gather(*(mirror.fetch() for _ in range(20)))
    assert await mirror.start() == scene.git(folder, "rev-parse", "HEAD")
    assert sum(" fetch " in call for call in calls.read_text().splitlines()) == 2


async def test_a_hostile_source_runs_nothing(tmp_path, mirrored):
    folder, evil = scene.shop(tmp_path / "shop"), Evil(tmp_path)
    evil.plant(folder / ".git")
    mirror = await mirrored(folder)
    await mirror.fetch()
    assert evil.ran == ""
    assert "fsmonitor" in evil.tempted(folder, "status")


async def test_locks_of_a_git_that_was_killed_do_not_stop_it(tmp_path, mirrored):
    folder = scene.shop(tmp_path / "shop")
    mirror = await mirrored(folder)
    scene.commit(folder, "Newer", {"newer.txt": "x\n"})
    scene.write(mirror.path, {"refs/heads/main.lock": "", "objects/pack/tmp_pack_x": "half"})
    await mirror.fetch()
    assert await mirror.start() == scene.git(folder, "rev-parse", "HEAD")
    assert not list(mirror.path.rglob("tmp_pack*"))


async def test_a_repository_without_commits_and_then_with_one(tmp_path, mirrored):
    folder = scene.empty(tmp_path / "new")
    mirror = await mirrored(folder)
    assert await mirror.start() == ""
    scene.commit(folder, "First", {"a.txt": "a\n"})
    await mirror.fetch()
    assert await mirror.start() == scene.git(folder, "rev-parse", "HEAD")
    scene.git(folder, "checkout", "-q", "--orphan", "other")
    await mirror.fetch()
    assert await mirror.start() == ""


async def test_a_detached_head_and_the_middle_of_a_rebase(tmp_path, mirrored):
    folder = scene.shop(tmp_path / "shop")
    scene.git(folder, "stash", "-q")
    env = {"GIT_SEQUENCE_EDITOR": "sed -i s/^pick/edit/", "PATH": os.environ["PATH"]}
    rebase = ["git", "-C", folder, "rebase", "-q", "-i", "HEAD~1"]
    subprocess.run(rebase, env={**env, "HOME": str(tmp_path)}, check=True, capture_output=True)
    detached = scene.commit(folder, "Only here", {"only.txt": "x\n"})
    assert (await (await mirrored(folder)).start()).startswith(detached)


@pytest.mark.parametrize("kind", ["shallow", "sha256", "worktree", "bare", "borrower"])
async def test_odd_kinds_of_checkouts(tmp_path, mirrored, kind):
    folder, odd = tmp_path / "shop", tmp_path / "odd"
    scene.empty(folder, *(["--object-format=sha256"] if kind == "sha256" else []))
    for number in range(3):
        scene.commit(folder, f"Commit {number}", {"a.txt": f"{number}\n"})
    make = {
        "shallow": ("clone", "-q", "--depth=1", f"file://{folder}", str(odd)),
        "sha256": ("clone", "-q", str(folder), str(odd)),
        "worktree": ("worktree", "add", "-q", "-b", "side", str(odd), "HEAD~1"),
        "bare": ("clone", "-q", "--bare", str(folder), str(odd)),
        "borrower": ("clone", "-q", "--shared", str(folder), str(odd)),
    }
    scene.git(folder, *make[kind])
    mirror = await mirrored(odd)
    assert await mirror.start() == scene.git(odd, "rev-parse", "HEAD")
    count = await mirror.git.must("rev-list", "--count", await mirror.start())
    assert int(count) == {"shallow": 1, "worktree": 2}.get(kind, 3)
    await mirror.fetch()


async def test_a_partial_clone_is_explained(tmp_path, mirrored):
    folder = scene.shop(tmp_path / "shop")
    scene.git(folder, "config", "uploadpack.allowFilter", "true")
    scene.git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{folder}",
              str(tmp_path / "partial"))  # fmt: skip
    with pytest.raises(ToolError, match=r"partial clone.*--refetch"):
        await mirrored(tmp_path / "partial")


async def test_a_checkout_that_is_not_there_is_explained(tmp_path, mirrored):
    with pytest.raises(NotFound, match="There is no"):
        await mirrored(tmp_path / "missing")


async def test_a_url_that_does_not_answer_is_named(tmp_path, mirrored):
    with pytest.raises(Unavailable, match=r"https://127.0.0.1:1/x cannot be reached"):
        await mirrored(scene.shop(tmp_path / "shop"), "https://ann:secret@127.0.0.1:1/x")


async def test_a_configured_url_is_the_source(tmp_path, mirrored):
    folder = scene.shop(tmp_path / "shop")
    url = tmp_path / "origin.git"
    scene.git(tmp_path, "clone", "-q", "--bare", str(folder), str(url))
    scene.git(folder, "commit", "-qam", "Not pushed yet")
    mirror = await mirrored(folder, str(url))
    assert await mirror.start() == scene.git(url, "rev-parse", "main")
    assert await mirror.start(checked_out=True) == scene.git(folder, "rev-parse", "HEAD")


async def test_a_hostile_url_on_this_machine_runs_nothing(tmp_path, mirrored):
    url, evil = tmp_path / "origin.git", Evil(tmp_path)
    scene.git(tmp_path, "clone", "-q", "--bare", str(scene.shop(tmp_path / "shop")), str(url))
    evil.plant(url)
    assert await (await mirrored(tmp_path / "shop", str(url))).start()
    assert evil.ran == ""


async def test_an_empty_url_and_one_with_a_dangling_head(tmp_path, mirrored):
    folder, url = scene.shop(tmp_path / "shop"), scene.empty(tmp_path / "origin.git", "--bare")
    assert await (await mirrored(folder, str(url))).start() == ""
    scene.git(folder, "push", "-q", str(url), "main:other")
    with pytest.raises(ToolError, match=r"main branch .* does not exist"):
        await mirrored(folder, str(url))


async def test_the_same_name_for_another_repository_is_another_mirror(tmp_path, mirrored):
    first = await mirrored(scene.shop(tmp_path / "shop"))
    second = await mirrored(scene.empty(tmp_path / "other"))
    assert first.path != second.path
    assert await second.start() == ""
    assert (await mirrored(tmp_path / "other")).path == second.path


@pytest.mark.parametrize("name", ["../../up", "a/b", ".", "", "Ünï cödé", "x" * 300])
async def test_any_configured_name_stays_among_the_mirrors(tmp_path, mirrored, name):
    mirror = await mirrored(scene.shop(tmp_path / "shop"), name=name)
    assert mirror.path.parent == tmp_path / "state" / "mirrors"
    assert mirror.path.name.endswith(".git")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_a_checkout_of_another_user(tmp_path, mirrored):
    folder = scene.shop(tmp_path / "shop")
    subprocess.run(["chown", "-R", "65534:65534", folder], check=True)
    assert await (await mirrored(folder)).start()
