"""A repository that is only an address: read, worked on and pushed without anybody's checkout."""

import shutil
import socket
from pathlib import Path

import pytest

from coworker.settings import RepoConfig
from tests.conftest import git
from tests.fakes.anthropic import call, say

needs_sandbox = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
READ = call("read_file", path="README.md") + call("git_log") + call("git_status")


@pytest.fixture
def origin(tmp_path, shop):
    """Where the shop lives."""
    git(tmp_path, "clone", "-q", "--bare", str(shop), str(tmp_path / "origin.git"))
    return tmp_path / "origin.git"


def far(world, script, url):
    return world(script, repos={"far": RepoConfig(url=str(url))})


async def test_it_is_read_in_a_clone_of_our_own(world, origin):
    async with far(world, [READ, say("Seen.")], origin) as w:
        await w.says("what is it?", repo="far")
        await w.hears()
        read, history, status = w.model.requests[1]["messages"][-1]["content"]
        assert "Sells things." in read["content"]
        assert "Add the cart" in history["content"]
        assert "Nothing is changed" in status["content"]
        assert (await w.link.call("doctor"))[-1]["found"] == f"{origin} can be read"


async def test_what_is_new_there_is_seen_after_a_restart_and_an_outage_is_survived(
    world, origin, shop
):
    async with far(world, [READ, say("Seen.")], origin) as w:
        await w.says("what is it?", repo="far")
        await w.hears()
    (shop / "README.md").write_text("# Mended")
    (shop / "new.txt").write_text("new")
    (shop / "shop" / "cart.py").unlink()
    git(shop, "add", "-A")
    git(shop, "commit", "-qm", "Mend")
    git(shop, "push", "-q", str(origin), "main")
    for gone in (False, True):
        if gone:
            shutil.move(origin, f"{origin}.away")
        look = call("read_file", path="README.md") + call("git_status") + call("list_files")
        async with far(world, [look, say("Seen.")], origin) as w:
            await w.says("and now?", repo="far")
            await w.hears()
            read, status, listed = w.model.requests[1]["messages"][-1]["content"]
            assert "# Mended" in read["content"]
            assert "Nothing is changed" in status["content"]
            assert "new.txt" in listed["content"]
            assert "cart.py" not in listed["content"]


@needs_sandbox
async def test_work_on_it_is_pushed_to_where_it_came_from(world, origin):
    write = call("write_file", path="notes.md", content="ours")
    script = [write, call("git_commit", message="Note"), call("git_push"), say("Done.")]
    async with far(world, script, origin) as w:
        conversation = await w.says("note it", repo="far")
        asked = await w.hears()
        assert "notes.md" in asked.question
        await w.link.call("answer", conversation=conversation, ask=asked.ask, text="allow")
        assert (await w.hears()).text == "Done."
        branch = git(origin, "branch", "--list", "coworker/*").strip()
        assert git(origin, "show", f"{branch}:notes.md") == "ours"


async def test_a_wrong_address_is_said_in_words_to_the_model_and_by_the_doctor(world, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        silent = f"https://127.0.0.1:{taken.getsockname()[1]}/far.git"
        for url, words in ((tmp_path / "nope", "is no folder"), (silent, "cannot be reached")):
            edit = call("write_file", path="a", content="a")
            async with far(world, [call("read_file", path="a") + edit, say("No.")], url) as w:
                await w.says("read it", repo="far")
                assert (await w.hears()).text == "No."
                for result in w.model.requests[1]["messages"][-1]["content"]:
                    assert words in result["content"] or "sandbox" in result["content"]
                finding = (await w.link.call("doctor"))[-1]
                assert (finding["ok"], finding["fix"]) == (False, "Mend url in [repos.far].")
                assert words in finding["found"]


async def test_an_address_that_wants_to_know_who_we_are_is_a_sentence(world, tmp_path, monkeypatch):
    """ssh's words, said by a program in its place, for no network is used here."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(
        "#!/bin/sh\necho 'git@example.com: Permission denied (publickey).' >&2\nexit 255\n"
    )
    (programs / "ssh").chmod(0o755)
    for name in ("git", "bwrap", "rg"):
        if found := shutil.which(name):
            (programs / name).symlink_to(Path(found))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    async with far(world, [call("list_files"), say("No.")], "git@example.com:far.git") as w:
        await w.says("list it", repo="far")
        await w.hears()
        (result,) = w.model.requests[1]["messages"][-1]["content"]
        assert "does not let us in" in result["content"]
        assert "Permission denied" in result["content"]
