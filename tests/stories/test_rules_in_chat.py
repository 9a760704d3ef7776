"""A rule said in chat holds once a person has confirmed it, and every run knows it."""

import shutil

import pytest

from coworker.settings import Rule, Web
from tests.fakes.anthropic import call, say
from tests.web.site import serving

HANDS = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
SAID = "Nobody touches migrations/ but the database team."
KEEP = call("remember", text="Deploy on Fridays.")
RULE = call("remember", text=SAID, kind="rule", path="migrations/")


@HANDS
async def test_a_rule_said_in_chat_is_confirmed_known_and_enforced(world):
    script = [
        RULE,
        say("Understood."),
        call("write_file", path="migrations/2.sql", content="x\n"),
        say("I may not."),
    ]
    async with world(script) as w:
        conversation = await w.says("never touch migrations/, that is the database team's")
        card = await w.hears()
        assert SAID in card.question
        assert "No run may change migrations/ in shop then." in card.question
        assert (await w.link.call("say", text="!rules", repo=str(w.repo)))["answer"].count(
            "1."
        ) == 0
        await w.link.call("answer", conversation=conversation, ask=card.ask, text="allow")
        await w.hears()
        assert "rule 1, `!unrule 1` ends it" in str(w.model.requests[1]["messages"][-1])
        await w.says("add a migration")
        assert (await w.hears()).text == "I may not."
        later = w.model.requests[2]["messages"]
        assert 'from="rules in force"' in str(later)
        assert "never anything on migrations/ in shop" in str(later)
        assert "Denied: rule 1" in str(w.model.requests[3]["messages"][-1])


WORDS = "never touch shop/cart.py"
HOWEVER = {  # how a model hands on what it was told
    "as a rule without a path": call("remember", text=WORDS, kind="rule"),
    "as a mere fact": call("remember", text=WORDS),
    "as a fact that a file shows": call("remember", text=WORDS, kind="fact", path="README.md"),
}


@pytest.mark.parametrize("how", HOWEVER)
async def test_a_path_that_is_to_be_left_alone_is_read_out_of_the_words(world, how):
    async with world([HOWEVER[how], say("Understood.")]) as w:
        conversation = await w.says(WORDS)
        card = await w.hears()
        assert "No run may change shop/cart.py in shop then." in card.question
        assert card.options == ["Keep it", "Deny"]
        await w.link.call("answer", conversation=conversation, ask=card.ask, text="Keep it")
        await w.hears()
        rules = (await w.link.call("say", text="!rules", repo=str(w.repo)))["answer"]
        assert "1. never anything on shop/cart.py in shop" in rules


async def test_remember_in_a_persons_own_words_is_a_rule_at_once(world):
    async with world() as w:
        said = [
            (await w.link.call("say", text=f"!remember {words}", repo=str(w.repo)))["answer"]
            for words in (WORDS, WORDS, "never touch the stove", "decision: never edit README.md")
        ]
        assert "From now on no run may change shop/cart.py: rule 1" in said[0]
        assert "rule 1, `!unrule 1` ends it" in said[1]
        assert "From now on" not in said[2] + said[3]
        rules = (await w.link.call("say", text="!rules", repo=str(w.repo)))["answer"]
        assert rules.count("never anything") == 1


async def test_every_path_that_is_named_is_kept_and_what_is_none_is_said(world):
    async with world() as w:
        words = "!remember never touch shop/cart.py or README.md, and not docs/x.md"
        said = (await w.link.call("say", text=words, repo=str(w.repo)))["answer"]
        assert "From now on no run may change shop/cart.py or README.md: rule 1" in said
        assert "There is no docs/x.md in shop, so no rule keeps it from changes." in said
        rules = (await w.link.call("say", text="!rules", repo=str(w.repo)))["answer"]
        assert "1. never anything on shop/cart.py, README.md in shop" in rules


BUT = "we never change shop/cart.py by hand, but the generator does"


async def test_of_words_with_an_exception_no_rule_is_made_unseen(world):
    async with world() as w:
        said = (await w.link.call("say", text=f"!remember {BUT}", repo=str(w.repo)))["answer"]
        assert "No rule is made of it, for a rule has no conditions" in said
        assert "`!remember never touch shop/cart.py` would keep every run from it" in said
        rules = (await w.link.call("say", text="!rules", repo=str(w.repo)))["answer"]
        assert "never anything" not in rules


async def test_a_card_shows_all_paths_and_that_conditions_do_not_count(world):
    script = [
        call("remember", text="Nobody touches shop/cart.py or README.md but bob.", kind="rule")
        + call("remember", text="These are ours.", kind="rule", path="shop/, README.md"),
        say("Understood."),
    ]
    async with world(script) as w:
        conversation = await w.says("never touch shop/cart.py or README.md, except bob")
        cards = [await w.hears(), await w.hears()]
        named = "No run may change shop/cart.py or README.md in shop then."
        assert f"{named} Conditions that the words name are no part of it." in cards[0].question
        assert "No run may change shop/ or README.md in shop then." in cards[1].question
        for card in cards:
            await w.link.call("answer", conversation=conversation, ask=card.ask, text="allow")
        await w.hears()
        rules = (await w.link.call("say", text="!rules", repo=str(w.repo)))["answer"]
        assert "1. never anything on shop/cart.py, README.md in shop" in rules
        assert "2. never anything on shop/, README.md in shop" in rules


async def test_a_rule_that_is_not_confirmed_does_not_hold(world):
    async with world([RULE, say("Then not.")]) as w:
        conversation = await w.says("never touch migrations/")
        card = await w.hears()
        await w.link.call("answer", conversation=conversation, ask=card.ask, text="deny")
        await w.hears()
        rules = (await w.link.call("say", text="!rules", repo=str(w.repo)))["answer"]
        memory = (await w.link.call("say", text="!memory", repo=str(w.repo)))["answer"]
        assert "migrations" not in rules + memory


@pytest.fixture
async def site():
    async with serving() as site:
        yield site


async def test_after_outside_words_a_memory_is_asked_for_and_then_held(world, site):
    script = [call("web_fetch", url=site.url()), KEEP, say("Kept.")]
    async with world(script, web=Web(private=[site.host])) as w:
        conversation = await w.says(f"what does {site.url()} say?")
        card = await w.hears()
        assert f"This run has read web page {site.url()}" in card.question
        assert "Deploy on Fridays." in card.question
        await w.link.call("answer", conversation=conversation, ask=card.ask, text="allow")
        await w.hears()
        memory = await w.link.call("say", text="!memory", repo=str(w.repo))
        assert "Deploy on Fridays." in memory["answer"]
        assert "quarantined" not in memory["answer"]


async def test_an_owner_may_let_it_be_kept_apart_instead(world, site):
    rules = [Rule(then="allow", tool="remember", tainted=True)]
    script = [call("web_fetch", url=site.url()), KEEP, say("Kept."), say("Whenever you like.")]
    async with world(script, rules=rules, web=Web(private=[site.host])) as w:
        assert await w.ask(f"what does {site.url()} say?") == "Kept."
        memory = await w.link.call("say", text="!memory", repo=str(w.repo))
        assert "quarantined" in memory["answer"]
        await w.ask("when do we deploy on Fridays?")
        assert "Deploy on Fridays." not in str(w.model.requests[-1]["messages"])
