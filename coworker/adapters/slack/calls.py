"""Requests to Slack's Web API, and what their faults mean for who made them.

It knows which failures are certain and nothing of what was asked.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from coworker.errors import CoworkerError, Refused, Unavailable, Unconfirmed, Undeliverable
from coworker.protocols import Clock
from coworker.types import Json

TIMEOUT_S = 30
LOGGER = logging.getLogger("coworker.adapters.slack.sdk")
LOGGER.setLevel(
    logging.ERROR
)  # the rest of what Slack's libraries tell is debris or people's words
_REJECTED = {
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "not_allowed_token_type",
}
_UNKNOWN = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
_LIMITED = {"ratelimited", "rate_limited"}
_LONGEST_WAIT_S = 300.0
_PAGE = 200
QUIET = {"unfurl_links": False, "unfurl_media": False}
"""Slack must not look at the addresses in what we say."""
MOST_LISTED = 1_000
_TRIES = 5
Method = Callable[..., Awaitable[AsyncSlackResponse]]


def session() -> aiohttp.ClientSession:
    """The connections that all requests share."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))


def client(token: str | None, base_url: str, connections: aiohttp.ClientSession) -> AsyncWebClient:
    """A Web API client that never repeats a request by itself: it cannot know what took effect."""
    return AsyncWebClient(
        token,
        base_url=base_url,
        session=connections,
        timeout=TIMEOUT_S,
        retry_handlers=[],
        logger=LOGGER,
    )


async def ask(request: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    """The answer to a request.

    Raises Unavailable when it surely had no effect and may later, Refused when we are not let in,
    Undeliverable when it never will, Unconfirmed when nobody knows.
    """
    try:
        return await request
    except SlackApiError as error:
        raise _meaning(error) from error
    except aiohttp.ClientConnectorError as error:
        raise Unavailable(f"Slack cannot be reached ({error}).") from error
    except (aiohttp.ClientError, SlackRequestError, OSError, TimeoutError) as error:
        raise Unconfirmed(f"Slack did not answer ({type(error).__name__}).") from error


async def look(request: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    """The answer to a request that only reads. Raises Unavailable, Refused or Undeliverable."""
    try:
        return await ask(request)
    except Unconfirmed as error:
        raise Unavailable(str(error)) from error


async def edit(client: AsyncWebClient, **message: Any) -> AsyncSlackResponse:
    """Write over a message, also over a stream that is still open. Raises as the client does."""
    message |= QUIET
    try:
        return await client.chat_update(**message)
    except SlackApiError as error:
        if code(error) != "streaming_state_conflict":
            raise
    await client.chat_stopStream(channel=message["channel"], ts=message["ts"])
    return await client.chat_update(**message)


async def pages(
    method: Method, key: str, clock: Clock | None = None, **arguments: Any
) -> AsyncIterator[Json]:
    """What is listed under the key, page after page; MOST_LISTED items at most.

    With a clock it waits where Slack asks us to. Raises as `look` does.
    """
    cursor = None
    for _ in range(MOST_LISTED // _PAGE):
        answer = await _patiently(method, clock, limit=_PAGE, cursor=cursor, **arguments)
        for item in answer[key]:
            yield item
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return


async def _patiently(method: Method, clock: Clock | None, **arguments: Any) -> AsyncSlackResponse:
    for _ in range(_TRIES):
        try:
            return await look(method(**arguments))
        except Unavailable as error:
            if clock is None or error.retry_after_s is None:
                raise
            await clock.sleep(error.retry_after_s)
    return await look(method(**arguments))


async def attempt(request: Awaitable[AsyncSlackResponse]) -> str:
    """Do what nobody relies on: "" when it is done, else what is wrong, in a word."""
    try:
        await ask(request)
    except CoworkerError as error:
        return code(error) or "unreachable"
    return ""


def code(error: BaseException) -> str:
    """Slack's word for what is wrong, `channel_not_found`; "" when it said none."""
    cause = error.__cause__ or error
    answer = getattr(getattr(cause, "response", None), "data", None)
    return str(answer.get("error") or "") if isinstance(answer, dict) else ""


def _meaning(error: SlackApiError) -> CoworkerError:
    word, status = code(error), getattr(error.response, "status_code", 0)
    if status == 429 or word in _LIMITED:
        return Unavailable("Slack asks us to wait.", _wait(error))
    if status >= 500 or not word or word in _UNKNOWN:
        return Unconfirmed(f"Slack failed on its side ({word or status}).")
    if word in _REJECTED:
        return Refused(
            f"Slack does not let us in ({word}). "
            "Copy the bot token and the app-level token from api.slack.com/apps once more."
        )
    if word == "missing_scope":
        needed = error.response.get("needed")
        return Unavailable(
            f"The Slack app lacks the scope {needed}. "
            "Update it with `coworker setup --slack-manifest` and install it again."
        )
    return Undeliverable(f"Slack refuses this: {word}.")


def _wait(error: SlackApiError) -> float:
    try:
        return min(float(error.response.headers["Retry-After"]), _LONGEST_WAIT_S)
    except (KeyError, ValueError):
        return TIMEOUT_S
