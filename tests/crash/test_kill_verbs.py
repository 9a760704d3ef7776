"""Kill a daemon within a verb: it is never obeyed twice, and never left without a word."""

from __future__ import annotations

import random

import pytest

from tests.crash.office import Office, office
from tests.fakes import until
from tests.fakes.anthropic import FakeAnthropic
from tests.fakes.slack import ALICE, BOT, GENERAL, Message

SEED = 20261121
COMMITS = 7
"""About as many as a life has in which only `!forget` is said."""
UNKNOWN = "ended in the middle of this"
ALL = [(moment, number) for number in range(1, COMMITS + 1) for moment in ("before", "after")]


def answers(office: Office, said: Message) -> list[str]:
    """What we said to that message."""
    return [each.shown for each in office.slack.thread(GENERAL, said.ts) if each.user == BOT]


async def says(office: Office, words: str) -> Message:
    """Alice says a verb in a thread of its own."""
    return await office.slack.says(ALICE, GENERAL, f"<@{BOT}> {words}")


async def forget_and_die(office: Office, moment: str, number: int) -> tuple[Message, Message]:
    """Forget a fact and die around that commit; in the next life ask what is known.

    That question is in the room's history alone, behind all that was said before.
    """
    await office.starts()
    await office.has_a_past()
    kept = await says(office, "!remember the quartz moon is round")
    await until(lambda: "as f1" in "".join(answers(office, kept)), 20)
    await office.dies()
    await office.starts(moment, number)
    await office.listens()
    forgotten = await says(office, "!forget f1")
    await until(lambda: office.is_dead or answers(office, forgotten), 20)
    office.deaths += office.is_dead
    await office.dies()
    asked = await says(office, "!memory")
    await office.starts()
    await until(lambda: answers(office, forgotten) and answers(office, asked), 20)
    await office.ends()
    return forgotten, asked


def verdict(office: Office, forgotten: Message, asked: Message) -> list[str]:
    """What is wrong in the end; nothing, if all is well."""
    told, (known,) = answers(office, forgotten), answers(office, asked)
    is_gone = "Nothing is remembered" in known
    checks = {
        "answered once": len(told) == 1,
        "gone, or said to be in doubt": is_gone or UNKNOWN in told[0],
        "not known anew": is_gone or "[f1," in known,
    }
    return [f"not {name}: {told}, {known}" for name, holds in checks.items() if not holds]


async def run_case(tmp_path, shop, moment: str, number: int) -> tuple[list[str], int]:
    async with (
        FakeAnthropic([], strict=True) as model,
        office(tmp_path / f"{moment[0]}{number}", shop, model) as made,
    ):
        wrong = verdict(made, *await forget_and_die(made, moment, number))
        return [f"{moment} {number}: {each}" for each in wrong], made.deaths


async def run_cases(tmp_path, shop, cases) -> None:
    results = [await run_case(tmp_path, shop, *case) for case in cases]
    assert [wrong for each, _ in results for wrong in each] == []
    assert sum(deaths for _, deaths in results) >= len(cases) // 2


async def test_killed_while_it_forgets_it_forgets_once_or_says_that_it_does_not_know(
    tmp_path, shop
):
    await run_cases(tmp_path, shop, random.Random(SEED).sample(ALL, 2))


@pytest.mark.soak
async def test_killed_around_every_commit_of_a_verb(tmp_path, shop):
    await run_cases(tmp_path, shop, ALL)
