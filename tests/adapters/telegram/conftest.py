"""An office with Telegram for each story."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.adapters.telegram.office import Office, opened


@pytest.fixture
async def office(tmp_path) -> AsyncIterator[Office]:
    """Connected, with nothing configured but the addresses."""
    async with opened(tmp_path) as office:
        yield office
