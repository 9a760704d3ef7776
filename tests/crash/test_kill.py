"""Kill a real daemon with SIGKILL around every commit: one reply, no effect twice, nothing lost."""

from __future__ import annotations

import asyncio
import random
import subprocess

import pytest

from tests.crash.rig import Case, Kill, run_case
from tests.fakes.anthropic import FakeAnthropic, call, say, slow, stories

AT_ONCE = 3

STORY = stories(
    {
        "fix it": [
            say("I look.") + call("search", pattern="total") + call("note", text="effect"),
            call("read_file", path="shop/cart.py"),
            say("It rounds each line."),
        ],
        "mend it": [
            call("edit_file", path="shop/cart.py", old="round(price * count)", new="price * count"),
            call("git_commit", message="Keep the cents") + call("note", text="effect"),
            call("read_file", path="shop/cart.py"),
            say("It rounds no line any more."),
        ],
    }
)


class Noting(Case):
    """The model notes something down; asked to mend it, it edits and commits as well."""

    def checks(self, reply, results):
        effects = self.effects.read_text().splitlines() if self.effects.exists() else []
        known = effects or any("effect is unknown" in result["text"] for result in results)
        return {
            "the model's own words": reply["text"].startswith("It rounds"),
            "no effect twice": len(effects) <= 1,
            "no effect lost without a word": bool(known),
            **(self.mended() if self.words == "mend it" else {}),
        }

    def mended(self) -> dict[str, bool]:
        """The edit and the commit happened once each."""
        (workspace,) = (self.folder / "workspaces").glob("t-*")
        log = ["git", f"--git-dir={workspace}/git", "log", "--format=%s"]
        subjects = subprocess.run(log, capture_output=True, text=True, check=True).stdout.split(
            "\n"
        )
        text = (workspace / "tree" / "shop" / "cart.py").read_text()
        return {
            "one commit": subjects.count("Keep the cents") == 1,
            "one edit": text.count("sum(price * count") == 1,
        }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "moments", "numbers"),
    [
        ("fix it", ("after",), range(1, 16, 5)),
        ("mend it", ("after",), range(4, 14, 8)),
        pytest.param("fix it", ("after",), range(1, 16), marks=pytest.mark.soak),
        pytest.param("mend it", ("after",), range(4, 14, 4), marks=pytest.mark.soak),
    ],
)
async def test_killed_around_every_commit_it_answers_once(tmp_path, shop, words, moments, numbers):
    async with FakeAnthropic(STORY, strict=True) as model:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(moment, number):
            case = Noting(tmp_path / f"{moment}{number}", str(shop), model, words)
            async with gate:
                return moment, number, await run_case(case, moment, number), case.deaths

        cases = [one(moment, number) for number in numbers for moment in moments]
        results = await asyncio.gather(*cases)
    died = sum(result[3] for result in results)
    assert died >= len(results) * 2 // 3, f"only {died} kills hit: the rig misses the commits"
    assert [result[:3] for result in results if result[2]] == []


@pytest.mark.slow
async def test_killed_at_random_moments_it_answers_once(tmp_path, shop, soak):
    seed = 20261121
    chance = random.Random(seed)
    async with FakeAnthropic(lambda r: STORY(r) + slow(0.15), strict=True) as model:
        for number in range(60 if soak else 2):
            kills = [Kill(chance.uniform(0.0, 1.5)) for _ in range(3)]
            case = Noting(tmp_path / str(number), str(shop), model, "fix it")
            wrong = await run_case(case, kills=kills)
            assert wrong == [], f"seed {seed}, case {number}, kills {kills}"
