"""The log: accepted once, appended in order, chained, and still there."""

import sqlite3

import pytest

from coworker.errors import ConfigError, Conflict, TryLater
from coworker.store import audit, schema
from coworker.store.database import FILE
from coworker.store.log import Batch, Log
from coworker.types import ConversationId, Entry, Inbound, Outbound, Place

HERE = ConversationId("t-1")
PLACE = Place("terminal", "t-1")


def open_log(folder):
    return Log(folder, on_fatal=lambda error: None)


@pytest.fixture
async def log(tmp_path):
    made = open_log(tmp_path)
    yield made
    await made.close()


def message(event_id="e1", text="hi"):
    body = {"text": text, "sender": "terminal:ann"}
    return Inbound("terminal", event_id, HERE, "message", body, PLACE, "shop")


def entry(seq, kind="user", **body):
    return Entry(seq, 1, kind, body, at=1000 + seq)


async def begin(log):
    await log.ingest(message(), 1)
    await log.append(HERE, Batch([entry(1, text="hi")], take=log.open_inbox(HERE)))


async def test_the_same_event_is_accepted_once(log):
    assert await log.ingest(message(), 1)
    assert not await log.ingest(message(text="changed"), 2)
    assert [row.body["text"] for row in log.open_inbox(HERE)] == ["hi"]
    assert log.conversation(HERE).repo == "shop"


async def test_taking_a_message_and_appending_are_one_step(log):
    await begin(log)
    assert log.open_inbox(HERE) == []
    assert log.received(10)[0]["outcome"] == "running"


async def test_a_second_writer_of_the_same_entry_loses(log):
    await begin(log)
    await log.append(HERE, Batch([entry(2)]))
    with pytest.raises(Conflict):
        await log.append(HERE, Batch([entry(2)]))
    with pytest.raises(Conflict):
        await log.append(HERE, Batch([entry(4)]))
    assert [e.seq for e in await log.load(HERE)] == [1, 2]


async def test_a_reply_closes_the_messages_of_its_run(log):
    await begin(log)
    await log.append(HERE, Batch([entry(2, "reply")], outcome="answered", state="idle"))
    assert log.received(10)[0]["outcome"] == "answered"
    assert log.state(HERE) == "idle"
    assert log.ready_conversations() == []


async def test_a_conversation_with_mail_is_never_put_to_rest(log):
    await begin(log)
    await log.ingest(message("e2"), 5)
    await log.append(HERE, Batch([entry(2, "reply")], state="idle"))
    assert log.state(HERE) == "ready"
    await log.settle(HERE, "idle", 0)
    assert log.ready_conversations() == [HERE]


async def test_an_outbound_is_kept_until_it_is_known_to_have_arrived(log):
    await begin(log)
    out = Outbound("t-1:1:2", HERE, "reply", {"text": "yes", "run": 1}, PLACE)
    await log.append(HERE, Batch([entry(2, "reply")], outbox=[out], state="idle"))
    assert log.undelivered(HERE) == [(out, "pending")]
    await log.sending(out.key)
    assert log.undelivered()[0][1] == "sending"
    await log.sent(out, "remote", 9)
    await log.sent(out, "remote", 9)
    assert log.undelivered() == []
    (row,) = log.open_inbox(HERE)
    assert (row.kind, row.body["remote_id"]) == ("sent", "remote")


async def test_a_body_beyond_the_limit_comes_back_whole(log):
    await begin(log)
    text = "ü" * 50_000
    await log.append(HERE, Batch([entry(2, "assistant", text=text, cost_usd=0.5)]))
    assert (await log.load(HERE))[1].body["text"] == text
    assert log.spending.since(0) == 0.5
    assert await log.apart(lambda db: [*audit.faults(db)]) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET body = replace(body, 'hi', 'ho') WHERE seq = 1",
        "UPDATE entry SET at = at + 1 WHERE seq = 2",
        "UPDATE entry SET kind = 'reply' WHERE seq = 2",
        "DELETE FROM entry WHERE seq = 2",
    ],
)
async def test_a_changed_entry_breaks_the_chain(tmp_path, change):
    log = open_log(tmp_path)
    await begin(log)
    await log.append(HERE, Batch([entry(2, "context", text="a"), entry(3, "context", text="b")]))
    assert await log.apart(lambda db: [*audit.faults(db)]) == []
    await log.close()
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute(change)
    db.close()
    log = open_log(tmp_path)
    (fault,) = await log.apart(lambda db: [*audit.faults(db)])
    assert fault.conversation == HERE
    await log.close()


async def test_everything_is_there_after_a_restart(tmp_path):
    log = open_log(tmp_path)
    await begin(log)
    await log.close()
    log = open_log(tmp_path)
    assert [e.body for e in await log.load(HERE)] == [{"text": "hi"}]
    assert log.ready_conversations() == [HERE]
    await log.close()


async def test_only_what_follows_the_base_is_loaded(log):
    await begin(log)
    await log.append(HERE, Batch([entry(2, "base"), entry(3, "summary")], base_seq=2))
    assert [e.seq for e in await log.load(HERE)] == [2, 3]
    assert len(log.entries(HERE)) == 3


async def test_a_call_that_was_begun_twice_makes_its_conversation_a_suspect(log):
    await begin(log)
    await log.append(HERE, Batch([entry(2, "tool_start", call="c1")]))
    assert log.suspects() == []
    await log.append(HERE, Batch([entry(3, "tool_start", call="c1")]))
    assert log.suspects() == [HERE]


async def test_a_second_owner_is_refused(log, tmp_path):
    with pytest.raises(TryLater, match="in use by process"):
        open_log(tmp_path)


async def test_a_database_from_a_newer_version_is_left_alone(tmp_path):
    await open_log(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(ConfigError, match="newer coworker"):
        open_log(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


async def test_a_file_that_is_no_database_is_said_to_be_damaged(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database at all" * 500)
    with pytest.raises(ConfigError, match="damaged"):
        open_log(tmp_path)


async def test_a_state_directory_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        open_log(tmp_path / "state")


async def test_an_upgrade_is_rehearsed_on_a_copy_and_the_old_file_kept(tmp_path, monkeypatch):
    await open_log(tmp_path).close()
    await upgraded(
        tmp_path, monkeypatch, (*schema.MIGRATIONS, "ALTER TABLE repo ADD COLUMN url TEXT")
    )
    assert (tmp_path / f"{FILE}.before-v{schema.VERSION + 1}").exists()


async def test_a_failing_upgrade_changes_nothing(tmp_path, monkeypatch):
    await open_log(tmp_path).close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(ConfigError):
        await upgraded(
            tmp_path, monkeypatch, (*schema.MIGRATIONS, "ALTER TABLE nothing ADD COLUMN x")
        )
    assert (tmp_path / FILE).read_bytes() == before


async def upgraded(folder, monkeypatch, migrations):
    monkeypatch.setattr("coworker.store.database.MIGRATIONS", migrations)
    monkeypatch.setattr("coworker.store.database.VERSION", len(migrations))
    await open_log(folder).close()


def spoken(event_id, text="hi"):
    body = {"text": text, "sender": "slack:U1", "message": event_id}
    place = Place("slack", "C1", "1.0")
    return Inbound("slack", event_id, place.conversation, "message", body, place)


def edited(message, text):
    place = Place("slack", "C1", "1.0")
    body = {"sender": "slack:U1", "message": message, "text": text}
    return Inbound("slack", f"{message}:edit", place.conversation, "edit", body, place)


async def test_a_message_can_be_changed_until_a_run_takes_it(log):
    await log.ingest(spoken("m1"), 1)
    assert await log.amend(edited("m1", "better"), 2) == "m1"
    (row,) = log.open_inbox(row_place())
    assert (row.event_id, row.body["text"]) == ("m1", "better")
    taken = Batch([Entry(1, 1, "user", {"text": "better"}, 3)], take=[row])
    await log.append(row_place(), taken)
    late = Inbound("slack", "m1:again", row_place(), "edit", edited("m1", "x").body, PLACE)
    assert await log.amend(late, 4) is None


async def test_a_deleted_message_is_never_taken(log):
    await log.ingest(spoken("m1"), 1)
    await log.amend(edited("m1", None), 2)
    assert log.open_inbox(row_place()) == []
    assert log.inbox_row("slack", "m1")["outcome"] == "deleted"


def row_place():
    return Place("slack", "C1", "1.0").conversation


async def test_what_is_old_is_forgotten_with_its_blobs_unless_others_need_them(log, tmp_path):
    big = "x" * 50_000
    for number, at in ((1, 1), (2, 10), (3, 3)):
        place = Place("slack", "C1", f"{number}.0")
        where = place.conversation
        body = {"text": big, "sender": "slack:U1"}
        await log.ingest(Inbound("slack", f"m{number}", where, "message", body, place), at)
        row = log.open_inbox(where)
        entries = [
            Entry(1, 1, "user", {"text": big}, at),
            Entry(2, 1, "user", {"own": f"{number}" + big}, at),
        ]
        await log.append(where, Batch(entries, take=row, outcome="answered", state="idle"))
    waiting = Place("slack", "C1", "3.0")
    said = Outbound("k", waiting.conversation, "reply", {"text": "late", "run": 0}, waiting)
    await log.notice(said, 3)
    assert await log.expire(5, 20) == 1
    threads = [row.place.thread for row in log.conversations() if row.place.adapter == "slack"]
    assert threads == ["2.0", "3.0"]
    (noted,) = log.entries(ConversationId("system"))
    assert noted.body == {"what": "expired", "conversations": ["slack:C1:1.0"]}
    assert not log.inbox_row("slack", "m1")
    with sqlite3.connect(tmp_path / FILE) as db:
        assert db.execute("SELECT count(*) FROM blob").fetchone() == (3,)
