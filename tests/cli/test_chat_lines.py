"""`coworker chat` without a terminal: each line is a message."""

import asyncio
import signal

from tests.cli.owner import FakeOwner


async def echo(run):
    run.reply(f"You said: {run.text}")


async def test_each_line_is_answered_in_order_before_the_next_is_sent(shell):
    async with FakeOwner(shell.state, echo) as owner:
        ended = await shell.run("chat", stdin=b"one\n\ntwo")
        assert (ended.status, ended.err) == (0, "")
        assert ended.out == "You said: one\n\nYou said: two\n"
        assert owner.said() == ["one", "two"]
        assert list(owner.talks) == ["t-1"]


async def test_no_input_is_no_conversation(shell):
    async with FakeOwner(shell.state, echo) as owner:
        ended = await shell.run("chat")
        assert (ended.status, ended.out, owner.calls) == (0, "", [])


async def test_a_regular_file_is_input_too(shell, tmp_path):
    (tmp_path / "messages").write_text("one\n")
    async with FakeOwner(shell.state, echo):
        with (tmp_path / "messages").open() as messages:
            process = await shell.start("chat", stdin=messages.fileno())
            out, _ = await process.communicate()
        assert (process.returncode, out) == (0, b"You said: one\n")


async def test_a_bad_line_is_reported_by_its_number_and_the_others_go_through(shell):
    async with FakeOwner(shell.state, echo) as owner:
        stdin = b"one\ncaf\xe9\n" + b"x" * 300_000 + b"\nfour\n"
        ended = await shell.run("chat", stdin=stdin)
        assert ended.status == 2
        assert owner.said() == ["one", "four"]
        bad, big = ended.err.splitlines()
        assert "line 2 is not valid UTF-8 (at byte 4)" in bad
        assert "line 3 is 300,000 bytes" in big


async def test_the_exit_status_is_that_of_the_last_failure(shell):
    async def some_fail(run):
        run.reply("hm", exit_status={"a": 69, "b": 75}.get(run.text, 0))

    async with FakeOwner(shell.state, some_fail):
        ended = await shell.run("chat", stdin=b"a\nb\nc\n")
        assert ended.status == 75


async def test_an_error_of_the_owner_concerns_its_line_alone(shell):
    async with FakeOwner(shell.state, echo) as owner:
        owner.errors["say"] = ("The disk is full.", 75)
        ended = await shell.run("chat", stdin=b"a\nb\n")
        assert (ended.status, ended.out) == (75, "")
        assert ended.err.splitlines() == [f"coworker: line {n}: The disk is full." for n in (1, 2)]


async def test_outside_a_repository_it_says_so_in_one_line_and_goes_on(shell, tmp_path):
    shell.cwd = tmp_path / "state"
    async with FakeOwner(shell.state, echo):
        ended = await shell.run("chat", stdin=b"hi\n")
        assert ended.out == "You said: hi\n"
        assert "not in a git repository" in ended.err
        assert ended.err.count("\n") == 1


async def test_a_conversation_can_be_continued(shell):
    async with FakeOwner(shell.state, echo) as owner:
        await shell.run("chat", stdin=b"one\n")
        await shell.run("chat", "--conversation", "t-1", stdin=b"two\n")
        assert owner.said() == ["one", "two"]
        assert list(owner.talks) == ["t-1"]


async def test_what_was_not_seen_before_is_shown_first(shell):
    async with FakeOwner(shell.state, echo) as owner:
        owner.say("earlier")
        ended = await shell.run("chat", "--conversation", "t-1", stdin=b"now\n")
        assert ended.out == "You said: earlier\n\nYou said: now\n"


async def test_the_next_line_answers_a_question(shell):
    async def asks(run):
        answer = await run.ask("Which branch?", ["main", "dev"])
        run.reply(f"Merged into {answer}.")

    async with FakeOwner(shell.state, asks):
        ended = await shell.run("chat", stdin=b"merge\n2\nand again\n1\n")
        question = "Which branch?\n  1  main\n  2  dev\n"
        assert ended.status == 0
        assert ended.out == f"{question}\nMerged into dev.\n\n{question}\nMerged into main.\n"


async def test_a_question_without_an_answer_ends_with_77(shell):
    async def asks(run):
        await run.ask("Which branch?", [])

    async with FakeOwner(shell.state, asks):
        ended = await shell.run("chat", stdin=b"merge\n")
        assert (ended.status, ended.out) == (77, "Which branch?\n")


async def permission(run):
    answer = await run.ask("May I push?", ["Allow once", "Deny"], approval=True)
    run.reply(f"Decided: {answer}.")


async def test_a_permission_is_given_by_its_word_alone(shell):
    async with FakeOwner(shell.state, permission) as owner:
        ended = await shell.run("chat", stdin=b"push\nand be quick\na\n")
        assert "Decided: Allow once." in ended.out
        assert owner.said() == ["push", "and be quick"]
        assert "still open" in ended.err


async def test_an_open_permission_is_asked_again_in_a_continued_conversation(shell):
    async with FakeOwner(shell.state, permission):
        await shell.run("chat", stdin=b"push\n")
        ended = await shell.run("chat", "--conversation", "t-1", stdin=b"n\n")
        assert ended.out == "May I push?\n  1  Allow once\n  2  Deny\n\nDecided: Deny.\n"


async def test_ctrl_c_stops_the_run_shows_its_report_and_sends_no_more(shell):
    started = asyncio.Event()

    async def stoppable(run):
        started.set()
        await run.stopped.wait()
        run.reply("Stopped.", outcome="stopped", exit_status=1)

    async with FakeOwner(shell.state, stoppable) as owner:
        process = await shell.start("chat")
        process.stdin.write(b"one\ntwo\n")
        await asyncio.wait_for(started.wait(), 10)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert (process.returncode, out, err) == (130, b"Stopped.\n", b"")
        assert owner.said() == ["one"]


async def test_ctrl_c_between_messages_leaves(shell):
    async with FakeOwner(shell.state, echo):
        process = await shell.start("chat")
        process.stdin.write(b"one\n")
        assert await process.stdout.readline() == b"You said: one\n"
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 10)
        assert process.returncode == 130


async def test_a_daemon_that_vanishes_ends_it_in_words(shell):
    async def echo_once(run):
        run.reply("hello")
        await run.talk.attached.wait()

    async with FakeOwner(shell.state, echo_once) as owner:
        process = await shell.start("chat")
        process.stdin.write(b"one\n")
        assert await process.stdout.readline() == b"hello\n"
        owner.hang_up()
        _, err = await process.communicate(b"two\n")
        assert process.returncode == 69
        assert b"went away" in err
