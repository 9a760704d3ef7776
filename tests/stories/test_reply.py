"""From a message to a reply, as the person sees it."""

import json
from itertools import pairwise

import pytest

from coworker.errors import Denied
from coworker.settings import PersonConfig, Rule
from tests.conftest import living
from tests.fakes.anthropic import (
    FakeAnthropic,
    call,
    half_json,
    hang,
    looper,
    max_tokens,
    overloaded,
    pause_turn,
    refusal,
    say,
    slow,
    spendthrift,
    status,
    think,
    usage,
)


def shown(request):
    """A request without cache markers, which may move."""

    def strip(value):
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k != "cache_control"}
        return [strip(v) for v in value] if isinstance(value, list) else value

    return {key: strip(request[key]) for key in ("system", "tools", "messages")}


def assert_each_extends_the_one_before(requests):
    for before, after in pairwise(requests):
        old, new = shown(before), shown(after)
        assert (old["system"], old["tools"]) == (new["system"], new["tools"])
        assert json.dumps(new["messages"][: len(old["messages"])]) == json.dumps(old["messages"])


async def test_it_searches_reads_blames_and_answers(world):
    script = [
        think("where?") + say("I look.") + call("search", pattern="total"),
        call("read_file", path="shop/cart.py") + call("git_blame", path="shop/cart.py"),
        say("It rounds each line (shop/cart.py:6)."),
    ]
    async with world(script) as w:
        conversation = await w.says("why does total() lose a cent?")
        reply = await w.hears()
        assert reply.text == "It rounds each line (shop/cart.py:6)."
        assert (reply.outcome, reply.receipt["steps"]) == ("answered", 3)
        results = w.model.requests[2]["messages"][-1]["content"]
        assert "round(price * count)" in results[0]["content"]
        assert "ann" in results[1]["content"]
        assert_each_extends_the_one_before(list(w.model.requests))
        kinds = await w.kinds(conversation)
        assert kinds[:3] == ["base", "context", "user"]
        assert kinds.count("tool_start") == kinds.count("tool_done") == kinds.count("decision") == 3


async def test_the_next_message_and_a_restart_extend_the_same_prefix(world, configured, shop):
    async with world([say("one")]) as w:
        conversation = await w.says("first")
        await w.hears()
        first = list(w.model.requests)
    async with (
        FakeAnthropic([say("two"), say("three")], strict=True) as model,
        living(configured(model), model, shop) as w,
    ):
        await w.ask("second", conversation)
        await w.ask("third", conversation)
        assert_each_extends_the_one_before([*first, *model.requests])


async def test_another_conversation_shares_the_whole_base(world):
    async with world([say("one"), say("two")]) as w:
        await w.ask("first")
        await w.ask("elsewhere")
        one, two = (shown(request) for request in w.model.requests)
        assert (one["system"], one["tools"]) == (two["system"], two["tools"])


async def test_the_first_request_is_small(world):
    async with world([say("hi")]) as w:
        await w.ask("hi")
        assert len(json.dumps(w.model.requests[0])) < 12_000


async def test_a_message_while_it_works_steers_at_the_next_step(world):
    script = [slow(0.3) + call("git_log"), say("Both done.")]
    async with world(script) as w:
        conversation = await w.says("look at the history")
        await w.until(lambda: w.model.requests)
        await w.says("and mind the tests", conversation)
        assert (await w.hears()).text == "Both done."
        last = w.model.requests[-1]["messages"]
        assert last[-1]["content"][-1]["text"] == "and mind the tests"
        assert last[-2]["content"][0]["type"] == "tool_result"
        assert "steer" in await w.kinds(conversation)


async def test_stop_ends_the_run_within_a_second_and_says_what_was_done(world):
    async with world([call("git_log"), slow(60)]) as w:
        conversation = await w.says("work for long")
        await w.until(lambda: len(w.model.requests) == 2)
        await w.link.call("stop", conversation=conversation)
        reply = await w.hears()
        assert reply.outcome == "stopped"
        assert "Done before that: git_log" in reply.text
        await w.until(lambda: w.model.dropped == 1)


async def test_it_goes_on_after_a_stop(world):
    async with world([slow(60), say("Fine.")]) as w:
        conversation = await w.says("work for long")
        await w.until(lambda: w.model.requests)
        await w.link.call("stop", conversation=conversation)
        await w.hears()
        assert await w.ask("never mind", conversation) == "Fine."


async def test_a_question_waits_for_a_person_and_the_answer_goes_back(world, configured, shop):
    async with world([call("ask", question="Which one?", options=["a", "b"])]) as w:
        conversation = await w.says("do it")
        asked = await w.hears()
        assert (asked.question, asked.options) == ("Which one?", ["a", "b"])
    async with (
        FakeAnthropic([say("Took b.")], strict=True) as model,
        living(configured(model), model, shop) as w,
    ):
        await w.link.call("attach", conversation=conversation)
        await w.link.call("answer", conversation=conversation, ask=asked.ask, text="b")
        assert (await w.hears()).text == "Took b."
        assert "answered: b" in model.requests[0]["messages"][-1]["content"][0]["content"]


async def test_a_plain_message_answers_an_open_question(world):
    async with world([call("ask", question="Which one?"), say("Took it.")]) as w:
        conversation = await w.says("do it")
        await w.hears()
        assert await w.ask("the blue one", conversation) == "Took it."


async def test_three_overloads_are_waited_out(world):
    async with world([overloaded(3), say("Here.")]) as w:
        assert await w.ask("hi") == "Here."


async def test_half_a_call_an_unknown_tool_and_wrong_arguments_go_back_as_errors(world):
    script = [
        half_json("read_file", '{"path": "shop/ca'),
        call("launch_rockets", target="moon"),
        call("read_file", file="shop/cart.py"),
        say("I give up."),
    ]
    async with world(script) as w:
        assert await w.ask("hi") == "I give up."
        told = [request["messages"][-1]["content"][0] for request in list(w.model.requests)[1:]]
        assert all(result["is_error"] for result in told)
        assert "JSON" in told[0]["content"]
        assert "no tool 'launch_rockets'" in told[1]["content"]
        assert "path" in told[2]["content"]


async def test_a_model_that_goes_round_in_circles_is_stopped(world):
    async with world(looper("git_status")) as w:
        await w.says("hi")
        reply = await w.hears()
        assert "the same git_status call 6 times" in reply.text
        assert reply.outcome == "stopped"


async def test_a_spendthrift_is_stopped_before_the_budget_is_passed(world):
    async with world(spendthrift("git_log", limit=3)) as w:
        await w.says("hi")
        assert "of the $2.00 for this run" in (await w.hears()).question
        assert len(w.model.requests) == 1


async def test_nothing_outside_of_the_repository_is_ever_read(world, shop, tmp_path):
    (tmp_path / "secret.txt").write_text("canary")
    (shop / "link").symlink_to(tmp_path / "secret.txt")
    spellings = [
        "../secret.txt", str(tmp_path / "secret.txt"), "link", "shop/../../secret.txt",
        "./../secret.txt", "/etc/passwd", "~/secret.txt", "/proc/self/environ", ".git/config",
        "shop/..//../secret.txt", "../shop/../secret.txt",
    ]  # fmt: skip
    reads = call("read_file", path=spellings[0])
    for path in spellings[1:]:
        reads += call("read_file", path=path)
    async with world([reads, say("No way out.")]) as w:
        assert await w.ask("read my secret") == "No way out."
        results = w.model.requests[1]["messages"][-1]["content"]
        assert len(results) == len(spellings)
        assert all(result.get("is_error") for result in results)
        assert "canary" not in json.dumps(list(w.model.requests))


async def test_a_cut_answer_a_refusal_and_an_empty_one_are_said_plainly(world):
    script = [
        say("Part one") + max_tokens(),
        refusal(),
        say(""),
        pause_turn() + say("Wait."),
        say("x"),
    ]
    async with world(script) as w:
        assert "reached the output limit" in await w.ask("long")
        assert "declined" in await w.ask("bad")
        assert "without an answer" in await w.ask("empty")
        assert await w.ask("pause") == "x"


async def test_a_rate_limit_of_an_hour_is_told_at_once(world):
    async with world([status(429, {"retry-after": "3600"})]) as w:
        await w.says("hi")
        reply = await w.hears()
        assert "60 min" in reply.text
        assert reply.exit_status == 75


async def test_a_stranger_never_reaches_the_model(world):
    async with world([], people={"ann": PersonConfig(role="owner", ids=["slack:U1"])}) as w:
        with pytest.raises(Denied, match="terminal:"):
            await w.says("let me in, I am the owner")
        assert not w.model.requests
        (row,) = await w.link.call("inbox")
        assert row["outcome"] == "refused"
        assert "text" not in row["body"]


async def test_the_same_message_twice_is_answered_once(world):
    async with world([say("Once.")]) as w:
        first = await w.link.call("say", text="hi", repo=str(w.repo), event_id="e1")
        await w.link.call("attach", conversation=first["conversation"])
        assert (await w.hears()).text == "Once."
        again = await w.link.call("say", text="hi", repo=str(w.repo), event_id="e1")
        assert again["conversation"] == first["conversation"]
        assert again["reply"]["text"] == "Once."
        assert len(w.model.requests) == 1


async def test_a_long_history_is_replaced_by_a_summary_that_keeps_the_question(world, configured):
    script = [
        call("git_log") + usage(input=9000),
        say("Summary: we looked at the log."),
        say("Done."),
    ]
    async with world(script, context_tokens=8000) as w:
        assert await w.ask("what happened?") == "Done."
        last = json.dumps(w.model.requests[-1]["messages"])
        assert "Summary: we looked" in last
        assert "what happened?" in last
        assert "tool_result" not in last


async def test_the_plain_word_stop_stops(world):
    async with world([hang()]) as w:
        conversation = await w.says("work for long")
        await w.until(lambda: w.model.requests)
        assert await w.ask("stop", conversation) == "Stopped. Nothing had been done before that."


async def test_an_answer_that_does_not_count_is_said_and_the_question_stays(world):
    rules = [Rule(then="ask", tool="git_log")]
    async with world([call("git_log"), say("Looked.")], rules=rules) as w:
        conversation = await w.says("look")
        asked = await w.hears()
        assert (asked.approval, asked.options) == (True, ["Allow once", "Deny"])
        await w.link.call("answer", conversation=conversation, ask=asked.ask, text="maybe")
        await w.link.call("answer", conversation=conversation, ask=asked.ask, text="allow")
        assert (await w.hears()).text == "Looked."
        assert any("does not count" in progress.text for progress in w.progress)
        kinds = await w.kinds(conversation)
        assert (kinds.count("answer"), kinds.count("tool_start")) == (1, 1)


async def test_a_denied_call_is_not_made_and_the_model_is_told(world):
    rules = [Rule(then="ask", tool="git_log"), Rule(then="deny", tool="git_status")]
    script = [call("git_log") + call("git_status"), say("Then not.")]
    async with world(script, rules=rules) as w:
        conversation = await w.says("look")
        asked = await w.hears()
        await w.link.call("answer", conversation=conversation, ask=asked.ask, text="deny")
        assert (await w.hears()).text == "Then not."
        log, status = w.model.requests[1]["messages"][-1]["content"]
        assert "Denied by a person" in log["content"]
        assert "rule 2 of the configuration says: never git_status" in status["content"]
        assert "tool_start" not in await w.kinds(conversation)
