"""The command line with the real owner behind it: every command is a process of its own."""

import json
import re

import pytest

from tests.fakes.anthropic import FakeAnthropic, call, say


@pytest.fixture
def connected(shell, tmp_path):
    """Configure a scripted model, with a rule by which looking at the status needs a yes."""

    def connected(model):
        (tmp_path / "config.toml").write_text(
            f'[models.large]\nmodel = "claude-opus-5-5"\nbase_url = "{model.url}"\n'
            '[[rules]]\ntool = "git_status"\nthen = "ask"\n'
        )

    return connected


def conversation_in(hint):
    return re.search(r"--conversation (\S+)", hint)[1]


async def test_without_any_account_each_line_is_answered(shell):
    ended = await shell.run("chat", stdin=b"hello\nhelp\n")
    assert ended.status == 0
    assert ended.out.count("I am offline") == 2


async def test_a_question_outlives_the_process_that_asked_it(shell, connected):
    script = [call("ask", question="Which branch?", options=["main", "dev"]), say("Took dev.")]
    async with FakeAnthropic(script, strict=True) as model:
        connected(model)
        first = await shell.run("ask", "merge it")
        assert (first.status, first.out) == (77, "")
        ended = await shell.run("ask", "--conversation", conversation_in(first.err), "2")
        assert (ended.status, ended.out) == (0, "Took dev.\n")
        assert "dev" in json.dumps(model.requests[-1]["messages"][-1])


async def test_a_permission_is_decided_from_another_process(shell, connected):
    async with FakeAnthropic([call("git_status"), say("As you wish.")], strict=True) as model:
        connected(model)
        first = await shell.run("ask", "how is the tree?")
        assert first.status == 77
        name = conversation_in(first.err)
        again = await shell.run("ask", "--conversation", name, "why do you ask?")
        assert again.status == 77
        ended = await shell.run("ask", "--conversation", name, "deny")
        assert ended.status == 0
        assert "As you wish." in ended.out


async def test_a_permission_is_decided_by_its_number(shell, connected):
    async with FakeAnthropic([call("git_status"), say("As you wish.")], strict=True) as model:
        connected(model)
        first = await shell.run("ask", "how is the tree?")
        name = conversation_in(first.err)
        looked = await shell.run("ask", "--conversation", name, "!queue")
        assert (looked.status, "`!deny N`" in looked.out) == (0, True)
        ended = await shell.run("ask", "--conversation", name, "!deny 1")
        assert (ended.status, ended.err) == (0, "")
        assert "As you wish." in ended.out


async def test_what_waits_is_listed_and_decided_from_the_command_line(shell, connected):
    async with FakeAnthropic([call("git_status"), say("As you wish.")], strict=True) as model:
        connected(model)
        nothing = await shell.run("approvals", "list")
        assert (nothing.status, nothing.out) == (0, "Nothing waits for a decision.\n")
        name = conversation_in((await shell.run("ask", "how is the tree?")).err)
        shown = (await shell.run("approvals", "list")).out
        assert f"{name}/1 · asked by you · " in shown
        assert "  May I do this: looks at the state of the checkout?" in shown
        [waiting] = (await shell.run("approvals", "list", "--json")).out.splitlines()
        told = json.loads(waiting)
        assert (told["id"], told["ask"], told["owner"]) == (f"{name}/1", 1, False)
        missing = await shell.run("approvals", "approve", "7")
        assert missing.status == 66
        assert "No permission 7 is waited for. `coworker approvals list`" in missing.err
        allowed = await shell.run("approvals", "approve", "1")
        assert (allowed.status, allowed.out.split(".")[0]) == (0, f"Allowed: {name}/1")
        assert (await shell.run("approvals", "list", "--json")).out == ""
        assert (await shell.run("approvals", "deny", f"{name}/1")).status == 66
        log = [
            json.loads(line) for line in (await shell.run("log", name, "--json")).out.splitlines()
        ]
        assert [e["body"]["verdict"] for e in log if e["kind"] == "answer"] == ["allow"]


async def test_who_may_not_decide_is_refused_on_the_command_line_too(shell, connected, tmp_path):
    async with FakeAnthropic([call("git_status")], strict=True) as model:
        connected(model)
        with (tmp_path / "config.toml").open("a") as config:
            config.write('[people.ann]\nrole = "owner"\nids = ["slack:U0ANN"]\n')
            config.write('[people.joe]\nrole = "guest"\nids = ["terminal:*"]\n')
        await shell.run("ask", "how is the tree?")
        ended = await shell.run("approvals", "approve", "1")
        assert (ended.status, ended.out) == (77, "")
        assert "not yours to decide; an owner can" in ended.err


async def test_the_terminal_shows_a_streamed_reply_once(shell, connected):
    async with FakeAnthropic([say("First.\n\nSecond."), say("Third.")], strict=True) as model:
        connected(model)
        terminal = await shell.at_terminal("chat")
        await terminal.sees("›")
        terminal.type("go\r")
        await terminal.sees("First.", "Second.", "claude-opus-5-5")
        assert terminal.text.count("Second.") == 1
        terminal.type("on\r")
        await terminal.sees("Third.")
        terminal.type("\x04")
        assert await terminal.ends() == 0
    ended = await shell.run("inbox", "--json")
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert [row["outcome"] for row in rows] == ["answered", "answered"]


async def test_the_same_id_costs_nothing_the_second_time(shell, connected):
    async with FakeAnthropic([say("Paid.")], strict=True) as model:
        connected(model)
        for _ in range(2):
            ended = await shell.run("ask", "pay", "--id", "bill-7")
            assert (ended.status, ended.out) == (0, "Paid.\n")
        assert len(model.requests) == 1
