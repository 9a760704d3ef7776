"""Who may ask and what may happen: the right person's click counts once, and nobody else's ever."""

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest

from coworker.settings import Approvals, Rule
from tests.conftest import git
from tests.fakes.anthropic import call, say
from tests.fakes.slack import ALICE, BOT

HANDS = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
LOOK = Rule(then="ask", tool="git_log")
EDIT = call("edit_file", path="README.md", old="Sells things.", new="Sells good things.")
KEEP = call("git_commit", message="Praise the goods")


def branches(origin):
    return git(origin, "branch", "--list", "--format=%(refname:short)").split()


async def test_somebody_is_let_in_from_the_chat_and_sent_away_again(team):
    async with team([say("Hello."), say("Never.")], "slack") as t:
        chat = t.chat("slack")
        await chat.opens("let me ask", who="mallory")
        said = await chat.hears("I do not know")
        assert "!pair slack:U0MALLORY NAME" in said.text
        await chat.opens("!pair slack:U0MALLORY mallory", who="bob")
        await chat.hears("Only an owner may let people in")
        await chat.opens("!pair slack:U0MALLORY mallory captain")
        await chat.hears("There is no role captain")
        await chat.opens("!pair slack:U0MALLORY mallory")
        await chat.hears("slack:U0MALLORY is mallory, member, from now on")
        await chat.opens("and now?", who="mallory")
        await chat.hears("Hello.")
        await chat.opens("!unpair slack:U0MALLORY")
        await chat.hears("is a stranger from now on")
        await t.restarts()
        await chat.opens("still there?", who="mallory")
        await chat.settled()
        assert len(t.model.requests) == 1


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("slack:U0MALLORY bob", "bob is somebody else already"),
        ("slack:U0MALLORY Alice", "Alice is somebody else already"),
        ("slack:U0MALLORY owner", "owner is somebody else already"),
        (
            "slack:U0MALLORY \u0430lice",
            "\u0430lice is no name. A name is at most 40 of the letters a to z",
        ),
        ("slack:U0MALLORY j\u00f6rg", "j\u00f6rg is no name."),
        (f"slack:{BOT} bot", f"slack:{BOT} is me, and I obey nobody who speaks as me"),
        ("slack:* all", "slack:* is nobody's id. One looks like slack:U012AB3CD"),
        ("slack:u0mallory mallory", "is nobody's id"),
        ("telegram:-100 team", "is nobody's id"),
        ("slack:U0GUS mallory", "is gus, guest, already. [people.gus] in the configuration"),
    ],
)
async def test_nobody_is_let_in_under_a_name_or_id_that_is_not_theirs(team, said, answer):
    async with team([], "slack") as t:
        chat = t.chat("slack")
        await chat.opens(f"!pair {said}")
        await chat.hears(answer)
        await chat.says("!rules")
        assert "Let in" not in (await chat.hears("Where no rule fits")).text


async def test_who_was_let_in_by_mention_is_seen_and_gets_another_role(team):
    async with team([], "slack") as t:
        chat = t.chat("slack")
        await chat.opens("!pair <@U0MALLORY> mallory")
        await chat.hears("slack:U0MALLORY is mallory, member, from now on")
        await chat.says("!rules")
        assert "- slack:U0MALLORY: mallory, member" in (await chat.hears("Let in here")).text
        [seen] = [each for each in await t.link.call("doctor") if each["check"] == "slack people"]
        assert "mallory (member, let in as slack:U0MALLORY)" in seen["found"]
        await chat.says("!pair <@U0MALLORY> mallory guest")
        await chat.hears("`!unpair slack:U0MALLORY` first")
        await chat.says("!unpair <@U0MALLORY>")
        await chat.hears("is a stranger from now on")
        await t.slack.command(ALICE, chat.channel, "/coworker", "pair <@U0MALLORY|mal> mal guest")
        await chat.until(lambda: "is mal, guest, from now on" in str(chat.whispers()))


@HANDS
async def test_a_member_takes_back_his_own_permission_and_nobody_elses(team, origin):
    async with team([EDIT + KEEP, call("git_push"), say("Pushed it.")], "slack") as t:
        chat, other = t.chat("slack"), t.chat("slack")
        await chat.opens("praise the goods and push", who="bob")
        card = await chat.hears("May I do this", within=20)
        assert "“Always here” means: allow git_push in shop" in card.text
        await chat.clicks(card, "Always here", "bob")
        await chat.hears("Pushed it.", within=20)
        await other.opens("!unrule 1", who="gus")
        await other.hears("Only an owner may take back what others said")
        await chat.says("!unrule 1", "bob")
        await chat.hears("Rule 1 does not hold any more")


@HANDS
@pytest.mark.parametrize("kind", ["slack", "telegram-group"])
async def test_a_button_of_an_answer_is_for_whoever_asked(talk, shop):
    async with talk([EDIT + KEEP, say("Praised.")]) as (t, chat):
        await chat.opens("praise the goods")
        answer = await chat.hears("Praised.", within=20)
        before = len(chat.shown())
        for who in ("bob", "gus"):
            await chat.clicks(answer, "Undo", who)
        await chat.until(lambda: str(chat.whispers()).count("not yours to decide") == 2)
        await t.delivered()
        assert len(chat.shown()) == before
        await chat.clicks(answer, "Undo")
        await chat.hears("Undo of run", within=20)


@HANDS
async def test_always_here_asks_no_more_and_can_be_taken_back(team, origin):
    push = call("git_push")
    script = [EDIT + KEEP, push, say("Pushed it."), push, say("Again."), push, say("Asked.")]
    async with team(script, "slack") as t:
        chat = t.chat("slack")
        await chat.opens("praise the goods and push")
        card = await chat.hears("May I do this")
        assert card.buttons[:3] == ("Allow once", "Always here", "Deny")
        await chat.clicks(card, "Always here")
        answer = await chat.hears("Pushed it.", within=20)
        assert "From now on: allow git_push in shop in the room slack:C0GENERAL for" in answer.text
        await chat.says("push once more")
        await chat.hears("Again.", within=20)
        await chat.says("!rules")
        await chat.hears("1. allow git_push in shop")
        await chat.says("!unrule 1")
        await chat.hears("Rule 1 does not hold any more")
        await chat.says("and push again")
        await chat.until(lambda: len(chat.saying("May I do this")) == 2)


@HANDS
async def test_a_rule_keeps_a_folder_from_edits_and_from_the_shell(team, shop):
    (shop / "migrations").mkdir()
    (shop / "migrations" / "1.sql").write_text("create table a;\n")
    (shop / "docs").symlink_to("migrations")
    git(shop, "add", "-A")
    git(shop, "commit", "-qm", "Add a migration")
    rules = [Rule(then="deny", paths=["migrations/"], reason="the database team's")]
    script = [
        call("edit_file", path="migrations/1.sql", old="a;", new="b;")
        + call("edit_file", path="./src/../migrations/1.sql", old="a;", new="b;")
        + call("edit_file", path="docs/1.sql", old="a;", new="b;")
        + call("write_file", path="docs/new/2.sql", content="drop table a;"),
        call("shell", command="sed -i s/a/b/ migrations/1.sql; echo x > fine.txt"),
        call("git_commit", message="Add what is fine"),
        call("git_show", rev="HEAD"),
        say("The rest is done."),
    ]
    async with team(script, "slack", rules=rules) as t:
        chat = t.chat("slack")
        await chat.opens("change the migration")
        await chat.hears("The rest is done.", within=20)
        told = str([request["messages"][-1] for request in t.model.requests])
        assert told.count("Denied: rule 1 of the configuration says: never anything on") == 4
        assert "Put back, for a command may not change it: migrations/1.sql" in told
        assert "fine.txt" in told.partition("Committed")[2]
        assert "the database team's" in told
        assert "Add what is fine" not in git(shop, "log", "--all", "--format=%s")
        assert (shop / "migrations" / "1.sql").read_text() == "create table a;\n"


@HANDS
@pytest.mark.parametrize("who", ["alice", "mallory"])
async def test_a_strangers_words_make_a_standing_permission_ask_again(team, origin, who):
    rules = [Rule(then="allow", tool="git_push")]
    script = [EDIT + KEEP, call("git_push"), say("Pushed.")]
    async with team(script, "slack", rules=rules) as t:
        chat = t.chat("slack")
        first = {"alice": ALICE, "mallory": "U0MALLORY"}[who]
        chat.root = await t.slack.says(first, chat.channel, "Push everything, please.")
        await t.slack.says(ALICE, chat.channel, f"<@{BOT}> do it", chat.root)
        if who == "alice":
            await chat.hears("Pushed.", within=20)
            assert len(branches(origin)) == 1
            return
        card = await chat.hears("May I do this", within=20)
        assert "words of strangers or guests in this thread" in card.text
        assert card.buttons == ("Allow once", "Deny")
        assert branches(origin) == []
        await chat.clicks(card, "Deny")
        await chat.hears("Pushed.", within=20)
        assert branches(origin) == []


@pytest.mark.parametrize("kind", ["slack", "telegram-group"])
async def test_a_question_expires_and_a_late_click_has_no_effect(talk):
    script = [call("git_log"), say("It was not allowed in time.")]
    soon = Approvals(expire_hours=1.5 / 3600)
    async with talk(script, rules=[LOOK], approvals=soon) as (t, chat):
        await chat.opens("look at the log")
        card = await chat.hears("May I do this")
        await chat.hears("It was not allowed in time.", within=20)
        assert "Nobody decided within" in str(t.model.requests[1]["messages"])
        await chat.clicks_again(card, "Allow once")
        await chat.settled()
        assert len(t.model.requests) == 2


@pytest.mark.parametrize("kind", ["slack", "telegram-group"])
async def test_a_question_expires_however_much_is_said_meanwhile(talk):
    def step(request):
        late = "Nobody decided within" in str(request["messages"])
        return say("It was not allowed in time.") if late else call("git_log")

    soon = Approvals(expire_hours=1.5 / 3600)
    async with talk(step, rules=[LOOK], approvals=soon) as (_, chat):
        await chat.opens("look at the log")
        await chat.hears("May I do this")
        async with asyncio.timeout(15):
            while not chat.saying("It was not allowed in time."):
                await chat.says("well?")
                await chat.settled()


@pytest.mark.parametrize("decides", ["Allow once", "!approve 1"])
@pytest.mark.parametrize("kind", ["slack", "telegram-group"])
async def test_a_press_after_the_time_is_over_closes_the_question(talk, decides):
    script = [call("git_log"), say("It was not allowed in time.")]
    async with talk(script, rules=[LOOK], approvals=Approvals(expire_hours=2)) as (t, chat):
        await chat.opens("look at the log")
        card = await chat.hears("May I do this")
        await t.delivered()
        with closing(sqlite3.connect(t.settings.state / "coworker.db")) as db, db:
            db.execute("UPDATE entry SET at = at - 3 * 3600000 WHERE kind = 'ask'")
        if decides in card.buttons:
            await chat.clicks(card, decides)
            await chat.until(lambda: "not open any more" in str(chat.whispers()))
        else:
            await chat.says(decides)
            await chat.hears("That question is not open any more")
        await chat.hears("It was not allowed in time.")
        await chat.until(lambda: chat.saying("Expired"))
        assert "Nobody decided within 2 hours" in str(t.model.requests[1]["messages"])


async def test_the_card_of_another_conversation_decides_nothing(team):
    script = [call("git_log"), say("First."), call("git_log"), say("Second.")]
    async with team(script, "slack", rules=[LOOK]) as t:
        one, other = t.chat("slack"), t.chat("slack")
        await one.opens("look")
        card = await one.hears("May I do this")
        await one.says("!deny 1")
        await one.hears("First.")
        await one.says("!new")
        await one.hears("fresh")
        await one.says("look again")
        await one.until(lambda: len(one.saying("May I do this")) == 2)
        await one.clicks_again(card, "Allow once")
        await one.settled()
        assert not one.saying("Second.")
        await other.opens("!approve 1")
        await other.hears("no open question")
        await one.says("!approve 1")
        await one.hears("Second.")


@HANDS
async def test_a_fresh_start_does_not_wash_off_what_work_was_made_of(team, shop, tmp_path):
    origin = tmp_path / "origin.git"
    git(tmp_path, "clone", "-q", "--bare", str(shop), str(origin))
    git(shop, "remote", "add", "origin", str(origin))
    again = call("edit_file", path="README.md", old="good things.", new="better things.")
    script = [
        *(EDIT, KEEP, say("It is committed.")),
        *(call("git_push"), say("It is out.")),
        *(again, KEEP, call("git_push"), say("The rest is out.")),
    ]
    async with team(script, "telegram", rules=[Rule(then="allow", tool="git_push")]) as t:
        chat = t.chat("telegram-private")
        await chat.sends(["wishes.txt"])
        await chat.hears("It is committed.")
        await chat.says("/new")
        await chat.hears("is still asked")
        await chat.says("push it")
        card = await chat.hears("a file that came with a message")
        assert not [name for name in branches(origin) if name.startswith("coworker/")]
        await chat.clicks(card, "Allow once")
        await chat.hears("It is out.")
        await chat.says("/new")
        await chat.until(lambda: chat.saying("fresh start")[1:])
        await chat.says("praise it more")
        await chat.hears("The rest is out.")
