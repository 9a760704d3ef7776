"""What Slack tells us as inbounds: who said what to us, where. It decides what is for us.

It knows Slack's events and asks Slack only what they leave out; it keeps nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from coworker.adapters.slack import calls, messages
from coworker.adapters.slack.names import Names
from coworker.adapters.slack.text import mentioned, opens_with_somebody, plain, with_ids
from coworker.errors import Undeliverable
from coworker.types import ConversationId, Inbound, InboundKind, Json, Place

SOURCE = "slack"
_SPOKEN = (None, "file_share", "thread_broadcast", "me_message")
_CONTROLS = {"octagonal_sign": "stop", "repeat": "retry", "white_check_mark": "approve"}
_ABOUT = {"pushpin": "!remember", "broom": "!forget"}
_AGAIN = "Try again."
_REGROUPED = re.compile(
    "(channel|group)_(join|leave|name|rename|convert_to_private|convert_to_public)"
    "|channel_(shared|unshared)|member_(joined|left)_channel"
)
"""Events, and kinds of messages, which tell that a room has other readers, or is another one."""


@dataclass(frozen=True, slots=True)
class Us:
    """Who we are in this workspace: the team's id, our user's and our bot's."""

    team: str
    user: str
    bot: str


class Reader:
    """Turns events into inbounds; None for what is not for us."""

    def __init__(
        self,
        client: AsyncWebClient,
        us: Us,
        follows: Callable[[ConversationId], bool],
        regrouped: Callable[[str], None],
    ) -> None:
        self._client = client
        self._us = us
        self._follows = follows
        self._regrouped = regrouped
        self._names = Names(client)

    async def event(self, event: Json) -> Inbound | None:
        """Whatever comes by the Events API. Of a room with other readers now, it says so."""
        if room := _regrouped(event):
            self._regrouped(room)
        match event.get("type"), event.get("subtype"):
            case "message", "message_changed":
                return await self._edited(event)
            case "message", "message_deleted":
                return self._deleted(event)
            case (("message" | "app_mention"), subtype) if subtype in _SPOKEN:
                return await self._said(event)
            case "reaction_added", _:
                return await self._reacted(event)
            case "agent_session_stopped", _:
                place = Place(SOURCE, event["channel"], event.get("thread_ts") or "")
                moment = event.get("event_ts") or event.get("thread_ts")
                return self._heard(place, f"{moment}:stopped", "stop", event["user"])
        return None

    async def plain(self, text: str) -> str:
        """A text in plain words, with people's names."""
        text = with_ids(text, self._us.user)
        return plain(text, self._us.user, await self._names.of(mentioned(text)))

    async def zone(self, person: str) -> str:
        """The time zone of somebody's profile, "" when it is not known."""
        return await self._names.zone(person)

    def is_ours(self, message: Json) -> bool:
        """Whether we said it."""
        return message.get("user") == self._us.user or message.get("bot_id") == self._us.bot

    async def message(self, room: str, ts: str) -> Json:
        """One message by its id, wherever in a thread it stands; {} when it is gone."""
        span = self._client.conversations_replies(
            channel=room, ts=ts, oldest=ts, latest=ts, inclusive=True, limit=2
        )
        try:
            found = (await calls.look(span))["messages"]
        except Undeliverable:
            return {}
        return next((each for each in found if each["ts"] == ts), {})

    async def _said(self, message: Json) -> Inbound | None:
        place = Place(SOURCE, message["channel"], message.get("thread_ts") or message["ts"])
        person = message.get("user")
        if not person or message.get("bot_id") or self.is_ours(message):
            return None
        direct = self._is_direct(message)
        if not direct and not self._is_for_us(place, message.get("text") or ""):
            return None
        body = {
            "text": await self.plain(message.get("text") or ""),
            "message": message["ts"],
            "at": round(float(message["ts"]) * 1000),
            "direct": direct,
            "private": _is_private(place),
        }
        if files := list(_files(message)):
            body["files"] = files
        if quoted := list(_quoted(message)):
            body["quoted"] = quoted
        return self._heard(place, message["ts"], "message", person, **body)

    async def _edited(self, event: Json) -> Inbound | None:
        """New words in a message. One that names us only now was not for us before."""
        new, old = event.get("message") or {}, event.get("previous_message") or {}
        here: Json = {key: event[key] for key in ("channel", "channel_type") if key in event}
        if new.get("subtype") == "tombstone":
            return self._deleted({**here, "deleted_ts": new.get("ts"), "previous_message": old})
        if not new.get("edited") or new.get("text") == old.get("text"):
            return None
        inbound = await self._said({**new, **here, "type": "message"})
        if inbound is None:
            return None
        us = self._us.user
        named_now = us in mentioned(new.get("text") or "") and us not in mentioned(
            old.get("text") or ""
        )
        if named_now and not self._follows(inbound.conversation):
            return inbound
        body = {key: inbound.body[key] for key in ("sender", "message", "text")}
        name = f"{inbound.event_id}:{new['edited']['ts']}"
        return dataclasses.replace(inbound, event_id=name, kind="edit", body=body)

    def _deleted(self, event: Json) -> Inbound | None:
        ts, old = event.get("deleted_ts"), event.get("previous_message") or {}
        if not ts or not old.get("user") or self.is_ours(old):
            return None
        place = Place(SOURCE, event["channel"], old.get("thread_ts") or ts)
        if not self._follows(place.conversation):
            return None
        return self._heard(place, f"{ts}:deleted", "edit", old["user"], message=ts, text=None)

    async def _reacted(self, event: Json) -> Inbound | None:
        """Some reactions on a message of a conversation of ours are controls."""
        reaction, item = event.get("reaction", ""), event.get("item") or {}
        control = _CONTROLS.get(reaction) or _ABOUT.get(reaction)
        if not control or event.get("user") == self._us.user or item.get("type") != "message":
            return None
        message = await self.message(item["channel"], item["ts"])
        place = Place(SOURCE, item["channel"], message.get("thread_ts") or item["ts"])
        if not self._follows(place.conversation):
            return None
        name, person = f"{event['event_ts']}:{control}", event["user"]
        if control == "stop":
            return self._heard(place, name, "stop", person, on=item["ts"])
        if control == "retry":
            return self._again(place, name, person, item["ts"])
        if reaction in _ABOUT:
            about = {"message": item["ts"]}
            if reaction == "pushpin":  # of what is to be forgotten no more words are taken
                about |= await self._pointed_at(message, person)
            return self._heard(
                place, name, "message", person, text=control, message=item["ts"], about=about
            )
        card = messages.asked(message.get("blocks") or []) if self.is_ours(message) else None
        if card is None:
            return None
        return self._heard(place, name, "answer", person, **_answer(card, "allow", item["ts"]))

    async def _pointed_at(self, message: Json, person: str) -> Json:
        """What a message says and whose it is; for words of `ours` that person may answer."""
        if self.is_ours(message):
            text = await self.plain(words(message))
            return {"text": text, "sender": f"{SOURCE}:{person}", "ours": True}
        bot = message.get("bot_id")
        said = words(message) if bot else message.get("text") or ""  # what is shared is no author's
        who = bot or message.get("user") or "somebody"
        return {"text": await self.plain(said), "sender": f"{SOURCE}:{who}"}

    async def clicked(self, body: Json) -> Inbound | None:
        """A button, or a choice from a list: in the conversation of its mark, where Slack says."""
        click = body["actions"][0]
        value = click.get("value") or (click.get("selected_option") or {}).get("value") or ""
        mark, action = messages.Mark.read(value), str(click.get("action_id", ""))
        if mark is None:
            return None
        name = f"{click['action_ts']}:{action}"
        inbound = self._pressed(mark, name, body["user"]["id"], _message_of(body))
        return dataclasses.replace(inbound, place=_place_of(body))

    def is_foreign(self, click: Json, app: str) -> bool:
        """Whether it was pressed in another workspace, or for another app, than ours.

        In a channel shared with others Slack names our workspace, and theirs only of the person; of
        an app that is installed for a whole organisation it may name any, or none.
        """
        team = click.get("team") or {}
        workspace = team.get("id") if isinstance(team, dict) else team
        is_ours = workspace in (None, self._us.team) or click.get("is_enterprise_install")
        return not is_ours or bool(app and click.get("api_app_id", app) != app)

    def _pressed(self, mark: messages.Mark, name: str, person: str, on: str) -> Inbound:
        place = mark.place
        if name.partition(":")[2].startswith("answer"):
            return self._heard(place, name, "answer", person, **_answer(mark, mark.word, on))
        if mark.word == "stop":
            return self._heard(place, name, "stop", person, on=on)
        if mark.word == "retry":
            return self._again(place, name, person, on)
        said = {"action": mark.word, "run": mark.number}
        return self._heard(place, name, "action", person, **said, on=on)

    async def pointed(self, body: Json) -> Inbound:
        """The message shortcut: somebody wants us to look at a message."""
        message, room = body["message"], body["channel"]["id"]
        place = Place(SOURCE, room, message.get("thread_ts") or message["ts"])
        who = message.get("bot_id") or message.get("user") or "somebody"
        quoted = [{"who": f"slack:{who}", "text": await self.plain(words(message))}]
        more = {"files": files} if (files := list(_files(message))) else {}
        return self._heard(
            place,
            f"{body['action_ts']}:shortcut",
            "message",
            body["user"]["id"],
            text="Please look at this message.",
            message=message["ts"],
            at=round(float(body["action_ts"]) * 1000),
            direct=True,
            quoted=quoted,
            **more,
        )

    async def commanded(self, body: Json) -> Inbound:
        """`/coworker verb`: the verb as it is written elsewhere, `!verb`."""
        place = Place(SOURCE, body["channel_id"])
        text = await self.plain(f"!{(body.get('text') or '').strip().lstrip('!/') or 'help'}")
        return self._heard(
            place,
            body["trigger_id"],
            "verb",
            body["user_id"],
            text=text,
            private=_is_private(place),
        )

    def _again(self, place: Place, name: str, person: str, message: str) -> Inbound:
        at = round(float(name.partition(":")[0]) * 1000)
        body = {"text": _AGAIN, "message": message, "on": message, "at": at, "direct": True}
        return self._heard(place, name, "message", person, **body)

    def _heard(
        self, place: Place, name: str, kind: InboundKind, person: str, **body: object
    ) -> Inbound:
        ids = (person, place.room, body.get("message", ""), body.get("on", ""))
        if not all(isinstance(each, str) for each in ids):
            raise TypeError("the id of a person or message is no text")
        event_id = f"{self._us.team}:{place.room}:{name}"
        told = {"sender": f"{SOURCE}:{person}", **body}
        return Inbound(SOURCE, event_id, place.conversation, kind, told, place)

    def _is_direct(self, message: Json) -> bool:
        return (
            message.get("type") == "app_mention"
            or _is_private(Place(SOURCE, message["channel"]))
            or self._us.user in mentioned(message.get("text") or "")
        )

    def _is_for_us(self, place: Place, text: str) -> bool:
        return self._follows(place.conversation) and not opens_with_somebody(text)


def _regrouped(event: Json) -> str:
    """The room that has other readers now; "" when an event tells nothing of the kind."""
    kind = str(event.get("subtype") or event.get("type"))
    room = event.get("channel") if _REGROUPED.fullmatch(kind) else ""
    return str(room.get("id") if isinstance(room, dict) else room or "")


def _is_private(place: Place) -> bool:
    """Whether only the person and we are there."""
    return place.room.startswith("D")


def _place_of(click: Json) -> Place:
    """Where the button is that somebody pressed."""
    at, message = click.get("container") or {}, click.get("message") or {}
    thread = message.get("thread_ts") or at.get("thread_ts")
    room = at.get("channel_id") or click["channel"]["id"]
    return Place(SOURCE, room, thread or _message_of(click))


def _message_of(click: Json) -> str:
    """The message on which it is."""
    container = click.get("container") or {}
    return str(container.get("message_ts") or click["message"]["ts"])


def _answer(mark: messages.Mark, text: str, on: str) -> Json:
    """The answer to a question on whose card, the message `on`, this mark stands."""
    seal = {"seal": mark.seal} if mark.seal else {}
    return {"ask": mark.number, "text": text, "on": on, **seal}


def _files(message: Json) -> Iterator[Json]:
    for file in message.get("files") or []:
        yield {
            "id": str(file["id"]),
            "name": str(file.get("name") or file.get("title") or file["id"]),
            "mime": str(file.get("mimetype") or "application/octet-stream"),
            "size": int(file.get("size") or 0),
            "url": str(file.get("url_private_download") or file.get("url_private") or ""),
        }


def _quoted(message: Json) -> Iterator[Json]:
    """Messages that were shared into this one."""
    for attachment in message.get("attachments") or []:
        if attachment.get("is_share") or attachment.get("is_msg_unfurl"):
            who = attachment.get("bot_id") or attachment.get("author_id")
            name = f"somebody who is called {attachment.get('author_name', '')!r}"
            who = f"{SOURCE}:{who}" if who else name
            yield {"who": who, "text": plain(attachment.get("text") or "")}


def words(message: Json) -> str:
    """What a message says, also one of another bot that says it in attachments."""
    told = (each.get("text") or each.get("fallback") for each in message.get("attachments") or [])
    return message.get("text") or "\n".join(filter(None, told))
