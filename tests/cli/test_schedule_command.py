"""`coworker schedule` with the real owner behind it: every command is a process of its own."""

import json

import pytest

from tests.conftest import git

ROOM = "slack:C0SHOP"


@pytest.fixture(autouse=True)
def checkout(shell):
    """A repository to stand in, and a room that is bound to it."""
    git(shell.cwd, "init", "-q", "-b", "main")
    config = f'[repos.shop]\npath = "{shell.cwd}"\nrooms = ["{ROOM}"]\n'
    (shell.cwd.parent / "config.toml").write_text(config)


async def test_a_preview_of_what_would_be_refused_ends_with_status_2(shell):
    fine = await shell.run("schedule", "preview", "every other friday at 9")
    assert (fine.status, fine.out.count("\n")) == (0, 6)
    refused = await shell.run("schedule", "preview", "0 0,6,12,18,23 * * mon")
    assert (refused.status, "It would be refused" in refused.out) == (2, True)
    gated = await shell.run("schedule", "preview", "every hour", "--gate", "new commits", "--json")
    assert (gated.status, len(json.loads(gated.out)["next"])) == (0, 5)


async def test_the_list_is_never_cut_and_an_empty_one_is_no_line(shell):
    assert (await shell.run("schedule", "list", "--json")).out == ""
    when = "every 2 weeks on monday and friday at 09:00 and 13:30 from 2026-11-23"
    added = await shell.run("schedule", "add", when, "Sum it up.", "--to", ROOM, "--name", "sum")
    assert added.status == 0, added.err
    head, spec, told = (await shell.run("schedule", "list")).out.splitlines()
    assert head.endswith("  sum")
    assert spec.strip() == f"{when} (UTC)"
    assert told.strip().startswith("next ")
    assert ROOM in told
    again = await shell.run("schedule", "add", when, "Sum  it up.", "--to", ROOM)
    assert (again.status, "does just that here already" in again.err) == (2, True)


async def test_a_room_that_nobody_knows_is_refused(shell):
    added = await shell.run("schedule", "add", "every day at 9", "x", "--to", "slack:CNOWHERE")
    assert (added.status, added.out) == (2, "")
    assert "bound to no repository" in added.err


async def test_a_gate_is_looked_through_before_anything_is_added(shell):
    git(shell.cwd, "commit", "-q", "--allow-empty", "-m", "Begin")

    async def adds(gate):
        return await shell.run(
            "schedule", "add", "every hour", "x", "--to", ROOM, "--repo", "shop", "--gate", gate
        )

    assert "is not in the repository" in (await adds("changed ../../etc")).err
    assert "has no checks" in (await adds("failing check")).err
    assert "There is no nothere/x in shop now" in (await adds("changed nothere/x")).out
