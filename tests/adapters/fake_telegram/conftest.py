"""A fake Telegram, a real client, and a person who has written to the bot before."""

from __future__ import annotations

import pytest

from tests.adapters.fake_telegram.client import client
from tests.fakes.telegram import FakeTelegram


@pytest.fixture
async def telegram():
    async with FakeTelegram() as telegram:
        yield telegram


@pytest.fixture
async def bot(telegram):
    """The real client, not polling."""
    async with client(telegram).bot as bot:
        yield bot


@pytest.fixture
def ann(telegram):
    return telegram.person("Ann", started=True)
