"""What a run did is taken back, and nothing else is."""

import shutil

import pytest

from tests.conftest import git
from tests.fakes.anthropic import call, say

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")


def write(path, content="x"):
    return call("write_file", path=path, content=content)


def keep(path):
    return call("git_commit", message=f"Add {path}", paths=[path])


def files(world):
    tree = next((world.config.state / "workspaces").glob("t-*")) / "tree"
    return {path.name for path in tree.iterdir()} - {".git", "README.md", "shop"}


async def runs(world, conversation):
    return [each["run"] for each in await world.log(conversation) if each["kind"] == "user"]


async def undo(world, conversation, run):
    await world.link.call("undo", run=f"{conversation}/{run}")
    return (await world.hears()).text


async def test_runs_of_several_commits_are_taken_back_the_newest_first(world):
    first = [write("a"), keep("a"), write("b"), keep("b"), write("loose"), say("One.")]
    second = [write("c"), keep("c"), say("Two.")]
    async with world([*first, *second, say("Three.")]) as w:
        conversation = await w.says("one")
        await w.hears()
        await w.ask("two", conversation)
        await w.ask("only talk", conversation)
        one, two, three = await runs(w, conversation)
        refused = await undo(w, conversation, one)
        assert f"Undo these first, in turn: {two}." in refused
        assert files(w) == {"a", "b", "c", "loose"}
        assert "changed no files" in await undo(w, conversation, three)
        assert "1 commit taken back" in await undo(w, conversation, two)
        assert files(w) == {"a", "b", "loose"}
        assert "taken back already" in await undo(w, conversation, two)
        assert "2 commits taken back" in await undo(w, conversation, one)
        assert files(w) == set()


async def test_what_an_earlier_run_did_not_commit_stays(world):
    second = [write("theirs"), call("shell", command="rm mine; echo > more"), say("Two.")]
    async with world([write("mine"), say("One."), *second]) as w:
        conversation = await w.says("one")
        await w.hears()
        await w.ask("two", conversation)
        assert files(w) == {"theirs", "more"}
        _, two = await runs(w, conversation)
        assert "0 commits taken back" in await undo(w, conversation, two)
        assert files(w) == {"mine"}


async def test_a_push_stays_and_the_report_says_so(world, shop, tmp_path):
    git(tmp_path, "init", "-q", "--bare", "origin.git")
    git(shop, "remote", "add", "origin", str(tmp_path / "origin.git"))
    script = [write("a"), keep("a"), call("git_push"), say("Pushed.")]
    async with world(script) as w:
        conversation = await w.says("push it")
        asked = await w.hears()
        await w.link.call("answer", conversation=conversation, ask=asked.ask, text="allow")
        await w.hears()
        (run,) = await runs(w, conversation)
        report = await undo(w, conversation, run)
        assert f"What was pushed stays at {tmp_path / 'origin.git'}; remove it there" in report
        assert files(w) == set()
        assert "coworker/" in git(tmp_path / "origin.git", "branch")
        await w.says("!push", conversation)
        refused = (await w.hears()).text
        assert "or what was undone here after it was pushed" in refused
        assert "delete it if nobody needs it, and push again" in refused
