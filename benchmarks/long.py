"""Long conversations: the next message after megabytes, and the 2,000th of one conversation."""

from __future__ import annotations

from benchmarks.floor import FILLER
from benchmarks.past import Past, Recorded, record, repeated
from benchmarks.rig import Bot, Rig
from benchmarks.table import Figure
from benchmarks.talk import Coworker, Floor, Heard, task

_QUESTION, _REPLY = 200, 400
_DEFAULT_CONTEXT = 150_000
_WINDOW = 20


async def long(rig: Rig) -> list[Figure]:
    """The next message of 2 and 20 MB; then one conversation from its first message on."""
    async with rig.daemon() as daemon:
        entries = await record(daemon, calls=1)
    figures = []
    for megabytes in (2, 20):
        figures += await _next(rig, entries, megabytes)
    return figures + await _growing(rig)


async def _next(rig: Rig, entries: Recorded, megabytes: int) -> list[Figure]:
    number, results = rig.n(10, 3), megabytes * 1_000_000 // len(FILLER)
    state = rig.state()
    past = Past(state)
    conversation = await past.write(repeated(entries, results, FILLER), "idle")
    await past.close()
    async with rig.floor() as floor, floor.talker() as bare_talker:
        assert isinstance(bare_talker, Floor)
        bare_talker.filler = results
        bare = [await bare_talker.ask(task()) for _ in range(number + 1)][1:]
    async with rig.daemon(state) as daemon, rig.probed(daemon) as waits:
        heard = await _said(daemon, conversation, number + 1)
        rss = daemon.program.memory_mb("Rss")
    return [
        _owns(f"{megabytes} MB: floor, own time", bare, []),
        Figure(f"{megabytes} MB: first after the start, own time", "ms", [heard[0].own_ms]),
        _owns(f"{megabytes} MB: the next ones, own time", heard[1:], bare),
        Figure(f"{megabytes} MB: hello answered after", "ms", waits),
        Figure(f"{megabytes} MB: resident", "MB", [rss]),
    ]


async def _said(bot: Bot, conversation: str, number: int) -> list[Heard]:
    async with bot.talker(conversation) as talker:
        return [await talker.ask(task()) for _ in range(number)]


async def _growing(rig: Rig) -> list[Figure]:
    """One conversation, with the default limit of its context."""
    number = rig.n(2_000, 200)
    async with rig.daemon(context_tokens=_DEFAULT_CONTEXT) as daemon, daemon.talker() as talker:
        assert isinstance(talker, Coworker)
        heard = [await _exchange(talker) for _ in range(number)]
    figures = []
    for place in (_WINDOW // 2, number // 4, number):
        last = place + _WINDOW // 2 if place < number else number
        figures += await _window(rig, f"message {place:,}", heard[last - _WINDOW : last])
    return [*figures, _owns(f"all {number:,}, own time", heard, [])]


async def _window(rig: Rig, name: str, heard: list[Heard]) -> list[Figure]:
    """Some messages in a row, beside the floor with requests of the same size."""
    async with rig.floor() as floor, floor.talker() as talker:
        assert isinstance(talker, Floor)
        talker.filler = heard[-1].size // len(FILLER)
        bare = [await _exchange(talker) for _ in range(_WINDOW + 1)][1:]
    return [
        _owns(f"{name}, own time", heard, bare, "flat"),
        Figure(f"{name}, request", "KB", [each.size / 1000 for each in heard]),
    ]


async def _exchange(talker: Coworker | Floor) -> Heard:
    return await talker.ask(task(chars=_REPLY), padding=_QUESTION)


def _owns(what: str, heard: list[Heard], floor: list[Heard], aim: str = "") -> Figure:
    below = [each.own_ms for each in floor]
    return Figure(what, "ms", [each.own_ms for each in heard], below, aim)
