"""Questions about the past: what it has cost, and why a reply came about."""

import asyncio
import json
import sys
from datetime import UTC, datetime

import pytest

from coworker.errors import NotFound, UsageError
from coworker.settings import PersonConfig, Rule
from coworker.store.log import Batch, Log
from coworker.types import Entry, Inbound, Place
from tests.conftest import living
from tests.fakes.anthropic import call, say, usage

DEAR = usage(output=15_000)


async def coworker(w, *arguments):
    command = [sys.executable, "-m", "coworker", *arguments, "--state-dir", w.config.state_dir]
    pipe = asyncio.subprocess.PIPE
    ran = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    out, complaint = await ran.communicate()
    return ran.returncode, out.decode(), complaint.decode()


async def delivered(w, conversation):
    async with asyncio.timeout(30):
        while not (seen := await w.link.call("why", what=conversation))["delivery"]:
            await asyncio.sleep(0.01)
    return seen


async def test_however_costs_are_summed_it_is_the_same_sum(world):
    async with world(lambda _: say("Yes.") + DEAR) as w:
        first = await w.says("one")
        await w.hears()
        await w.says("two", first)
        await w.hears()
        await w.says("three")
        await w.hears()
        today = (await w.link.call("status"))["spend_today_usd"]
        for by in ("conversation", "repo", "person", "schedule", "day", "skill"):
            rows = await w.link.call("cost", by=by)
            assert sum(row["requests"] for row in rows) == 3
            assert sum(row["cost_usd"] for row in rows) == pytest.approx(today)
            assert await w.link.call("cost", by=by, days=1) == rows
        assert [row["requests"] for row in await w.link.call("cost")] == [2, 1]
        assert [row["repo"] for row in await w.link.call("cost", by="repo")] == ["shop"]
        assert [row["person"] for row in await w.link.call("cost", by="person")] == ["you"]
        assert [row["day"] for row in await w.link.call("cost", by="day")] == [
            f"{datetime.now(UTC):%Y-%m-%d}"
        ]
        with pytest.raises(UsageError, match="Use one of conversation"):
            await w.link.call("cost", by="moon")


async def test_the_command_line_prints_a_table_with_its_total(world):
    async with world([say("Yes.") + DEAR]) as w:
        await w.ask("one")
        status, out, _ = await coworker(w, "cost", "--by", "repo")
        lines = [line.split() for line in out.splitlines()]
        assert (status, lines[0]) == (0, ["repo", "requests", "cost"])
        assert [line[0] for line in lines[1:]] == ["shop", "total"]
        assert lines[1][2] == lines[2][2] == "$0.31"
        _, out, _ = await coworker(w, "cost", "--by", "repo", "--since", "1", "--json")
        assert json.loads(out)["requests"] == 1
        assert (await coworker(w, "cost", "--since", "-1"))[0] == 2


async def test_a_person_is_named_whichever_id_spoke(world):
    people = {"ann": PersonConfig(role="owner", ids=["terminal:*", "slack:U1"])}
    async with world([say("Yes.") + DEAR], people=people) as w:
        await w.ask("one")
        assert [row["person"] for row in await w.link.call("cost", by="person")] == ["ann"]


async def test_cost_in_chat_says_what_is_left(world):
    async with world([say("Yes.") + DEAR]) as w:
        conversation = await w.says("one")
        await w.hears()
        said = await w.link.call("say", text="!cost", conversation=conversation)
        assert said["answer"] == "This conversation: $0.31. Today: $0.31 of $20.00."


async def test_why_goes_from_a_reply_back_to_who_asked_and_who_allowed(world):
    script = [call("git_log", limit=3), say("One commit.")]
    async with world(script, rules=[Rule(then="ask", tool="git_log")]) as w:
        conversation = await w.says("what changed?", event_id="ev-1")
        await w.hears()
        await w.link.call("answer", conversation=conversation, ask=1, text="Allow once")
        await w.hears()
        seen = await delivered(w, conversation)
        run = seen["run"]
        assert seen["asked"][0]["text"] == "what changed?"
        first, second = seen["steps"]
        assert first["model"] == "claude-opus-5-5"
        assert first["tokens"] > 0 < first["cost_usd"]
        (looked,) = first["calls"]
        assert (looked["verdict"], looked["answer"], looked["by"]) == ("ask", "Allow once", "you")
        assert "git_log" in looked["reason"]
        assert (second["calls"], seen["reply"]["text"]) == ([], "One commit.")
        assert seen["delivery"]["at"] >= seen["reply"]["at"]
        for what in (f"{conversation}/{run}", "ev-1"):
            assert await w.link.call("why", what=what) == seen
        short = await w.link.call("say", text="!why", conversation=conversation)
        assert "git_log" in short["answer"]
        assert "you said Allow once" in short["answer"]
        status, out, _ = await coworker(w, "why", "ev-1")
        assert status == 0
        assert "what changed?" in out
        assert "you said Allow once" in out
        assert "reply: One commit." in out


async def test_why_of_what_never_was(world):
    async with world([]) as w:
        with pytest.raises(NotFound, match="no run, conversation or message 4711"):
            await w.link.call("why", what="4711")
        assert (await coworker(w, "why", "4711"))[0] == 66


async def test_a_number_that_two_rooms_have_is_not_guessed(configured, shop):
    config = configured(None)
    log = Log(config.state, pytest.fail)
    for room in ("-1", "-2"):
        place = Place("telegram", room)
        body = {"text": "hi", "sender": "telegram:1", "message": "57", "head": "ann"}
        heard = Inbound("telegram", f"{room}:57", place.conversation, "message", body, place)
        await log.ingest(heard, 1)
        rows, entry = log.open_inbox(place.conversation), Entry(1, 1, "user", body, 1)
        await log.append(place.conversation, Batch([entry], rows, "answered", state="idle"))
    await log.close()
    async with living(config, None, shop) as w:
        with pytest.raises(UsageError, match="Say which: telegram:-1/1, telegram:-2/1"):
            await w.link.call("why", what="57")
        assert (await w.link.call("why", what="-1:57"))["conversation"] == "telegram:-1"
