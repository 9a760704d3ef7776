"""Options, errors and exit statuses that hold for every command."""

import asyncio
import os

import pytest

from coworker import __version__
from tests.cli.owner import FakeOwner


async def echo(run):
    run.reply(f"You said: {run.text}")


@pytest.mark.parametrize("arguments", [["--help"], ["ask", "--help"], ["repo", "add", "--help"]])
async def test_help_is_on_stdout(shell, arguments):
    ended = await shell.run(*arguments)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("usage: coworker")


async def test_the_version(shell):
    ended = await shell.run("--version")
    assert (ended.status, ended.out) == (0, f"coworker {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "COMMAND"),
        (["aks"], "'aks'"),
        (["ask", "two", "words"], "unrecognized arguments: words"),
        (["ask", "--repos", "x"], "--repos"),
        (["log"], "CONVERSATION"),
        (["inbox", "--limit", "many"], "--limit"),
        (["repo"], "COMMAND"),
        (["repo", "show"], "NAME"),
        (["ask", "x", "\x1b[31m\nnext"], "unrecognized"),
    ],
)
async def test_wrong_usage_is_one_line_that_says_what_to_do(shell, arguments, named):
    ended = await shell.run(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert named in ended.err
    assert ended.err.count("\n") == 1
    assert "--help" in ended.err
    assert "\x1b" not in ended.err


@pytest.mark.parametrize("before", [True, False])
async def test_global_options_stand_before_or_after_the_command(shell, tmp_path, before):
    (tmp_path / "other").mkdir()
    place = ["--state-dir", str(tmp_path / "other"), "--config", str(tmp_path / "config.toml")]
    async with FakeOwner(tmp_path / "other", echo):
        ended = await shell.run(*([*place, "ask", "hi"] if before else ["ask", "hi", *place]))
        assert (ended.status, ended.out) == (0, "You said: hi\n")


async def test_a_configuration_error_is_one_line_and_78(shell, tmp_path):
    (tmp_path / "config.toml").write_text('timezon = "UTC"\n')
    ended = await shell.run("status")
    assert (ended.status, ended.out) == (78, "")
    assert "timezone" in ended.err
    assert ended.err.count("\n") == 1


async def test_a_reader_that_leaves_ends_it_quietly(shell):
    async def long(run):
        run.reply("x" * 200_000)

    async with FakeOwner(shell.state, long):
        read, write = os.pipe()
        process = await shell.start("ask", "hi", stdout=write)
        os.close(write)
        os.close(read)
        _, err = await asyncio.wait_for(process.communicate(), 20)
        assert (process.returncode, err) == (141, b"")


async def test_a_full_disk_behind_stdout_is_said_and_the_reply_is_not_lost(shell):
    async with FakeOwner(shell.state, echo) as owner:
        with open("/dev/full", "wb") as full:
            process = await shell.start("ask", "hi", stdout=full.fileno())
        _, err = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 1
        assert b"No space left" in err
        assert err.count(b"\n") == 1
        assert owner.shown == []


async def test_a_fault_of_ours_is_one_line_with_a_traceback_only_on_request(shell):
    async with FakeOwner(shell.state, echo) as owner:
        owner.results["doctor"] = [7]
        ended = await shell.run("doctor")
        assert (ended.status, ended.out) == (1, "")
        assert "unexpected AttributeError" in ended.err
        assert ended.err.count("\n") == 1
        ended = await shell.run("doctor", "--debug")
        assert "Traceback" in ended.err


async def test_an_encoding_that_lacks_a_character_is_no_error(shell):
    async with FakeOwner(shell.state, echo):
        shell.environment["PYTHONIOENCODING"] = "ascii"
        ended = await shell.run("ask", "grün ✓")
        assert (ended.status, ended.out) == (0, "You said: gr?n ?\n")
