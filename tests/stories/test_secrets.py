"""A secret may be written, read, printed or thrown: nobody sees it, and nothing keeps it."""

import asyncio
import json
import logging
import os
import shutil
import sys

import pytest

from coworker import logs
from coworker.cli.link import Link
from coworker.redact import Redactor
from tests.conftest import git, living
from tests.fakes.anthropic import FakeAnthropic, call, say
from tests.fakes.telegram import FakeTelegram

OURS = "xoxb-ours-1234-canary"
THEIRS = "ghp_" + "cAnArY0" * 6
BOT_TOKEN = "7000001:canary_token_of_thirty_five_signs_1"
CANARIES = (OURS, THEIRS, BOT_TOKEN)
DEADLINE_S = 30


@pytest.fixture(autouse=True)
def secrets(monkeypatch):
    """The daemon holds a token; another one is only known by its shape."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", OURS)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", BOT_TOKEN)


def assert_nowhere(*texts):
    for text in texts:
        found = [secret for secret in CANARIES if secret in text]
        assert found == [], f"{found} in {text[:2000]}"


def kept(folder):
    """Every byte that was written there, but for people's own files in a workspace."""
    files = [file for file in folder.rglob("*") if file.is_file() and "files" not in file.parts]
    assert files
    return [file.read_bytes().decode("latin-1") for file in files]


async def everything(world, conversation):
    """All that is kept, sent to the model, and shown of a conversation."""
    shown = [await world.log(conversation), await world.link.call("inbox"), world.progress]
    asked = [json.dumps(request) for request in world.model.requests]
    return [*kept(world.config.state), *asked, *map(repr, shown)]


async def test_what_stands_for_a_secret_does_not_take_its_place(world, shop):
    (shop / "mixed.py").write_text(f'TOKEN = "{THEIRS}"\nRETRIES = 1\n')
    git(shop, "add", ".")
    git(shop, "commit", "-qm", "Add a client")
    blank = 'TOKEN = "[secret: github token]"\nRETRIES = 2\n'
    script = [
        call("write_file", path="mixed.py", content=blank),
        call("edit_file", path="mixed.py", old="RETRIES = 1", new="RETRIES = 2"),
        say("Done."),
    ]
    async with world(script) as w:
        conversation = await w.says("retry once more")
        await w.hears()
        first, second = [e["body"] for e in await w.log(conversation) if e["kind"] == "tool_done"]
        assert "stands for a secret that you were not shown" in first["text"]
        assert (first["is_error"], second["is_error"]) == (True, False)
        (file,) = w.config.state.glob("workspaces/*/tree/mixed.py")
        assert file.read_text() == f'TOKEN = "{THEIRS}"\nRETRIES = 2\n'


async def test_what_a_person_writes_is_redacted_before_it_is_kept(world):
    async with world([say("Thanks, I cannot see it.")]) as w:
        conversation = await w.says(f"use {OURS} and GITHUB_TOKEN={THEIRS} please")
        await w.hears()
        assert_nowhere(*await everything(w, conversation))
        told = w.model.requests[0]["messages"][-1]["content"][-1]["text"]
        assert told == (
            "use [secret: slack bot token] and GITHUB_TOKEN=[secret: github token] please"
        )


async def test_a_file_a_fault_and_a_name_show_none(world, shop):
    (shop / ".env").write_text(f"A={OURS}\nB={THEIRS}\nplain = words\n")
    (shop / f"{THEIRS}.txt").write_text("x")
    script = [
        call("read_file", path=".env") + call("list_files") + call("search", pattern="A="),
        call("read_file", path="no/such"),
        say("Done looking."),
    ]
    async with world(script) as w:
        conversation = await w.says(f"look into no/{THEIRS}")
        await w.hears()
        assert_nowhere(*await everything(w, conversation))
        result = w.model.requests[1]["messages"][-1]["content"][0]["content"]
        assert "[secret: slack bot token]" in result
        assert "plain = words" in result


@pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
async def test_what_a_command_prints_is_redacted(world):
    half, rest = THEIRS[:12], THEIRS[12:]
    script = [call("shell", command=f"printf '%s%s\\n' {half} {rest}; echo honest"), say("Ran it.")]
    async with world(script) as w:
        conversation = await w.says("print it")
        await w.hears()
        assert_nowhere(*await everything(w, conversation))
        result = w.model.requests[1]["messages"][-1]["content"][0]["content"]
        assert "[secret: github token]\nhonest" in result


async def test_what_the_model_says_is_kept_as_received_and_shown_without(world):
    half, rest = THEIRS[:9], THEIRS[9:]
    async with world([say(f"The token is {half}{rest}, and {OURS} is ours; that is all.")]) as w:
        conversation = await w.says("what are the tokens?")
        reply = await w.hears()
        assert reply.text == (
            "The token is [secret: github token], and [secret: slack bot token] is ours; "
            "that is all."
        )
        streamed = "".join(sign.text for sign in w.progress if sign.what == "text")
        assert reply.text.startswith(streamed)
        assert "[secret: github token]" in streamed
        log = await w.log(conversation)
        assert_nowhere(repr(log), repr(w.progress), reply.text)
        (answer,) = [entry for entry in log if entry["kind"] == "assistant"]
        assert "[secret: github token]" in answer["body"]["content"][0]["text"]


@pytest.mark.parametrize(
    "hidden",
    [
        OURS.replace("-", "\\-"),
        OURS.replace("-", "&#45;"),
        f"{OURS[:9]}\x1b[0m{OURS[9:]}",
        f"{OURS[:9]}\u200b{OURS[9:]}",
        "postgres://app:hunter2hunter2@db.example.org/shop",
    ],
)
async def test_a_secret_that_only_a_platform_would_put_together_is_not_shown(world, hidden):
    async with world([say(f"It is {hidden} now.")]) as w:
        reply = await w.ask("what is it?")
        assert "[secret" in reply
        assert_nowhere(reply.replace("\u200b", ""), reply.replace("\\", ""))
        assert "hunter2" not in reply


async def test_a_question_shows_none(world):
    async with world([call("ask", question=f"Is {OURS} right?"), say("Good.")]) as w:
        conversation = await w.says("ask me")
        ask = await w.hears()
        assert ask.question == "Is [secret: slack bot token] right?"
        await w.link.call("answer", conversation=conversation, ask=1, text=f"no, {THEIRS}")
        await w.hears()
        answers = [e for e in await w.log(conversation) if e["kind"] == "answer"]
        assert_nowhere(repr(answers), json.dumps(w.model.requests[1]["messages"][-1]))


async def test_a_prefix_with_redacted_words_is_the_same_after_a_restart(world, configured, shop):
    async with world([say("one")]) as w:
        conversation = await w.says(f"keep {THEIRS}")
        await w.hears()
        first = w.model.requests[0]["messages"]
    async with (
        FakeAnthropic([say("two")], strict=True) as model,
        living(configured(model), model, shop) as w,
    ):
        await w.ask("again", conversation)
        again = model.requests[0]["messages"][: len(first)]
        assert [m["content"][-1]["text"] for m in again] == [
            m["content"][-1]["text"] for m in first
        ]


async def test_a_wrong_telegram_token_is_in_no_log_line_status_or_finding(tmp_path):
    """The token is in every URL of that service, and so in what its library says of a fault."""
    async with FakeTelegram() as telegram:
        config = tmp_path / "config.toml"
        urls = {"base_url": telegram.base_url, "base_file_url": telegram.base_file_url}
        config.write_text("[telegram]\n" + "".join(f'{k} = "{v}"\n' for k, v in urls.items()))
        command = [sys.executable, "-m", "coworker", "--config", str(config)]
        state = tmp_path / "state"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
        }
        with (tmp_path / "err").open("wb") as err:
            process = await asyncio.create_subprocess_exec(
                *command, "run", "--state-dir", str(state), env=environment, stderr=err
            )
        try:
            async with asyncio.timeout(DEADLINE_S):
                while "rejects us" not in (tmp_path / "err").read_text():
                    await asyncio.sleep(0.02)
            async with Link.connect(state / "coworker.sock") as link:
                status, found = await link.call("status"), await link.call("doctor")
        finally:
            process.terminate()
            await process.wait()
    assert status["adapters"][1]["state"] == "refused"
    assert any(finding["ok"] is False for finding in found)
    assert_nowhere((tmp_path / "err").read_text(), json.dumps([status, found]), *kept(state))


@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_traceback_of_any_library_shows_none(capfd, kind):
    logs.to_stderr(Redactor({"TELEGRAM_BOT_TOKEN": BOT_TOKEN}).text, kind)
    try:
        raise ConnectionError(f"POST https://api.telegram.org/bot{BOT_TOKEN}/getMe\n{THEIRS}")
    except ConnectionError:
        logging.getLogger("any.library").exception("with %s", THEIRS)
        logging.getLogger("coworker.adapters").exception("with %s", THEIRS)
    finally:
        logs.stop()
    written = capfd.readouterr().err
    assert_nowhere(written)
    assert written.count("ConnectionError: POST https://api.telegram.org/bot[secret: ") == 2
    assert written.count("[secret: github token]") == 4


async def test_an_error_of_the_command_line_shows_none(tmp_path):
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "coworker", "--config", f"/nowhere/{THEIRS}", "status"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await process.communicate()
    assert_nowhere(error.decode())
    assert "[secret: github token]" in error.decode()


async def test_a_stranger_of_the_same_shape_is_still_heard(world):
    """The honest twin: words that only look alike, hashes and code arrive as they are."""
    commit = "3f2a1c9d8e7b6a5f4c3d2e1f0a9b8c7d6e5f4a3b"
    words = f"look at {commit}, the task-force, sk-learn and postgres://user:password@host/db"
    async with world([say(f"At {commit}.")]) as w:
        conversation = await w.says(words)
        assert (await w.hears()).text == f"At {commit}."
        (said,) = [e["body"]["text"] for e in await w.log(conversation) if e["kind"] == "user"]
        assert said == words
