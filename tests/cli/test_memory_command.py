"""`coworker memory` with the real owner behind it: every command is a process of its own."""

import codecs
import json

import pytest

from tests.conftest import git

FACT = "We decided to drop Python 3.9"


@pytest.fixture(autouse=True)
def checkout(shell):
    """A repository to stand in."""
    git(shell.cwd, "init", "-q", "-b", "main")


def lines(*rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def said(name, text, **more):
    return {
        "id": name,
        "text": text,
        "scope": "slack:C1",
        "session": "s",
        "ts": 1_700_000_000,
    } | more


async def test_what_was_added_is_listed_found_shown_and_forgotten(shell):
    added = await shell.run("memory", "add", FACT, "--kind", "decision")
    assert added.out.startswith("Remembered as f1.")
    listed = await shell.run("memory", "list", "--json")
    assert [json.loads(row)["text"] for row in listed.out.splitlines()] == [FACT]
    found = await shell.run("memory", "search", "which python goes?", "--json")
    assert json.loads(found.out)["id"] == "f1"
    shown = await shell.run("memory", "show", "f1", "--json")
    assert json.loads(shown.out)["kind"] == "decision"
    gone = await shell.run("memory", "forget", "f1")
    assert gone.out.startswith("Forgotten")
    nothing = await shell.run("memory", "search", "which python goes?")
    assert (nothing.status, nothing.out) == (66, "")
    assert (await shell.run("memory", "show", "f1")).status == 66


async def test_imported_lines_are_searched_by_lines_within_their_scope(shell, tmp_path):
    file = tmp_path / "talk.jsonl"
    file.write_bytes(
        lines(
            said("a", "the cart rounds per line", speaker="ann"),
            said("b", "the cart is blue", scope="slack:C2", ts="2026-11-20T10:00:00+01:00"),
        )
    )
    assert (await shell.run("memory", "import", str(file))).out == "Imported 2.\n"
    again = await shell.run("memory", "import", str(file), "--json")
    assert json.loads(again.out) == {"new": 0, "known": 2, "broken": 0}
    asked = lines(
        {"qid": "1", "text": "what of the cart?", "scope": "slack:C1"},
        {"qid": 2, "text": "what of the cart?", "scope": "slack:C9"},
        {"qid": "3", "text": "what of the cart?"},
    )
    found = await shell.run("memory", "search", "--jsonl", "--limit", "5", stdin=asked)
    answers = [json.loads(row) for row in found.out.splitlines()]
    assert answers[:2] == [{"qid": "1", "ids": ["a"]}, {"qid": 2, "ids": []}]
    assert sorted(answers[2]["ids"]) == ["a", "b"]


async def test_a_file_from_windows_loses_no_line(shell, tmp_path):
    file = tmp_path / "talk.jsonl"
    rows = (said("a", "the cart is blue"), said("b", "the till is red"))
    file.write_bytes(codecs.BOM_UTF8 + lines(*rows).replace(b"\n", b"\r\n"))
    ended = await shell.run("memory", "import", str(file))
    assert (ended.status, ended.out, ended.err) == (0, "Imported 2.\n", "")


async def test_what_was_forgotten_is_not_imported_again(shell, tmp_path):
    file = tmp_path / "talk.jsonl"
    sentence = "the red till opens with a long brass key"
    rows = (said("a", "the cart is blue"), said("b", sentence), said("c", sentence))
    file.write_bytes(lines(*rows))
    await shell.run("memory", "import", str(file))
    assert (await shell.run("memory", "forget", "b")).status == 0
    again = await shell.run("memory", "import", str(file), "--json")
    assert json.loads(again.out) == {"new": 0, "known": 3, "broken": 0}
    assert (await shell.run("memory", "search", "brass key")).status == 66
    assert json.loads((await shell.run("memory", "search", "cart", "--json")).out)["id"] == "a"


async def test_each_that_is_to_be_forgotten_is_told_of(shell):
    for number in range(4):
        await shell.run("memory", "add", f"cash desk number {number} is blue")
    ended = await shell.run("memory", "forget", "F1", "nosuch", "f3-f4", "--json")
    told = [json.loads(row) for row in ended.out.splitlines()]
    assert [(each["id"], each["exit_status"]) for each in told] == [
        *(("F1", 0), ("nosuch", 66), ("f3", 0), ("f4", 0))
    ]
    ended = await shell.run("memory", "forget", "f2", "f9")
    assert (ended.status, ended.out.count("Forgotten"), len(ended.err.splitlines())) == (66, 1, 1)
    assert (await shell.run("memory", "list", "--json")).out == ""


async def test_broken_lines_are_named_with_their_numbers_and_the_good_ones_kept(shell, tmp_path):
    file = tmp_path / "talk.jsonl"
    broken = [b"nonsense\n", b'{"id": "x"}\n', b'{"id": "y", "text": 7}\n', b'["a"]\n', b"\xff\n"]
    odd = [said("z", "hello", ts="never"), said("", "hello"), said("w", " ")]
    file.write_bytes(b"".join([lines(said("a", "one")), *broken, lines(*odd, said("b", "two"))]))
    ended = await shell.run("memory", "import", str(file))
    assert (ended.status, ended.out) == (1, "Imported 2.\n")
    named = [int(row.split()[2]) for row in ended.err.splitlines() if " line " in row[:15]]
    assert named == [2, 3, 4, 5, 6, 7, 8, 9]
    assert ended.err.splitlines()[-1].startswith("coworker: 8 lines were left out")


async def test_what_is_exported_can_be_imported(shell, tmp_path):
    await shell.run("memory", "add", FACT, "--kind", "decision")
    file = tmp_path / "talk.jsonl"
    file.write_bytes(lines(*(said(f"m{n}", f"cart number {n}") for n in range(3_000))))
    await shell.run("memory", "import", str(file))
    first = await shell.run("memory", "export")
    file.write_text(first.out)
    other = ("--state-dir", str(tmp_path / "other"))
    assert (await shell.run("memory", "import", str(file), *other)).out == "Imported 3,001.\n"
    assert (await shell.run("memory", "export", *other)).out == first.out


async def test_an_imported_fact_is_its_authors_and_one_of_nobodys_the_owners(shell, tmp_path):
    file = tmp_path / "facts.jsonl"
    fact = {"text": "The cart rounds up", "kind": "fact"}
    stranger = {"id": "f2", "text": "The till rounds down", "author": "slack:U0MALLORY"}
    file.write_bytes(lines({"id": "f1"} | fact, fact | stranger))
    await shell.run("memory", "import", str(file))
    listed = (await shell.run("memory", "list", "--json")).out.splitlines()
    outside = {fact["text"]: fact["is_outside"] for fact in map(json.loads, listed)}
    assert outside == {"The cart rounds up": False, "The till rounds down": True}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("🎉", "There is no word in that"),
        ('"" ** ()', "There is no word in that"),
        ("word " * 10_000, "at most 500 are looked for"),
    ],
)
async def test_a_query_that_is_none_gets_one_sentence(shell, query, sentence):
    ended = await shell.run("memory", "search", query)
    assert (ended.status, ended.out) == (2, "")
    assert sentence in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["search"], 2, "Say what to look for"),
        (["search", "x", "--limit", "0"], 2, "--limit: at least 1"),
        (["import", "no-such-file"], 66, "no-such-file cannot be read"),
        (["add", " "], 2, "There is nothing to remember"),
        (["add", "x" * 2_001], 2, "a fact has at most 2,000"),
        (["add", "x", "--path", "no/file.py"], 1, "There is no file no/file.py"),
        (["forget", "f9"], 66, "There is nothing called f9"),
        (["list", "--repo", "nowhere"], 66, "There is no repository nowhere"),
    ],
)
async def test_a_mistake_gets_one_sentence_and_its_status(shell, arguments, status, sentence):
    ended = await shell.run("memory", *arguments)
    assert (ended.status, ended.out) == (status, "")
    assert sentence in ended.err
    assert len(ended.err.splitlines()) == 1
