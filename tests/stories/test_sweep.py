"""Old workspaces go by themselves, and nobody's work with them."""

import asyncio
import os
import shutil

import pytest

from coworker import daemon
from coworker.repos.workspaces import Workspaces
from coworker.settings import WorkspaceKeeping
from coworker.types import Repo
from tests.conftest import DEADLINE_S, living
from tests.fakes.anthropic import FakeAnthropic, call

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")


def look_old(workspace):
    os.utime(workspace.git_dir / "index", (0, 0))


def left(config):
    return {path.name for path in (config.state / "workspaces").glob("t-*")}


async def test_a_start_sweeps_what_is_old_saved_and_not_in_use(configured, shop):
    script = [call("shell", command="true"), call("ask", question="Go on?")]
    async with FakeAnthropic(script, strict=True) as model:
        config = configured(model, workspaces=WorkspaceKeeping(keep_days=7.0))
        async with living(config, model, shop) as w:
            conversation = await w.says("look")
            await w.hears()
        made = Workspaces(config.state)
        for name in ("t-fresh", "t-old", "t-dirty"):
            await made.open(name, Repo("shop", shop), carry_uncommitted=False)
        (made.get("t-dirty").tree / "kept.txt").write_text("x")
        for name in (conversation, "t-old", "t-dirty"):
            look_old(made.get(name))
        (config.state / "workspaces" / ".swept").unlink()
        async with daemon.opened(config), asyncio.timeout(DEADLINE_S):
            while "t-old" in left(config):
                await asyncio.sleep(0.01)
        assert left(config) == {conversation, "t-dirty", "t-fresh"}
        assert await made.sweep_due_in(3600) > 3500  # the next start does not look again
