"""Repositories and files in an awkward state: a clear sentence, and nothing is lost."""

import shutil
import subprocess

import pytest

from tests.conftest import git
from tests.fakes.anthropic import call, say
from tests.repos.scene import untouched

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")


def results(world, number=1):
    return [each["content"] for each in world.model.requests[number]["messages"][-1]["content"]]


def tree(world):
    return next((world.config.state / "workspaces").glob("t-*")) / "tree"


async def test_in_the_middle_of_a_rebase_with_a_conflict(world, shop):
    git(shop, "checkout", "-qb", "side", "HEAD")
    (shop / "README.md").write_text("side\n")
    git(shop, "commit", "-qam", "Side")
    git(shop, "checkout", "-q", "main")
    (shop / "README.md").write_text("main\n")
    git(shop, "commit", "-qam", "Main")
    with pytest.raises(subprocess.CalledProcessError):
        git(shop, "rebase", "-q", "main", "side")
    before = untouched(shop)
    script = [call("git_status"), call("write_file", path="a", content="a"), say("Seen.")]
    async with world([*script]) as w:
        await w.says("look")
        assert "builds on the uncommitted files" in (await w.hears()).text
        assert "detached HEAD" in results(w)[0]
        assert "<<<<<<<" in (tree(w) / "README.md").read_text()
    assert untouched(shop) == before


async def test_without_an_origin_nobody_is_asked_about_a_push_that_cannot_be(world):
    script = [call("write_file", path="a", content="a"), call("git_push"), say("No.")]
    async with world(script) as w:
        assert await w.ask("push") == "No."
        assert "has no origin" in results(w, 2)[0]
        assert "git remote add origin URL" in results(w, 2)[0]


async def test_a_file_of_two_gigabytes_is_left_out_with_a_sentence(world, shop):
    with (shop / "huge.bin").open("wb") as file:
        file.truncate(2 * 2**30)
    make = call("shell", command="truncate -s 1900M ours.bin && touch small")
    async with world([make, call("git_commit", message="Add"), say("Kept.")]) as w:
        await w.says("make it")
        assert "huge.bin is 2,147 MB; more than 100 MB a file is not kept" in (await w.hears()).text
        assert "Left out ours.bin: is 1,992 MB" in results(w, 2)[0]
        assert (tree(w) / "ours.bin").exists()


async def test_an_edit_keeps_the_line_ends_of_the_file(world, shop):
    (shop / "dos.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    edit = call("edit_file", path="dos.txt", old="one\ntwo", new="1\n2\n2b")
    async with world([edit, say("Edited.")]) as w:
        await w.says("edit it")
        await w.hears()
        assert (tree(w) / "dos.txt").read_bytes() == b"1\r\n2\r\n2b\r\nthree\r\n"
    assert (shop / "dos.txt").read_bytes() == b"one\r\ntwo\r\nthree\r\n"


async def test_a_file_whose_name_has_a_line_break_goes_all_the_way(world):
    make = call("shell", command="printf x > \"$(printf 'new\\nline')\"")
    script = [make, call("git_status"), call("git_commit", message="Add"), say("Kept.")]
    async with world(script) as w:
        await w.says("make it")
        await w.hears()
        assert "added new\\x0aline" in results(w, 2)[0]
        assert "1 file changed" in results(w, 3)[0]


async def test_where_nothing_can_be_written_the_answer_is_a_sentence(world, tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "workspaces").write_text("in the way")
    async with world([call("write_file", path="a", content="a"), say("No.")]) as w:
        await w.says("write it")
        await w.hears()
        (said,) = results(w)
        assert str(w.config.state / "workspaces") in said
        assert "broke inside" not in said
