"""Money: no limit is passed unless somebody who may lets a run pass it."""

import asyncio

import pytest

from coworker.cli.events import Ask, Reply
from coworker.settings import Budget, PersonConfig
from tests.conftest import living
from tests.fakes.anthropic import FakeAnthropic, call, cut_stream, hang, say, slow, usage

DEAR = usage(output=15_000)
"""At most 16,000 tokens may come back, so nearly all of the $0.32 that is reserved."""
LOOK = call("git_log", limit=1) + DEAR
SLEPT_ON_IT = 0.2


async def answers(w, conversation, text, ask=1):
    return await w.link.call("answer", conversation=conversation, ask=ask, text=text)


async def spent_today(w):
    return (await w.link.call("status"))["spend_today_usd"]


async def test_at_the_limit_a_run_asks_and_a_dollar_lets_it_go_on(world):
    async with world([LOOK, say("Seen.")], budget=Budget(run_usd=0.4)) as w:
        conversation = await w.says("look at the log")
        asked = await w.hears()
        assert asked.question.startswith("I have spent $0.31 of the $0.40 for this run; the next")
        assert (asked.options, asked.approval) == (["+ $1", "Stop"], True)
        await answers(w, conversation, "+ $1")
        assert (await w.hears()).text == "Seen."


async def test_it_asks_again_for_every_dollar_and_the_next_run_has_none_of_them(world):
    script = [LOOK + usage(input=400_000), LOOK, say("One."), say("Two.")]
    async with world(script, budget=Budget(run_usd=0.4, day_usd=0)) as w:
        conversation = await w.says("look at the log")
        for number in (1, 2):
            assert f"of the ${number - 0.6:.2f} for this run" in (await w.hears()).question
            await answers(w, conversation, "+ $1", number)
        assert (await w.hears()).text == "One."
        await w.says("and now?", conversation)
        assert (await w.hears()).text == "Two."


async def test_stop_ends_the_run_with_what_was_done(world):
    async with world([LOOK], budget=Budget(run_usd=0.4)) as w:
        conversation = await w.says("look at the log")
        await w.hears()
        await answers(w, conversation, "Stop")
        reply = await w.hears()
        assert (reply.outcome, reply.text) == ("stopped", "Stopped. Done before that: git_log.")


@pytest.mark.parametrize("stop", ["by the card", "by the verb"])
async def test_what_waited_at_the_limit_is_read_after_a_stop_which_says_so(world, stop):
    async with world([LOOK, say("And so on.")], budget=Budget(run_usd=0.4)) as w:
        conversation = await w.says("look at the log")
        await w.hears()
        await w.says("and at the tests", conversation)
        if stop == "by the card":
            await answers(w, conversation, "Stop")
        else:
            await w.says("stop", conversation)
        told, later = (await w.hears()).text, (await w.hears()).text
        assert told.endswith("1 message that waited is read now; say stop again to end that, too.")
        assert later == "And so on."


async def test_a_verb_answers_too(world):
    async with world([LOOK, say("Seen.")], budget=Budget(run_usd=0.4)) as w:
        conversation = await w.says("look at the log")
        await w.hears()
        queue = await w.link.call("say", text="!queue", conversation=conversation)
        assert "question 1: I have spent $0.31 of the $0.40" in queue["answer"]
        await w.says("!approve 1", conversation)
        assert (await w.hears()).text == "Seen."


async def test_the_words_of_an_option_answer_and_all_others_wait(world):
    async with world([LOOK, say("Seen."), say("And 7.")], budget=Budget(run_usd=0.4)) as w:
        conversation = await w.says("look at the log")
        await w.hears()
        await w.says("give me $1 of it", conversation)
        await w.says("+ $1", conversation)
        assert (await w.hears()).text == "Seen."
        assert "give me $1" in str(w.model.requests[1]["messages"])


async def test_the_question_outlives_a_restart(configured, shop):
    async with FakeAnthropic([LOOK, say("Seen.")], strict=True) as model:
        config = configured(model, budget=Budget(run_usd=0.4))
        async with living(config, model, shop) as w:
            conversation = await w.says("look at the log")
            await w.hears()
        async with living(config, model, shop) as w:
            await w.link.call("attach", conversation=conversation)
            assert len(model.requests) == 1
            await answers(w, conversation, "+ $1")
            assert (await w.hears()).text == "Seen."


async def test_a_limit_of_a_day_is_an_owners_to_raise(configured, shop):
    everybody = {"bob": PersonConfig(role="member", ids=["terminal:*"])}
    async with FakeAnthropic([LOOK, say("Seen.")], strict=True) as model:
        config = configured(model, budget=Budget(day_usd=0.4), people=everybody)
        async with living(config, model, shop) as w:
            conversation = await w.says("look at the log")
            assert "of the $0.40 today" in (await w.hears()).question
            assert await answers(w, conversation, "+ $1") == {"accepted": False}
            queue = await w.link.call("say", text="!queue", conversation=conversation)
            assert "of the $0.40 today" in queue["answer"]
            assert len(model.requests) == 1


async def test_parallel_runs_cannot_pass_a_limit_together_nor_after_a_restart(configured, shop):
    async with FakeAnthropic(lambda _: say("Done.") + slow(SLEPT_ON_IT) + DEAR) as model:
        config = configured(model, budget=Budget(run_usd=0, day_usd=1.0))
        async with living(config, model, shop) as w:
            for _ in range(2):
                await w.says("work")
            assert [(await w.hears()).text for _ in range(2)] == ["Done."] * 2
        async with living(config, model, shop) as w:
            await asyncio.gather(*(w.says("work") for _ in range(8)))
            heard = [await w.hears() for _ in range(8)]
            assert len([word for word in heard if isinstance(word, Reply)]) == 1
            asked = [word.question for word in heard if isinstance(word, Ask)]
            assert all(" of the $1.00 today" in question for question in asked)
            assert 0.9 < await spent_today(w) <= 1.0
        assert len(model.requests) == 3


async def test_who_waits_for_the_others_to_settle_is_not_asked_in_vain(configured, shop):
    """Four reservations do not fit side by side, but what they really cost does."""
    async with FakeAnthropic(lambda _: say("Done.") + slow(SLEPT_ON_IT)) as model:
        config = configured(model, budget=Budget(day_usd=0.8))
        async with living(config, model, shop) as w:
            await asyncio.gather(*(w.says("work") for _ in range(4)))
            assert [(await w.hears()).text for _ in range(4)] == ["Done."] * 4


async def test_a_conversation_has_a_limit_over_all_its_runs(world):
    budget = Budget(conversation_usd=0.6)
    async with world([say("One.") + DEAR, say("Two.")], budget=budget) as w:
        conversation = await w.says("first")
        await w.hears()
        await w.says("second", conversation)
        assert "of the $0.60 in this conversation" in (await w.hears()).question
        assert await w.ask("elsewhere") == "Two."


@pytest.mark.parametrize(
    ("budget", "whose"),
    [(Budget(repo_day_usd=0.6), "on shop today"), (Budget(person_day_usd=0.6), "for you today")],
)
async def test_a_repository_and_a_person_have_a_day_of_their_own(world, budget, whose):
    async with world([say("One.") + DEAR], budget=budget) as w:
        assert await w.ask("first") == "One."
        await w.says("second")
        assert whose in (await w.hears()).question


async def test_what_a_broken_answer_cost_counts_though_nothing_came_of_it(world):
    broken = say("half of") + usage(input=100_000, output=0) + cut_stream()
    async with world(lambda _: broken, budget=Budget(run_usd=0, day_usd=1.5)) as w:
        await w.says("hello")
        reply = await w.hears()
        assert reply.outcome == "failed"
        assert reply.receipt["cost_usd"] == pytest.approx(await spent_today(w))
        assert await spent_today(w) == pytest.approx(0.4 * len(w.model.requests), rel=0.01)
        assert await spent_today(w) > 1.0
        await w.says("again")
        assert "today" in (await w.hears()).question


HALF = say("half of it " * 40) + usage(input=100_000, output=0) + hang(after=12)
"""$0.40 to read, and no end."""


async def test_a_request_that_somebody_stops_counts(world):
    async with world([HALF]) as w:
        conversation = await w.says("work")
        await seen(w, "half of")
        await w.link.call("stop", conversation=conversation)
        assert (await w.hears()).outcome == "stopped"
        assert await spent_today(w) == pytest.approx(0.4, rel=0.01)


async def test_a_request_that_our_own_end_breaks_off_counts(configured, shop):
    async with FakeAnthropic([HALF, say("Done.") + usage(input=0, output=0)]) as model:
        config = configured(model)
        async with living(config, model, shop) as w:
            conversation = await w.says("work")
            await seen(w, "half of")
        async with living(config, model, shop) as w:
            await w.link.call("attach", conversation=conversation)
            assert (await w.hears()).text == "Done."
            assert 0 < await spent_today(w) < 0.2
            assert "error" in await w.kinds(conversation)


async def test_ends_of_ours_cannot_pass_a_limit_together(configured, shop):
    async with FakeAnthropic(lambda _: HALF) as model:
        config = configured(model, budget=Budget(run_usd=0, day_usd=0.4))
        async with living(config, model, shop) as w:
            conversation = await w.says("work")
            words = await first_words(w)
        while "of the $0.40 today" not in words:
            assert len(model.requests) < 10
            async with living(config, model, shop) as w:
                await w.link.call("attach", conversation=conversation)
                words = await first_words(w)
        assert len(model.requests) > 1


async def first_words(w):
    """What is asked, or what the model begins to say."""
    async with asyncio.timeout(30):
        while True:
            event = await w.link.next_event()
            if isinstance(event, Ask):
                return event.question
            if "half of" in getattr(event, "text", ""):
                return event.text


async def seen(w, words):
    """Wait until the model has said these words."""
    async with asyncio.timeout(30):
        while words not in getattr(await w.link.next_event(), "text", ""):
            pass


async def test_a_scheduled_run_counts_though_it_says_nothing(world):
    standing = call("schedule", when="every weekday at 09:00", prompt="What changed?")
    script = [standing, say("I will."), call("nothing_new") + DEAR]
    async with world(script, budget=Budget(schedule_day_usd=0.6)) as w:
        conversation = await w.says("tell me every weekday at 9 what changed")
        await answers(w, conversation, "Save", (await w.hears()).ask)
        await w.hears()
        (row,) = await w.link.call("schedule", action="list")
        before = await spent_today(w)
        await w.link.call("schedule", action="run", name=row["id"])
        await ended(w, row["id"])
        await w.link.call("schedule", action="run", name=row["id"])
        assert "of the $0.60 for this schedule today" in (await w.hears()).question
        costs = {row["schedule"]: row["cost_usd"] for row in await costs_by_schedule(w)}
        assert costs[row["id"]] == pytest.approx(await spent_today(w) - before)
        assert costs[row["id"]] > 0.3


async def ended(w, schedule):
    """Wait until its last run is over."""
    async with asyncio.timeout(30):
        while [each["outcome"] for each in await history(w, schedule)] != ["nothing"]:
            await asyncio.sleep(0.02)


async def history(w, schedule):
    return await w.link.call("schedule", action="history", name=schedule)


async def costs_by_schedule(w):
    return await w.link.call("cost", by="schedule")
