"""What we say: posts, answers written over the progress message, files, marks of what is done."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import AsyncIterator, Sequence
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.slack import calls, files, flow, messages, stream
from coworker.errors import Unavailable, Undeliverable
from coworker.protocols import Clock
from coworker.types import Json, Outbound, Place, Progress

_BLOCKS_REFUSED = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"}
_NOTHING = "-"
"""The id of what needed no message."""


class Voice:
    """Says outbounds over one connection; nothing is a stream for longer than `stream_s`."""

    def __init__(
        self,
        client: AsyncWebClient,
        clock: Clock,
        background: flow.Background,
        stream_s: float,
    ) -> None:
        self._client = client
        self._background = background
        self._cards = flow.Cards(client, clock, background, stream_s)
        self.close = self._cards.close
        self._streams = stream.Streams(client)
        self._presence = flow.Presence(client)
        self.marks = flow.Marks(client, background)
        self._uploaded: set[str] = set()
        """Keys of answers that wait only for their last message."""

    def progress(self, place: Place, progress: Progress) -> None:
        """Show a sign of life in the run's progress message."""
        self._cards.hear(place, progress)

    async def send(self, outbound: Outbound) -> str:
        """Say it and return the message's ts. Raises as `calls.ask` does."""
        if outbound.op == "decided":
            return await self._decided(outbound)
        if ts := await self._streams.open(outbound):
            self._follow_up(outbound, ts, streams=True)
            return ts
        ts = await (self._reply(outbound) if outbound.op == "reply" else self._post(outbound))
        self._follow_up(outbound, ts)
        return ts

    async def find(self, outbound: Outbound) -> str | None:
        """The ts of the message that carries this outbound's key, "" when there is none.

        None in a thread that is too long to be read. Raises Unavailable.
        """
        if outbound.op == "decided":  # an edit, which may be repeated
            return ""
        read = 0
        try:
            async for message in self._standing(outbound.place):
                read += 1
                payload = (message.get("metadata") or {}).get("event_payload") or {}
                streams = stream.shows(outbound, message)
                if streams or payload.get("key") == outbound.key:
                    self._follow_up(outbound, message["ts"], streams=streams)
                    return str(message["ts"])
        except Undeliverable:  # sending will say so
            return ""
        return None if outbound.place.thread and read >= calls.MOST_LISTED else ""

    async def whisper(self, room: str, thread: str, person: str, text: str) -> None:
        """A sentence that only this person sees; best effort."""
        await calls.attempt(
            self._client.chat_postEphemeral(
                channel=room, user=person, text=text, thread_ts=thread or None
            )
        )

    async def _decided(self, outbound: Outbound) -> str:
        """The card's ts once it has no buttons; one that was deleted or never found needs none."""
        self._background.start(self._presence.show(outbound.place, "processing"))
        if not outbound.over:
            return _NOTHING
        at = {"channel": outbound.place.room, "ts": outbound.over}
        try:
            await _in_blocks_or_words(self._client.chat_update, at, messages.decided(outbound))
        except Undeliverable:
            return _NOTHING
        return outbound.over

    async def _reply(self, outbound: Outbound) -> str:
        body = outbound.body
        if body.get("run"):
            await self._cards.end(outbound.place, body["run"])
        if body.get("file") and outbound.key not in self._uploaded:
            outbound = await self._attached(outbound)
        ts = await self._written_over(outbound) or await self._post(outbound)
        self._uploaded.discard(outbound.key)
        return ts

    def _follow_up(self, outbound: Outbound, ts: str, *, streams: bool = False) -> None:
        """What is shown once it has arrived; nobody waits for that."""
        if outbound.op == "progress":
            self._cards.begin(outbound.place, outbound.body["run"], ts, streams=streams)
        if outbound.op != "reply":
            status = "processing" if outbound.op == "progress" else "suspended"
            self._background.start(self._presence.show(outbound.place, status))
        elif messages.is_last(outbound.body):
            self._background.start(self._finish(outbound, ts))

    async def _attached(self, outbound: Outbound) -> Outbound:
        """The same once its file is in the thread, or with the reason why it is not."""
        body, place = outbound.body, outbound.place
        try:
            if not await self._has_file(place, body["file"]["name"]):  # from a process that died
                await files.upload(self._client, place, body["file"])
        except (Unavailable, Undeliverable) as error:
            if isinstance(error, Unavailable) and calls.code(error) != "missing_scope":
                raise
            text = f"The rest could not be attached. {error}"
            return dataclasses.replace(outbound, body={**body, "text": text})
        self._uploaded.add(outbound.key)
        return outbound

    async def _has_file(self, place: Place, name: str) -> bool:
        async for message in self._standing(place):
            shared = message.get("files") or ()
            if any(name in (each.get("name"), each.get("title")) for each in shared):
                return True
        return False

    def _standing(self, place: Place) -> AsyncIterator[Json]:
        """What stands in a thread, or in a room where there is none yet."""
        where: dict[str, Any] = {"channel": place.room, "include_all_metadata": True}
        if not place.thread:
            return calls.pages(self._client.conversations_history, "messages", **where)
        where["ts"] = place.thread
        return calls.pages(self._client.conversations_replies, "messages", **where)

    async def _written_over(self, outbound: Outbound) -> str:
        """The progress message's ts once it says the answer; "" where that is to be posted.

        Repeating it changes nothing, so it is never labelled.
        """
        body, ts = outbound.body, outbound.over
        if not (ts and messages.is_whole(body) and messages.was_quick(body)):
            return ""
        said = messages.message(dataclasses.replace(outbound, maybe_duplicate=False))
        edit = functools.partial(calls.edit, self._client)
        try:
            await _in_blocks_or_words(edit, {"channel": outbound.place.room, "ts": ts}, said)
        except Undeliverable:  # somebody deleted it, or edits are not allowed
            return ""
        return ts

    async def _post(self, outbound: Outbound) -> str:
        place = outbound.place
        at = {"channel": place.room, "thread_ts": place.thread or None, **calls.QUIET}
        post = self._client.chat_postMessage
        return str((await _in_blocks_or_words(post, at, messages.message(outbound)))["ts"])

    async def _finish(self, outbound: Outbound, ts: str) -> None:
        """What follows an answer: the receipt in its place, the status, ✅ or ❌."""
        body, place = outbound.body, outbound.place
        if outbound.over and outbound.over != ts:
            at = {"channel": place.room, "ts": outbound.over}
            self._background.start(self._cards.settle(**at, **messages.receipt(body)))
        if body.get("run"):
            await self._presence.show(place, "active")
        answered: Sequence[str] = body.get("messages") or []
        await self.marks.finished(place.room, answered, body["outcome"])


async def _in_blocks_or_words(method: calls.Method, at: Json, said: Json) -> Any:
    try:
        return await calls.ask(method(**at, **said))
    except Undeliverable as error:
        if calls.code(error) not in _BLOCKS_REFUSED:
            raise
    return await calls.ask(method(**at, **messages.without_blocks(said)))
