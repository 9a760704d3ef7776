"""What everybody can say anywhere: the verbs, `queue:` and `instead:`, and the buttons in words."""

import shutil

import pytest

from coworker.settings import PersonConfig, RepoConfig, Rule
from tests.conftest import git
from tests.fakes.anthropic import call, hang, say, slow

HANDS = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
EDIT = call("edit_file", path="README.md", old="Sells things.", new="Sells good things.")
KEEP = call("git_commit", message="Praise the goods")


async def told(world, text, conversation=None):
    """The answer to a verb, which comes at once and wakes no model."""
    place = {"conversation": conversation} if conversation else {"repo": str(world.repo)}
    return (await world.link.call("say", text=text, **place))["answer"]


@pytest.mark.parametrize(
    ("verb", "part"),
    [
        ("!help", "!approve N"),
        ("!status", "Running: nothing"),
        ("!queue", "Nothing waits here"),
        ("!why", "no reply here yet"),
        ("!cost", "Today: $0.00 of $20.00"),
        ("!undo", "There is no run here yet"),
        ("!approve", "None is open here"),
        ("!deny 7", "There is no open question 7"),
        ("!repo", "Known: "),
        ("!repo nowhere", "There is no repository nowhere"),
        ("!statu", "Did you mean `!status`?"),
        ("stop", "Nothing is running here"),
    ],
)
async def test_a_verb_is_answered_without_the_model(world, verb, part):
    async with world([]) as w:
        assert part in await told(w, verb)
        assert not w.model.requests


async def test_an_exclamation_is_no_verb(world):
    async with world([say("Indeed.")]) as w:
        assert await w.ask("!important: look at the cart") == "Indeed."


async def test_why_tells_how_the_last_reply_came_about(world):
    async with world([call("search", pattern="total"), say("In the cart.")]) as w:
        conversation = await w.says("where is total?")
        await w.hears()
        why = await told(w, "!why", conversation)
        assert "2 steps" in why
        assert "search" in why
        assert "This conversation: $0.0" in await told(w, "!cost", conversation)


async def test_what_is_queued_waits_its_turn(world):
    script = [slow(0.3) + call("search", pattern="total"), say("One."), say("Two."), say("Three.")]
    async with world(script) as w:
        conversation = await w.says("first")
        await w.until(lambda: w.model.requests)
        await w.says("queue: second", conversation)
        await w.says("queue: third", conversation)
        assert "second" in await told(w, "!queue", conversation)
        assert [(await w.hears()).text for _ in range(3)] == ["One.", "Two.", "Three."]
        assert "second" not in str(w.model.requests[1]["messages"])


async def test_instead_ends_what_runs_and_takes_its_place(world):
    async with world([hang(), say("The other thing.")]) as w:
        conversation = await w.says("this thing")
        await w.until(lambda: w.model.requests)
        await w.says("instead: the other thing", conversation)
        first, second = await w.hears(), await w.hears()
        assert (first.outcome, second.text) == ("stopped", "The other thing.")


async def test_a_fresh_start_forgets_what_was_said(world):
    async with world([say("Noted."), say("I know nothing.")]) as w:
        conversation = await w.says("the word is heron")
        await w.hears()
        await w.says("!new", conversation)
        assert "fresh start" in (await w.hears()).text
        assert await w.ask("what is the word?", conversation) == "I know nothing."
        assert "heron" not in str(w.model.requests[-1]["messages"])
        assert w.model.requests[0]["system"] == w.model.requests[-1]["system"]


async def test_a_thread_can_be_about_another_repository(world, shop, tmp_path):
    other = tmp_path / "api"
    other.mkdir()
    (other / "README.md").write_text("# Api\n")
    git(other, "init", "-q", "-b", "main")
    git(other, "add", ".")
    git(other, "commit", "-qm", "Begin")
    repos = {"shop": RepoConfig(path=str(shop)), "api": RepoConfig(path=str(other))}
    async with world([say("Shop."), say("Api.")], repos=repos) as w:
        conversation = await w.says("hello")
        await w.hears()
        await w.says("!repo api", conversation)
        assert (await w.hears()).text == "This conversation is about api now."
        await w.ask("and now?", conversation)
        assert "# Api" in str(w.model.requests[1]["messages"][0])


@HANDS
async def test_a_thread_with_work_in_it_stays_where_it_is(world, shop, tmp_path):
    git(tmp_path, "init", "-q", str(tmp_path / "api"))
    repos = {name: RepoConfig(path=str(tmp_path / name)) for name in ("shop", "api")}
    async with world([EDIT, say("Done so.")], repos=repos) as w:
        conversation = await w.says("praise the goods")
        await w.hears()
        await w.says("!repo api", conversation)
        assert "stays there" in (await w.hears()).text
        assert await told(w, "!repo shop", conversation) == "This conversation is about shop."


@HANDS
async def test_push_in_words_is_a_press_of_the_button(world, shop, tmp_path):
    origin = tmp_path / "origin.git"
    git(tmp_path, "init", "-q", "--bare", str(origin))
    git(shop, "remote", "add", "origin", str(origin))
    async with world([EDIT, KEEP, say("Praised.")]) as w:
        conversation = await w.says("praise the goods")
        await w.hears()
        (reply,) = [e for e in await w.log(conversation) if e["kind"] == "reply"]
        names = [each["action"] for each in reply["body"]["actions"]]
        assert names == ["push", "open_pr", "undo"]
        await w.says("!push", conversation)
        pushed = await w.hears()
        assert (pushed.outcome, pushed.receipt["pushed"]) == ("answered", str(origin))
        branch = reply["body"]["receipt"]["branch"]
        assert git(origin, "log", "-1", "--format=%s", branch) == "Praise the goods"
        assert len(w.model.requests) == 3
        decisions = [e["body"] for e in await w.log(conversation) if e["kind"] == "decision"]
        assert decisions[-1]["reason"] == "you pressed Push"


@HANDS
async def test_open_pr_without_a_hosting_service_pushes_nothing(world, shop, tmp_path):
    origin = tmp_path / "origin.git"
    git(tmp_path, "init", "-q", "--bare", str(origin))
    git(shop, "remote", "add", "origin", str(origin))
    async with world([EDIT, KEEP, say("Praised.")]) as w:
        conversation = await w.says("praise the goods")
        await w.hears()
        await w.says("!pr", conversation)
        opened = await w.hears()
        assert (opened.outcome, "no pull request" in opened.text) == ("failed", True)
        assert git(origin, "branch", "--all") == ""


@HANDS
async def test_a_rule_against_pushing_beats_the_button(world, shop):
    rules = [Rule(tool="git_push", then="deny")]
    async with world([EDIT, KEEP, say("Praised.")], rules=rules) as w:
        conversation = await w.says("praise the goods")
        await w.hears()
        await w.says("!push", conversation)
        assert "Nothing was done" in (await w.hears()).text


@HANDS
async def test_undo_in_words_takes_the_last_run_back(world, shop):
    async with world([EDIT, KEEP, say("Praised.")]) as w:
        conversation = await w.says("praise the goods")
        await w.hears()
        await w.says("!undo", conversation)
        assert "1 commit taken back" in (await w.hears()).text


async def test_a_guest_cannot_choose_the_repository(world, shop):
    people = {"gus": PersonConfig(role="guest", ids=["terminal:*"])}
    async with world([], people=people, repos={"shop": RepoConfig(path=str(shop))}) as w:
        assert "Guests cannot" in await told(w, "!repo shop")
