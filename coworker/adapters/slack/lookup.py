"""Who or what an id is on Slack, for `coworker setup` and `coworker doctor`."""

from __future__ import annotations

from collections.abc import Sequence

from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.render import one_line
from coworker.adapters.slack import calls
from coworker.errors import CoworkerError, NotFound, Undeliverable
from coworker.settings import Slack as Settings
from coworker.types import Json


async def person(settings: Settings, bot_token: str, user: str) -> str:
    """Their name. Raises NotFound when there is nobody of that id, Unavailable, Refused."""
    async with calls.session() as http:
        client = calls.client(bot_token, settings.base_url, http)
        try:
            found = (await calls.look(client.users_info(user=user)))["user"]
        except Undeliverable:
            raise NotFound(
                f"Nobody in this workspace has the id {user}. "
                "Copy it again: your picture, Profile, ⋮, Copy member ID."
            ) from None
    return one_line(found.get("real_name") or found.get("name") or user)


async def rooms(client: AsyncWebClient, ids: Sequence[str]) -> list[Json]:
    """One finding per room: whether it is there and we are in it."""
    return [await _room(client, room) for room in ids]


async def _room(client: AsyncWebClient, room: str) -> Json:
    check = f"slack room {room}"
    invite = (
        "Write /invite @coworker in it, or mend repos.….rooms: its id is in the room's details."
    )
    try:
        channel = (await calls.look(client.conversations_info(channel=room)))["channel"]
    except Undeliverable:
        return {"check": check, "ok": False, "found": "no room that we can see", "fix": invite}
    except CoworkerError as error:
        return {"check": check, "ok": False, "found": str(error), "fix": "Try again later."}
    name = f"#{one_line(channel.get('name') or room)}"
    if channel.get("is_member") or channel.get("is_im"):
        return {"check": check, "ok": True, "found": name, "fix": ""}
    return {"check": check, "ok": False, "found": f"{name}, but we are not in it", "fix": invite}
