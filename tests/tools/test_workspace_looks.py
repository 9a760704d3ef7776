"""In a workspace whoever works there may have changed anything, and looking is still true."""

import os

import pytest

from coworker.repos.checkout import Checkouts
from coworker.repos.workspaces import Workspaces
from coworker.tools import files, git
from coworker.types import ConversationId, Repo
from tests.repos import scene
from tests.tools.conftest import Toolbox


@pytest.fixture
async def workspace(tmp_path, folder):
    """The workspace of the conversation t-1."""
    workspaces = Workspaces(tmp_path / "state")
    return await workspaces.open("t-1", Repo("shop", folder), carry_uncommitted=False)


@pytest.fixture
def there(tmp_path, workspace):
    """A toolbox that works in it."""

    def own(conversation):
        return workspace if conversation == ConversationId("t-1") else None

    checkouts = Checkouts(tmp_path / "state", fresh_s=0)
    tools = (*files.tools(checkouts), *git.tools(checkouts, own))
    repo = Repo("shop", workspace.tree, git_dir=workspace.git_dir)
    return Toolbox({tool.name: tool for tool in tools}, repo)


async def test_the_state_names_the_branch_the_commits_and_what_is_open(workspace, there):
    assert "Everything is committed." in await there.call("git_status")
    scene.write(workspace.tree, {"README.md": "ours\n", "src/new.py": "x = 1\n"})
    made = await workspace.commit("Say ours", call_id="1", paths=["README.md"])
    scene.commit(scene.empty(workspace.tree / "vendor"), "Nested", {"n.txt": "n\n"})
    status = await there.call("git_status")
    assert status.splitlines() == [
        "On coworker/t-1, 1 commits made here.",
        f"{made.sha[:10]} Say ours",
        "2 not committed:",
        "added src/new.py",
        "left out vendor: is a repository of its own",
    ]


async def test_the_changes_are_those_of_the_files_as_they_are_now(workspace, there):
    assert "No changes that are not committed" in await there.call("git_diff")
    scene.write(workspace.tree, {"README.md": "ours\n", "src/cart.py": "pass\n"})
    assert "+ours" in await there.call("git_diff")
    assert "+ours" not in await there.call("git_diff", path="src")
    assert "+pass" in await there.call("git_diff", range="HEAD~1")
    assert "There is no commit nope" in await there.fails("git_diff", range="nope")
    assert "Say hello" in await there.call("git_log", range="HEAD~1..HEAD")


@pytest.mark.parametrize("planted", ["file", "link", "folder"])
async def test_a_git_directory_that_was_put_there_is_not_believed(
    tmp_path, workspace, there, planted
):
    other = scene.empty(tmp_path / "other")
    scene.commit(other, "Somebody's secret", {"README.md": "secret\n"})
    dot_git = workspace.tree / ".git"
    dot_git.unlink()
    if planted == "file":
        dot_git.write_text(f"gitdir: {other}/.git\n")
    elif planted == "link":
        dot_git.symlink_to(other / ".git")
    else:
        (other / ".git").rename(dot_git)
    said = [
        await there.call("git_log"),
        await there.call("git_show", rev="HEAD"),
        await there.call("git_blame", path="README.md"),
        await there.call("git_status"),
        await there.call("git_diff", range="HEAD~1"),
        await there.call("list_files"),
    ]
    assert "Say hello" in said[0]
    assert "ann" in said[2]
    assert "secret" not in "".join(said)


async def test_a_pipe_in_the_place_of_a_file_that_git_reads_stops_nobody(workspace, there):
    for name in (".mailmap", ".gitattributes"):
        os.mkfifo(workspace.tree / name)
    assert "Say hello" in await there.call("git_log")
    assert "Say hello" in await there.call("git_show", rev="HEAD")
