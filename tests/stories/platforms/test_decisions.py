"""Questions to people: what they see before they decide, who may, and what the card says then."""

import shutil

import pytest

from coworker.settings import Rule
from tests.conftest import git
from tests.fakes.anthropic import call, say

HANDS = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
ROOMS = pytest.mark.parametrize("kind", ["slack", "telegram-group"])

ASKING = {"rules": [Rule(then="ask", tool="git_log")]}
LOOK = [call("git_log"), say("One commit.")]


async def card_of(chat):
    """The card that asks, once it is there."""
    await chat.opens("what changed?")
    return await chat.hears("May I do this")


async def becomes(chat, card, line):
    """Wait until the card has no buttons and ends with that line."""

    def settled():
        (now,) = [each for each in chat.shown() if each.id == card.id]
        return not now.buttons and now.text.splitlines()[-1].strip("_") == line and now

    return await chat.until(settled)


@pytest.mark.parametrize(
    ("words", "line"),
    [("!approve 1", "Allow once · alice"), ("!deny 1", "Deny · alice")],
)
async def test_a_decision_in_words_settles_the_card(talk, words, line):
    async with talk(LOOK, **ASKING) as (_, chat):
        card = await card_of(chat)
        await chat.says(words)
        await chat.hears("One commit.")
        assert "May I do this" in (await becomes(chat, card, line)).text


async def test_a_button_settles_the_card(talk):
    async with talk(LOOK, **ASKING) as (_, chat):
        card = await card_of(chat)
        await chat.clicks(card, "Deny")
        await becomes(chat, card, "Deny · alice")


async def test_words_that_answer_a_question_settle_its_card(talk):
    script = [call("ask", question="Which colour?", options=["red", "blue"]), say("Green it is.")]
    async with talk(script) as (_, chat):
        await chat.opens("paint it")
        card = await chat.hears("Which colour?")
        await chat.says("neither, take green")
        await chat.hears("Green it is.")
        await becomes(chat, card, "neither, take green · alice")


async def test_a_card_is_settled_after_a_restart(talk):
    async with talk(LOOK, **ASKING) as (t, chat):
        card = await card_of(chat)
        await t.restarts()
        await chat.says("!deny 1")
        await becomes(chat, card, "Deny · alice")


async def test_a_button_allows_only_the_call_that_stood_above_it(talk):
    script = [call("git_log"), call("git_log", limit=1), say("One commit.")]
    async with talk(script, **ASKING) as (t, chat):
        old = await card_of(chat)
        await t.restarts(forgetting=True)  # and so the next question has the same number
        await chat.opens("only the last one")
        await chat.until(lambda: len(chat.saying("May I do this")) == 2)
        new = chat.saying("May I do this")[-1]
        await chat.clicks(old, "Allow once")
        await chat.until(lambda: any("not open any more" in each for each in chat.whispers()))
        assert len(t.model.requests) == 2
        await chat.clicks(new, "Allow once")
        await chat.hears("One commit.")


async def test_what_is_to_be_approved_is_shown_whole(talk):
    paths = [f"src/module_{n:03}/{'x' * 60}.py" for n in range(90)]
    long = call("git_log", path="\n".join(paths))
    async with talk([long, say("Done.")], **ASKING) as (_, chat):
        await chat.opens("what changed?")
        card = await chat.hears("module_089")
        shown = "\n".join(each.text for each in chat.shown())
        assert [path for path in paths if path not in shown] == []
        assert card.buttons == ("Allow once", "Deny")
        await chat.clicks(card, "Deny")
        settled = await becomes(chat, card, "Deny · alice")
        assert "module_089" in settled.text
        assert not [each for each in chat.shown() if "Allow once" in each.buttons]


@pytest.mark.parametrize("kind", ["slack"])
async def test_what_is_allowed_for_somebody_who_was_sent_away_is_not_done_and_said_so(talk):
    script = [call("write_file", path="x.txt", content="x"), say("It could not be done.")]
    rules = [Rule(then="ask", tool="write_file")]
    async with talk(script, rules=rules) as (t, chat):
        owner = chat.apart()
        await owner.asks("!pair slack:U0MALLORY mallory", "mallory, member, from now on")
        await chat.opens("write x", who="mallory")
        card = await chat.hears("May I do this")
        await owner.says("!unpair slack:U0MALLORY")
        await owner.hears("is a stranger from now on")
        await chat.clicks(card, "Allow once")
        gone = "slack:U0MALLORY was sent away meanwhile"
        await becomes(chat, card, f"Allow once, but not done: {gone} · alice")
        answer = await chat.hears("It could not be done.")
        assert f"Not done although alice allowed it: {gone}." in answer.text
        assert gone in str(t.model.requests[1]["messages"][-1])


@HANDS
@pytest.mark.parametrize("kind", ["slack"])
async def test_what_a_rule_forbids_since_it_was_asked_is_not_done_and_said_so(talk):
    script = [call("write_file", path="README.md", content="x"), say("It could not be done.")]
    async with talk(script, rules=[Rule(then="ask", tool="write_file")]) as (_, chat):
        await chat.opens("write it anew")
        card = await chat.hears("May I do this", within=20)
        await chat.says("!remember never touch README.md")
        await chat.hears("From now on no run may change README.md")
        await chat.clicks(card, "Allow once")
        answer = await chat.hears("It could not be done.", within=20)
        assert "Not done although alice allowed it: rule 1 (`!rules`) says: never" in answer.text
        (settled,) = [each for each in chat.shown() if each.id == card.id]
        assert "Allow once, but not done: rule 1" in settled.text


@HANDS
@ROOMS
async def test_the_card_of_a_push_shows_what_would_leave_and_where_to(talk, shop, tmp_path):
    git(tmp_path, "init", "-q", "--bare", "origin.git")
    git(shop, "remote", "add", "origin", str(tmp_path / "origin.git"))
    lines = "\n".join(f"line {n} of the goods" for n in range(4_000))
    script = [
        call("edit_file", path="README.md", old="Sells things.", new="Sells ```good``` things."),
        call("git_commit", message="Praise the goods"),
        call("write_file", path="goods.txt", content=f"{lines}\n"),
        call("git_commit", message="List the goods"),
        call("git_push"),
        say("Pushed it."),
    ]
    async with talk(script) as (_, chat):
        await chat.opens("praise the goods and push")
        card = await chat.hears("May I do this", within=20)
        shown = "\n".join(each.text for each in chat.shown())
        shown = shown[shown.index("origin.git") :]  # signs of life may stand before it
        sights = ("origin.git", "List the goods", "Praise the goods", "2 files changed",
                  "-Sells things.", "+Sells ```good``` things.", "May I do this")  # fmt: skip
        places = [shown.index(sight) for sight in sights]
        assert places == sorted(places)
        assert "line 3999" not in shown
        assert "more lines of this diff. `!diff` shows all of it" in shown
        await chat.says("!diff")
        whole = await chat.until(lambda: [each for each in chat.shown() if each.file])
        assert "+line 3999 of the goods" in whole[0].file
        await chat.clicks(card, "Deny")
        await chat.hears("Pushed it.", within=20)


@HANDS
@ROOMS
async def test_a_card_shows_every_character_of_a_command(talk):
    command = "echo ```touch x``` \x1b[;>a\x08 \u202egpj.py"
    rules = [Rule(then="ask", tool="shell")]
    async with talk([call("shell", command=command), say("Done.")], rules=rules) as (_, chat):
        await chat.opens("do it")
        card = await chat.hears("May I do this")
        assert r"command: echo ```touch x``` \x1b[;>a\x08 \u202egpj.py" in card.text
        assert card.text.index("command: echo") < card.text.index("May I do this")
        await chat.clicks(card, "Deny")
        await chat.hears("Done.")


@HANDS
@pytest.mark.parametrize("kind", ["slack"])
async def test_only_what_the_card_showed_is_pushed(talk, shop, tmp_path):
    origin = tmp_path / "origin.git"
    git(tmp_path, "init", "-q", "--bare", str(origin))
    git(shop, "remote", "add", "origin", str(origin))
    good = call("write_file", path="good.txt", content="good\n")
    evil = call("write_file", path="evil.txt", content="evil\n")
    script = [
        good,
        call("git_commit", message="Good"),
        evil,
        call("git_push") + call("git_commit", message="Evil"),
        say("Pushed it."),
    ]
    async with talk(script) as (t, chat):
        await chat.opens("push what is good")
        card = await chat.hears("May I do this", within=20)
        await t.restarts()
        await chat.clicks(card, "Allow once")
        await chat.hears("Pushed it.", within=20)
        files = git(origin, "ls-tree", "--name-only", "-r", git(origin, "branch").split()[-1])
        assert "good.txt" in files
        assert "evil" not in files
