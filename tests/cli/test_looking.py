"""The commands that look: for a person, and as JSON for a program."""

import json

import pytest

from tests.cli.owner import FakeOwner

AT = 1_795_226_400_000

RECEIVED = {
    "source": "terminal",
    "event_id": "e1",
    "conversation": "t-1",
    "kind": "message",
    "body": {"text": "what changed\nthis \x1b[31mweek?", "sender": "terminal:ann"},
    "received_at": AT,
    "taken_seq": 2,
    "outcome": "answered",
}


async def nothing(run):
    pass


@pytest.fixture
async def owner(shell):
    async with FakeOwner(shell.state, nothing) as owner:
        yield owner


async def test_the_inbox_is_a_table_of_messages_and_outcomes(shell, owner):
    owner.results["inbox"] = [RECEIVED, {**RECEIVED, "kind": "stop", "body": {}, "outcome": None}]
    ended = await shell.run("inbox", "--limit", "5")
    heading, first, second = ended.out.splitlines()
    assert heading.split() == ["received", "conversation", "kind", "text", "outcome"]
    assert "what changed this week?" in first
    assert first.endswith("answered")
    assert second.endswith("open")
    assert owner.calls_of("inbox") == [{"limit": 5}]


async def test_lists_as_json_are_one_object_per_line(shell, owner):
    owner.results["inbox"] = [RECEIVED, RECEIVED]
    ended = await shell.run("inbox", "--json")
    assert [json.loads(line) for line in ended.out.splitlines()] == [RECEIVED, RECEIVED]


async def test_an_empty_list_says_so_to_a_person_and_nothing_to_a_program(shell, owner):
    owner.results["inbox"] = []
    assert "empty" in (await shell.run("inbox")).out
    assert (await shell.run("inbox", "--json")).out == ""


async def test_the_log_tells_each_entry_in_a_line(shell, owner):
    bodies = [
        ("user", {"text": "hi"}),
        ("assistant", {"content": [{"type": "tool_use", "name": "search", "input": {"q": "x"}}]}),
        ("tool_done", {"text": "y" * 500}),
        ("reply", {"text": "Hello.", "outcome": "answered"}),
    ]
    owner.results["log"] = [
        {"seq": n, "run": 1, "kind": kind, "v": 1, "at": AT, "body": body}
        for n, (kind, body) in enumerate(bodies, 1)
    ]
    ended = await shell.run("log", "t-1")
    lines = ended.out.splitlines()
    assert len(lines) == 5
    assert '→ search {"q": "x"}' in lines[2]
    assert all(len(line) <= 80 for line in lines)


async def test_the_status_fits_a_terminal_and_names_its_units(shell, owner):
    owner.results["status"] = {
        "version": "1",
        "running": ["t-1", "t-2"],
        "waiting": [],
        "spend_today_usd": 0.5,
        "models": [{"tier": "large", "model": "tiny-1", "where": "localhost", "problem": None}],
    }
    out = (await shell.run("status")).out
    assert "running      t-1, t-2" in out
    assert "spend today  $0.50" in out
    assert "models\n  tier   model   where\n  large  tiny-1  localhost\n" in out
    ended = await shell.run("status", "--json")
    assert json.loads(ended.out) == owner.results["status"]


async def test_the_doctor_names_the_fix_and_fails_when_something_is_wrong(shell, owner):
    good = {"check": "git", "ok": True, "found": "git 2.47", "fix": ""}
    choice = {"check": "model", "ok": None, "found": "none", "fix": "Set ANTHROPIC_API_KEY."}
    bad = {"check": "bwrap", "ok": False, "found": "not installed", "fix": "Install bubblewrap."}
    owner.results["doctor"] = [good, choice]
    ended = await shell.run("doctor")
    assert ended.status == 0
    assert ended.out.splitlines() == [
        "✓ git    git 2.47",
        "– model  none",
        "         → Set ANTHROPIC_API_KEY.",
    ]
    owner.results["doctor"] = [good, bad]
    ended = await shell.run("doctor", "--json")
    assert ended.status == 1
    assert [json.loads(line)["ok"] for line in ended.out.splitlines()] == [True, False]


async def test_repositories_are_added_by_absolute_path_and_shown(shell, owner):
    shop = {"name": "shop", "path": str(shell.cwd), "configured": False, "checks": ["pytest -q"]}
    owner.results |= {"repo_add": shop, "repos": [shop], "repo": shop, "repo_remove": {}}
    assert (await shell.run("repo", "add", ".", "--name", "shop")).out == "Added shop.\n"
    assert owner.calls_of("repo_add") == [{"path": str(shell.cwd), "name": "shop"}]
    assert "shop" in (await shell.run("repo", "list")).out
    assert "pytest -q" in (await shell.run("repo", "show", "shop")).out
    assert "not touched" in (await shell.run("repo", "remove", "shop")).out


async def test_what_is_not_found_is_66(shell, owner):
    owner.errors["repo"] = ("There is no repository nope.", 66)
    ended = await shell.run("repo", "show", "nope", "--json")
    assert (ended.status, ended.out) == (66, "")


async def test_the_doctor_tries_the_checks_when_asked_to(shell, owner):
    row = {"check": "checks of shop", "ok": None, "found": "not tried", "fix": "--checks"}
    owner.results["doctor"] = [row]
    owner.results["repos"] = [{"name": "shop", "checks": ["pytest"]}, {"name": "bare"}]
    owner.results["doctor_checks"] = {**row, "ok": True, "found": "1 commands passed", "fix": ""}
    ended = await shell.run("doctor", "--checks")
    assert "1 commands passed" in ended.out
    assert "not tried" not in ended.out
    assert ended.status == 0
