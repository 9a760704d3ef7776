"""Socket Mode: what comes in is on our disk before Slack hears that it arrived.

Events are taken in front of Bolt, whose own middleware can acknowledge what it then fails to
handle; clicks, shortcuts and commands go through Bolt, which sends their answers.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.slack.calls import LOGGER
from coworker.adapters.slack.events import Us
from coworker.adapters.slack.manifest import COMMAND, SHORTCUT
from coworker.types import Json

Listener = Callable[..., Awaitable[None]]


class CommitThenAck(AsyncSocketModeHandler):
    """Acknowledges an event once `hear` has returned; if it raises, Slack delivers again."""

    def __init__(
        self,
        app: AsyncApp,
        app_token: str,
        hear: Callable[[Json], Awaitable[None]],
        ping_s: float,
    ) -> None:
        super().__init__(app, app_token, logger=LOGGER, ping_interval=ping_s)
        self._hear = hear

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        """One envelope."""
        if req.type != "events_api":
            await super().handle(self.client, req)
            return
        await self._hear(req.payload.get("event") or {})
        await client.send_socket_mode_response(SocketModeResponse(envelope_id=req.envelope_id))


def app(
    client: AsyncWebClient, us: Us, *, click: Listener, point: Listener, command: Listener
) -> AsyncApp:
    """Bolt with our three listeners. `client` has no token: Bolt is told who we are.

    It has a name because Bolt would otherwise read every source file on the stack to find one; Bolt
    sets the level of the logger of that name.
    """

    async def authorize(**_: Any) -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None, team_id=us.team, bot_user_id=us.user, bot_id=us.bot
        )

    made = AsyncApp(
        client=client,
        name=LOGGER.name,
        authorize=authorize,
        process_before_response=True,
        logger=LOGGER,
    )
    made.action(re.compile(""))(click)
    made.shortcut(SHORTCUT)(point)
    made.command(COMMAND)(command)
    return made
