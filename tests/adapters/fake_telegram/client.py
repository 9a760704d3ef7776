"""The real client library, pointed at the fake."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest
from telegram.ext import Application

from tests.fakes.telegram import FakeTelegram

DEADLINE_S = 30


def client(telegram: FakeTelegram, token: str = "") -> Application:
    builder = Application.builder().token(token or telegram.token)
    builder = builder.base_url(telegram.base_url).base_file_url(telegram.base_file_url)
    return builder.read_timeout(0.4).get_updates_read_timeout(3).job_queue(None).build()


@asynccontextmanager
async def polling(telegram: FakeTelegram, **more):
    """The real updater. Yields a function that gives the next update."""
    app = client(telegram)

    async def heard():
        return await asyncio.wait_for(app.update_queue.get(), DEADLINE_S)

    async with app:
        await app.updater.start_polling(timeout=2, **more)
        yield heard
        await app.updater.stop()


def keyboard(**data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(k, callback_data=v)] for k, v in data.items()]
    )


def refused(why: str):
    """The client capitalises what the platform said."""
    return pytest.raises(BadRequest, match=f"(?i){why}")


def texts(updates) -> list[str]:
    return [update.message.text for update in updates]
