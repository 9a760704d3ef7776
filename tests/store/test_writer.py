"""The writer thread: each waiter learns the outcome of its own commit; the thread never dies."""

import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest

from coworker.errors import DiskFull
from coworker.store.writer import StoreBroken, StoreClosed, Writer, connect


@pytest.fixture
def writer(tmp_path):
    file = tmp_path / "test.db"
    db = connect(file)
    db.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v BLOB)")
    db.close()
    made = Writer(file, on_fatal=lambda error: None)
    made.file = file
    yield made
    assert made.close()


def insert(key, value=b""):
    return lambda db: db.execute("INSERT INTO t VALUES (?, ?)", (key, value)).rowcount


def seen(writer, sql):
    with closing(connect(writer.file, read_only=True)) as reader:
        return [row[0] for row in reader.execute(sql)]


def keys(writer):
    return seen(writer, "SELECT k FROM t ORDER BY k")


def blocked(gate):
    """A transaction that holds the writer until the gate opens, so that others share a batch."""
    return lambda db: gate.wait(5)


async def test_a_write_is_on_disk_when_it_returns(writer):
    assert await writer.write(insert("a")) == 1
    assert keys(writer) == ["a"]


async def test_one_bad_write_does_not_fail_its_neighbours(writer):
    gate = threading.Event()
    holding = asyncio.ensure_future(writer.write(blocked(gate)))
    await asyncio.sleep(0)
    batch = [writer.write(insert(key)) for key in ("a", "b", "a")]
    gathered = asyncio.gather(*batch, return_exceptions=True)
    await asyncio.sleep(0)
    gate.set()
    first, second, third = await gathered
    await holding
    assert (first, second) == (1, 1)
    assert isinstance(third, sqlite3.IntegrityError)
    assert keys(writer) == ["a", "b"]


async def test_a_full_disk_is_told_and_writing_goes_on_when_there_is_room(writer):
    await writer.write(lambda db: db.execute("PRAGMA max_page_count=20").fetchall())
    with pytest.raises(DiskFull, match="Free some space"):
        for n in range(100):
            await writer.write(insert(f"{n:03}", b"x" * 4000))
    await writer.write(lambda db: db.execute("PRAGMA max_page_count=100000").fetchall())
    assert await writer.write(insert("after")) == 1
    assert seen(writer, "PRAGMA integrity_check") == ["ok"]


def test_a_closed_loop_neither_kills_the_thread_nor_takes_the_commit_back(writer):
    gate = threading.Event()
    loop = asyncio.new_event_loop()

    async def leave():
        waiting = asyncio.ensure_future(writer.write(lambda db: (gate.wait(5), insert("a")(db))))
        await asyncio.sleep(0.05)
        waiting.cancel()

    loop.run_until_complete(leave())
    loop.close()
    gate.set()
    assert asyncio.run(writer.write(insert("b"))) == 1
    assert keys(writer) == ["a", "b"]


async def test_cancelling_the_waiter_does_not_take_the_write_back(writer):
    gate = threading.Event()
    holding = asyncio.ensure_future(writer.write(blocked(gate)))
    await asyncio.sleep(0)
    waiting = asyncio.ensure_future(writer.write(insert("x")))
    await asyncio.sleep(0)
    waiting.cancel()
    gate.set()
    await holding
    count = await writer.write(lambda db: db.execute("SELECT count(*) FROM t").fetchone()[0])
    assert count == 1


async def test_close_commits_what_is_queued_and_refuses_the_rest(writer):
    queued = [asyncio.ensure_future(writer.write(insert(str(n)))) for n in range(20)]
    await asyncio.sleep(0)
    await asyncio.to_thread(writer.close)
    assert await asyncio.gather(*queued) == [1] * 20
    with pytest.raises(StoreClosed):
        await writer.write(insert("late"))


async def test_an_unknown_outcome_ends_everybody_and_says_so(tmp_path):
    seen = []
    writer = Writer(tmp_path / "test.db", on_fatal=seen.append)

    def broken_disk(db):
        raise SystemExit(3)

    with pytest.raises(StoreBroken, match="Restart"):
        await writer.write(broken_disk)
    with pytest.raises(StoreBroken):
        await writer.write(insert("later"))
    assert await asyncio.to_thread(writer.close)
    assert isinstance(seen[0], SystemExit)
