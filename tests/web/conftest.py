"""A site that may be read, and a canary on the same machine that may not."""

import pytest

from tests.web.site import serving


@pytest.fixture
async def site():
    async with serving() as site:
        yield site


@pytest.fixture
async def canary():
    async with serving() as canary:
        yield canary
