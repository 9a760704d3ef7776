"""`coworker chat` at a terminal: what a person types and sees."""

import asyncio
import signal
import stat

import pytest

from tests.cli.owner import FakeOwner


async def echo(run):
    run.reply(f"You said: {run.text}")


@pytest.fixture
def chat(shell):
    async def chat(*arguments, **more):
        terminal = await shell.at_terminal("chat", *arguments, **more)
        await terminal.sees("coworker 0.", "Ctrl-D leaves", "›")
        return terminal

    return chat


async def test_a_message_is_answered_with_its_receipt(shell, chat):
    async with FakeOwner(shell.state, echo) as owner:
        terminal = await chat()
        terminal.type("hello there\r")
        await terminal.sees("You said: hello there", "✓ 2 s · 1 step · tiny-1 · $0.04")
        terminal.type("\x04")
        assert await terminal.ends() == 0
        await terminal.sees("Go on later: coworker chat --conversation t-1")
        assert owner.shown == ["t-1:2"]


async def test_the_opening_says_who_where_and_how_in_two_lines(shell, chat):
    async with FakeOwner(shell.state, echo):
        terminal = await chat()
        opening = terminal.text.partition("›")[0].strip().splitlines()
        assert len(opening) == 2
        assert "offline" in opening[0]
        assert str(shell.cwd)[:20] in opening[0]


async def test_outside_a_repository_the_opening_says_so(shell, chat, tmp_path):
    shell.cwd = tmp_path
    async with FakeOwner(shell.state, echo):
        terminal = await chat(columns=120)
        await terminal.sees("not in a git repository")


async def test_markdown_is_rendered_block_by_block_and_not_repeated(shell, chat):
    answer = "# Title\n\nSome *text* here.\n\n```python\nx = 1\n\ny = 2\n```\n\nThe end.\n"
    go_on = asyncio.Event()

    async def streams(run):
        for start in range(0, 38, 7):
            run.progress("text", answer[:38][start : start + 7])
        await go_on.wait()
        run.progress("text", answer[38:])
        run.reply(answer.strip())

    async with FakeOwner(shell.state, streams):
        terminal = await chat()
        terminal.type("go\r")
        await terminal.sees("Title", "Some text here.")
        assert "x = 1" not in terminal.text
        go_on.set()
        await terminal.sees("x = 1", "y = 2", "The end.", "✓")
        assert terminal.text.count("Title") == 1
        assert terminal.text.count("The end.") == 1


async def test_an_answer_that_began_anew_is_shown_whole(shell, chat):
    async def restarts(run):
        run.progress("text", "First try.\n\nmore")
        run.progress("note", "The stream was cut; asking again.")
        run.progress("text", "Second try.\n\nand its end")
        run.reply("Second try.\n\nand its end")

    async with FakeOwner(shell.state, restarts):
        terminal = await chat()
        terminal.type("go\r")
        await terminal.sees("First try.", "asking again", "Second try.", "and its end", "✓")
        assert terminal.text.count("Second try.") == 1


async def test_what_is_being_done_is_shown_while_it_is_done(shell, chat):
    async def works(run):
        run.progress("step", "thinking")
        run.progress("tool", "reads cart.py")
        await run.stopped.wait()
        run.reply("Stopped.", outcome="stopped")

    async with FakeOwner(shell.state, works):
        terminal = await chat()
        terminal.type("go\r")
        await terminal.sees("reads cart.py", "· 1 s")
        terminal.type("\x03")
        await terminal.sees("Stopping.", "Stopped.", "■ stopped")


async def test_messages_typed_while_it_works_are_sent_at_once(shell, chat):
    async def steered(run):
        run.progress("tool", "reads cart.py")
        first, second = await run.steering.get(), await run.steering.get()
        run.reply(f"Heard {first} and {second}.")

    async with FakeOwner(shell.state, steered):
        terminal = await chat()
        terminal.type("go\r")
        await terminal.sees("reads cart.py")
        terminal.type("left\rright\r")
        await terminal.sees("Heard left and right.")


async def test_alt_enter_begins_a_new_line(shell, chat):
    async with FakeOwner(shell.state, echo) as owner:
        terminal = await chat()
        terminal.type("one\x1b\rtwo\r")
        await terminal.sees("You said")
        assert owner.said() == ["one\ntwo"]


async def test_a_question_is_answered_by_one_key(shell, chat):
    async def asks(run):
        answer = await run.ask("Which branch?", ["main", "dev"])
        run.reply(f"Merged into {answer}.")

    async with FakeOwner(shell.state, asks) as owner:
        terminal = await chat()
        terminal.type("merge\r")
        await terminal.sees("Which branch?", "1  main", "2  dev", "waiting for your answer")
        terminal.type("2")
        await terminal.sees("Merged into dev.")
        await owner.until(lambda: len(owner.shown) == 2)


async def test_a_question_is_answered_by_words(shell, chat):
    async def asks(run):
        answer = await run.ask("Which branch?", ["main", "dev"])
        run.reply(f"Merged into {answer}.")

    async with FakeOwner(shell.state, asks):
        terminal = await chat()
        terminal.type("merge\r")
        await terminal.sees("waiting for your answer")
        terminal.type("the newest one\r")
        await terminal.sees("Merged into the newest one.")


async def permission(run):
    answer = await run.ask("May I push?", ["Allow once", "Deny"], approval=True)
    run.reply(f"Decided: {answer}.")


@pytest.mark.parametrize(
    ("keys", "decided"),
    [("a\r", "Allow once"), ("y\r", "Allow once"), ("d\r", "Deny"), ("n\r", "Deny")],
)
async def test_a_permission_is_decided_by_a_letter(shell, chat, keys, decided):
    async with FakeOwner(shell.state, permission):
        terminal = await chat()
        terminal.type("push\r")
        await terminal.sees("May I push?", "a allows once, d denies")
        terminal.type(keys)
        await terminal.sees(f"Decided: {decided}.")


async def test_a_message_that_begins_with_a_letter_of_permission_permits_nothing(shell, chat):
    async with FakeOwner(shell.state, permission) as owner:
        terminal = await chat()
        terminal.type("push\r")
        await terminal.sees("waiting for your answer")
        terminal.type("actually, wait\r")
        await terminal.sees("still open")
        assert owner.said()[-1] == "actually, wait"
        assert owner.calls_of("answer") == []


async def test_a_permission_left_open_is_asked_again_when_one_comes_back(shell, chat):
    async with FakeOwner(shell.state, permission):
        await shell.run("ask", "push")
        terminal = await chat("--conversation", "t-1")
        await terminal.sees("May I push?")
        terminal.type("a\r")
        await terminal.sees("Decided: Allow once.")


async def test_an_answer_that_does_not_count_is_told(shell, chat):
    async with FakeOwner(shell.state, permission) as owner:
        owner.results["answer"] = {"accepted": False, "reason": "Bob was first"}
        terminal = await chat()
        terminal.type("push\r")
        await terminal.sees("waiting for your answer")
        terminal.type("a\r")
        await terminal.sees("does not count: Bob was first")


async def test_ctrl_c_twice_leaves(shell, chat):
    async with FakeOwner(shell.state, echo):
        terminal = await chat()
        terminal.type("half a messa")
        terminal.type("\x03")
        await terminal.sees("Ctrl-C again leaves")
        terminal.type("\x03")
        assert await terminal.ends() == 0


async def test_a_run_that_does_not_stop_can_be_left(shell, chat):
    async def deaf(run):
        run.progress("tool", "reads cart.py")
        await run.stopped.wait()

    async with FakeOwner(shell.state, deaf):
        terminal = await chat()
        terminal.type("go\r")
        await terminal.sees("reads cart.py")
        terminal.type("\x03\x03")
        assert await terminal.ends() == 0


async def test_an_error_is_shown_and_the_conversation_goes_on(shell, chat):
    async with FakeOwner(shell.state, echo) as owner:
        owner.errors["say"] = ("The disk is full.", 75)
        terminal = await chat()
        terminal.type("one\r")
        await terminal.sees("The disk is full.")
        owner.errors.clear()
        terminal.type("two\r")
        await terminal.sees("You said: two")


async def test_a_daemon_that_vanishes_leaves_the_terminal_as_it_was(shell, chat):
    async with FakeOwner(shell.state, echo) as owner:
        terminal = await chat()
        owner.hang_up()
        assert await terminal.ends() == 69
        assert "went away" in terminal.text
        assert "Traceback" not in terminal.text
        assert terminal.echoes


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_polite_end_leaves_the_terminal_as_it_was(shell, chat, number, status):
    async with FakeOwner(shell.state, echo):
        terminal = await chat()
        terminal.process.send_signal(number)
        assert await terminal.ends() == status
        assert terminal.echoes


async def test_terminal_sequences_are_not_obeyed(shell, chat):
    async def hostile(run):
        run.progress("tool", "reads \x1b]0;pwned\x07x")
        run.progress("text", "a \x1b[5mblink\x1b]0;pwned\x07\n\n")
        run.progress("note", "note \x1b[5m")
        await run.ask("q \x1b[5m \u202eevil?", ["\x1b[5mopt"])
        run.reply("b &#x202e; \x9b5mend \x1b[5m")

    async with FakeOwner(shell.state, hostile):
        terminal = await chat()
        terminal.type("go\r")
        await terminal.sees("1  opt")
        terminal.type("1")
        await terminal.sees("end")
        for forbidden in (b"\x1b]0;", b"\x1b[5m", "\u202e".encode(), "\x9b".encode()):
            assert forbidden not in terminal.seen


async def test_without_colour_there_is_none(shell, chat):
    shell.environment["NO_COLOR"] = "1"

    async def colourful(run):
        run.reply("# Title\n\n`code` and **bold**\n\n```python\nx = 1\n```")

    async with FakeOwner(shell.state, colourful):
        terminal = await chat()
        terminal.type("go\r")
        await terminal.sees("Title", "x = 1", "✓")
        assert b"\x1b[3" not in terminal.seen.replace(b"\x1b[3~", b"")
        assert b"\x1b[9" not in terminal.seen
        assert b"38;5" not in terminal.seen


async def test_what_was_typed_is_remembered_for_its_owner_alone(shell, chat):
    async with FakeOwner(shell.state, echo):
        terminal = await chat()
        terminal.type("remember me\r")
        await terminal.sees("You said: remember me")
        terminal.type("\x04")
        await terminal.ends()
        mode = (shell.state / "chat_history").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
        terminal = await chat()
        terminal.type("\x1b[A\r")
        await terminal.sees("You said: remember me")


async def test_bytes_that_are_no_characters_are_refused_in_words(shell, chat):
    async with FakeOwner(shell.state, echo) as owner:
        terminal = await chat()
        terminal.type("caf\udce9 au lait\r")
        await terminal.sees("not valid UTF-8 (at character 4)")
        assert owner.said() == []


async def test_a_second_reply_in_one_conversation_stands_by_itself(shell, chat):
    async def twice(run):
        run.progress("text", f"Answer to {run.text}.")
        run.reply(f"Answer to {run.text}.")

    async with FakeOwner(shell.state, twice):
        terminal = await chat()
        terminal.type("one\r")
        after = await terminal.sees("Answer to one.", "✓")
        terminal.type("two\r")
        await terminal.sees("Answer to two.", "✓", after=after)
