"""What a person hears when something breaks, on our side or beside us."""

import asyncio
import shutil
import time
from contextlib import closing

import pytest

from coworker.errors import NotFound
from coworker.settings import ModelConfig, Models
from coworker.store import audit
from coworker.store.database import FILE
from coworker.store.log import Batch, Log
from coworker.store.writer import connect
from coworker.types import ConversationId, Entry, Inbound, Place
from tests.conftest import living
from tests.fakes.anthropic import FakeAnthropic, call, hang, say

BROKEN = ConversationId("t-broken")


async def lay_down(state_dir, *entries):
    """A conversation that is in the middle of a run, as an earlier process left it."""
    log = Log(state_dir, on_fatal=lambda error: None)
    body = {"text": "hi", "sender": "terminal:root"}
    place = Place("terminal", BROKEN)
    await log.ingest(Inbound("terminal", "e1", BROKEN, "message", body, place), 1)
    await log.append(BROKEN, Batch(entries, take=log.open_inbox(BROKEN)))
    await log.close()


async def test_a_log_that_cannot_be_read_is_said_once_and_left_alone(configured, shop, tmp_path):
    nonsense = Entry(1, 1, "tool_done", {"what": "is this"}, 1)
    await lay_down(tmp_path / "state", nonsense)
    async with FakeAnthropic([]) as model, living(configured(model), model, shop) as w:
        await w.link.call("attach", conversation=BROKEN)
        reply = await w.hears()
        assert "Something broke inside coworker" in reply.text
        assert (await w.link.call("inbox"))[0]["outcome"] == "failed"
        assert (await w.link.call("status"))["running"] == []
        assert len(await w.link.call("log", conversation=BROKEN)) == 1


async def test_a_call_that_ended_the_process_three_times_is_not_made_again(
    configured, shop, tmp_path
):
    user = {"text": "hi", "sender": "terminal:root", "head": "root"}
    calling = {
        "content": [{"type": "tool_use", "id": "c1", "name": "git_status", "input": {}}],
        "stop_reason": "tool_use",
        "usage": {},
        "cost_usd": 0,
        "model": "m",
    }
    start = {"call": "c1", "tool": "git_status"}
    kinds = [
        ("base", {"system": "s", "tools": [], "tier": "large"}),
        ("user", user),
        ("assistant", calling),
        ("decision", {**start, "verdict": "allow", "reason": ""}),
        *[("tool_start", start)] * 3,
    ]
    now = time.time_ns() // 1_000_000
    entries = [Entry(n, 1, kind, body, now) for n, (kind, body) in enumerate(kinds, 1)]
    await lay_down(tmp_path / "state", *entries)
    async with (
        FakeAnthropic([say("Without it.")]) as model,
        living(configured(model), model, shop) as w,
    ):
        await w.link.call("attach", conversation=BROKEN)
        assert (await w.hears()).text == "Without it."
        (result,) = model.requests[0]["messages"][-1]["content"]
        assert "ended 3 times during this call" in result["content"]


async def test_a_repository_that_went_away_is_said_and_does_not_break_the_run(world, shop):
    async with world([say("Fine."), call("git_log"), say("It is gone.")]) as w:
        await w.ask("hi")
        name = (await w.link.call("repos"))[0]["name"]
        shutil.rmtree(shop)
        said = await w.link.call("say", text="look", repo=name)
        await w.link.call("attach", conversation=said["conversation"])
        assert (await w.hears()).text == "It is gone."


async def test_a_repository_that_is_none_is_refused_before_anything_is_stored(world, tmp_path):
    async with world([]) as w:
        with pytest.raises(NotFound, match="no git repository"):
            await w.link.call("say", text="hi", repo=str(tmp_path))
        assert await w.link.call("inbox") == []


async def test_a_conversation_that_does_not_exist_is_refused(world):
    async with world([]) as w:
        with pytest.raises(NotFound, match="no conversation t-nowhere"):
            await w.says("hi", "t-nowhere")


async def test_when_every_model_is_away_the_offline_model_says_so_and_why(configured, shop):
    nobody = ModelConfig(model="claude-opus-5-5", base_url="http://127.0.0.1:9")
    config = configured(None, models=Models(large=nobody))
    async with living(config, FakeAnthropic([]), shop) as w:
        text = await w.ask("what changed this week?")
        assert "cannot be reached" in text
        assert "offline" in text.lower()
        assert "Add the cart" in text
        (row,) = await w.link.call("inbox")
        assert row["outcome"] == "failed"


async def test_the_owner_dies_and_the_next_one_goes_on_with_the_same_prefix(configured, shop):
    async with FakeAnthropic([call("git_log"), hang(), say("There.")], strict=True) as model:
        async with living(configured(model), model, shop) as w:
            conversation = await w.says("look")
            await w.until(lambda: len(model.requests) == 2)
        async with living(configured(model), model, shop) as w:
            await w.link.call("attach", conversation=conversation)
            assert (await w.hears()).text == "There."
            assert model.requests[1]["messages"] == model.requests[2]["messages"]
            kinds = await w.kinds(conversation)
            assert kinds.count("reply") == 1


async def test_two_conversations_do_not_wait_for_each_other(world):
    def script(request):
        words = request["messages"][-1]["content"][-1]["text"]
        return hang() if words == "slow" else say("Quick.")

    async with world(script) as w:
        await w.says("slow")
        assert await w.ask("quick") == "Quick."


async def test_the_key_of_the_model_is_nowhere_on_disk(configured, shop, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-key-12345")
    async with FakeAnthropic([say("Hi.")]) as model:
        config = configured(model)
        async with living(config, model, shop) as w:
            await w.ask("hi")
        assert "canary-key-12345" in str(list(model.headers))
    files = [path for path in config.state.rglob("*") if path.is_file()]
    assert files
    assert not any(b"canary-key-12345" in path.read_bytes() for path in files)


async def test_nobody_else_can_read_the_state(world, configured):
    async with world([say("Hi.")]) as w:
        await w.ask("hi")
        state = w.config.state
        assert state.stat().st_mode & 0o077 == 0
        assert (state / FILE).stat().st_mode & 0o077 == 0
        assert (state / "coworker.sock").stat().st_mode & 0o077 == 0


async def test_the_chain_of_a_real_conversation_holds(world):
    async with world([call("git_log"), say("Done.")]) as w:
        await w.says("look")
        await w.hears()
        state = w.config.state
    await asyncio.sleep(0)
    log = Log(state, on_fatal=lambda error: None)
    assert await log.apart(lambda db: [*audit.faults(db)]) == []
    await log.close()
    with closing(connect(state / FILE, read_only=True)) as db:
        assert db.execute("SELECT count(*) FROM entry WHERE kind = 'reply'").fetchone() == (1,)
