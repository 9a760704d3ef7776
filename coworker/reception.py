"""Where everybody's words arrive: who speaks, is it for us, what does it amount to.

What it accepts is on disk when it returns. It runs nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from datetime import datetime

from coworker import notebook
from coworker.agent.act import Ports
from coworker.dispatch import Dispatch
from coworker.errors import UsageError
from coworker.repos.registry import Registry
from coworker.types import ConversationId, Heard, Inbound, Json, Outbound, Place
from coworker.verbs import HELP, Verb, Verbs, prefixed, room_key, verb_in

MAX_MESSAGE_BYTES = 262_144
_REPORT_AFTER_S = 3.0
_STRANGER = (
    "I do not know {sender}, so I did not read that. "
    "An owner can let it in: `!pair {sender} NAME`, or in the configuration: "
    '[people.NAME] ids = ["{sender}"].'
)
_UNBOUND = "Which repository is this about? Say `!repo NAME`. Known: {names}."


def stranger(sender: str) -> str:
    """The one fixed reply for somebody we do not know."""
    return _STRANGER.format(sender=sender)


def too_long(text: str) -> str | None:
    """Why a message is not taken because of its size, or None."""
    size = len(text.encode(errors="replace"))
    if size <= MAX_MESSAGE_BYTES:
        return None
    return (
        f"The message has {size:,} bytes, more than the limit of {MAX_MESSAGE_BYTES:,}, "
        "so it was not taken. Put it in a file of the repository and name the file."
    )


_log = logging.getLogger(__name__)


class Reception:
    """Turns what people say on any platform into inbox rows."""

    def __init__(self, ports: Ports, dispatch: Dispatch, registry: Registry, verbs: Verbs) -> None:
        self._ports = ports
        self._dispatch = dispatch
        self._registry = registry
        self._verbs = verbs
        self.overview = verbs.overview
        self._report: asyncio.Task[None] | None = None
        self._rooms = {
            room: name for name, repo in ports.config.repos.items() for room in repo.rooms
        }

    async def hear(self, inbound: Inbound) -> Heard:
        """Accept what somebody said. Once this returns it is on disk."""
        if self._ports.people.find(inbound.body["sender"]) is None:
            return await self._refuse(inbound)
        match inbound.kind:
            case "edit":
                return await self._amend(inbound)
            case "message":
                return await self._message(inbound)
            case "answer" if not self._verbs.counts(inbound):
                return "ignored"
            case _:
                return await self._take(inbound)

    async def command(self, inbound: Inbound) -> str:
        """Do a verb for its sender alone and return the answer."""
        return self._ports.log.redactor.text(await self._command(inbound))

    async def _command(self, inbound: Inbound) -> str:
        if self._ports.people.find(inbound.body["sender"]) is None:
            return stranger(inbound.body["sender"])
        verb = verb_in(f"!{inbound.body['text'].strip().lstrip('!') or 'help'}")
        if verb is None:
            return f"I do not know that. {HELP}"
        meant = await self._meant(verb, inbound)
        if isinstance(meant, str):
            return meant
        await self._take(meant)
        return "Done."

    def follows(self, conversation: ConversationId) -> bool:
        """Whether we take part in it."""
        return self._ports.log.is_followed(conversation)

    def report_outage(self) -> None:
        """Say soon, in one message a room, which messages came too long ago to be answered."""
        if self._report is None or self._report.done():
            self._report = asyncio.create_task(self._tell_stale())

    async def close(self) -> None:
        """What was not reported yet is reported at the next start."""
        if self._report:
            self._report.cancel()
            await asyncio.gather(self._report, return_exceptions=True)

    # Kinds

    async def _meant(self, verb: Verb, inbound: Inbound) -> Inbound | str:
        try:
            about = self._bound(inbound) if verb.name in notebook.VERBS else inbound
            return await self._verbs.obey(verb, about)
        except UsageError as error:
            return str(error)

    async def _take(self, inbound: Inbound) -> Heard:
        return "new" if await self._dispatch.ingest(inbound) else "known"

    async def _message(self, inbound: Inbound) -> Heard:
        text = inbound.body["text"]
        if self._is_stale(inbound):
            return await self._put_by(inbound)
        if verb := verb_in(text):
            meant = await self._meant(verb, inbound)
            if isinstance(meant, str):
                return await self._say(inbound, meant)
            return await self._take(meant)
        if not text.strip() and not inbound.body.get("files") and not inbound.body.get("quoted"):
            return await self._say(inbound, HELP)
        if sentence := too_long(text):
            return await self._say(inbound, sentence)
        bound = self._bound(inbound)
        if bound.repo is None and self._registry.list():
            names = ", ".join(repo.name for repo in self._registry.list()[:20])
            return await self._say(inbound, _UNBOUND.format(names=names))
        return await self._take(prefixed(bound))

    async def _amend(self, inbound: Inbound) -> Heard:
        if inbound.body["text"] is not None:
            inbound = prefixed(inbound)
        amended = await self._ports.log.amend(inbound, self._ports.clock.now_ms())
        return "new" if amended else "ignored"

    async def _refuse(self, inbound: Inbound) -> Heard:
        """A stranger's words are not kept; what was said to us is answered once and for all."""
        sender = inbound.body["sender"]
        kept = dataclasses.replace(inbound, body={"sender": sender})
        key = f"stranger:{sender}:{inbound.place.room}"
        said = _notice(key, inbound.place, stranger(sender)) if inbound.body.get("direct") else None
        await self._close(kept, "refused", said)
        _log.info("refused a stranger", extra={"source": inbound.source})
        return "refused"

    async def _put_by(self, inbound: Inbound) -> Heard:
        is_new = await self._close(inbound, "stale", None)
        if is_new:
            self.report_outage()
        return "ignored" if is_new else "known"

    async def _say(self, inbound: Inbound, text: str) -> Heard:
        """Answer outside of any run; accepting and answering are one commit."""
        key = f"{inbound.source}:{inbound.event_id}:answer"
        closed = dataclasses.replace(inbound, kind="verb", repo=None)
        said = _notice(key, inbound.place, text)
        messages = [inbound.body["message"]] if inbound.body.get("message") else []
        said = dataclasses.replace(said, body={**said.body, "messages": messages})
        return "new" if await self._close(closed, "answered", said) else "known"

    async def _close(self, inbound: Inbound, outcome: str, said: Outbound | None) -> bool:
        outbox = self._ports.rooms.split(said) if said else []
        now = self._ports.clock.now_ms()
        is_new = await self._ports.log.ingest(inbound, now, outcome, outbox)
        if is_new and said:
            self._dispatch.deliver(inbound.conversation)
        return is_new

    # Places and times

    def _bound(self, inbound: Inbound) -> Inbound:
        """With the repository it is about: the thread's own, the room's, or the only one there is.

        A terminal says itself where it is.
        """
        row = self._ports.log.conversation(inbound.conversation)
        room = room_key(inbound.place)
        name = (row.repo if row else None) or inbound.repo
        name = name or self._ports.log.cursor("room", room) or self._rooms.get(room)
        known = self._registry.list()
        if name is None and inbound.body.get("private") and len(known) == 1:
            name = known[0].name
        return dataclasses.replace(inbound, repo=name)

    def _is_stale(self, inbound: Inbound) -> bool:
        written = inbound.body.get("at")
        limit_ms = self._ports.config.stale_hours * 3_600_000
        return bool(written and limit_ms and self._ports.clock.now_ms() - written > limit_ms)

    async def _tell_stale(self) -> None:
        await self._ports.clock.sleep(_REPORT_AFTER_S)
        log, now = self._ports.log, self._ports.clock.now_ms()
        rows = log.stale(int(log.cursor("reception", "reported") or 0))
        by_room: dict[Place, list[Json]] = {}
        for row in rows:
            by_room.setdefault(Place(row["adapter"], row["room"]), []).append(row)
        for place, own in by_room.items():
            said = _notice(f"outage:{room_key(place)}:{own[-1]['rowid']}", place, self._told(own))
            await log.notice(said, now)
            self._dispatch.deliver(said.conversation)
        if rows:
            await log.keep("reception", "reported", str(rows[-1]["rowid"]))

    def _told(self, rows: list[Json]) -> str:
        hours = self._ports.config.stale_hours
        many = "1 message" if len(rows) == 1 else f"{len(rows)} messages"
        lines = [self._line(row["body"]) for row in rows[-20:]]
        head = (
            f"I was away. {many} here came more than {hours:g} hours ago, so I left them alone; "
            "write again what still matters."
        )
        return "\n".join([head, *lines])

    def _line(self, body: Json) -> str:
        person = self._ports.people.find(body["sender"])
        at = datetime.fromtimestamp(body["at"] / 1000, self._ports.config.zone)
        text = " ".join(body["text"].split())
        return f"- {at:%a %H:%M} {person.name if person else 'somebody'}: {text[:80]}"


def _notice(key: str, place: Place, text: str) -> Outbound:
    """Something said outside of any run."""
    body: Json = {
        "text": text,
        "by": "host",
        "outcome": "answered",
        "exit_status": 0,
        "run": 0,
        "receipt": {},
        "actions": [],
        "messages": [],
        "asker": "",
    }
    return Outbound(key, place.conversation, "reply", body, place)
