"""The doctor tries set-up and checks when asked to, and says what is missing in words."""

import shutil

import pytest

from coworker.settings import RepoConfig

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")


@pytest.fixture
def examined(world, shop):
    """`await examined(setup=…, checks=…)` is what the doctor finds with these."""

    async def examined(**commands):
        repos = {"shop": RepoConfig(path=str(shop), **commands)}
        async with world(repos=repos) as w:
            plain = await w.link.call("doctor")
            tried = await w.link.call("doctor_checks", repo="shop")
            assert list((w.config.state / "workspaces").glob("doctor-*")) == []
            return next(row for row in plain if row["check"] == "checks of shop"), tried

    return examined


async def test_checks_that_work_and_nothing_runs_unasked(examined):
    plain, tried = await examined(setup=["touch ready"], checks=["test -e ready", "test -e shop"])
    assert (plain["ok"], plain["found"]) == (None, "not tried")
    assert "coworker doctor --checks" in plain["fix"]
    assert tried["ok"]
    assert tried["found"].startswith("3 commands passed")


@pytest.mark.parametrize(
    ("command", "mend"),
    [
        ("cargoo test", "Install cargoo where the sandbox sees it"),
        ("python3 -m nosuchtest", "install the Python package of nosuchtest"),
        ("false", "Mend it in the repository"),
    ],
)
async def test_what_is_missing_is_named(examined, command, mend):
    _, tried = await examined(setup=["true"], checks=[command, "true"])
    assert not tried["ok"]
    assert f"`{command}` ended with exit" in tried["found"]
    assert mend in tried["fix"]


async def test_checks_are_not_tried_after_a_set_up_that_failed(examined):
    _, tried = await examined(setup=["exit 3", "true"], checks=["exit 4"])
    assert tried["found"].startswith("`exit 3` ended with exit 3")
