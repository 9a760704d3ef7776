"""What is right and wrong with the Slack app, each with its fix, for `coworker doctor`."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.slack import calls
from coworker.adapters.slack.manifest import SCOPES
from coworker.errors import CoworkerError, Refused
from coworker.types import Json

_SKEW_S = 60
_APPS = "api.slack.com/apps"


async def examine(client: AsyncWebClient, app_token: str) -> list[Json]:
    """One finding per check; it posts nothing."""
    try:
        answer = await calls.look(client.auth_test())
    except CoworkerError as error:
        fix = f"Copy the bot token (xoxb-…) from {_APPS} › OAuth & Permissions to SLACK_BOT_TOKEN."
        return [_finding("slack bot token", False, str(error), _fix(error, fix))]
    return [
        _finding("slack bot token", True, f"{answer['user']} in {answer['team']}"),
        _scopes(answer.headers.get("x-oauth-scopes", "")),
        await _socket(client, app_token),
        _clock(answer.headers.get("Date", "")),
        _finding(
            "slack events",
            None,
            "Slack tells no app which events it gets",
            f"If mentions do not arrive, compare the manifest at {_APPS} with "
            "`coworker setup --slack-manifest`.",
        ),
    ]


async def _socket(client: AsyncWebClient, app_token: str) -> Json:
    try:
        await calls.look(client.apps_connections_open(app_token=app_token))
    except CoworkerError as error:
        fix = (
            f"Make an app-level token with connections:write at {_APPS} › Basic Information, "
            "switch Socket Mode on, and set SLACK_APP_TOKEN to it (xapp-…)."
        )
        return _finding("slack socket", False, str(error), _fix(error, fix))
    return _finding("slack socket", True, "Socket Mode can be opened")


def _scopes(granted: str) -> Json:
    missing = sorted(set(SCOPES) - {each.strip() for each in granted.split(",")})
    if not missing:
        return _finding("slack scopes", True, "all that are needed")
    lacking = "; ".join(f"{scope} (to {SCOPES[scope]})" for scope in missing)
    fix = (
        f"Paste `coworker setup --slack-manifest` at {_APPS} › App Manifest "
        "and install the app again."
    )
    return _finding("slack scopes", False, f"missing: {lacking}", fix)


def _clock(date: str) -> Json:
    """Slack's time against ours, as far as its answer tells it."""
    try:
        skew = abs(time.time() - parsedate_to_datetime(date).timestamp())
    except (TypeError, ValueError):
        return _finding("slack clock", None, "Slack did not say what time it is")
    fix = "Set the machine's clock: timedatectl set-ntp true"
    return _finding("slack clock", skew < _SKEW_S, f"{skew:.0f} s apart", fix)


def _fix(error: CoworkerError, fix: str) -> str:
    """A refused token is replaced; anything else is a matter of the connection."""
    return fix if isinstance(error, Refused) else "Check the network and slack.base_url."


def _finding(check: str, ok: bool | None, found: str, fix: str = "") -> Json:
    return {"check": check, "ok": ok, "found": found, "fix": "" if ok else fix}
