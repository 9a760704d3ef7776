"""Backups: made beside a running daemon, refused when they would harm, and really the way back."""

import json
import os
import sqlite3
import stat
import subprocess
import tarfile
from contextlib import closing

import pytest

from coworker.settings import RepoConfig
from coworker.store.schema import VERSION
from tests.conftest import git, living
from tests.fakes.anthropic import FakeAnthropic, call, say
from tests.stories.test_owners import coworker

MENDED = [
    call("edit_file", path="shop/cart.py", old="round(price * count)", new="price * count"),
    call("git_commit", message="Keep the cents"),
    say("Done."),
]


async def run(state, *arguments):
    process = await coworker(state, *map(str, arguments))
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def asked(state, shop):
    status, _, err = await run(state, "ask", "status", "--repo", shop)
    assert status == 0, err


async def inbox(state):
    _, out, _ = await run(state, "inbox", "--json")
    return [json.loads(line) for line in out.splitlines()]


async def test_what_was_said_and_done_survives_the_loss_of_the_machine(tmp_path, configured, shop):
    async with FakeAnthropic(MENDED, strict=True) as model:
        config = configured(model)
        async with living(config, model, shop) as w:
            conversation = await w.says("mend it")
            await w.hears()
            status, out, err = await run(config.state, "backup", tmp_path / "b.tar.gz")
            assert (status, err) == (0, "")
            assert "b.tar.gz" in out
    other = tmp_path / "elsewhere" / "state"
    status, _, err = await run(other, "restore", tmp_path / "b.tar.gz")
    assert (status, err) == (0, "")
    assert [row["outcome"] for row in await inbox(other)] == ["answered"]
    config.state.rename(tmp_path / "lost")
    workspace = other / "workspaces" / conversation
    log = git(tmp_path, f"--git-dir={workspace}/git", "log", "--format=%s")
    assert log.splitlines() == ["Keep the cents", "Add the cart"]
    assert "sum(price * count" in (workspace / "tree" / "shop" / "cart.py").read_text()
    assert git(tmp_path, f"--git-dir={workspace}/git", "fsck", "--connectivity-only") == ""
    assert str(config.state) not in (workspace / "about.json").read_text()


async def test_after_a_restore_set_up_runs_nothing_of_the_work_unasked(tmp_path, configured, shop):
    ran, other = call("shell", command="cat ~/ran || echo not set up"), tmp_path / "elsewhere"
    repo = RepoConfig(path=str(shop), setup=["cp shop/cart.py ~/ran"])
    async with FakeAnthropic([*MENDED, ran, ran, say("Missing.")], strict=True) as model:
        config = configured(model, repos={"shop": repo})
        async with living(config, model, shop) as w:
            conversation = await w.says("mend it", repo="shop")
            await w.hears()
            await run(config.state, "backup", tmp_path / "b.tar.gz")
        assert (await run(other, "restore", tmp_path / "b.tar.gz"))[0] == 0
        again = configured(model, repos={"shop": repo}, state_dir=str(other))
        async with living(again, model, shop) as w:
            assert await w.ask("look", conversation) == "Missing."
            first, second = (model.requests[n]["messages"][-1]["content"][0] for n in (-2, -1))
    assert "the tool setup installs it again and asks a person" in first["content"]
    assert "not set up" in second["content"]


async def test_a_backup_is_for_its_owner_alone_and_holds_no_files_of_workspaces(tmp_path, shop):
    await asked(tmp_path / "s", shop)
    (tmp_path / "s" / "workspaces" / "t-1" / "tree" / "node_modules").mkdir(parents=True)
    old_mask = os.umask(0)
    try:
        assert (await run(tmp_path / "s", "backup", tmp_path / "b"))[0] == 0
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600
    with tarfile.open(tmp_path / "b") as tar:
        assert [name for name in tar.getnames() if "tree" in name] == []
    assert [path.name for path in tmp_path.glob(".coworker-backup-*")] == []


async def test_a_folder_keeps_the_newest(tmp_path, shop):
    await asked(tmp_path / "s", shop)
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in ("20250101", "20250102"):
        (folder / f"coworker-{day}T000000Z.tar.gz").touch()
    (folder / "notes.txt").touch()
    status, out, _ = await run(tmp_path / "s", "backup", folder, "--keep", "2")
    assert status == 0
    assert "Removed" in out
    names = sorted(path.name for path in folder.iterdir())
    assert "coworker-20250101T000000Z.tar.gz" not in names
    assert "notes.txt" in names
    assert len(names) == 3


async def test_restore_refuses_what_is_in_use_and_what_is_not_empty(tmp_path, configured, shop):
    await asked(tmp_path / "s", shop)
    await run(tmp_path / "s", "backup", tmp_path / "b")
    async with FakeAnthropic([]) as model:
        config = configured(model)
        async with living(config, model, shop):
            status, _, err = await run(config.state, "restore", tmp_path / "b", "--force")
            assert status == 75
            assert "in use by process" in err
    status, _, err = await run(tmp_path / "s", "restore", tmp_path / "b")
    assert (status, err.count("\n")) == (2, 1)
    assert "--force" in err


async def test_force_keeps_the_old_beside(tmp_path, shop):
    await asked(tmp_path / "s", shop)
    await run(tmp_path / "s", "backup", tmp_path / "b")
    await asked(tmp_path / "s", shop)
    status, out, _ = await run(tmp_path / "s", "restore", tmp_path / "b", "--force")
    assert status == 0
    assert len(await inbox(tmp_path / "s")) == 1
    (kept,) = (tmp_path / "s").glob("before-restore-*")
    assert str(kept) in out
    with closing(sqlite3.connect(kept / "coworker.db")) as db:
        assert db.execute("SELECT count(*) FROM inbox WHERE kind = 'message'").fetchone() == (2,)


def cut(archive):
    archive.write_bytes(archive.read_bytes()[:-2000])


def replaced(archive):
    archive.write_text("no backup at all")


@pytest.mark.parametrize("harm", [cut, replaced])
async def test_a_damaged_backup_changes_nothing(tmp_path, shop, harm):
    await asked(tmp_path / "s", shop)
    archive = tmp_path / "b"
    await run(tmp_path / "s", "backup", archive)
    harm(archive)
    status, _, err = await run(tmp_path / "s", "restore", archive, "--force")
    assert (status, err.count("\n")) == (2, 1)
    assert "Nothing was changed" in err
    assert len(await inbox(tmp_path / "s")) == 1
    assert [*(tmp_path / "s").glob("before-restore-*"), *(tmp_path / "s").glob(".restoring")] == []


async def test_a_backup_of_a_newer_coworker_is_refused(tmp_path, shop):
    await asked(tmp_path / "s", shop)
    await run(tmp_path / "s", "backup", tmp_path / "b")
    unpacked = tmp_path / "unpacked"
    with tarfile.open(tmp_path / "b") as tar:
        tar.extractall(unpacked, filter="data")
    manifest = json.loads((unpacked / "manifest.json").read_text())
    assert manifest["schema"] == VERSION
    (unpacked / "manifest.json").write_text(json.dumps({**manifest, "schema": VERSION + 1}))
    subprocess.run(["tar", "-czf", tmp_path / "new", "-C", unpacked, "."], check=True)
    status, _, err = await run(tmp_path / "t", "restore", tmp_path / "new")
    assert (status, err.count("\n")) == (78, 1)
    assert "Upgrade" in err


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        (["backup", "b"], 66, "no database"),
        (["restore", "nowhere"], 66, "no file"),
        (["backup", "b", "--keep", "3"], 2, "folder"),
    ],
)
async def test_a_mistake_is_one_line(tmp_path, arguments, status, named):
    arguments = [arguments[0], tmp_path / arguments[1], *arguments[2:]]
    ended = await run(tmp_path / "s", *arguments)
    assert (ended[0], ended[1], ended[2].count("\n")) == (status, "", 1)
    assert named in ended[2]


async def test_a_place_that_cannot_be_written_is_one_line(tmp_path, shop):
    await asked(tmp_path / "s", shop)
    status, _, err = await run(tmp_path / "s", "backup", tmp_path / "nowhere" / "b")
    assert (status, err.count("\n")) == (1, 1)
    assert "nowhere" in err
