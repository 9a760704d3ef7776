"""What opens a gate and what does not, over a real repository."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coworker.errors import ToolError, UsageError
from coworker.repos.checkout import Checkouts
from coworker.repos.workspaces import Workspaces
from coworker.settings import Sandbox
from coworker.tools.gates import MISSING, Gates, read
from coworker.tools.workplace import Workplace
from coworker.types import Repo
from tests.conftest import git
from tests.fakes import until
from tests.schedules.conftest import START, ms

NOW = ms(datetime(2026, 11, 21, 12, tzinfo=UTC))


@pytest.fixture
def gates(tmp_path):
    return looking(tmp_path / "state")


def looking(state: Path, **limits) -> Gates:
    workplace = Workplace(Workspaces(state), state, Sandbox(kind="none"), lambda _: None)
    return Gates(Checkouts(state, fresh_s=0), workplace, **limits)


@pytest.fixture
def repo(shop: Path) -> Repo:
    return Repo("shop", shop, checks=("test -e ok",))


def changes(shop: Path, name: str, branch: str = "main") -> None:
    """Somebody commits a change of that file."""
    git(shop, "checkout", "-q", *(["-b", branch] if branch != "main" else [branch]))
    (shop / name).write_text("new\n")
    git(shop, "add", ".")
    git(shop, "commit", "-qm", f"Change {name}")
    git(shop, "checkout", "-q", "main")


async def test_new_commits_open_once_each(gates, repo, shop):
    seen = await gates.first("new commits", repo)
    shut = await gates.look("new commits", repo, seen, NOW)
    assert (shut.is_open, shut.words) == (False, f"no commits since {seen[:10]}")
    changes(shop, "a")
    changes(shop, "b")
    found = await gates.look("new commits", repo, seen, NOW)
    assert found.is_open
    assert found.words.startswith("2 commits")
    assert not (await gates.look("new commits", repo, found.state, NOW)).is_open


async def test_a_changed_path_opens_for_that_path_alone(gates, repo, shop):
    seen = await gates.first("changed shop/", repo)
    changes(shop, "README.md")
    shut = await gates.look("changed shop/", repo, seen, NOW)
    assert (shut.is_open, shut.words) == (False, "shop/ has not changed")
    changes(shop, "shop/cart.py")
    assert (await gates.look("changed shop/", repo, seen, NOW)).is_open


async def test_a_failing_check_opens_once_for_the_same_failure(gates, repo, shop):
    gate = "failing check"
    found = await gates.look(gate, repo, await gates.first(gate, repo), NOW)
    assert found.is_open
    assert "test -e ok" in found.words
    assert not (await gates.look(gate, repo, found.state, NOW)).is_open
    changes(shop, "README.md")
    still = await gates.look(gate, repo, found.state, NOW)
    assert not still.is_open
    changes(shop, "ok")
    mended = await gates.look(gate, repo, still.state, NOW)
    assert not mended.is_open
    git(shop, "rm", "-q", "ok")
    git(shop, "commit", "-qm", "Break it again")
    assert (await gates.look(gate, repo, mended.state, NOW)).is_open


async def test_a_branch_that_went_stale_opens_once(gates, repo, shop):
    changes(shop, "c", branch="forgotten")
    gate, later = "stale branch 10 days", NOW + 40 * 86_400_000
    assert not (await gates.look(gate, repo, "", NOW)).is_open
    found = await gates.look(gate, repo, "main", later)
    assert found.is_open
    assert "1 branches" in found.words
    assert not (await gates.look(gate, repo, found.state, later)).is_open


async def test_a_command_opens_by_its_exit_status(gates, repo):
    assert (await gates.look("command: test -e README.md", repo, "", NOW)).is_open
    shut = await gates.look("command: grep -q nothing README.md", repo, "", NOW)
    assert not shut.is_open
    assert shut.words.endswith("README.md` ended with exit 1")
    with pytest.raises(Exception, match="ended with exit 127"):
        await gates.look("command: no-such-program", repo, "", NOW)


@pytest.mark.parametrize(
    ("command", "longest_s", "told"),
    [
        ("sleep 1000", 0.5, r"`sleep 1000` took longer than 0.5 seconds\."),
        ("kill -9 $$", 60, "ended with exit 137"),
        ("sh -c 'kill -9 $$'; exit $?", 60, "ended with exit 137"),
    ],
)
async def test_a_command_that_is_killed_or_takes_too_long_is_no_answer(
    tmp_path, repo, command, longest_s, told
):
    gates = looking(tmp_path / "state", longest_s=longest_s)
    with pytest.raises(ToolError, match=told):
        await gates.look(f"command: {command}", repo, "", NOW)


async def test_slow_commands_hold_up_no_look(gates, repo, shop):
    slow = f"command: touch {shop.parent}/began; sleep 1000"
    looks = [asyncio.create_task(gates.look(slow, repo, "", NOW)) for _ in range(5)]
    await until((shop.parent / "began").exists, 15)
    assert (await gates.look("new commits", repo, "", NOW)).is_open
    assert (await gates.look("failing check", repo, "", NOW)).is_open
    assert not any(look.done() for look in looks)
    for look in looks:
        look.cancel()
    await asyncio.gather(*looks, return_exceptions=True)


async def test_checks_that_nobody_configured_cannot_fail(gates, shop):
    with pytest.raises(UsageError, match="no checks"):
        await gates.first("failing check", Repo("shop", shop))


async def test_a_path_outside_is_no_gate_and_one_that_is_not_there_is_seen_as_such(gates, repo):
    with pytest.raises(UsageError, match="not in the repository"):
        await gates.first("changed ../../etc", repo)
    assert await gates.first("changed nothere/x", repo) == MISSING
    assert not (await gates.look("changed nothere/x", repo, MISSING, NOW)).is_open


@pytest.mark.parametrize(
    "gate", ["", "new", "changed ", "command:", "stale", "stale branch x days"]
)
def test_what_is_no_gate_is_refused_with_the_forms(gate):
    with pytest.raises(UsageError, match="“new commits”, “changed PATH”"):
        read(gate)


async def test_a_month_over_an_unchanged_repository_wakes_and_posts_nothing(
    desk, gates, repo, shop
):
    desk.opens(gates)
    desk.timetable._repo = lambda _: repo
    watch = await desk.adds("every 4 hours", gate="new commits", repo="shop")
    month = START + timedelta(days=30)
    while (at := desk.log.schedules.next_at(["telegram"], [])) <= ms(month):
        await desk.fires(at)
    assert {outcome for _, outcome in desk.history(watch)} == {"nothing new"}
    assert len(desk.history(watch)) == 180
    assert (desk.woken, desk.said()) == ([], [])
    changes(shop, "a")
    await desk.fires(desk.log.schedules.next_at(["telegram"], []))
    assert desk.woken == ["telegram:4711"]
    await desk.ends("telegram:4711", "answered")
    await desk.fires(desk.log.schedules.next_at(["telegram"], []))
    assert desk.history(watch)[-1][1] == "nothing new"
