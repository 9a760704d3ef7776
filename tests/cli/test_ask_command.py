"""`coworker ask`: one message in, the reply on stdout."""

import asyncio
import json
import signal

import pytest

from tests.cli.owner import FakeOwner


async def echo(run):
    run.progress("tool", "reads cart.py")
    run.reply(f"You said: {run.text}")


async def test_the_reply_alone_is_on_stdout_and_is_confirmed(shell):
    async with FakeOwner(shell.state, echo) as owner:
        ended = await shell.run("ask", "what changed?")
        assert (ended.status, ended.out, ended.err) == (0, "You said: what changed?\n", "")
        assert owner.shown == ["t-1:2"]


async def test_a_message_is_sent_from_where_the_person_stands(shell):
    async with FakeOwner(shell.state, echo) as owner:
        await shell.run("ask", "hello")
        [said] = owner.calls_of("say")[:1]
        assert said["cwd"] == str(shell.cwd)
        assert "repo" not in said


@pytest.mark.parametrize(("given", "sent"), [("shop", "shop"), (".", ""), ("../shop", "")])
async def test_a_repository_is_a_name_or_an_absolute_path(shell, given, sent):
    async with FakeOwner(shell.state, echo) as owner:
        await shell.run("ask", "hello", "--repo", given)
        assert owner.calls_of("say")[0]["repo"] == (sent or str(shell.cwd))


@pytest.mark.parametrize("arguments", [["ask"], ["ask", "-"]])
async def test_the_message_can_come_through_a_pipe(shell, arguments):
    async with FakeOwner(shell.state, echo) as owner:
        await shell.run(*arguments, stdin="two\nlines ü".encode())
        assert owner.said() == ["two\nlines ü"]


async def test_json_is_one_object_and_nothing_else(shell):
    async with FakeOwner(shell.state, echo):
        ended = await shell.run("ask", "hi", "--json")
        answer = json.loads(ended.out)
        assert answer["reply"] == "You said: hi"
        assert (answer["conversation"], answer["outcome"], answer["model"]) == (
            "t-1",
            "answered",
            "tiny-1",
        )
        assert answer["receipt"]["cost_usd"] == 0.04


async def test_the_exit_status_is_that_of_the_reply(shell):
    async def fails(run):
        run.reply("The model is overloaded.", outcome="failed", exit_status=69)

    async with FakeOwner(shell.state, fails):
        ended = await shell.run("ask", "hi")
        assert (ended.status, ended.out) == (69, "The model is overloaded.\n")


async def test_an_error_of_the_owner_is_one_line_with_its_exit_status(shell):
    async with FakeOwner(shell.state, echo) as owner:
        owner.errors["say"] = ("There is no repository nope.\nSay `coworker repo list`.", 66)
        ended = await shell.run("ask", "hi", "--repo", "nope")
        assert (ended.status, ended.out) == (66, "")
        assert ended.err == "coworker: There is no repository nope. Say `coworker repo list`.\n"


async def test_a_question_is_shown_with_how_to_answer_and_waits(shell):
    async def asks(run):
        await run.ask("Which branch?", ["main", "dev"])

    async with FakeOwner(shell.state, asks) as owner:
        ended = await shell.run("ask", "merge it")
        assert (ended.status, ended.out) == (77, "")
        assert "Which branch?\n  1  main\n  2  dev\n" in ended.err
        assert "coworker ask --conversation t-1" in ended.err
        assert len(owner.shown) == 1


async def test_a_question_as_json(shell):
    async def asks(run):
        await run.ask("Which branch?", ["main", "dev"])

    async with FakeOwner(shell.state, asks):
        ended = await shell.run("ask", "merge it", "--json")
        answer = json.loads(ended.out)
        assert (ended.status, answer["reply"], answer["outcome"]) == (77, None, "waiting")
        assert answer["options"] == ["main", "dev"]


@pytest.mark.parametrize(("typed", "heard"), [("2", "dev"), ("the new one", "the new one")])
async def test_the_next_ask_answers_the_open_question(shell, typed, heard):
    async def asks(run):
        answer = await run.ask("Which branch?", ["main", "dev"])
        run.reply(f"Merged into {answer}.")

    async with FakeOwner(shell.state, asks):
        await shell.run("ask", "merge it")
        ended = await shell.run("ask", "--conversation", "t-1", typed)
        assert (ended.status, ended.out) == (0, f"Merged into {heard}.\n")


async def permission(run):
    answer = await run.ask("May I push?", ["Allow once", "Deny"], approval=True)
    run.reply(f"Decided: {answer}.")


@pytest.mark.parametrize(("typed", "heard"), [("y", "Allow once"), ("deny", "Deny")])
async def test_the_next_ask_can_decide_a_permission(shell, typed, heard):
    async with FakeOwner(shell.state, permission):
        first = await shell.run("ask", "push it")
        assert '"allow" (or deny)' in first.err
        ended = await shell.run("ask", "--conversation", "t-1", typed)
        assert (ended.status, ended.out) == (0, f"Decided: {heard}.\n")


async def test_other_words_never_permit_anything_and_do_not_wait_for_ever(shell):
    async with FakeOwner(shell.state, permission) as owner:
        await shell.run("ask", "push it")
        ended = await shell.run("ask", "--conversation", "t-1", "yes but run the tests before")
        assert ended.status == 77
        assert "May I push?" in ended.err
        assert owner.calls_of("answer") == []
        assert owner.said()[-1] == "yes but run the tests before"


async def test_an_answer_that_came_too_late_is_refused_in_words(shell):
    async with FakeOwner(shell.state, permission) as owner:
        await shell.run("ask", "push it")
        owner.results["answer"] = {"accepted": False, "reason": "somebody else was first"}
        ended = await shell.run("ask", "--conversation", "t-1", "y")
        assert ended.status == 77
        assert "somebody else was first" in ended.err


async def test_a_reply_from_before_is_not_taken_for_ours(shell):
    async with FakeOwner(shell.state, echo) as owner:
        owner.say("an older question")
        ended = await shell.run("ask", "--conversation", "t-1", "mine")
        assert ended.out == "You said: mine\n"
        assert "You said: an older question" in ended.err
        assert len(owner.shown) == 2


async def test_the_same_id_is_taken_once_and_its_reply_given_again(shell):
    async with FakeOwner(shell.state, echo) as owner:
        for _ in range(2):
            ended = await shell.run("ask", "pay the bill", "--id", "bill-7")
            assert (ended.status, ended.out) == (0, "You said: pay the bill\n")
        assert len(owner.talks["t-1"].entries) == 3


async def test_the_same_id_gives_a_reply_that_nobody_has_seen_yet(shell):
    async with FakeOwner(shell.state, echo) as owner:
        owner.say("pay the bill", event_id="bill-7")
        ended = await shell.run("ask", "pay the bill", "--id", "bill-7")
        assert ended.out == "You said: pay the bill\n"
        assert len(owner.shown) == 1


async def test_a_reply_whose_showing_was_cut_short_is_marked(shell):
    async with FakeOwner(shell.state, echo) as owner:
        with open("/dev/full", "wb") as full:
            process = await shell.start("ask", "hi", "--id", "once", stdout=full.fileno())
        await process.communicate()
        await owner.until(lambda: not owner.talks["t-1"].screens)
        ended = await shell.run("ask", "hi", "--id", "once")
        assert ended.out == "You said: hi\n"
        assert "perhaps shown before" in ended.err


async def stoppable(run):
    run.progress("tool", "runs the tests")
    await run.stopped.wait()
    run.reply("Stopped. Nothing had been done.", outcome="stopped", exit_status=1)


async def test_ctrl_c_stops_the_run_and_waits_for_its_report(shell):
    async with FakeOwner(shell.state, stoppable) as owner:
        terminal = await shell.at_terminal("ask", "go")
        await terminal.sees("runs the tests")
        terminal.interrupt()
        assert await terminal.ends() == 1
        assert "Stopped. Nothing had been done." in terminal.text
        assert owner.calls_of("stop") == [{"conversation": "t-1"}]


async def test_a_second_ctrl_c_leaves(shell):
    async def deaf(run):
        run.progress("tool", "runs the tests")
        await run.stopped.wait()

    async with FakeOwner(shell.state, deaf) as owner:
        terminal = await shell.at_terminal("ask", "go")
        await terminal.sees("runs the tests")
        terminal.interrupt()
        await asyncio.wait_for(owner.talks["t-1"].run.stopped.wait(), 10)
        terminal.interrupt()
        assert await terminal.ends() == 130
        assert "Traceback" not in terminal.text


async def test_a_polite_end_is_quiet(shell):
    started = asyncio.Event()

    async def slow(run):
        started.set()
        await run.stopped.wait()

    async with FakeOwner(shell.state, slow):
        process = await shell.start("ask", "go")
        await asyncio.wait_for(started.wait(), 10)
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
        assert (process.returncode, out, err) == (143, b"", b"")


async def test_what_is_being_done_is_shown_live_only_at_a_terminal(shell):
    async def works(run):
        run.progress("tool", "reads \x1b[31mcart.py")
        await run.stopped.wait()

    async with FakeOwner(shell.state, works):
        terminal = await shell.at_terminal("ask", "go")
        await terminal.sees("reads cart.py")
        assert b"\x1b[31m" not in terminal.seen


async def test_terminal_sequences_in_a_reply_are_not_obeyed(shell):
    async def hostile(run):
        run.reply("a\x1b]0;title\x07b\x1b[2Jc\u202ed\x9b31me\r\nf\U000e0041")

    async with FakeOwner(shell.state, hostile):
        ended = await shell.run("ask", "hi")
        assert ended.out == "abcde\nf\n"


async def test_json_carries_even_such_a_reply_exactly(shell):
    text = "a\x1b]0;title\x07b\u202ec\ud800"

    async def hostile(run):
        run.reply(text)

    async with FakeOwner(shell.state, hostile):
        ended = await shell.run("ask", "hi", "--json")
        assert json.loads(ended.out)["reply"] == text
        assert ended.out.isascii()


@pytest.mark.parametrize(
    ("arguments", "stdin", "named"),
    [
        (["ask", b"caf\xe9"], b"", "character 4"),
        (["ask"], b"caf\xe9", "byte 4"),
        (["ask", "  "], b"", "empty"),
        (["ask"], b"\n", "empty"),
        (["ask"], b"x" * 262_145, "262,144 bytes"),
    ],
)
async def test_what_cannot_be_sent_is_refused_in_one_line(shell, arguments, stdin, named):
    async with FakeOwner(shell.state, echo) as owner:
        ended = await shell.run(*arguments, stdin=stdin)
        assert (ended.status, ended.out) == (2, "")
        assert named in ended.err
        assert ended.err.count("\n") == 1
        assert owner.calls == []


async def test_the_largest_message_goes_through(shell):
    async with FakeOwner(shell.state, echo):
        ended = await shell.run("ask", stdin=b"x" * 262_144)
        assert len(ended.out) == len("You said: \n") + 262_144


async def test_at_a_terminal_without_text_it_says_what_to_do(shell):
    async with FakeOwner(shell.state, echo):
        terminal = await shell.at_terminal("ask")
        assert await terminal.ends() == 2
        assert "coworker ask TEXT" in terminal.text


async def test_an_unknown_conversation_is_nothing_found(shell):
    async with FakeOwner(shell.state, echo):
        ended = await shell.run("ask", "hi", "--conversation", "t-99")
        assert (ended.status, ended.out) == (66, "")
