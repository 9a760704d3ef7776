"""Files in and out. Our token goes to Slack's own hosts only."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.slack import calls
from coworker.errors import Unavailable, Undeliverable
from coworker.types import Json, Place

_MOST_BYTES = 20_000_000
_PATIENCE_S = 20
_FROM = "The file {name} could not be taken from Slack: {why}."


async def fetch(client: AsyncWebClient, connections: aiohttp.ClientSession, file: Json) -> bytes:
    """The bytes of a file that came with a message. Raises Unavailable in words."""
    about = await _about(client, file)
    name = about.get("name") or file["id"]
    url = about.get("url_private_download") or about.get("url_private") or file.get("url") or ""
    if not _is_slacks(url, client.base_url):
        raise Unavailable(_FROM.format(name=name, why="it is not kept there"))
    if (about.get("size") or 0) > _MOST_BYTES:
        raise Unavailable(_FROM.format(name=name, why="it is larger than 20 MB"))
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await _download(connections, url, client.token or "")
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        why = str(error) or type(error).__name__
        raise Unavailable(_FROM.format(name=name, why=why)) from error


async def _about(client: AsyncWebClient, file: Json) -> Json:
    """What Slack says of it now, else what the event said."""
    try:
        return (await calls.look(client.files_info(file=file["id"]))).get("file") or file
    except Undeliverable:
        if not file.get("url"):
            raise
        return file


async def upload(client: AsyncWebClient, place: Place, file: Json) -> None:
    """Put a text file into the thread. Raises as `calls.ask` does."""
    await calls.ask(
        client.files_upload_v2(
            channel=place.room,
            thread_ts=place.thread or None,
            content=file["text"],
            filename=file["name"],
            title=file["name"],
        )
    )


async def _download(connections: aiohttp.ClientSession, url: str, token: str) -> bytes:
    """Follows nobody elsewhere. Raises ValueError for anything but a file of bearable size."""
    authorization = {"Authorization": f"Bearer {token}"}
    async with connections.get(url, headers=authorization, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"it answers {response.status}")
        content = bytearray()
        async for chunk in response.content.iter_chunked(65_536):
            content += chunk
            if len(content) > _MOST_BYTES:
                raise ValueError("it is larger than 20 MB")
        return bytes(content)


def _is_slacks(url: str, base_url: str) -> bool:
    """The host of the Web API itself or one below it, in the same scheme."""
    there, home = urlsplit(url), urlsplit(base_url)
    host = f".{there.hostname}"
    return there.scheme == home.scheme and host.endswith(f".{home.hostname}")
