"""The floor: the least a bot can be. A JSON line from a socket, one model request, a line back.

    python -m benchmarks.floor SOCKET MODEL_URL

It has the product's model library with the same settings, and neither store, tools, people nor
recovery.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import anthropic
import httpx2

FILLER = '        if name == "part":  # \u00fc\n            return None\n' * 360
"""Text as files have it: 20 KB with line ends, quotes and a letter beyond ASCII."""
_LINE_BYTES = 64 * 2**20
_HOUR = {"type": "ephemeral", "ttl": "1h"}
_SYSTEM = [{"type": "text", "text": "You are a bot.", "cache_control": _HOUR}]
_FILLER = {"role": "user", "content": [{"type": "text", "text": FILLER}]}


async def serve(path: str, url: str) -> None:
    """Answer lines until the process is ended."""
    sdk = client(url)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            given = json.loads(line)
            text = await answer(sdk, given["text"], given.get("filler", 0))
            writer.write(json.dumps({"text": text}).encode() + b"\n")
        writer.close()

    server = await asyncio.start_unix_server(connected, path, limit=_LINE_BYTES, backlog=4_096)
    await server.serve_forever()


def client(url: str) -> anthropic.AsyncAnthropic:
    """The model library, set as the product sets it."""
    limits = httpx2.Limits(max_connections=10_000, keepalive_expiry=60.0)
    http = anthropic.DefaultAioHttpClient(
        mounts={"http://": None, "https://": None},
        follow_redirects=False,
        limits=limits,
        timeout=httpx2.Timeout(180.0, connect=10.0, pool=600.0),
    )
    return anthropic.AsyncAnthropic(api_key="none", base_url=url, max_retries=0, http_client=http)


async def answer(sdk: anthropic.AsyncAnthropic, text: str, filler: int = 0) -> str:
    """The model's text; `filler` says how many long messages stand before the question."""
    question: Any = {"role": "user", "content": [{"type": "text", "text": text}]}
    parts: list[str] = []
    async with sdk.messages.with_streaming_response.create(
        model="claude-opus-5-5",
        max_tokens=16_000,
        system=_SYSTEM,
        messages=[_FILLER] * filler + [question],
        thinking={"type": "adaptive", "display": "summarized"},
        cache_control={"type": "ephemeral"},
        stream=True,
    ) as response:
        async for event in anthropic.AsyncStream.raw_events(response.http_response):
            if event.event == "content_block_delta":
                parts.append(json.loads(event.data)["delta"].get("text", ""))
    return "".join(parts)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
