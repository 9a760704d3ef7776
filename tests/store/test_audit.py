"""Whatever is changed in the log behind our back is found, and only that."""

import random
import sqlite3
import tracemalloc
from contextlib import closing

import pytest

from coworker.errors import ConfigError
from coworker.store import audit, chain
from coworker.store.database import FILE
from coworker.store.forgetting import MARK, Forgetting
from coworker.store.log import Batch, Log
from coworker.store.spending import Spending
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


def row(file, sql, *values):
    with closing(sqlite3.connect(file)) as db:
        return db.execute(sql, values).fetchone()


def told(file):
    """What the log says, as it is stored, and what it says was spent."""
    with closing(sqlite3.connect(file)) as db:
        spent = [(each.key, each.usd) for each in Spending(db).by("person", 0)]
        db.text_factory = bytes
        rows = [
            db.execute(f"SELECT * FROM {table} NOT INDEXED ORDER BY rowid").fetchall()
            for table in ("entry", "blob")
        ]
        return rows, spent, Spending(db).since(0)


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


async def test_one_flipped_bit_of_the_file_is_found_or_changes_nothing(tmp_path):
    dice, file = random.Random(7), tmp_path / "flipped.db"
    change(await written(tmp_path / "log"), "VACUUM INTO ?", str(file))
    whole, before, found = file.read_bytes(), told(file), 0
    starts = range(0, len(whole), 4096)
    pages = [at for at in starts if whole[at : at + 4096].count("ü".encode()) < 1_000]
    for number in range(FLIPS):
        at = dice.choice(pages) + dice.randrange(4096)
        file.write_bytes(whole[:at] + flipped(whole[at : at + 1], dice) + whole[at + 1 :])
        try:
            is_found = faults(file) != []
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            is_found = True  # it cannot even be opened
        assert is_found or told(file) == before, f"the bit at {at} (number {number})"
        found += is_found
    assert found > FLIPS // 25  # most of such a page is free space


async def test_whatever_names_the_conversation_in_the_file_is_looked_at(tmp_path):
    """A row and the key's index tell which entry is bad, another index that the file is."""
    log = await written(tmp_path / "log")
    change(log, "DELETE FROM inbox")
    file, name = tmp_path / "flipped.db", b"slack:C1:1.0"
    change(log, "VACUUM INTO ?", str(file))
    pieces, seen = file.read_bytes().split(name), []
    for number in range(1, len(pieces)):
        left, right = name.join(pieces[:number]), name.join(pieces[number:])
        file.write_bytes(left + name.replace(b"1.0", b"1.1") + right)
        seen.append(faults(file))
        assert seen[-1] != [], f"copy {number}"
    assert len([each for each in seen if each != [(FILE, 0)]]) >= 6 + 6
    assert len([each for each in seen if each == [(FILE, 0)]]) == 6  # entry_paid_in


@pytest.mark.parametrize("column", ["run", "kind", "v", "body", "salt", "body_hash", "at", "prev"])
async def test_a_value_of_another_type_is_a_fault_of_its_entry(tmp_path, column):
    file = await written(tmp_path)
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, 'STRICT', '')")
    other = "TEXT" if column in ("salt", "body_hash", "prev") else "BLOB"
    change(file, f"UPDATE entry SET {column} = CAST({column} AS {other}) WHERE seq = 2")
    assert [seq for _, seq in faults(file) if seq] == [2, 2, 2]


async def test_a_schema_that_is_no_text_any_more_is_told_in_a_sentence(tmp_path):
    file = await written(tmp_path)
    whole = file.read_bytes()
    assert b"inbox (received_at)" in whole
    file.write_bytes(whole.replace(b"inbox (received_at)", b"inbox (received_a\xee)"))
    with pytest.raises(ConfigError, match=r"is damaged or not a coworker database"):
        Log(tmp_path, pytest.fail)


async def test_words_that_were_moved_into_the_salt_are_found(tmp_path):
    file = await written(tmp_path)
    where, salt, body = row(file, "SELECT conversation, salt, body FROM entry WHERE seq = 2")
    both = salt + body.encode()
    moved = "UPDATE entry SET salt = ?, body = ? WHERE conversation = ? AND seq = 2"
    change(file, "DROP INDEX entry_paid")
    change(file, "DROP INDEX entry_paid_in")
    for at in (chain.SALT_BYTES + 1, len(both)):
        change(file, moved, both[:at], both[at:].decode(), where)
        assert faults(file) == [(where, 2)]


async def test_an_entry_belongs_to_its_conversation(tmp_path):
    file = await written(tmp_path)
    change(file, "UPDATE entry SET conversation = 'slack:C2:0.0' WHERE conversation LIKE '%:0.0'")
    change(file, "UPDATE conversation SET id = 'slack:C2:0.0' WHERE id LIKE '%:0.0'")
    assert faults(file) == [("slack:C2:0.0", 1)]


def mended(file, where, salt, body_hash=None):
    """The last entry of six with this salt, its link mended as one who knows this program can."""
    sql = "SELECT prev, run, kind, v, at, body FROM entry WHERE conversation = ? AND seq = 6"
    prev, *head, body = row(file, sql, where)
    body_hash = body_hash or chain.sha(salt + body.encode())
    link = chain.link(prev, where, (6, *head), body_hash)
    sql = "UPDATE entry SET salt = ?, body_hash = ?, hash = ? WHERE conversation = ? AND seq = 6"
    assert change(file, sql, salt, body_hash, link, where) == 1
    return body


async def test_a_last_entry_whose_link_was_mended_still_tells_that_it_was_changed(tmp_path):
    file, where = await written(tmp_path), "slack:C1:0.0"
    sql = "SELECT salt, body_hash FROM entry WHERE conversation = ? AND seq = 6"
    salt, body_hash = row(file, sql, where)
    mended(file, where, salt, body_hash[:-1] + bytes([body_hash[-1] ^ 1]))
    assert faults(file) == [(where, 6)]


async def test_a_part_of_the_salt_that_was_moved_to_the_words_is_found(tmp_path):
    file, where = await written(tmp_path), "slack:C1:0.0"
    salt = b"s" * (chain.SALT_BYTES - 1)
    body = mended(file, where, salt + b" ")
    assert faults(file) == []
    sql = "UPDATE entry SET salt = ?, body = ? WHERE conversation = ? AND seq = 6"
    change(file, sql, salt, f" {body}", where)
    assert faults(file) == [(where, 6)]


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
    """Before version 2 a `forgotten` entry named the others without a hash."""
    file = await written(tmp_path)
    change(file, """UPDATE entry SET salt = NULL, body = '{"text":"[forgotten]"}' WHERE seq = 2""")
    assert [seq for _, seq in faults(file)] == [2, 2, 2]
    log = Log(tmp_path, pytest.fail)
    blanked = [["slack:C1:0.0", 2], ["slack:C1:1.0", 2]]
    await log.record(Place("memory", "shop"), "forgotten", {"blanked": blanked}, 5)
    await log.close()
    assert faults(file) == [("slack:C1:2.0", 2)]


async def forgotten(folder, *words, entry=None):
    """Forget these in all conversations, one after the other, and that entry."""
    log, home = Log(folder, pytest.fail), Place("system", "memory:shop")
    for at, text in enumerate(words):
        await log.forget(Forgetting("shop", home, [entry] if entry else [], [text]), {}, at)
    assert await log.purge()
    await log.close()


async def test_what_is_left_of_a_forgotten_entry_is_held_to_it(tmp_path):
    file, where = await written(tmp_path), "slack:C1:1.0"
    sql = "SELECT body, salt FROM entry WHERE conversation = ? AND seq = 2"
    back = "UPDATE entry SET body = ?, salt = ? WHERE conversation = ? AND seq = 2"
    whole = row(file, sql, where)
    await forgotten(tmp_path, "1 1", entry=(where, 2))
    assert faults(file) == []
    body, salt = row(file, sql, where)
    assert MARK in body
    for forged in (body.replace(MARK, "I said: push"), body.replace("0.25", "0.05"), "{}", "5"):
        change(file, back, forged, salt, where)
        assert faults(file) == [(where, 2)], forged
        change(file, back, forged, None, where)
        assert faults(file) == [(where, 2)], forged
    change(file, back, *whole, where)
    assert faults(file) == [(where, 2)]
    change(file, back, body, salt, where)
    assert faults(file) == []


async def test_of_words_that_were_forgotten_one_after_the_other_the_last_state_counts(tmp_path):
    """A big body too; and no hash of what was there meanwhile can be compared with guesses."""
    file, where = await written(tmp_path), "slack:C1:0.0"
    await forgotten(tmp_path, "ü" * 20_000)
    sql = "SELECT body, salt FROM entry WHERE conversation = ? AND seq = 3"
    body, salt = row(file, sql, where)
    await forgotten(tmp_path, f"0 2{MARK}{MARK}", "slack:U1")
    assert faults(file) == []
    assert row(file, sql, where)[1] != salt
    change(
        file,
        "UPDATE entry SET body = ?, salt = ? WHERE conversation = ? AND seq = 3",
        body,
        salt,
        where,
    )
    assert faults(file) == [(where, 3)]


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
    assert chain.NO_HASH.hex() not in audit.digest(heads)
