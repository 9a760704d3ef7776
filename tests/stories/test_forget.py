"""Forgotten means gone: no id in any answer, no byte in any file, and it does not come back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from coworker.store import audit
from coworker.store.writer import connect
from tests.fakes.anthropic import call, say, slow

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


async def test_several_are_forgotten_and_one_that_is_not_there_does_not_keep_the_others(world):
    async with world([]) as w:
        for number in range(4):
            await verb(w, f"!remember cash desk number {number} is blue")
        told = (await verb(w, "!forget F1 f9, f3-f4")).splitlines()
        assert [line.split(":")[0] for line in told[:1]] == [
            "Forgotten, in every byte that is mine"
        ]
        assert "There is nothing called f9" in told[1]
        listed = await verb(w, "!memory")
        assert "f2" in listed
        assert not any(name in listed for name in ("f1", "f3", "f4"))
        assert "at most 100" in await verb(w, "!forget f1-f9999")


async def test_a_short_text_goes_where_it_was_told_and_nowhere_else(world):
    script = [say("The code is 7391."), say("Is 7391 a prime?")]
    async with world(script) as w:
        await verb(w, "!remember tills open: 7391")
        told = await w.says("How do the tills open?")
        await w.hears()
        other = await w.says("What do you think of 7391?")
        await w.hears()
        assert "tills open: 7391" in str(await w.log(told))
        await verb(w, "!forget f1")
        assert "tills open: 7391" not in str(await w.log(told))
        assert files_with("tills open: 7391", w.config.state) == []
        assert "Is 7391 a prime?" in str(await w.log(other))
    assert faults(w.config) == []


async def test_a_conversation_goes_on_after_words_of_the_machine_were_forgotten(world):
    script = [call("list_files"), say("Two files."), say("Still here.")]
    async with world(script) as w:
        conversation = await w.says("Which files are there?")
        await w.hears()
        for text in ("tool_use", "text", "list_files", "end_turn", conversation):
            kept = await verb(w, f"!remember {text}")
            await verb(w, f"!forget {kept.split()[2].strip('.')}")
        assert await w.ask("And now?", conversation) == "Still here."
    assert faults(w.config) == []


async def test_the_subject_of_a_commit_does_not_keep_it(world):
    words = f"the vault of the tills opens with {SIGN}"
    script = [
        call("write_file", path="note.txt", content="x\n"),
        call("git_commit", message=f"Note that {words}"),
        say("Committed."),
    ]
    async with world(script) as w:
        await verb(w, f"!remember {words}")
        await w.ask("note it down")
        await verb(w, "!forget f1")
        assert files_with(SIGN, w.config.state) == []
    assert faults(w.config) == []


async def test_a_schedule_that_says_it_pauses(world):
    words = "remind all: at noon the vault opens for those who count the tills"
    async with world([]) as w:
        await w.link.call(
            "schedule", action="add", repo=str(w.repo), when="every monday at 9", prompt=words
        )
        await verb(w, f"!remember {words}")
        assert "which pauses" in await verb(w, "!forget f1")
        assert "were forgotten" in str(await w.link.call("schedule", action="list"))
        assert files_with("at noon the vault", w.config.state) == []


async def test_the_name_of_a_schedule_keeps_no_beginning_of_the_words(world):
    words = "the tills open with the blue key from the drawer"
    said = f"remind all: {words}"
    async with world([]) as w:
        add = {"repo": str(w.repo), "when": "every monday at 9", "prompt": said}
        await w.link.call("schedule", action="add", **add)
        assert "the tills open with" in str(await w.link.call("schedule", action="list"))
        await verb(w, f"!remember {words}")
        await verb(w, "!forget f1")
        assert "tills open" not in str(await w.link.call("schedule", action="list"))
        assert files_with("the tills open with", w.config.state) == []


async def test_a_run_under_way_does_not_say_it_again(world):
    script = [slow(1.5) + say(f"It is so: {SECRET}"), say("I do not know.")]
    async with world(script) as w:
        await verb(w, f"!remember {SECRET}")
        conversation = await w.says(QUESTION)
        await w.until(lambda: len(w.model.requests) == 1)
        assert SIGN in str(w.model.requests[0]["messages"])
        await verb(w, "!forget f1")
        heard = (await w.hears()).text
        assert heard.startswith("It is so: ")
        assert heard.endswith("[forgotten]")
        assert SIGN not in "".join(sign.text for sign in w.progress)
        await w.ask("And now?", conversation)
        assert SIGN not in str(w.model.requests[1])
        assert files_with(SIGN, w.config.state) == []
    assert faults(w.config) == []


async def test_a_run_under_way_thinks_on_without_it(world):
    script = [slow(1.5) + call("list_files"), say("Two files.")]
    async with world(script) as w:
        await verb(w, f"!remember {SECRET}")
        await w.says(QUESTION)
        await w.until(lambda: len(w.model.requests) == 1)
        assert SIGN in str(w.model.requests[0]["messages"])
        await verb(w, "!forget f1")
        await w.hears()
        assert SIGN not in str(w.model.requests[1]["messages"])


async def test_a_damaged_memory_is_told_in_the_reply_and_its_copy_is_forgotten_too(world):
    async with world([]) as w:
        await verb(w, f"!remember {SECRET}")
        assert SIGN in await verb(w, "!memory")
    file = w.config.state / "repos" / "shop.db"
    file.write_bytes(b"broken " * 2_000 + file.read_bytes())
    async with world([say("Blue."), say("Blue.")]) as w:
        told = await w.ask("Which colour is the cash desk?")
        assert told.startswith("Blue.")
        assert "The memory of shop was damaged" in told
        assert await w.ask("Is it really?") == "Blue."
        assert any("damaged" in name for name in files_with(SIGN, w.config.state))
        assert "f1" in await verb(w, "!memory vault")
        await verb(w, "!forget f1")
        assert files_with(SIGN, w.config.state) == []


async def test_a_rule_holds_without_the_words_of_it_that_were_forgotten(world):
    words = "never touch README.md"
    script = [call("write_file", path="README.md", content="x\n"), say("I may not.")]
    async with world(script) as w:
        await verb(w, f"!remember {words}")
        assert words in await verb(w, "!memory")
        await verb(w, "!forget f1")
        assert files_with(words, w.config.state) == []
        assert await w.ask("Empty the README.") == "I may not."
        assert "Denied: rule 1" in str(w.model.requests[1]["messages"])
        assert words not in str(w.model.requests)


async def test_undo_takes_back_what_a_run_remembered_and_nothing_that_says_the_same(world):
    script = [call("remember", text="Deploys are on Fridays at noon."), say("Kept.")]
    async with world(script) as w:
        conversation = await w.says("remember that deploys are on Fridays at noon")
        assert (await w.hears()).text == "Kept."
        assert "Fridays at noon" in await verb(w, "!memory")
        await w.says("!undo", conversation)
        assert "f1 is not remembered any more." in (await w.hears()).text
        assert "Fridays" not in await verb(w, "!memory")
        assert "on Fridays at noon" in str(await w.log(conversation))
    assert faults(w.config) == []


async def test_what_a_run_does_that_never_knew_the_words_is_not_changed(world):
    line = "def total(items): return sum(items) + len(items)"
    script = [
        call("ask", question="Shall I?"),
        call("write_file", path="total.py", content=f"{line}\n"),
        say("Written."),
    ]
    async with world(script) as w:
        conversation = await w.says("write the total")
        await w.hears()
        await verb(w, f"!remember {line}")
        await verb(w, "!forget f1")
        await w.link.call("answer", conversation=conversation, ask=1, text="yes")
        assert (await w.hears()).text == "Written."
        (file,) = w.config.state.glob("workspaces/*/tree/total.py")
        assert file.read_text() == f"{line}\n"
