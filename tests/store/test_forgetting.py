"""Forgetting takes out words and nothing else: whatever the text, every entry keeps its shape."""

from __future__ import annotations

import random
from contextlib import closing

import pytest

from coworker.agent.context import render
from coworker.agent.fold import calls_of, fold
from coworker.store import audit
from coworker.store.forgetting import Forgetting
from coworker.store.log import Batch, Log
from coworker.store.said import log_of
from coworker.store.writer import connect
from coworker.types import ConversationId, Entry, Inbound, Place

SEED = 20261121
SENTENCE = "the blue cash desk opens with the long brass key"
USAGE = {"input": 1, "output": 1, "cache_read": 0, "cache_write": 0}
CALL = {
    "type": "tool_use",
    "id": "toolu_01AbCdEfGhIjKlMnOpQrStUv",
    "name": "write_file",
    "input": {"path": "notes/desk.md", "content": f"Yes: {SENTENCE}."},
}
ENTRIES = (
    ("base", {"system": "prompt", "tools": [{"name": "shell"}], "tier": "large", "repo": "shop"}),
    ("context", {"source": "memory of shop", "text": f"- [f9, fact, bob] {SENTENCE}"}),
    (
        "user",
        {
            "text": f"Is it so that {SENTENCE}?",
            "sender": "slack:U0ALICE",
            "head": "alice, owner, Sat 2026-11-21 09:30 Europe/Berlin",
            "messages": ["1700000000.000100"],
            "attached": [{"type": "text", "text": f"A file says {SENTENCE}"}],
        },
    ),
    (
        "assistant",
        {
            "content": [{"type": "text", "text": f"I write that {SENTENCE}."}, CALL],
            "stop_reason": "tool_use",
            "model": "claude-opus-5-5",
            "usage": USAGE,
            "cost_usd": 0.1,
            "malformed": {},
            "notice": "",
        },
    ),
    ("decision", {"call": CALL["id"], "tool": "write_file", "verdict": "allow", "reason": "yes"}),
    ("tool_start", {"call": CALL["id"], "tool": "write_file"}),
    (
        "tool_done",
        {
            "call": CALL["id"],
            "tool": "write_file",
            "text": f"+ {SENTENCE}",
            "is_error": False,
            "receipt": {"kind": "command", "command": "cat notes/desk.md", "exit_code": 0},
            "key": "0123456789abcdef",
        },
    ),
    (
        "reply",
        {
            "text": f"Done: {SENTENCE}.",
            "by": "model",
            "outcome": "answered",
            "receipt": {"model": "claude-opus-5-5", "commands": []},
            "asker": "slack:U0ALICE",
            "run": 1,
        },
    ),
)
FREE = {"text", "content", "reason", "command", "attached"}


@pytest.fixture
async def log(tmp_path):
    made = Log(tmp_path, on_fatal=lambda error: None)
    yield made
    await made.close()


async def work(log, conversation, repo, sender="slack:U0ALICE"):
    """A conversation in which a tool was called."""
    place, name = Place("slack", "C1", conversation), ConversationId(conversation)
    said = {"text": ENTRIES[2][1]["text"], "sender": sender, "message": "1700000000.000100"}
    await log.ingest(Inbound("slack", conversation, name, "message", said, place, repo), 1_000)
    entries = [
        Entry(seq, 1, kind, body | ({"repo": repo} if kind == "base" else {}), 1_000)
        for seq, (kind, body) in enumerate(ENTRIES, 1)
    ]
    await log.append(name, Batch(entries, take=log.open_inbox(name), state="idle", repo=repo))


async def forget(log, text, *, author="slack:U0BOB", by_owner=False, repo="shop"):
    """What `!forget` does to a fact that this person had remembered."""
    home = log_of(repo)
    fact = {"text": text, "author": author, "source": "", "quote": ""}
    seq = await log.record(home, "fact", fact, 2_000)
    what = Forgetting(
        repo, home, [(home.conversation, seq)], [text], [f"f{seq}"], {author}, by_owner
    )
    body = {"facts": [seq], "messages": [], "by": [author]}
    return await log.forget(what, body, 2_000)


def shape(value, key=""):
    """A body with its words cut out: keys, types, ids, names, senders and numbers are left."""
    if isinstance(value, dict):
        return {name: shape(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each, key) for each in value]
    return str if isinstance(value, str) and key in FREE else value


def strings(value):
    """Every string of a body, keys as well."""
    if isinstance(value, dict):
        return [*value, *(text for each in value.values() for text in strings(each))]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [value] if isinstance(value, str) else []


def entries(log, conversation):
    return log.entries(ConversationId(conversation))


def faults(log):
    with closing(connect(log.file, read_only=True)) as db:
        return [*audit.faults(db)]


async def test_whatever_is_forgotten_every_entry_keeps_its_shape_and_the_chain_holds(log):
    rng = random.Random(SEED)
    for name in ("one", "two"):
        await work(log, name, "shop")
    before = {name: [shape(e.body) for e in entries(log, name)] for name in ("one", "two")}
    known = sorted({text for _, body in ENTRIES for text in strings(body)})
    words = sorted({word for text in known for word in text.split()})
    phrases = [" ".join(rng.choices(words, k=rng.randrange(1, 7))) for _ in range(40)]
    for text in rng.sample([*known, *words, *phrases], k=len([*known, *words, *phrases])):
        await forget(log, text, by_owner=rng.random() < 0.5)
    for name in ("one", "two"):
        assert [shape(each.body) for each in entries(log, name)] == before[name]
        assert len(calls_of(entries(log, name)[3].body)) == 1
        assert fold(entries(log, name)).run == 0
        assert [m["role"] for m in render(entries(log, name)).messages] == [
            *("user", "user", "assistant", "user")
        ]
    assert SENTENCE not in str([entries(log, name) for name in ("one", "two")])
    assert faults(log) == []


@pytest.mark.parametrize("text", ["tool_use", "text", "yes", "slack:U0ALICE", CALL["id"]])
async def test_a_short_or_structural_text_changes_nothing_elsewhere(log, text):
    await work(log, "one", "shop")
    before = entries(log, "one")
    await forget(log, text, by_owner=True)
    assert entries(log, "one") == before
    assert faults(log) == []


async def test_a_member_takes_a_sentence_out_of_our_words_but_not_out_of_other_peoples(log):
    await work(log, "one", "shop")
    await forget(log, SENTENCE)
    told = {each.kind: str(each.body) for each in entries(log, "one")}
    assert SENTENCE in told.pop("user")
    assert SENTENCE not in str(told)
    [row] = log.received(1)
    assert SENTENCE in row["body"]["text"]
    await forget(log, SENTENCE, by_owner=True)
    assert SENTENCE not in str(entries(log, "one"))
    assert SENTENCE not in str(log.received(1))
    assert faults(log) == []


async def test_another_repository_keeps_its_words(log):
    await work(log, "one", "till")
    before = entries(log, "one")
    await forget(log, SENTENCE, by_owner=True)
    assert entries(log, "one") == before
