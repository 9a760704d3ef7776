"""Kill a real daemon while it mends a bug: each edit and commit once, no command twice."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bugs import QUICK
from tests.conftest import running
from tests.crash.rig import Case, Kill, run_case
from tests.fakes.anthropic import FakeAnthropic, call, say, stories

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")

SEED = 20261121
AT_ONCE = 3
LAST_COMMIT = 21
SUBJECT = "Round the sum, not each line"
STORY = stories(
    {
        "fix it": [
            call("shell", command=f"echo first >> $HOME/ran; {QUICK.check}"),
            QUICK.fix,
            call("shell", command=f"echo second >> $HOME/ran; {QUICK.check}"),
            call("git_commit", message=SUBJECT),
            say("Fixed, all tests pass."),
        ]
    }
)
CONFIG = f"""
[repos.shop]
path = "{{repo}}"
setup = ["sleep 0.2; {QUICK.setup}"]
checks = ["{QUICK.check}"]
"""
PHASES = {  # what the person is shown at its beginning, and about how long it takes
    "making the workspace": ("makes a workspace", 0.15),
    "set-up": ("sets up", 0.3),
    "shell": ("runs", 0.3),
    "edit": ("edits", 0.02),
    "commit": ("commits", 0.1),
    "check": ("running the checks", 0.5),
}


class Fixing(Case):
    """The model runs the failing test, mends the bug, runs it again, and commits."""

    def checks(self, reply, results):
        ran = next(self.folder.glob("workspaces/*/home/ran")).read_text().split()
        texts = [each["text"] for each in results if each["tool"] == "shell"]
        unknown = ["effect is unknown" in text for text in texts]
        first, second = (
            each or sign in text
            for each, sign, text in zip(unknown, ("AssertionError", "exit 0"), texts, strict=True)
        )
        final = {"command": QUICK.check, "exit_code": 0}
        return {
            "the model's own words, nothing doubted": reply["text"] == "Fixed, all tests pass.",
            "green checks at the end": reply["receipt"]["commands"][-1] == final,
            "no command twice": len(ran) == len(set(ran)),
            "no command lost without a word": len(ran) + sum(unknown) >= 2,
            "the first command saw the bug": first,
            "the second command saw it mended": second,
            "one commit": self.git("log", "--format=%s").count(SUBJECT) == 1,
            "one edit": self.is_mended(),
            "nothing survives": running(str(self.folder)) == [],
        }

    def is_mended(self) -> bool:
        """The edit is in the workspace and in the commit, once."""
        text = (self.workspace() / "tree" / QUICK.file).read_text()
        kept = self.git("show", f"HEAD:{QUICK.file}")
        return text == kept and text.count(QUICK.right) == 1 and QUICK.wrong not in text

    def workspace(self) -> Path:
        (found,) = (self.folder / "workspaces").glob("t-*")
        return found

    def git(self, *arguments: str) -> str:
        argv = ["git", f"--git-dir={self.workspace()}/git", *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def shop(tmp_path):
    return QUICK.plant(tmp_path / "shop")


@pytest.fixture
def fixing(tmp_path, shop):
    """`fixing(model, name)` is a case in a folder of that name."""

    def fixing(model: FakeAnthropic, name: str) -> Fixing:
        return Fixing(tmp_path / name, "shop", model, "fix it", CONFIG.format(repo=shop))

    return fixing


async def faults(fixing, endings):
    """Run a case for each ending, some side by side; what was wrong, and who died."""
    gate = asyncio.Semaphore(AT_ONCE)
    async with FakeAnthropic(STORY, strict=True) as model:

        async def one(number, ending):
            case = fixing(model, f"case{number}")
            async with gate:
                return ending, await run_case(case, **ending), case.deaths

        cases = [one(number, ending) for number, ending in enumerate(endings)]
        results = await asyncio.gather(*cases)
    wrong = [result[:2] for result in results if result[1]]
    return wrong, [ending for ending, _, deaths in results if deaths]


def around_commits():
    return [
        {"moment": moment, "number": number}
        for number in range(1, LAST_COMMIT + 1)
        for moment in ("before", "after")
    ]


def in_phases(chance: random.Random, times: int):
    return [
        {"kills": [Kill(chance.uniform(0, seconds), shown)]}
        for shown, seconds in PHASES.values()
        for _ in range(times)
    ]


@pytest.mark.slow
async def test_killed_around_some_commits_it_mends_once(fixing):
    moments = random.Random(SEED).sample(around_commits(), 2)
    wrong, died = await faults(fixing, moments)
    assert wrong == [], f"seed {SEED}"
    assert died


@pytest.mark.slow
async def test_killed_in_the_midst_of_each_effect_it_mends_once(fixing):
    wrong, died = await faults(fixing, in_phases(random.Random(SEED), 1))
    assert wrong == [], f"seed {SEED}"
    assert len(died) >= 5


@pytest.mark.soak
async def test_killed_around_every_commit_it_mends_once(fixing):
    wrong, died = await faults(fixing, around_commits())
    assert wrong == []
    assert len(died) >= len(around_commits()) - 2


@pytest.mark.soak
async def test_killed_at_many_random_moments_it_mends_once(fixing):
    chance = random.Random(SEED)
    thrice = [{"kills": [Kill(chance.uniform(0.5, 3)) for _ in range(2)]} for _ in range(20)]
    wrong, died = await faults(fixing, in_phases(chance, 10) + thrice)
    assert wrong == [], f"seed {SEED}"
    assert len(died) >= 60
