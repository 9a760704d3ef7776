"""Whatever is changed in the log behind our back is found, and only that."""

import random
import sqlite3
import tracemalloc
from contextlib import closing

import pytest

from coworker.store import audit
from coworker.store import transactions as tx
from coworker.store.database import FILE
from coworker.store.log import Batch, Log
from coworker.types import Entry, Inbound, Place

FLIPS = 200
COLUMNS = (
    *(("entry", name) for name in (
        "conversation", "seq", "run", "kind", "v", "body", "salt", "body_hash", "at", "prev", "hash"
    )),
    ("blob", "sha256"),
    ("blob", "bytes"),
    ("conversation", "next_seq"),
)  # fmt: skip
BIG = "ü" * 40_000
WHO = {"person": "slack:U1", "repo": "shop", "schedule": ""}


async def written(folder, conversations=3, entries=6):
    """Some conversations, each with a body that is kept as a blob."""
    log = Log(folder, pytest.fail)
    for number in range(conversations):
        place = Place("slack", "C1", f"{number}.0")
        where = place.conversation
        body = {"text": "hi", "sender": "slack:U1"}
        await log.ingest(Inbound("slack", f"m{number}", where, "message", body, place), 1)
        said = [{"text": f"{number} {n}", "cost_usd": 0.25, "for": WHO} for n in range(entries)]
        said[2]["text"] += BIG
        made = [Entry(n, 1, "assistant", each, 1000 + n, 2) for n, each in enumerate(said, 1)]
        await log.append(where, Batch(made, log.open_inbox(where), "answered", state="idle"))
    await log.close()
    return folder / FILE


def faults(file):
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        return [(each.conversation, each.seq) for each in audit.faults(db)]


def change(file, sql, *values):
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        return db.execute(sql, values).rowcount


def flipped(value, dice):
    """The same value with one bit of it changed."""
    if isinstance(value, int):
        return value ^ (1 << dice.randrange(16))
    data = bytearray(value.encode() if isinstance(value, str) else value)
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


def flip(file, table, column, dice):
    """Change one bit of that column in some row; False when the table refuses it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        rows = db.execute(f"SELECT rowid, {column}, typeof({column}) FROM {table}").fetchall()
        rowid, value, kind = dice.choice(rows)
        new = flipped(value, dice)
        if kind == "text":
            sql = f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE rowid = ?"
        else:
            sql = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
        try:
            db.execute(sql, (new, rowid))
        except sqlite3.IntegrityError:
            return False
    return True


async def test_one_flipped_bit_anywhere_is_found(tmp_path):
    dice, file = random.Random(22), tmp_path / "flipped.db"
    change(await written(tmp_path / "log"), "VACUUM INTO ?", str(file))
    for index in ("entry_paid", "entry_paid_in", "entry_blob"):
        change(file, f"DROP INDEX {index}")  # they would refuse what is no JSON any more
    whole = file.read_bytes()
    assert faults(file) == []
    tried = dict.fromkeys(COLUMNS, 0)
    for number in range(FLIPS):
        table, column = COLUMNS[number % len(COLUMNS)]
        file.write_bytes(whole)
        while not flip(file, table, column, dice):
            pass
        assert faults(file) != [], f"a bit of {table}.{column} (number {number})"
        tried[table, column] += 1
    assert min(tried.values()) >= FLIPS // len(COLUMNS)


@pytest.mark.parametrize("cut", [1, 2, 6])
async def test_a_cut_tail_is_found(tmp_path, cut):
    file = await written(tmp_path)
    assert change(
        file, "DELETE FROM entry WHERE conversation = 'slack:C1:1.0' AND seq > ?", 6 - cut
    )
    assert faults(file) == [("slack:C1:1.0", 7 - cut)]


async def test_the_first_fault_of_each_conversation_is_named(tmp_path):
    file = await written(tmp_path)
    change(file, "UPDATE entry SET run = 7 WHERE conversation = 'slack:C1:0.0' AND seq IN (2, 4)")
    change(file, "DELETE FROM entry WHERE conversation = 'slack:C1:2.0' AND seq = 3")
    assert faults(file) == [("slack:C1:0.0", 2), ("slack:C1:2.0", 3)]


async def test_a_lost_blob_and_a_changed_cost_are_found(tmp_path):
    file = await written(tmp_path)
    change(file, "DELETE FROM blob WHERE rowid = 1")
    assert len(faults(file)) == 1
    change(file, "UPDATE entry SET body = replace(body, '0.25', '0.05') WHERE seq = 3")
    assert len(faults(file)) == 3


async def test_words_that_nobody_forgot_were_taken_out(tmp_path):
    file = await written(tmp_path)
    change(file, """UPDATE entry SET salt = NULL, body = '{"text":"[forgotten]"}' WHERE seq = 2""")
    assert [seq for _, seq in faults(file)] == [2, 2, 2]
    log = Log(tmp_path, pytest.fail)
    blanked = [["slack:C1:0.0", 2], ["slack:C1:1.0", 2]]
    await log.record(Place("memory", "shop"), "forgotten", {"blanked": blanked}, 5)
    await log.close()
    assert faults(file) == [("slack:C1:2.0", 2)]


async def test_an_audit_needs_little_memory(tmp_path):
    """What it holds at a time is one entry, not a conversation of forty blobs."""
    log = Log(tmp_path, pytest.fail)
    place = Place("slack", "C1", "1.0")
    for n in range(40):
        await log.record(place, "context", {"text": f"{n}" + "x" * 1_000_000}, n)
    await log.close()
    tracemalloc.start()
    assert faults(tmp_path / FILE) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_head_is_of_every_conversation():
    heads = {"a": (1, "00"), "b": (2, "01")}
    assert audit.digest(heads) == audit.digest(dict(reversed(heads.items())))
    others = [{"a": (1, "00")}, {**heads, "a": (2, "00")}, {**heads, "b": (2, "02")}]
    assert len({audit.digest(heads), *map(audit.digest, others)}) == 4
    assert tx.NO_HASH.hex() not in audit.digest(heads)
