"""The manifest that people paste: valid, and asking for exactly what we use."""

from __future__ import annotations

import json

from coworker.adapters.slack import manifest
from tests.adapters.slack.conftest import made, outbound, working
from tests.fakes.slack import ALICE, BOB, BOT, GENERAL
from tests.fakes.slack.methods import METHODS, needed

_TO_HEAR = {
    "agent_session_stopped": None,
    "app_home_opened": None,
    "app_mention": "app_mentions:read",
    "member_joined_channel": "channels:read",
    "member_left_channel": "groups:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
}
_TO_LIST = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "mpim": "mpim:read",
    "im": "im:read",
}
_OF_FEATURES = {"commands", "assistant:write"}  # slash command and shortcut; agent view


def test_it_keeps_slacks_limits_and_survives_printing():
    assert json.loads(manifest.printed()) == manifest.MANIFEST
    features = manifest.MANIFEST["features"]
    assert len(features["agent_view"]["agent_description"]) <= 300
    assert len(features["agent_view"]["suggested_prompts"]) <= 4
    assert len(features["shortcuts"][0]["name"]) <= 24
    assert len(manifest.MANIFEST["display_information"]["description"]) <= 140
    assert manifest.MANIFEST["settings"]["socket_mode_enabled"]


async def test_an_app_made_from_it_can_do_everything_and_no_more(slack, desk, clock):
    settings = manifest.MANIFEST["settings"]["event_subscriptions"]
    slack.events.intersection_update(settings["bot_events"])
    slack.scopes.intersection_update(manifest.MANIFEST["oauth_config"]["scopes"]["bot"])
    async with working(made(slack, clock), desk):
        await slack.until(lambda: desk.connections)
    platform = made(slack, clock)
    async with working(platform, desk):
        await slack.until(lambda: desk.connections == 2)
        slack.fault("agents.sessions.setStatus", "error", error="unknown_method")
        await _a_working_day(slack, platform, desk)
    assert [call for call in slack.calls if call.error == "missing_scope"] == []
    used = {needed(slack.world, METHODS[c.method], c.arguments) for c in _known(slack)}
    used |= {_TO_HEAR[event] for event in settings["bot_events"]}
    types = slack.called("users.conversations")[0].arguments["types"]
    used |= {_TO_LIST[kind] for kind in types.split(",")}
    assert used - {"", None} | _OF_FEATURES == set(manifest.SCOPES)
    assert set(settings["bot_events"]) == set(_TO_HEAR)


async def _a_working_day(slack, platform, desk):
    files = [("a.txt", b"hello")]
    said = await slack.says(ALICE, GENERAL, f"<@{BOT}> ask <@{BOB}>", files=files)
    await slack.until(lambda: desk.heard)
    heard = desk.heard[0]
    card = await platform.send(outbound(heard.place, "progress", "p", text="👀"))
    await platform.fetch(heard.body["files"][0])
    file = {"name": "reply.md", "text": "long"}
    await platform.send(outbound(heard.place, "reply", "r", over=card, file=file, part=2, parts=2))
    await slack.until(lambda: slack.called("assistant.threads.setStatus"))
    await slack.reacts(ALICE, said, "repeat")
    await slack.stops(ALICE, said)
    await slack.until(lambda: len(desk.heard) == 3)
    await slack.opens_home(ALICE)
    await slack.until(lambda: slack.homes)


def _known(slack):
    return [call for call in slack.calls if call.method in METHODS]
