"""A toolbox: every tool that looks, called the way the loop calls it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coworker.errors import ToolError
from coworker.protocols import Tool, ToolContext
from coworker.repos.checkout import Checkouts
from coworker.tools import ask, files, git
from coworker.types import ConversationId, Parked, Repo
from tests.repos import scene


@dataclass
class Toolbox:
    """Calls tools in one repository; what the model would be shown is returned."""

    tools: dict[str, Tool]
    repo: Repo | None

    async def call(self, name: str, **arguments: Any) -> str:
        """The text of a tool's result. Raises ToolError."""
        tool = self.tools[name]
        args = tool.parse(arguments)
        assert tool.describe(args)
        result = await tool.run(
            args, ToolContext(self.repo, ConversationId("t-1"), "call-1", lambda _: None)
        )
        assert not isinstance(result, Parked)
        return result.text

    async def fails(self, name: str, **arguments: Any) -> str:
        """The words in which a tool refuses."""
        with pytest.raises(ToolError) as caught:
            await self.call(name, **arguments)
        return str(caught.value)


@pytest.fixture
def toolbox(tmp_path):
    """`toolbox(folder)` has every reading tool in that folder."""

    def toolbox(folder: Path | None) -> Toolbox:
        checkouts = Checkouts(tmp_path / "state", fresh_s=0)
        tools = (*files.tools(checkouts), *git.tools(checkouts), *ask.TOOLS)
        repo = Repo("shop", folder) if folder else None
        return Toolbox({tool.name: tool for tool in tools}, repo)

    return toolbox


@pytest.fixture
def folder(tmp_path):
    """The shop's repository."""
    return scene.shop(tmp_path / "shop")


@pytest.fixture
def shop(toolbox, folder):
    """A toolbox in the shop's repository."""
    return toolbox(folder)


@pytest.fixture(params=["with ripgrep", "without ripgrep"])
def searcher(request, tmp_path, monkeypatch):
    """Every search test runs with and without ripgrep on PATH."""
    if request.param == "with ripgrep":
        from coworker.repos import program

        if program.find("rg") is None:
            pytest.skip("ripgrep is not installed")
        return
    import shutil

    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(programs))
