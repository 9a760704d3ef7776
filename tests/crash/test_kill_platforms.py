"""Kill a daemon on Slack and Telegram around every call and commit: all are answered, none twice.

A repeat that says it may be one is allowed on Telegram alone, which cannot be asked.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.crash.office import REPEAT, Office, office
from tests.fakes import until
from tests.fakes.anthropic import FakeAnthropic, call, say, stories

NAMES = ("slack", "private", "group")
SEED = 20261121
AT_ONCE = 2
CALLS, COMMITS = 26, 34
"""About as many as a life has in which nobody dies."""
STORY = stories(
    {
        f"note {name}": [
            say("I look.") + call("search", pattern="total") + call("note", text=name),
            call("read_file", path="shop/cart.py"),
            say(f"Done {name}."),
        ]
        for name in NAMES
    }
)


async def everybody_asks(office: Office) -> None:
    """One message in each place; Telegram delivers its messages twice, as Slack does anyway."""
    for name, chat in office.chats.items():
        await chat.opens(f"note {name}")
    waiting = office.telegram.updates.waiting
    waiting.extend(list(waiting))


async def live_and_die(office: Office, place: str, moment: str, number: int) -> None:
    """Be asked, die once around that call or commit, live again until all is answered."""
    await office.starts()  # who never listened has no past to catch up with
    await office.has_a_past()
    await office.dies()
    if number % 2:  # asked while it is away: only the history and the queue know
        await everybody_asks(office)
    if place == "call":
        office.reaper.armed(moment, number)
        await office.starts()
    else:
        await office.starts(moment, number)
    if not number % 2:
        await office.listens()
        await everybody_asks(office)
    await office.lives_or_dies()
    if office.is_dead:
        await office.starts()
    await until(office.is_done, 40)
    await office.ends()


def verdict(office: Office) -> list[str]:
    """What is wrong in the end; nothing, if all is well."""
    wrong = []
    effects = office.effects.read_text().split() if office.effects.exists() else []
    for name, chat in office.chats.items():
        answers = [each.text for each in chat.saying(f"Done {name}.")]
        labelled = [text for text in answers if REPEAT in text]
        if len(answers) - len(labelled) > 1 or len(labelled) > 1:
            wrong.append(f"{name}: said twice: {answers}")
        if name == "slack" and len(answers) != 1:
            wrong.append(f"slack, which can be asked, says {answers}")
        if effects.count(name) > 1:
            wrong.append(f"{name}: the effect happened {effects.count(name)} times")
    if chat := office.chats["slack"].working():
        wrong.append(f"slack still shows {chat!r}")
    return wrong


async def run_case(tmp_path, shop, model, case) -> tuple[list[str], int]:
    short = "".join(str(each)[0] for each in case[:2]) + str(case[2])  # a socket lives below
    async with office(tmp_path / short, shop, model) as made:
        try:
            await live_and_die(made, *case)
        except TimeoutError:
            said = {name: [m.text for m in chat.shown()] for name, chat in made.chats.items()}
            return [f"{case}: never done: {said}"], made.deaths
        return [f"{case}: {each}" for each in verdict(made)], made.deaths


async def run_cases(tmp_path, shop, cases) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    async with FakeAnthropic(STORY, strict=True) as model:

        async def one(case):
            async with gate:
                return await run_case(tmp_path, shop, model, case)

        results = await asyncio.gather(*map(one, cases))
    deaths = sum(deaths for _, deaths in results)
    assert [wrong for each, _ in results for wrong in each] == []
    assert deaths >= len(cases) * 2 // 3, f"only {deaths} of {len(cases)} kills hit"


def around(place: str, most: int) -> list[tuple[str, str, int]]:
    return [(place, moment, n) for n in range(1, most + 1) for moment in ("before", "after")]


ALL = [*around("call", CALLS), *around("commit", COMMITS)]


async def test_killed_around_calls_and_commits_everybody_is_answered_once(tmp_path, shop):
    await run_cases(tmp_path, shop, random.Random(SEED).sample(ALL, 4))


@pytest.mark.soak
async def test_killed_around_every_call_and_commit(tmp_path, shop):
    await run_cases(tmp_path, shop, ALL)
