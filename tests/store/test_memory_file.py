"""A repository's memory: what it finds, for whom, and that the log can make it anew."""

from __future__ import annotations

import random
import sqlite3

import pytest

from coworker.errors import ConfigError
from coworker.store.forgetting import Forgetting
from coworker.store.log import Batch, Log
from coworker.store.memories import Memories
from coworker.store.memory import Memory, Message
from coworker.store.said import log_of
from coworker.types import ConversationId, Entry, Inbound, Place

SEED = 20261121
WORDS = ("deploy", "cart", "parser", "index", "token", "release", "branch", "cache", "queue")


@pytest.fixture
async def log(tmp_path):
    made = Log(tmp_path, on_fatal=lambda error: None)
    yield made
    await made.close()


@pytest.fixture
async def memories(log, tmp_path):
    made = Memories(log, tmp_path)
    yield made
    await made.close()


def message(name, text, room="slack:C1", session="s", speaker="ann"):
    return Message(name, room, session, 1_700_000_000_000, speaker, text, author=f"slack:{speaker}")


async def fill(memories, *messages, repo="shop"):
    await memories.ask(repo, lambda memory: memory.add(messages))


async def found(memories, text, rooms=None, repo="shop"):
    names = await memories.ask(repo, lambda memory: memory.search(text, rooms, 20))
    return [each.message.name for each in names]


async def speak(log, conversation, *texts, room="C1", repo="shop"):
    """Messages of a conversation, as a run would log them."""
    place, conversation = Place("slack", room, conversation), ConversationId(conversation)
    for number, text in enumerate(texts):
        body = {"text": text, "sender": "slack:ann"}
        event = f"{conversation}:{log.conversation(conversation)}"
        await log.ingest(Inbound("slack", event, conversation, "message", body, place, repo), 1_000)
        row = log.conversation(conversation)
        said = {**body, "head": "ann, owner, Sat", "messages": [f"{number}"]}
        entry = Entry(row.next_seq, 1, "user", said, at=1_000)
        await log.append(conversation, Batch([entry], take=log.open_inbox(conversation)))


async def test_words_are_found_by_their_stem_and_identifiers_by_their_parts(memories):
    await fill(
        memories,
        message("a", "parseInvoiceHeader fails since SHOP-1482"),
        message("b", "the fix is in 3f2a1c9d07e", session="t"),
        message("c", "we are deploying to shop/cart_total.py tomorrow", session="u"),
    )
    assert (await found(memories, "who parses an invoice?"))[0] == "a"
    assert (await found(memories, "shop-1482"))[0] == "a"
    assert (await found(memories, "commit 3f2a1c"))[0] == "b"
    assert (await found(memories, "deployed cart_total"))[0] == "c"


async def test_what_was_said_around_a_message_leads_to_it(memories):
    await fill(
        memories,
        message("a", "which database do we take?"),
        message("b", "Postgres"),
        message("c", "something about lunch", session="other"),
    )
    assert set(await found(memories, "database")) == {"a", "b"}


@pytest.mark.parametrize(
    "query",
    ['"', "AND OR NOT", "NEAR(a b, 3)", "a* ^b -c", "text:x {y}", "'; DROP TABLE message; --"],
)
async def test_no_query_is_an_operator(memories, query):
    await fill(memories, message("a", f"quotes and operators: {query}"))
    assert await found(memories, query) in ([], ["a"])


async def test_nothing_said_in_a_room_is_found_in_another_one(memories):
    """At random: no search sees a room or a repository that it was not given."""
    rng = random.Random(SEED)
    rooms = [f"slack:C{number}" for number in range(8)]
    said: dict[str, dict[str, str]] = {}
    for repo in ("shop", "till"):
        batch = [
            message(
                f"{repo}-{number}",
                " ".join(rng.choices(WORDS, k=8)),
                rng.choice(rooms),
                f"s{rng.randrange(40)}",
            )
            for number in range(600)
        ]
        await fill(memories, *batch, repo=repo)
        said[repo] = {each.name: each.room for each in batch}
    for _ in range(300):
        repo, allowed = rng.choice(["shop", "till"]), rng.sample(rooms, rng.randrange(4))
        names = await found(memories, " ".join(rng.choices(WORDS, k=3)), allowed, repo)
        assert {said[repo][name] for name in names} <= set(allowed)
        assert bool(names) == bool(allowed)


@pytest.mark.parametrize(
    ("rooms", "readers"),
    [(["slack:C1"], {"slack:C1", "*"}), ([], {"*"}), (None, {"slack:C1", "slack:C2", "*"})],
)
async def test_a_fact_is_told_only_to_its_readers(memories, rooms, readers):
    fact = dict.fromkeys(("source", "quote", "author", "conversation"), "")
    fact |= {"kind": "fact", "status": "held", "seq": 0, "supersedes": 0, "at": 1}
    for room in ("slack:C1", "slack:C2", "*"):
        text = f"the key is with {room}"
        await memories.note("shop", {**fact, "text": text, "readers": room})
    told = await memories.ask("shop", lambda memory: memory.facts.told(rooms))
    assert {each.readers for each in told} == readers
    told = await memories.ask("shop", lambda memory: memory.facts.find("key", rooms, 9))
    assert {each.readers for each in told} == readers


async def test_the_log_is_read_to_its_end_each_time(log, memories):
    await speak(log, "one", "the cart is blue")
    assert await found(memories, "cart") == ["one:1"]
    await speak(log, "one", "the cart is red now")
    await speak(log, "two", "a cart in another repository", repo="till")
    assert set(await found(memories, "cart")) == {"one:1", "one:2"}
    assert await found(memories, "cart", repo="till") == ["two:1"]


async def test_a_death_between_log_and_memory_loses_and_doubles_nothing(log, tmp_path):
    await speak(log, "one", *(f"cart number {number}" for number in range(5)))
    first = Memories(log, tmp_path)

    def dies(memory: Memory) -> None:
        raise KeyError("the process ended here")

    with pytest.raises(KeyError):
        await first.ask("shop", dies)
    await first.close()
    await speak(log, "one", "cart number five")
    again = Memories(log, tmp_path)
    assert sorted(await found(again, "cart")) == [f"one:{seq}" for seq in range(1, 7)]
    await again.close()


async def test_a_conversation_that_the_log_has_no_more_is_gone(log, memories):
    await speak(log, "one", "the cart is blue")
    assert await found(memories, "cart") == ["one:1"]
    await log.settle(ConversationId("one"), "idle", 0)
    await log.expire(2_000, 3_000)
    memories.expired()
    assert await found(memories, "cart") == []


async def test_a_damaged_file_is_told_and_made_anew_with_what_can_be_read(log, tmp_path):
    await speak(log, "one", "the cart is blue")
    memories = Memories(log, tmp_path)
    await fill(memories, *(message(f"i{n}", f"imported cart {n}") for n in range(3_000)))
    await memories.close()
    file = tmp_path / "repos" / "shop.db"
    with sqlite3.connect(file) as db:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = 'message_fts_data'"
        [root] = db.execute(sql).fetchone()
    db.close()
    with file.open("r+b") as raw:
        raw.seek((root - 1) * 4096)
        raw.write(b"\xff" * 4096)
    memories = Memories(log, tmp_path)
    assert "one:1" in await found(memories, "blue cart")
    assert "imported cart 2999" in str(await memories.ask("shop", lambda m: m.message("i2999")))
    told = memories.notice("shop")
    assert told.startswith("The memory of shop was damaged")
    assert "3,000 could be read" in told
    assert memories.notice("shop") == ""
    await memories.close()


@pytest.mark.parametrize(
    "damage",
    [
        "CREATE TABLE fact (x)",
        "CREATE TABLE fact (x); PRAGMA user_version = 999",
        "ALTER TABLE message RENAME TO letter",
        "DROP TABLE message_fts",
        "DROP TABLE cursor; CREATE TABLE cursor (conversation, place)",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ],
)
async def test_a_file_with_other_tables_is_put_aside_and_made_anew(log, tmp_path, damage):
    await speak(log, "one", "the cart is blue")
    file = tmp_path / "repos" / "shop.db"
    if "CREATE TABLE fact" in damage:
        file.parent.mkdir()
    else:
        memories = Memories(log, tmp_path)
        await fill(memories, message("i", "an imported cart"))
        await memories.close()
    with sqlite3.connect(file) as db:
        db.executescript(damage)
    db.close()
    if damage.startswith("PRAGMA"):
        file.write_bytes(b"")
    was = file.read_bytes()
    memories = Memories(log, tmp_path)
    assert "one:1" in await found(memories, "blue cart")
    assert memories.notice("shop").startswith("The memory of shop was damaged")
    [aside] = file.parent.glob("shop.db.damaged-????-??-??-??????")
    assert aside.read_bytes() == was
    await memories.close()


async def test_a_file_that_is_damaged_while_it_is_used_is_made_anew(log, memories, tmp_path):
    await speak(log, "one", "the cart is blue")
    assert await found(memories, "cart") == ["one:1"]
    with sqlite3.connect(tmp_path / "repos" / "shop.db") as other:
        other.executescript("DROP TABLE message_fts; DROP TABLE message")
    other.close()
    assert await found(memories, "cart") == ["one:1"]
    assert "was damaged" in memories.notice("shop")


async def test_a_mistake_in_a_question_is_no_damage(memories, tmp_path):
    await fill(memories, message("i", "an imported cart"))
    with pytest.raises(sqlite3.OperationalError):
        await memories.ask("shop", lambda memory: memory.db.execute("SELECT nonsense"))
    assert await found(memories, "cart") == ["i"]
    assert [*(tmp_path / "repos").glob("*damaged*")] == []


async def test_a_file_that_cannot_be_opened_is_told_in_a_sentence(log, tmp_path):
    (tmp_path / "repos" / "shop.db").mkdir(parents=True)
    memories = Memories(log, tmp_path)
    with pytest.raises(ConfigError, match=r"shop\.db cannot be used"):
        await memories.ask("shop", lambda memory: memory.count())
    await memories.close()


async def test_words_that_were_forgotten_go_even_if_we_died_right_after(log, tmp_path):
    await speak(log, "one", "the vault opens with 7391-alpha", "the cart is blue")
    memories = Memories(log, tmp_path)
    assert await found(memories, "vault") == ["one:1", "one:2"]
    await memories.close()
    what = Forgetting(
        repo="shop",
        home=log_of("shop"),
        places=[("one", 1)],
        texts=["the vault opens with 7391-alpha"],
        authors={"slack:ann"},
    )
    body = {"facts": [], "messages": ["one:1"], "by": ["slack:ann"]}
    await log.forget(what, body, 2_000)
    memories = Memories(log, tmp_path)
    assert await found(memories, "vault") == []
    assert await found(memories, "cart") == ["one:2"]
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in left if b"7391-alpha" in path.read_bytes()] == []
    await memories.close()


async def test_what_was_said_about_another_repository_before_is_not_taken_along(log, memories):
    one = ConversationId("one")
    said = Inbound(
        "slack", "first", one, "message", {"text": "", "sender": ""}, Place("slack", "C1")
    )
    await log.ingest(said, 1_000)
    for seq, repo in ((1, "shop"), (3, "till")):
        base = Entry(seq, seq, "base", {"repo": repo}, at=1_000)
        await log.append(one, Batch([base], base_seq=seq, repo=repo))
        await speak(log, "one", f"a cart of the {repo}", repo=repo)
    assert await found(memories, "cart", repo="till") == ["one:4"]
