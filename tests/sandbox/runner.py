"""A process that runs commands in boxes for the tests, as root or as an ordinary user.

    python -m tests.sandbox.runner UID

Reads one request per line on stdin and answers each with what came of it, how late a heartbeat
on the same event loop was at worst but one (a single hiccup is the machine's), and how much
memory this process took for it.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401 - later, another user may not be able to read it
import contextlib
import ctypes
import dataclasses
import json
import os
import resource
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from coworker.config import program_environment
from coworker.errors import CoworkerError
from coworker.sandbox import Box, Finished, Limits, run

BEAT_S = 0.02
DEADLINE_S = 60
CANARY = "canary-5e1f0d"


@dataclass(frozen=True)
class Seen:
    """What came of a command, seen from the process that ran it."""

    finished: Finished
    lag_s: float
    grown_mb: float

    @property
    def output(self) -> str:
        return self.finished.output


class Crew:
    """Runs commands as one user, in a process with a secret in its environment."""

    def __init__(self, uid: int) -> None:
        self.uid = uid
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sandbox.runner", str(uid)],
            cwd=Path(__file__).parents[2],
            env={**program_environment(), "HOME": "/nonexistent", "API_KEY": CANARY},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, box: Box, command: str) -> Seen:
        """One command, to its end. Fails loudly when that does not come."""
        request = {"box": dataclasses.asdict(box), "command": command}
        print(json.dumps(request, default=str), file=self._process.stdin, flush=True)
        assert select.select([self._process.stdout], [], [], DEADLINE_S)[0], "no answer"
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return Seen(Finished(**answer.pop("finished")), **answer)

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(DEADLINE_S)
        self._process.stdout.close()


async def _observed(box: Box, command: str) -> dict[str, object]:
    """Run it while a heartbeat counts how long others had to wait."""
    loop, lags = asyncio.get_running_loop(), [0.0, 0.0]

    async def beat() -> None:
        while True:
            due = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)
            lags.append(loop.time() - due)

    before = _peak_mb()
    heart = asyncio.create_task(beat())
    try:
        finished = await run(box, command)
    finally:
        heart.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await heart
    grown_mb = _peak_mb() - before
    lag_s = sorted(lags)[-2]
    return {"finished": dataclasses.asdict(finished), "lag_s": lag_s, "grown_mb": grown_mb}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _answer(request: dict) -> dict[str, object]:
    fields = {name: Path(at) if str(at)[:1] == "/" else at for name, at in request["box"].items()}
    box = Box(**{**fields, "limits": Limits(**fields["limits"])})
    try:
        return asyncio.run(_observed(box, request["command"]))
    except CoworkerError as error:
        return {"error": repr(error)}


def _become(uid: int) -> None:
    if uid == os.geteuid():
        return
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # readable in /proc, as if this user had started us


if __name__ == "__main__":
    _become(int(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)
