"""Forgotten means gone: no id in any answer, no byte in any file, and it does not come back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from coworker.store import audit
from coworker.store.writer import connect
from tests.fakes.anthropic import call, say

SIGN = "7391-alpha"
SECRET = f'The vault of the tills opens with {SIGN}, said "Ann"; ünïcode\tand all'
QUESTION = "What opens the vault of the tills?"


def files_with(words: str, folder: Path) -> list[str]:
    """The files below a folder that hold these words."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in found if words.encode() in path.read_bytes()]


async def verb(world, text: str) -> str:
    """Say a verb in the terminal; its answer."""
    said = await world.link.call("say", text=text, repo=str(world.repo))
    return said["answer"]


def faults(config) -> list[audit.Fault]:
    """Where the log is not as it was written."""
    with closing(connect(config.state / "coworker.db", read_only=True)) as db:
        return [*audit.faults(db)]


async def test_a_fact_and_its_message_leave_no_id_and_no_byte(world):
    keep = call("remember", text=SECRET)
    script = [keep, say(f"Kept: {SECRET}"), say(f"You said: {SECRET}"), say("I do not know.")]
    async with world(script) as w:
        first = await w.says(f"Remember this.\n\n{SECRET}\n\n{'x ' * 20_000}")
        await w.hears()
        await w.ask(QUESTION)
        assert SIGN in str(w.model.requests[2]["messages"])
        assert "f1" in await verb(w, "!memory vault")
        assert {"coworker.db-wal", "shop.db-wal"} <= set(files_with(SIGN, w.config.state))
        assert (await verb(w, "!forget f1")).startswith("Forgotten")
        assert "f1" not in await verb(w, "!memory")
        assert files_with(SIGN, w.config.state) == []
        assert "[forgotten]" in str(await w.log(first))
        await w.ask(QUESTION)
        assert SIGN not in str(w.model.requests[3]["messages"])
    assert files_with(SIGN, w.config.state) == []
    assert faults(w.config) == []


async def test_it_does_not_come_back_when_the_memory_is_made_anew(world):
    async with world([say("Good."), say("Good.")]) as w:
        await w.ask(f"Keep in mind: {SECRET}")
        await w.ask("The cash desk is blue.")
        name = (await verb(w, "!memory vault")).partition("[")[2].partition(",")[0]
        await verb(w, f"!forget {name}")
    (w.config.state / "repos" / "shop.db").write_bytes(b"broken " * 2_000)
    async with world([]) as w:
        told = await verb(w, "!memory what is blue")
        assert "was damaged" in told
        assert "cash desk is blue" in told
        assert SIGN not in await verb(w, "!memory vault")
    assert files_with(SIGN, w.config.state) == []


async def test_a_short_word_is_not_taken_out_of_everybodys_mouth(world):
    async with world([say("Good."), say("Good.")]) as w:
        await w.ask("yes")
        other = await w.says("I say yes to the blue cash desk.")
        await w.hears()
        told = await verb(w, "!memory yes")
        name = next(line for line in told.splitlines() if line.endswith("] yes"))
        await verb(w, f"!forget {name[3:].partition(',')[0]}")
        assert "I say yes" in str(await w.log(other))


async def test_what_is_not_there_cannot_be_forgotten(world):
    async with world([]) as w:
        assert "There is nothing called f7" in await verb(w, "!forget f7")
        assert "Say what" in await verb(w, "!forget")
