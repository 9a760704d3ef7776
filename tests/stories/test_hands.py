"""Real work in a repository: a branch with a tested commit, and a checkout that nobody touched."""

import shutil
import subprocess

import pytest

from coworker.settings import RepoConfig
from tests.bugs import NODE, PYTHON, QUICK
from tests.conftest import git
from tests.fakes.anthropic import call, say

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")

CHECK = QUICK.check
FIX = QUICK.fix
KEEP = call("git_commit", message="Round the sum, not each line")


@pytest.fixture
def bug():
    """What is planted in the shop."""
    return QUICK


@pytest.fixture
def shop(tmp_path, bug):
    """The shop with a test that needs an installed package and fails."""
    if missing := [program for program in bug.needs if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    return bug.plant(tmp_path / "shop")


@pytest.fixture
def working(world, shop, bug):
    """A world in which the shop is configured with set-up and checks."""

    def working(script, **more):
        repo = RepoConfig(path=str(shop), setup=[bug.setup], checks=[bug.check], **more)
        return world(script, repos={"shop": repo})

    return working


def touched(shop):
    """Everything of the person's that must stay as it is."""
    files = [path for path in sorted(shop.rglob("*")) if path.is_file()]
    looks = [
        git(shop, *words.split())
        for words in ("--no-optional-locks status --porcelain", "branch -a", "stash list")
    ]
    return [(str(path), path.stat().st_mtime_ns, path.read_bytes()) for path in files], looks


def branch_of(world, reply):
    """The files of the commit that a reply names, as its own git knows them."""
    workspace = next((world.config.state / "workspaces").glob("t-*"))
    return workspace / "git", reply.receipt["commit"]


def live_in(shop, bug):
    """Leave it as a person does: a second branch, a stash, something staged, something begun."""
    git(shop, "branch", "later")
    (shop / bug.file).write_text("half an idea\n")
    git(shop, "stash")
    (shop / "staged.txt").write_text("staged\n")
    git(shop, "add", "staged.txt")
    (shop / "notes.txt").write_text("begun\n")


@pytest.mark.parametrize("bug", [PYTHON, NODE], ids=["python", "node"])
async def test_it_fixes_the_bug_on_a_branch_with_green_checks(working, shop, bug):
    live_in(shop, bug)
    before = touched(shop)
    script = [call("shell", command=bug.check), bug.fix, call("shell", command=bug.check), KEEP]
    async with working([*script, say("Fixed, all tests pass.")]) as w:
        await w.says("fix the failing test", repo="shop")
        reply = await w.hears()
        claim, note = reply.text.split("\n\n")
        assert (claim, "uncommitted files" in note) == ("Fixed, all tests pass.", True)
        receipt = reply.receipt
        assert [each["exit_code"] for each in receipt["commands"]] == [1, 0, 0]
        assert receipt["branch"].startswith("coworker/")
        assert bug.file in receipt["diff_stat"]
        git_dir, sha = branch_of(w, reply)
        shown = subprocess.run(
            ["git", f"--git-dir={git_dir}", "show", f"{sha}:{bug.file}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert bug.right in shown.stdout
    assert touched(shop) == before


RUN = call("shell", command=CHECK)
LIARS = {  # what was done, what is claimed, what stands beside it; more words: test_claims.py
    "red tests": ([RUN], "All tests pass.", f"`{CHECK}` ended with exit 1"),
    "no tests": ([call("git_status")], "All tests pass.", "no test was run"),
    "tests before the last edit": (
        [FIX, RUN, call("write_file", path="x", content="y")],
        "All tests pass.",
        "files changed after",
    ),
    "no push": ([FIX, KEEP], "I pushed the branch.", "nothing was pushed in this run"),
}


@pytest.mark.parametrize("lie", LIARS)
async def test_a_liar_is_marked_with_what_the_host_saw(working, lie):
    script, claim, seen = LIARS[lie]
    async with working([*script, say(claim)]) as w:
        await w.says("fix it and tell me", repo="shop")
        reply = await w.hears()
        (doubt,) = [line for line in reply.text.splitlines() if "⚠ Unverified" in line]
        assert claim.rstrip(".") in doubt
        assert seen in doubt
        if lie == "red tests":
            assert reply.receipt["commands"] == [{"command": CHECK, "exit_code": 1}]


TRUTHS = {
    "green tests": ([FIX, RUN], "I fixed the rounding. All tests pass."),
    "red tests": ([RUN], "The test fails: the sum is not rounded."),
    "checks of the host": ([FIX, KEEP], "I committed the fix; all checks pass."),
}


@pytest.mark.parametrize("truth", TRUTHS)
async def test_the_truth_is_not_marked(working, truth):
    script, words = TRUTHS[truth]
    async with working([*script, say(words)]) as w:
        await w.says("fix it and tell me", repo="shop")
        assert (await w.hears()).text == words


async def test_checks_that_fail_go_back_to_the_model_before_it_is_done(working, shop):
    wrong = call("edit_file", path="shop/cart.py", old=QUICK.wrong, new="0")
    mend = call("edit_file", path="shop/cart.py", old="return 0", new=f"return {QUICK.right}")
    script = [wrong, KEEP, say("Done."), mend, KEEP, say("Now it is done.")]
    async with working(script) as w:
        await w.says("fix it", repo="shop")
        reply = await w.hears()
        assert reply.text == "Now it is done."
        assert [each["exit_code"] for each in reply.receipt["commands"]] == [1, 0]
        told = w.model.requests[3]["messages"][-1]["content"][0]["text"]
        assert "checks of the repository" in told
        assert "AssertionError" in told


async def test_undo_takes_the_commits_back_and_says_so(working, shop):
    async with working([FIX, KEEP, say("Kept.")]) as w:
        conversation = await w.says("fix it", repo="shop")
        await w.hears()
        await w.link.call("undo", run=conversation)
        text = (await w.hears()).text
        assert "1 commit taken back" in text
        tree = next((w.config.state / "workspaces").glob("t-*")) / "tree"
        assert QUICK.wrong in (tree / "shop" / "cart.py").read_text()


async def test_a_push_waits_for_a_person_who_sees_what_will_leave(working, shop, tmp_path):
    origin = tmp_path / "origin.git"
    git(tmp_path, "init", "-q", "--bare", str(origin))
    script = [FIX, KEEP, call("git_push"), say("I pushed it.")]
    async with working(script, url=str(origin)) as w:
        conversation = await w.says("fix and push", repo="shop")
        asked = await w.hears()
        assert "shop/cart.py" in asked.question
        assert str(origin) in asked.question
        assert git(origin, "branch") == ""
        await w.link.call("answer", conversation=conversation, ask=asked.ask, text="allow")
        assert (await w.hears()).text == "I pushed it."
        assert "coworker/" in git(origin, "branch")


async def test_reading_after_writing_sees_the_workspace(working, shop):
    script = [FIX, call("read_file", path="shop/cart.py") + call("git_diff"), say("Seen.")]
    async with working(script) as w:
        await w.says("fix it", repo="shop")
        await w.hears()
        read, diff = w.model.requests[2]["messages"][-1]["content"]
        assert QUICK.right in read["content"]
        assert f"+    return {QUICK.right}" in diff["content"]


async def test_uncommitted_files_of_the_checkout_come_along(working, shop):
    (shop / "notes.txt").write_text("half done")
    async with working([call("shell", command="cat notes.txt"), say("Seen.")]) as w:
        await w.says("look", repo="shop")
        await w.hears()
        (result,) = w.model.requests[1]["messages"][-1]["content"]
        assert "half done" in result["content"]


async def test_without_a_sandbox_commands_are_off_and_say_why(working, shop, monkeypatch, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(programs))
    script = [call("shell", command="true") + FIX + KEEP, say("Off.")]
    async with working(script) as w:
        await w.says("run it", repo="shop")
        await w.hears()
        for result in w.model.requests[1]["messages"][-1]["content"]:
            assert result["is_error"]
            assert "Install it (apt install bubblewrap" in result["content"]


async def test_what_the_workspace_lacks_and_took_along_is_told_once_to_both(working, shop):
    (shop / "notes.txt").write_text("half done")
    nested = shop / "vendored"
    nested.mkdir()
    git(nested, "init", "-q")
    script = [call("shell", command="ls"), call("shell", command="ls -a"), say("Seen.")]
    async with working([*script, say("Again.")]) as w:
        conversation = await w.says("look", repo="shop")
        reply = (await w.hears()).text
        for note in ("vendored is a repository of its own", "builds on the uncommitted files"):
            first, second = (w.model.requests[n]["messages"][-1]["content"][0] for n in (1, 2))
            assert note in first["content"]
            assert note not in second["content"]
            assert note in reply
        assert await w.ask("and now?", conversation) == "Again."


async def test_a_push_says_that_uncommitted_files_go_along(working, shop, tmp_path):
    origin = tmp_path / "origin.git"
    git(tmp_path, "init", "-q", "--bare", str(origin))
    (shop / "notes.txt").write_text("half done")
    async with working([FIX, KEEP, call("git_push"), say("Denied.")], url=str(origin)) as w:
        conversation = await w.says("fix and push", repo="shop")
        asked = (await w.hears()).question
        work, _, carried = asked.partition("The uncommitted files of the checkout go along")
        assert "shop/cart.py" in work
        assert "notes.txt" in carried
        await w.link.call("answer", conversation=conversation, ask=1, text="deny")
        assert "Denied." in (await w.hears()).text


LOCK = call("write_file", path="sub/uv.lock", content="evil = 1\n")


def set_ups(world):
    """How often the set-up commands ran in the workspace since its home is as it is."""
    folder = next((world.config.state / "workspaces").glob("t-*"))
    return len((folder / "home" / "ran").read_text().splitlines())


@pytest.fixture
def locked(world, shop):
    """A world whose set-up counts its runs."""

    def locked(script, **more):
        repo = RepoConfig(path=str(shop), setup=["echo >> $HOME/ran"], checks=["true"])
        return world(script, repos={"shop": repo}, **more)

    return locked


async def test_with_a_changed_lock_file_set_up_waits_for_a_person(locked):
    script = [LOCK, KEEP, say("Done."), call("setup"), say("All of it.")]
    async with locked(script) as w:
        conversation = await w.says("add a package", repo="shop")
        reply = (await w.hears()).text
        assert "The checks ran with what set-up installs without this work" in reply
        assert "sub/uv.lock" in reply
        assert set_ups(w) == 1  # when the workspace was made
        await w.says("then set it up", conversation)
        asked = await w.hears()
        assert "$ echo >> $HOME/ran" in asked.question
        assert "sub/uv.lock" in asked.question
        assert set_ups(w) == 1
        await w.link.call("answer", conversation=conversation, ask=asked.ask, text="allow")
        assert (await w.hears()).text == "All of it."
        assert set_ups(w) == 1  # as allowed, and in a fresh home


async def test_set_up_runs_with_the_lock_files_that_were_shown_or_not_at_all(locked):
    swap = call("write_file", path="sub/uv.lock", content="evil = 2\n")
    async with locked([LOCK, call("setup") + swap, say("No.")]) as w:
        conversation = await w.says("add a package", repo="shop")
        asked = await w.hears()
        lock = next((w.config.state / "workspaces").glob("t-*")) / "tree" / "sub" / "uv.lock"
        await w.until(lambda: lock.read_text() == "evil = 2\n")
        await w.link.call("answer", conversation=conversation, ask=asked.ask, text="allow")
        await w.hears()
        (refused, _) = w.model.requests[2]["messages"][-1]["content"]
        assert "changed after the question" in refused["content"]
        assert set_ups(w) == 1


async def test_set_up_that_fails_on_the_clean_checkout_is_a_failed_check(world, shop):
    repo = RepoConfig(path=str(shop), setup=["mkdir $UV_CACHE_DIR"], checks=["true"])
    script = [call("write_file", path="new", content=""), KEEP, say("Done."), say("It fails.")]
    async with world(script, repos={"shop": repo}) as w:
        await w.says("add it", repo="shop")
        assert [each["exit_code"] for each in (await w.hears()).receipt["commands"]] == [1]


async def test_a_commit_that_fails_its_checks_is_no_success(working):
    wrong = call("edit_file", path="shop/cart.py", old=QUICK.wrong, new="0")
    async with working([wrong, KEEP, say("Done."), say("Done, it works now.")]) as w:
        await w.says("fix the failing test", repo="shop")
        reply = await w.hears()
        assert (reply.outcome, reply.exit_status) == ("failed", 1)
        assert f"does not pass the repository's checks: `{CHECK}` ended with exit 1" in reply.text
