"""Workspaces on real repositories."""

from __future__ import annotations

from pathlib import Path

import pytest

from coworker.repos.workspace import Workspace
from coworker.repos.workspaces import Workspaces
from coworker.types import Repo
from tests.repos import scene


@pytest.fixture
def workspaces(tmp_path):
    """The workspaces of one daemon's life; another life is another `Workspaces(state)`."""
    return Workspaces(tmp_path / "state")


@pytest.fixture
def opened(tmp_path, workspaces):
    """`await opened(folder, "slug", carry=True, url="")` is a workspace of a checkout."""

    async def opened(
        folder: Path | None = None, slug: str = "c1", *, carry: bool = False, url: str = ""
    ) -> Workspace:
        folder = folder or scene.shop(tmp_path / "shop")
        return await workspaces.open(slug, Repo("shop", folder, url), carry_uncommitted=carry)

    return opened
