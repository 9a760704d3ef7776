"""The Slack app as a manifest: to be pasted at api.slack.com/apps, and what `examine` checks.

An app-level token with `connections:write` is made by hand there; a manifest cannot.
"""

from __future__ import annotations

import json

from coworker.types import Json

COMMAND = "/coworker"
SHORTCUT = "ask_about_message"
SCOPES: dict[str, str] = {
    "app_mentions:read": "hear mentions",
    "assistant:write": "show that we work on it",
    "channels:history": "read threads in channels",
    "channels:read": "know the channels we are in",
    "chat:write": "answer",
    "commands": f"{COMMAND} and the shortcut",
    "files:read": "see files and images",
    "files:write": "send long answers as files",
    "groups:history": "read threads in private channels",
    "groups:read": "know the private channels we are in",
    "im:history": "read direct messages",
    "im:read": "know the direct messages we have",
    "mpim:history": "read group messages",
    "mpim:read": "know the group messages we are in",
    "reactions:read": "obey reactions",
    "reactions:write": "mark what was seen and done",
    "users:read": "call people by name",
}
"""The bot token's scopes and what each is for."""
EVENTS = (
    "agent_session_stopped",
    "app_home_opened",
    "app_mention",
    "member_joined_channel",
    "member_left_channel",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
)
MANIFEST: Json = {
    "_metadata": {"major_version": 2, "minor_version": 1},
    "display_information": {
        "name": "Coworker",
        "description": "A coworker for your git repositories",
        "background_color": "#1f2937",
    },
    "features": {
        "bot_user": {"display_name": "coworker", "always_online": True},
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "agent_view": {
            "agent_description": "Answers questions about your repositories and works on them.",
            "suggested_prompts": [
                {
                    "title": "What changed this week?",
                    "message": "Summarise what changed this week.",
                },
                {"title": "Open work", "message": "What are you working on, what is blocked?"},
            ],
        },
        "slash_commands": [
            {
                "command": COMMAND,
                "description": "Ask the coworker how things are",
                "usage_hint": "status | queue | cost | help",
                "should_escape": True,
            }
        ],
        "shortcuts": [
            {
                "name": "Ask coworker about this",
                "type": "message",
                "callback_id": SHORTCUT,
                "description": "Have the coworker look at this message",
            }
        ],
    },
    "oauth_config": {"scopes": {"bot": list(SCOPES)}},
    "settings": {
        "event_subscriptions": {"bot_events": list(EVENTS)},
        "interactivity": {"is_enabled": True},
        "org_deploy_enabled": False,
        "socket_mode_enabled": True,
        "token_rotation_enabled": False,
    },
}


def printed() -> str:
    """The manifest as it is pasted."""
    return json.dumps(MANIFEST, indent=2)
