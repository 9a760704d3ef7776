"""Whose words may be told where, against an oracle that knows every member."""

from __future__ import annotations

import asyncio
import random

from coworker.adapters.slack import calls
from coworker.adapters.slack.readers import Readers
from tests.fakes.slack import ALICE, BOB, BOT, FakeSlack

SEED = 20261121


def could_open(slack: FakeSlack, room: str, here: str, guests: set[str]) -> bool:
    """Whether everybody who reads, or may come to read, `here` could open `room`."""
    there, ours = slack.world.channels[room], slack.world.channels[here]
    is_open = there.kind == "channel"
    if not is_open and ours.kind == "channel":
        return False
    outside = set(ours.members) - set(there.members)
    return not (outside & guests) if is_open else not outside


async def test_no_room_is_readable_where_somebody_could_not_open_it():
    rng = random.Random(SEED)
    async with FakeSlack() as slack, calls.session() as http:
        people = [slack.user(f"p{n}", guest=n % 4 == 0) for n in range(12)]
        guests = {person for n, person in enumerate(people) if n % 4 == 0}
        rooms = [
            slack.channel(f"r{n}", *rng.sample(people, rng.randrange(1, 7)), private=n % 2 == 0)
            for n in range(14)
        ]
        direct = [slack.dm(person) for person in people[:4]]
        readers = Readers(calls.client(slack.bot_token, slack.base_url, http))
        yes = 0
        for here in [*rooms, *direct]:
            others = [room for room in [*rooms, *direct] if room != here]
            found = set(await readers.readable(others, here))
            expected = {r for r in others if r in rooms and could_open(slack, r, here, guests)}
            assert found == expected, here
            yes += len(found)
        assert yes


async def test_what_cannot_be_found_out_is_no():
    async with FakeSlack() as slack, calls.session() as http:
        slack.channel("open", "U0ALICE", BOT)
        readers = Readers(calls.client(slack.bot_token, slack.base_url, http), fresh_s=0)
        assert await readers.readable(["C0OPEN"], slack.dm("U0ALICE")) == ["C0OPEN"]
        slack.fault("conversations.members", "500")
        assert await readers.readable(["C0OPEN"], slack.dm("U0ALICE")) == []
        assert await readers.readable(["C0NOWHERE"], slack.dm("U0ALICE")) == []


async def test_readers_are_known_for_a_moment_and_no_more_once_somebody_came():
    async with FakeSlack() as slack, calls.session() as http:
        board, here = (slack.channel(name, ALICE, private=True) for name in ("board", "here"))
        readers = Readers(calls.client(slack.bot_token, slack.base_url, http))
        for _ in range(5):
            assert await readers.readable([board], here) == [board]
        assert len(slack.called("conversations.members")) == 2
        slack.join(BOB, here)
        readers.forget(here)
        assert await readers.readable([board], here) == []


async def test_where_something_is_to_be_told_readers_are_asked_for_also_without_word_of_them():
    async with FakeSlack() as slack, calls.session() as http:
        board, here = (slack.channel(name, ALICE, private=True) for name in ("board", "here"))
        readers = Readers(calls.client(slack.bot_token, slack.base_url, http), fresh_s=0)
        assert await readers.readable([board], here) == [board]
        slack.join(BOB, here)
        assert await readers.readable([board], here) == []
        asked = [call.arguments["channel"] for call in slack.called("conversations.members")]
        assert asked.count(board) == 1


async def test_what_was_being_asked_when_somebody_came_is_not_remembered():
    async with FakeSlack() as slack, calls.session() as http:
        board, here = (slack.channel(name, ALICE, private=True) for name in ("board", "here"))
        readers = Readers(calls.client(slack.bot_token, slack.base_url, http))
        slack.fault("conversations.members", "slow", seconds=0.3, after_effect=True)
        asking = asyncio.create_task(readers.readable([board], here))
        await slack.until(lambda: slack.called("conversations.members"))
        slack.join(BOB, here)
        readers.forget(here)
        await asking
        assert await readers.readable([board], here) == []
