"""Thousands of messages in bad weather: what was sent, answered, doubled and lost, counted."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from tests.crash.office import REPEAT, Handler, Office, office
from tests.fakes import until
from tests.fakes.anthropic import FakeAnthropic, say
from tests.fakes.slack import faults as slack_faults
from tests.fakes.slack.world import BOT
from tests.fakes.telegram import faults as telegram_faults
from tests.fakes.telegram.wire import flooded
from tests.stories.platforms.chats import Chat, PrivateChat, SlackChat, TopicChat

SEED = 20261121
THREADS, TOPICS = 60, 57
BATCH = 60
BATCH_S = 90
"""Longer than a batch needs whatever goes wrong; what is not answered then has been lost."""
KILLED, CUT, REPEATED = 0.6, 0.3, 0.1
_ANSWER = re.compile(r"Done (m\d+)\.")


@dataclass
class Weather:
    """Lets a few of all calls fail, in every way there is. Seeded."""

    chance: random.Random
    struck: Counter[str] = field(default_factory=Counter)

    @web.middleware
    async def passing(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Stand in front of a fake."""
        kinds = {"429": 0.01, "500": 0.005, "500 done": 0.005, "reset": 0.005, "reset done": 0.005}
        roll = self.chance.random()
        for kind, share in kinds.items():
            roll -= share
            if roll < 0 and request.path != "/link":
                return await self._strike(kind, request, handler)
        return await handler(request)

    async def _strike(
        self, kind: str, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        self.struck[kind] += 1
        if kind == "429":
            is_telegram = request.path.startswith("/bot")
            refusal = telegram_faults.answer(429, flooded(1).answer())
            return refusal if is_telegram else slack_faults.ratelimited(1)
        if kind.endswith("done"):
            await handler(request)
        if kind.startswith("500"):
            return web.json_response({"ok": False, "error": "fatal_error"}, status=500)
        return telegram_faults.cut_off(request)


def echo(request):
    """A model that answers each message by its name."""
    words = str(request["messages"][-1]["content"])
    return say(f"Done {re.findall(r'm[0-9]+', words)[-1]}.")


def everywhere(office: Office) -> list[Chat]:
    """Threads, topics and private chats."""
    telegram, people, forum = office.telegram, office.people, office.rooms["forum"]
    topics = [TopicChat(telegram, forum, people, topic=f"topic {n}") for n in range(TOPICS)]
    private = [PrivateChat(telegram, people, who) for who in ("alice", "bob", "gus")]
    return [*(SlackChat(office.slack) for _ in range(THREADS)), *topics, *private]


def said(office: Office) -> Iterator[str]:
    """Every message of ours as it stands."""
    for message in office.slack.messages("C0GENERAL"):
        if message.user == BOT:
            yield message.shown
    for chat in office.telegram.world.chats.values():
        for number in chat.ours:
            kept = chat.messages.get(number, {})
            yield chat.markdown.get(number) or kept.get("text", "")


def answers(office: Office) -> tuple[Counter[str], Counter[str]]:
    """How often each message was answered: plainly, and labelled as a possible repeat."""
    plain, labelled = Counter[str](), Counter[str]()
    for text in said(office):
        if (found := _ANSWER.search(text)) and not text.startswith("👀"):
            (labelled if REPEAT in text else plain)[found[1]] += 1
    return plain, labelled


async def soak(office: Office, chance: random.Random, messages: int) -> list[str]:
    """Say so many messages, batch after batch, while daemons die; the names of all."""
    chats = everywhere(office)
    await office.starts()
    await office.has_a_past()
    names: list[str] = []
    while len(names) < messages:
        batch = [f"m{len(names) + n}" for n in range(min(BATCH, messages - len(names)))]
        names += batch
        dying = chance.randrange(len(batch)) if chance.random() < KILLED else -1
        for number, name in enumerate(batch):
            chat = chats[int(name[1:]) % len(chats)]
            await (chat.opens if chat.is_new else chat.says)(f"queue: say {name}")
            if chance.random() < REPEATED:
                office.telegram.updates.waiting.extend(office.telegram.updates.waiting[-1:])
            if number == dying:
                await office.dies()
                await office.starts()
        if chance.random() < CUT:
            office.slack.kill()
        await answered(office, batch)
    await office.ends()
    return names


async def answered(office: Office, names: list[str]) -> None:
    """Wait until these messages have an answer, or much too long."""
    began, wanted = time.monotonic(), set(names)

    def all_are() -> bool:
        plain, labelled = answers(office)
        return not wanted - set(plain) - set(labelled)

    while not all_are() and time.monotonic() - began < BATCH_S:
        pause = time.monotonic() + 0.5
        await until(lambda pause=pause: time.monotonic() > pause)


def counted(office: Office, names: list[str]) -> dict[str, int]:
    """What became of them all."""
    plain, labelled = answers(office)
    return {
        "sent": len(names),
        "answered once": sum(plain[n] + labelled[n] == 1 for n in names),
        "doubled, labelled": sum(plain[n] == 1 and labelled[n] > 0 for n in names),
        "only labelled": sum(not plain[n] and labelled[n] > 0 for n in names),
        "doubled, unlabelled": sum(plain[n] > 1 for n in names),
        "lost": sum(not plain[n] and not labelled[n] for n in names),
    }


@pytest.mark.soak
@pytest.mark.parametrize("messages", [300, 10_000])
async def test_messages_in_bad_weather_are_neither_lost_nor_doubled(tmp_path, shop, messages):
    began, chance = time.monotonic(), random.Random(SEED)
    weather = Weather(random.Random(SEED))
    async with (
        FakeAnthropic(echo, keep=100) as model,
        office(tmp_path / "office", shop, model, weather.passing) as made,
    ):
        names = await soak(made, chance, messages)
        counts = counted(made, names)
        spent = f"{made.lives} lives, {time.monotonic() - began:.0f} s"
        print(f"\n{counts}, {dict(weather.struck)}, {spent}")
        plain, labelled = answers(made)
        wrong = [n for n in names if plain[n] > 1 or not plain[n] + labelled[n]]
        assert (counts["lost"], counts["doubled, unlabelled"]) == (0, 0), wrong[:20]
