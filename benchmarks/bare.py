"""The floor on the platforms: the least a bot can be there, with the libraries that we use too.

    python -m benchmarks.bare telegram|slack PLATFORM_URL MODEL_URL TOKEN [APP_TOKEN]

It has neither store, tools, people nor recovery; the model's wish for a tool is one more request.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from anthropic import AsyncAnthropic

from benchmarks import floor


async def on_telegram(url: str, sdk: AsyncAnthropic, token: str) -> None:
    """Answer messages until the process is ended."""
    from telegram import Update
    from telegram.ext import Application, ContextTypes, MessageHandler, filters

    async def said(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
        assert update.message
        await update.message.reply_text(await _answer(sdk, update.message.text or ""))

    made = Application.builder().token(token).base_url(url)
    app = made.concurrent_updates(4_096).connection_pool_size(512).pool_timeout(600).build()
    app.add_handler(MessageHandler(filters.TEXT, said))
    async with app:
        assert app.updater
        await app.updater.start_polling()
        await app.start()
        await asyncio.Event().wait()


async def on_slack(url: str, sdk: AsyncAnthropic, token: str, app_token: str) -> None:
    """Answer mentions in their threads until the process is ended."""
    from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
    from slack_bolt.app.async_app import AsyncApp
    from slack_sdk.web.async_client import AsyncWebClient

    app = AsyncApp(client=AsyncWebClient(token, base_url=url))

    @app.event("app_mention")
    async def said(event: dict[str, Any], say: Any) -> None:
        thread = event.get("thread_ts") or event["ts"]
        await say(await _answer(sdk, event["text"]), thread_ts=thread)

    await AsyncSocketModeHandler(app, app_token).start_async()


async def _answer(sdk: AsyncAnthropic, text: str) -> str:
    return await floor.answer(sdk, text) or await floor.answer(sdk, text)


if __name__ == "__main__":
    kind, where, model, *tokens = sys.argv[1:]
    serve: Any = on_telegram if kind == "telegram" else on_slack
    asyncio.run(serve(where, floor.client(model), *tokens))
