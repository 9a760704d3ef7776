"""The audit as the owner of the machine uses it, and the head that is kept elsewhere."""

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime

import pytest

from coworker.audit import Audit
from coworker.policy.standing import SYSTEM
from coworker.settings import Audit as AuditRoom
from coworker.settings import Budget, Config
from coworker.store.database import FILE
from coworker.store.log import Batch, Log
from coworker.store.memory import Memory
from coworker.types import Entry, Inbound, Place
from tests.conftest import living
from tests.fakes.anthropic import FakeAnthropic, say

ROOM = "slack:C0OPS"
DAY_MS = 86_400_000
MORNING = int(datetime(2026, 11, 21, 7, tzinfo=UTC).timestamp() * 1000)


class Clock:
    """Stands still until it is set."""

    now = MORNING

    def now_ms(self):
        """The time that it was set to."""
        return self.now


class Ports:
    """The few things that an audit needs."""

    def __init__(self, log, room=ROOM):
        self.log, self.clock = log, Clock()
        self.config = Config(budget=Budget(), audit=AuditRoom(room=room))


@pytest.fixture
async def ports(tmp_path):
    log = Log(tmp_path, pytest.fail)
    yield Ports(log)
    await log.close()


async def talk(ports, thread, text="hi"):
    place, log = Place("slack", "C1", thread), ports.log
    body = {"text": text, "sender": "slack:U1"}
    event = f"{thread}:{text}"
    await log.ingest(Inbound("slack", event, place.conversation, "message", body, place), 1)
    rows, first = log.open_inbox(place.conversation), log.conversation(place.conversation).next_seq
    made = [Entry(first, first, "user", body, ports.clock.now)]
    await log.append(place.conversation, Batch(made, rows, "answered", state="idle"))
    return place.conversation


def rewrite(tmp_path, conversation):
    """Replace what was said and mend the chain, as somebody who knows this program can."""
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        db.execute("DELETE FROM entry WHERE conversation = ?", (conversation,))
        db.execute("UPDATE conversation SET next_seq = 1 WHERE id = ?", (conversation,))


async def test_a_head_is_held_to_what_it_was_taken_of(ports, tmp_path):
    audit = Audit(ports, lambda _: None)
    first = await talk(ports, "1.0")
    second = await talk(ports, "2.0")
    head = (await audit.head())["hash"]
    await talk(ports, "1.0", "and more")
    await talk(ports, "3.0")
    later = (await audit.head())["hash"]
    for known in (head, later, ""):
        assert (await audit.verify(known))["faults"] == []
    rewrite(tmp_path, second)
    await talk(ports, "2.0", "what I never said")
    for known in (head, later, ""):
        (fault,) = (await audit.verify(known))["faults"]
        assert (fault["conversation"], fault["seq"]) == (second, 1)
    assert first != second


def remove(tmp_path, conversation, last=1):
    """Cut a conversation off before that entry, and with the first one remove all of it."""
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        db.execute("DELETE FROM entry WHERE conversation = ? AND seq >= ?", (conversation, last))
        sql = "UPDATE conversation SET next_seq = ? WHERE id = ?"
        db.execute(sql, (last, conversation))
        if last == 1:
            db.execute("DELETE FROM conversation WHERE id = ?", (conversation,))


@pytest.mark.parametrize("last", [1, 2])
async def test_without_a_head_the_last_one_on_record_counts(ports, tmp_path, last):
    audit = Audit(ports, lambda _: None)
    place = await talk(ports, "1.0")
    await talk(ports, "1.0", "and more")
    seen = await audit.verify()
    assert (seen["head"], seen["faults"]) == ("", [])
    head = (await audit.head())["hash"]
    seen = await audit.verify()
    assert (seen["head"], seen["faults"]) == (head, [])
    remove(tmp_path, place, last)
    (fault,) = (await audit.verify())["faults"]
    assert (fault["conversation"], fault["seq"]) == (place, 2)
    assert head[:12] in fault["what"]


@pytest.mark.parametrize("word", ["hash", "heads", "gone"])
async def test_a_record_of_heads_that_was_changed_is_told_and_not_believed(ports, tmp_path, word):
    audit = Audit(ports, lambda _: None)
    await talk(ports, "1.0")
    head = (await audit.head())["hash"]
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
        sql = "UPDATE entry SET body = replace(body, ?, ?) WHERE conversation = 'system'"
        assert db.execute(sql, (f'"{word}"', '"other"')).rowcount == 1
    for known in ("", head, "0" * 64):
        (fault,) = (await audit.verify(known))["faults"]
        assert (fault["conversation"], fault["seq"]) == ("system", 1)


async def test_an_empty_database_beside_what_was_made_from_one_is_told(ports, tmp_path):
    audit = Audit(ports, lambda _: None)
    assert (await audit.verify())["faults"] == []
    memory = Memory(tmp_path / "repos" / "shop.db")
    assert (await audit.verify())["faults"] == []
    memory.advance("slack:C1:1.0", 5)
    memory.close()
    (fault,) = (await audit.verify())["faults"]
    assert (fault["conversation"], fault["seq"]) == (FILE, 0)
    assert "that was lost" in fault["what"]
    (tmp_path / "repos" / "shop.db").write_bytes(b"broken")
    assert (await audit.verify())["faults"] == []
    (tmp_path / "workspaces" / "t-1").mkdir(parents=True)
    assert (await audit.verify())["faults"] == [fault]


async def test_a_head_that_nobody_took_here_is_no_proof(ports):
    audit = Audit(ports, lambda _: None)
    await talk(ports, "1.0")
    await audit.head()
    (fault,) = (await audit.verify("0" * 64))["faults"]
    assert "taken elsewhere" in fault["what"]


async def test_what_retention_deleted_is_said_and_is_no_fault(ports):
    audit = Audit(ports, lambda _: None)
    old = await talk(ports, "1.0")
    ports.clock.now += DAY_MS
    await talk(ports, "2.0")
    head = (await audit.head())["hash"]
    assert await ports.log.expire(ports.clock.now, ports.clock.now) == 1
    seen = await audit.verify(head)
    assert (seen["faults"], seen["expired"]) == ([], [old])


async def test_who_deletes_what_had_expired_before_is_found(ports, tmp_path):
    audit = Audit(ports, lambda _: None)
    old = await talk(ports, "1.0")
    await ports.log.expire(ports.clock.now + 1, ports.clock.now)
    await talk(ports, "1.0", "here again")
    head = (await audit.head())["hash"]
    rewrite(tmp_path, old)
    (fault,) = (await audit.verify(head))["faults"]
    assert fault["conversation"] == old


async def test_one_head_a_day_is_posted_also_across_restarts(ports):
    heard = []
    await talk(ports, "1.0")
    audit = Audit(ports, heard.append)
    for hour in range(47):
        ports.clock.now = MORNING + hour * 3_600_000
        audit = Audit(ports, heard.append) if hour % 5 == 0 else audit
        await audit.post()
    said = [outbound for outbound, _ in ports.log.undelivered()]
    days = [outbound.key for outbound in said]
    assert days == ["audit:2026-11-21", "audit:2026-11-22"]
    assert {outbound.place for outbound in said} == {Place("slack", "C0OPS")}
    posted = said[0].body["text"].split("`")[1]
    assert (await audit.verify(posted))["faults"] == []
    taken = [e for e in ports.log.entries(SYSTEM.conversation) if e.body["what"] == "head"]
    assert len(taken) == 2


async def test_the_hour_is_that_of_the_configured_zone(ports):
    ports.config = Config(timezone="America/New_York", audit=AuditRoom(room=ROOM))
    await Audit(ports, lambda _: None).post()
    ((said, _),) = ports.log.undelivered()
    assert said.key == "audit:2026-11-20"


async def test_the_command_line_says_what_is_wrong_and_ends_with_1(configured, shop):
    async def coworker(*arguments):
        command = [sys.executable, "-m", "coworker", "audit", *arguments]
        pipe = asyncio.subprocess.PIPE
        ran = await asyncio.create_subprocess_exec(
            *command, "--state-dir", str(config.state), stdout=pipe, stderr=pipe
        )
        out, complaint = await ran.communicate()
        assert not complaint
        return ran.returncode, out.decode().strip()

    async with FakeAnthropic([say("Yes."), say("Yes.")]) as model:
        config = configured(model)
        async with living(config, model, shop) as w:
            conversation = await w.says("one")
            await w.hears()
            status, head = await coworker("head")
            assert (status, len(head)) == (0, 64)
            status, out = await coworker("verify", "--head", head)
            assert status == 0
            assert "every chain holds. Nothing was changed since that head." in out
            _, out = await coworker("verify")
            assert out.endswith("Nothing was changed since the last head on record.")
    with closing(sqlite3.connect(config.state / FILE, isolation_level=None)) as db:
        sql = "UPDATE entry SET body = replace(body, 'one', 'two') WHERE kind = 'user'"
        assert db.execute(sql).rowcount == 1
    status, out = await coworker("verify")
    assert status == 1
    assert f"✗ {conversation}/" in out
    assert "what it says was changed" in out
    status, out = await coworker("verify", "--json")
    assert (status, json.loads(out)["faults"][0]["conversation"]) == (1, conversation)
