"""Memory per repository: is the right message among the first five, how fast, at what size?"""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from benchmarks.rig import Rig
from benchmarks.table import Figure
from benchmarks.workchat import Question, Talk, noise, talk
from coworker.store.log import Log
from coworker.store.memories import Memories
from coworker.store.memory import Message

_AT_ONCE = 2_000
_ASKED = 200
_AIMS = {100_000: "p95 <= 15", 1_000_000: "p95 <= 120"}


async def recall(rig: Rig) -> list[Figure]:
    """Quality on a team's talk; then time, rate and size among much noise."""
    figures = [await _quality(rig.disk.folder / "recall")]
    for count in (10_000,) if rig.quick else (100_000, 1_000_000):
        figures += await _at_size(rig.disk.folder / f"recall-{count}", count)
    return figures


async def _quality(folder: Path) -> Figure:
    said = talk()
    memories, log = _opened(folder)
    for repo, messages in said.messages.items():
        await memories.take_in(repo, messages)
    missed = [await _misses(memories, each) for each in said.questions]
    await _close(memories, log)
    share = 100 * sum(missed) / len(missed)
    what = f"{len(missed)} questions, answer not in first 5"
    return Figure(what, "%", [share], aim="<= 3")


async def _misses(memories: Memories, asked: Question) -> bool:
    found = await memories.ask(asked.repo, lambda memory: memory.search(asked.text, None, 5))
    return asked.answer not in [each.message.name for each in found]


async def _at_size(folder: Path, count: int) -> list[Figure]:
    """A fifth of the rooms may be read, and then all of them."""
    memories, log = _opened(folder)
    said, before = talk(), _resident_mb()
    began = time.monotonic()
    for some in _batches(noise(count)):
        await memories.take_in("shop", some)
    rate = count / (time.monotonic() - began)
    await memories.take_in("shop", said.messages["shop"])
    few, all_rooms = await _times(memories, said, 4), await _times(memories, said, None)
    size_mb = sum(file.stat().st_size for file in folder.rglob("shop.db*")) / 1e6
    grown = _resident_mb() - before
    await _close(memories, log)
    label = f"{count:,} messages"
    return [
        Figure(f"{label}: a question in 4 rooms of 20", "ms", few, aim=_AIMS.get(count, "")),
        Figure(f"{label}: in all rooms", "ms", all_rooms, aim=_AIMS.get(count, "")),
        Figure(f"{label}: import", "per s", [rate]),
        Figure(f"{label}: file", "MB", [size_mb]),
        Figure(f"{label}: resident memory", "MB", [grown]),
    ]


async def _times(memories: Memories, said: Talk, rooms: int | None) -> list[float]:
    allowed = None if rooms is None else [f"slack:C{number}" for number in range(rooms)]
    times = []
    for asked in said.questions[:_ASKED]:
        began = time.monotonic()
        await memories.ask("shop", lambda memory, q=asked: memory.search(q.text, allowed, 10))  # type: ignore[misc]
        times.append((time.monotonic() - began) * 1000)
    return times


def _opened(folder: Path) -> tuple[Memories, Log]:
    log = Log(folder, lambda error: None)
    return Memories(log, folder), log


async def _close(memories: Memories, log: Log) -> None:
    await memories.close()
    await log.close()


def _batches(messages: Iterable[Message]) -> Iterable[list[Message]]:
    rest = iter(messages)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
