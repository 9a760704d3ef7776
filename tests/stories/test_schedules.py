"""Standing work asked for in a terminal: the card, the run, its silence, and the command line."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from coworker.settings import ModelConfig, Models
from tests.conftest import git, living
from tests.fakes import until
from tests.fakes.anthropic import call, say, status, usage

WEEKDAYS = {"when": "every weekday at 09:00", "prompt": "What changed since yesterday?"}


async def schedules(w, action="list", **given):
    return await w.link.call("schedule", action=action, **given)


async def outcome(w, name):
    """How the latest firing ended, once it has."""
    latest = {}

    async def ended():
        (latest["row"], *_) = await schedules(w, "history", name=name)
        return latest["row"]["outcome"] != "running"

    await with_deadline(ended)
    return latest["row"]["outcome"]


async def with_deadline(condition):
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.02)


def news(shop):
    """Somebody has just committed something."""
    (shop / "NEWS").write_text("Cheaper carts.\n")
    git(shop, "add", ".")
    git(shop, "commit", "-qm", "Tell the news", at=f"@{int(time.time())} +0000")


async def saved(w, words="Save", conversation=None):
    """Ask for it, see the card, answer it; the conversation."""
    conversation = await w.says("a summary every weekday at 9, please", conversation)
    card = await w.hears()
    await w.link.call("answer", conversation=conversation, ask=card.ask, text=words)
    return conversation, card


async def test_the_card_shows_when_where_and_what_it_costs_and_only_save_stores_it(world):
    script = [call("schedule", **WEEKDAYS), say("I will.")]
    async with world(script) as w:
        conversation = await w.says("tell me every weekday at 9 what changed")
        card = await w.hears()
        assert card.options == ["Save", "Change"]
        assert "When: every weekday at 09:00 (UTC)" in card.question
        assert card.question.count("09:00 UTC") == 5
        assert f"Where: here ({conversation})" in card.question
        assert "Cost: not known yet" in card.question
        assert await schedules(w) == []
        await w.link.call("answer", conversation=conversation, ask=card.ask, text="Save")
        assert (await w.hears()).text.startswith("I will.")
        (row,) = await schedules(w)
        assert (row["when"], row["creator"]) == ("every weekday at 09:00", row["creator"])
        assert row["to"] == conversation


async def test_words_answer_the_card_as_well(world):
    script = [
        call("schedule", **WEEKDAYS),
        call("schedule", **WEEKDAYS | {"when": "every monday at 10"}),
        say("Mondays, then."),
    ]
    async with world(script) as w:
        conversation = await w.says("tell me every weekday at 9 what changed")
        await w.hears()
        await w.says("rather on mondays at 10", conversation)
        card = await w.hears()
        assert "every monday at 10:00" in card.question
        told = w.model.requests[1]["messages"][-1]["content"][0]["content"]
        assert told.startswith("Not saved.")
        assert "rather on mondays at 10" in told
        await w.says("save", conversation)
        assert (await w.hears()).text.startswith("Mondays, then.")
        assert [row["when"] for row in await schedules(w)] == ["every monday at 10:00"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"when": "0 9 31 2 *"}, "never comes"),
        ({"when": "every second"}, "more often than every 5 minutes"),
        ({"when": "every hour"}, "give it a gate"),
        ({"when": "when pigs fly"}, "Write “in 20 minutes”"),
        ({"gate": "new moon"}, "There is no gate"),
    ],
)
async def test_the_model_mends_what_makes_no_card(world, given, told):
    async with world([call("schedule", **WEEKDAYS | given), say("I cannot.")]) as w:
        await w.ask("do it by the clock")
        (result,) = w.model.requests[1]["messages"][-1]["content"]
        assert result["is_error"]
        assert told in result["content"]
        assert await schedules(w) == []


async def test_a_run_speaks_in_its_conversation_and_says_that_it_is_scheduled(world):
    script = [call("schedule", **WEEKDAYS), say("I will."), say("Two commits.")]
    async with world(script) as w:
        conversation, _ = await saved(w)
        await w.hears()
        (row,) = await schedules(w)
        await schedules(w, "run", name=row["id"])
        reply = await w.hears()
        assert reply.text.startswith("Two commits.")
        head, words = w.model.requests[-1]["messages"][-1]["content"]
        assert "scheduled run" in head["text"]
        assert words["text"] == WEEKDAYS["prompt"]
        assert await outcome(w, row["id"]) == "answered"
        shown = await schedules(w, "show", name=row["id"])
        assert (shown["runs"], shown["next_at"]) == (1, row["next_at"])
        entries = await w.log(conversation)
        said = [entry for entry in entries if entry["kind"] == "user"]
        assert said[-1]["body"]["schedule"] == row["id"]


async def test_a_run_with_nothing_to_say_says_nothing(world):
    script = [call("schedule", **WEEKDAYS), say("I will."), call("nothing_new"), say("Hello.")]
    async with world(script) as w:
        conversation, _ = await saved(w)
        await w.hears()
        (row,) = await schedules(w)
        await schedules(w, "run", name=row["id"])
        assert await outcome(w, row["id"]) == "nothing"
        assert len(w.model.requests) == 3
        assert await w.ask("are you there?", conversation) == "Hello."


async def test_a_run_that_fails_is_not_told_but_never_ok(world):
    thinking = {"when": "every weekday at 9", "prompt": "Think about the cart."}
    broken = status(400, body="{}")
    script = [call("schedule", **thinking), say("I will."), broken, say("Hello.")]
    async with world(script) as w:
        conversation, _ = await saved(w)
        await w.hears()
        (row,) = await schedules(w)
        await schedules(w, "run", name=row["id"])
        assert await outcome(w, row["id"]) == "failed"
        assert (await schedules(w, "show", name=row["id"]))["failures"] == 1
        assert await w.ask("are you there?", conversation) == "Hello."


async def test_a_saved_schedule_outlives_the_owner_and_is_removed_by_word(world):
    script = [
        call("schedule", **WEEKDAYS),
        say("I will."),
        call("schedules") + call("unschedule", id="What changed since yesterday?"),
        say("Gone."),
    ]
    async with world(script) as w:
        conversation, _ = await saved(w)
        await w.hears()
        assert await w.ask("what do you do by the clock? stop it", conversation) == "Gone."
        listed, removed = w.model.requests[-1]["messages"][-1]["content"]
        assert "every weekday at 09:00" in listed["content"]
        assert removed["content"].startswith("Removed")
        assert await schedules(w) == []


async def test_undo_takes_back_the_schedule_that_a_run_made(world):
    async with world([call("schedule", **WEEKDAYS), say("I will.")]) as w:
        conversation, _ = await saved(w)
        await w.hears()
        await w.link.call("undo", run=conversation)
        assert "The schedule “What changed since yesterday?” is removed." in (await w.hears()).text
        assert await schedules(w) == []


async def test_the_verb_lists_pauses_and_resumes(world):
    async with world([call("schedule", **WEEKDAYS), say("I will.")]) as w:
        conversation, _ = await saved(w)
        await w.hears()
        (row,) = await schedules(w)
        said = await w.link.call("say", text="!schedules", conversation=conversation)
        assert row["id"] in said["answer"]
        text = f"!schedules pause {row['id']}"
        said = await w.link.call("say", text=text, conversation=conversation)
        assert "paused: by" in said["answer"]
        assert (await schedules(w))[0]["state"] == "paused"
        text = f"!schedules resume {row['id'][:3]}"
        await w.link.call("say", text=text, conversation=conversation)
        assert (await schedules(w))[0]["state"] == "active"


async def test_offline_it_reminds_through_the_same_card(world, configured, shop):
    async with living(configured(None), None, shop) as w:
        conversation = await w.says("remind me in 20 minutes to drink water")
        card = await w.hears()
        assert card.options == ["Save", "Change"]
        await w.link.call("answer", conversation=conversation, ask=card.ask, text="Save")
        assert "Saved." in (await w.hears()).text
        (row,) = await schedules(w)
        await schedules(w, "run", name=row["id"])
        assert (await w.hears()).text == "Reminder: drink water"


@pytest.fixture
def modelless(configured):
    """A configuration whose only model cannot be reached."""
    nobody = ModelConfig(model="claude-opus-5-5", base_url="http://127.0.0.1:9")
    return configured(None, models=Models(large=nobody))


async def test_while_the_model_is_away_a_digest_is_posted_and_other_work_is_tried_again(
    modelless, shop
):
    news(shop)
    async with living(modelless, None, shop) as w:
        await w.ask("what changed?")
        given = {"when": "every day at 9", "repo": str(shop)}
        digest = await schedules(w, "add", **given, prompt="Post the digest.")
        await schedules(w, "run", name=digest["id"])
        assert await outcome(w, digest["id"]) == "offline"
        (fired,) = await schedules(w, "history", name=digest["id"])
        assert "Digest of shop since" in fired["text"]
        assert "cannot be reached" in fired["text"]
        shown = await schedules(w, "show", name=digest["id"])
        assert (shown["failures"], shown["next_at"]) == (1, digest["next_at"])
        think = await schedules(w, "add", **given, prompt="Think about the cart.")
        await schedules(w, "run", name=think["id"])
        assert await outcome(w, think["id"]) == "failed"
        (fired,) = await schedules(w, "history", name=think["id"])
        assert "cannot be reached" in fired["text"]
        assert "Reminder" not in fired["text"]


@pytest.mark.parametrize("prompt", ["Post the digest.", "Think about the cart."])
async def test_the_notice_of_a_pause_names_the_fault(modelless, shop, prompt):
    news(shop)
    async with living(modelless, None, shop) as w:
        given = {"when": "every day at 9", "repo": str(shop), "prompt": prompt}
        daily = await schedules(w, "add", **given, name="daily")
        for _ in range(5):
            await schedules(w, "run", name="daily")
            await outcome(w, "daily")
        await schedules(
            w, "add", **given | {"prompt": "x"}, name="other"
        )  # which wakes the scheduler at once
        await w.link.call("attach", conversation=daily["to"])
        while "I paused" not in (told := (await w.hears()).text):
            assert "Digest of shop" in told
        assert "“daily”: it failed 5 times in a row." in told
        assert "cannot be reached" in told
        assert "Digest of shop" not in told


async def test_a_reminder_needs_no_model(modelless, shop):
    async with living(modelless, None, shop) as w:
        soon = datetime.now(UTC) + timedelta(seconds=2)
        when = f"{soon:%Y-%m-%d %H:%M:%S}+00:00"
        reminder = await schedules(w, "add", when=when, prompt="Call Bob.")

        async def fired():
            return await schedules(w, "history", name=reminder["id"])

        await with_deadline(fired)
        await w.link.call("attach", conversation=reminder["to"])
        told = (await w.hears()).text
        assert told.startswith("Reminder: Call Bob.")
        assert "cannot be reached" in told
        assert await outcome(w, reminder["id"]) == "offline"
        assert (await schedules(w, "show", name=reminder["id"]))["next_at"] is None


async def test_what_the_card_showed_is_saved_however_late(world):
    async with world([call("schedule", when="in 1 hour", prompt="Call Bob."), say("I will.")]) as w:
        conversation = await w.says("remind me in an hour to call Bob")
        card = await w.hears()
        (shown,) = re.findall(r"When: (\S+ \S+) ", card.question)
        await until(lambda: f"{datetime.now(UTC) + timedelta(hours=1):%H:%M:%S}" > shown[-8:], 30)
        await w.link.call("answer", conversation=conversation, ask=card.ask, text="Save")
        assert (await w.hears()).text.startswith("I will.")
        assert [row["when"] for row in await schedules(w)] == [shown]


async def test_a_daily_digest_without_a_model_is_quiet_when_there_is_nothing_new(configured, shop):
    news(shop)
    async with living(configured(None), None, shop) as w:
        await w.ask("digest")
        given = {"when": "every day at 9", "repo": str(shop), "prompt": "Post the digest."}
        digest = await schedules(w, "add", **given)
        await schedules(w, "run", name=digest["id"])
        assert await outcome(w, digest["id"]) == "answered"
        git(
            shop,
            "commit",
            "-q",
            "--amend",
            "--no-edit",
            "--reset-author",
            at="2020-01-01T00:00:00Z",
        )
        await schedules(w, "run", name=digest["id"])
        assert await outcome(w, digest["id"]) == "nothing"


@pytest.mark.parametrize("days", [5, 400])
async def test_the_first_digest_of_a_place_goes_back_until_there_is_something(
    configured, shop, days
):
    committed = int(time.time()) - days * 86_400
    amend = ("commit", "-q", "--amend", "--no-edit", "--reset-author")
    git(shop, *amend, at=f"@{committed} +0000")
    async with living(configured(None), None, shop) as w:
        given = {"when": "every day at 9", "repo": str(shop), "prompt": "Post the digest."}
        digest = await schedules(w, "add", **given)
        await schedules(w, "run", name=digest["id"])
        assert await outcome(w, digest["id"]) == "answered"
        (fired,) = await schedules(w, "history", name=digest["id"])
        week_ago = f"{datetime.now(UTC) - timedelta(days=7):%Y-%m-%d}"
        begin = min(week_ago, f"{datetime.fromtimestamp(committed).astimezone():%Y-%m-%d}")
        assert f"Digest of shop since {begin} 00:00" in fired["text"]
        assert "Add the cart" in fired["text"]
        await schedules(w, "run", name=digest["id"])
        assert await outcome(w, digest["id"]) == "nothing"


async def test_the_digest_needs_no_model(world, configured, shop):
    news(shop)
    git(shop, "checkout", "-qb", "cheaper")
    (shop / "shop" / "cart.py").write_text("total = sum\n")
    git(shop, "commit", "-qam", "Make it cheaper")
    git(shop, "checkout", "-q", "main")
    async with living(configured(None), None, shop) as w:
        text = await w.ask("the digest, please")
        assert "Digest of shop since" in text
        assert re.search(r"\d new commits? by 1 author\nChanged most: .*\nann: \d", text)
        assert text.index("cheaper by ann") < text.index("by 1 author")


async def test_a_digest_of_a_shallow_clone_or_without_a_branch_says_so(configured, shop, tmp_path):
    news(shop)
    clone = tmp_path / "clone" / "shop"
    git(shop, "clone", "-q", "--depth=1", f"file://{shop}", str(clone))
    git(clone, "checkout", "-q", "--detach")
    git(clone, "branch", "-qD", "main")
    async with living(configured(None), None, clone) as w:
        text = await w.ask("the digest, please")
        assert "No branch is checked out; this is about the commit" in text
        assert "This is a shallow clone" in text
        assert "Changed most" not in text
        assert "origin/HEAD" not in text


async def test_the_card_estimates_the_cost_of_a_month_from_past_runs(world):
    script = [
        say("Nothing much.") + usage(input=100_000, output=1_000),
        call("schedule", **WEEKDAYS),
    ]
    async with world(script) as w:
        conversation = await w.says("what changed?")
        await w.hears()
        await w.says("tell me that every weekday at 9", conversation)
        card = await w.hears()
        assert re.search(
            r"Cost: about \$\d+\.\d\d a month \(2\d runs of \$0\.\d\d\)", card.question
        )
