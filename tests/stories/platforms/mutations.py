"""Real events of both platforms, and what a broken or hostile sender would make of them."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

from coworker.adapters.slack.manifest import SHORTCUT
from tests.stories.platforms.team import Team

Json = Any
Path = tuple[Any, ...]
_JUNK: list[Json] = [
    None, "", 0, -1, 2**63, 1e308, True, [], {}, [[]], [None], {"id": None}, "x" * 1_000,
    "\u202e\0", "1.5", "nan", "C0GENERAL", "!approve 1", "<@U0COWORKER>", "1700000000.000001",
]  # fmt: skip
_FRESH = {"ts", "event_ts", "action_ts", "trigger_id"}


def mutated(event: Json, others: list[Json], chance: Random) -> Json:
    """The event with one to four of its parts lost, replaced, doubled, or taken from others."""
    event = copy.deepcopy(event)
    for _ in range(chance.randint(1, 4)):
        paths = [*_paths(event)]
        if not paths:
            break
        *way, last = chance.choice(paths)
        above = _at(event, tuple(way))
        match chance.randrange(4):
            case 0:
                above.pop(last)
            case 1:
                above[last] = copy.deepcopy(chance.choice(_JUNK))
            case 2:
                above[last] = [copy.deepcopy(above[last])] * 2
            case 3:
                other = chance.choice(others)
                if found := [*_paths(other)]:
                    above[last] = copy.deepcopy(_at(other, chance.choice(found)))
    return event


def renewed(event: Json, now: str) -> Json:
    """A Slack event that was not there before: with another time wherever it has one."""
    if isinstance(event, dict):
        return {k: now if k in _FRESH else renewed(v, now) for k, v in event.items()}
    return [renewed(each, now) for each in event] if isinstance(event, list) else event


def _paths(value: Json, above: Path = ()) -> list[Path]:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    found: list[Path] = []
    for key, each in items:
        found += [(*above, key), *_paths(each, (*above, key))]
    return found


def _at(value: Json, path: Path) -> Json:
    for key in path:
        value = value[key]
    return value


async def everyday_slack(team: Team) -> list[Json]:
    """(kind, payload) of what people do there on a day, as it was delivered."""
    chat, slack = team.chat("slack"), team.slack
    said = await chat.opens("what changed?", files=[("notes.txt", b"heron")])
    card = await chat.hears("May I do this")
    await chat.edits(said, "what changed today?")
    await chat.clicks(card, "Deny", "bob")
    for name in ("white_check_mark", "octagonal_sign", "pushpin", "broom", "repeat"):
        await slack.reacts("U0BOB", said, name)
    await chat.bot_says("build 7 failed")
    await slack.command("U0ALICE", chat.channel, "/coworker", "status")
    await slack.shortcut("U0ALICE", SHORTCUT, said)
    await slack.opens_home("U0ALICE")
    await chat.deletes(await chat.says("never mind"))
    await chat.clicks(card, "Allow once")
    await chat.hears("Heard.")
    await slack.settled()
    return [(delivery.kind, delivery.payload) for delivery in slack.deliveries]


async def everyday_telegram(team: Team) -> list[Json]:
    """(kind, body) of what people do there on a day, before anybody polls for it."""
    chat, telegram, alice = team.chat("telegram-group"), team.telegram, team.people["alice"]
    await chat.opens("what changed?")
    card = await chat.hears("May I do this")
    room = team.rooms["group"]
    await chat.settled()
    said = await chat.says("and the tests?")
    await chat.edits(said, "and the benchmarks?")
    await chat.opens("look", files=[("notes.txt", b"heron")])
    await chat.opens("look", files=[("photo.jpg", b"jpg")])
    await telegram.says(alice, room, "/status@coworker_bot now", topic=None)
    await telegram.says(alice, text="hi", forward_from=team.people["mallory"])
    await telegram.says(alice, room, voice=b"ogg", reply_to=card.raw)
    await telegram.says(alice, room, sticker="👍", reply_to=card.raw)
    await telegram.clicks(alice, card.raw, "Deny", inaccessible=True)
    await chat.clicks(card, "Allow once")
    about = {"chat": said["chat"], "message_id": int(card.id), "date": 1, "user": alice.json()}
    emoji = {"old_reaction": [], "new_reaction": [{"type": "emoji", "emoji": "👎"}]}
    telegram.delivers("message_reaction", about | emoji)
    waiting = [queued.body for queued in telegram.updates.waiting]
    return [(kind, each[kind]) for each in waiting for kind in each if kind != "update_id"]
