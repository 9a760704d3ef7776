"""`python -m benchmarks [SECTION ...]`: one run, a table per section, ratios to the floor."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks import (
    arrival,
    crowd,
    hands,
    idle,
    long,
    machine,
    platforms,
    recall,
    recovery,
    schedules,
    start,
    table,
)
from benchmarks.machine import Disk
from benchmarks.rig import Rig

Section = Callable[[Rig], Awaitable[list[table.Figure]]]
SECTIONS: dict[str, tuple[str, Section]] = {
    "ground": ("0  What everything stands on", arrival.ground),
    "arrival": ("1  A message arrives: until the model is asked", arrival.arrival),
    "reply": ("2  A reply: the bot's own time, without the model's", arrival.reply),
    "crowd": ("3  Many at once: 5 steps, a model that takes 1 s, ideal 5 s", crowd.crowd),
    "idle": ("4  Idle", idle.idle),
    "start": ("5  Start", start.start),
    "long": ("6  Long conversations", long.long),
    "recovery": ("7  Recovery with many open conversations", recovery.recovery),
    "memory": ("8  Memory", idle.memory),
    "hands": ("9  Hands: commands, workspaces, tools, large trees", hands.hands),
    "turns": ("10  Telegram and Slack: a reply", platforms.turns),
    "rush": ("11  Telegram and Slack: new chats at once, a model that takes 1 s", platforms.rush),
    "service": ("12  Telegram and Slack: start, memory, idle, installation", platforms.service),
    "growth": ("13  Telegram: one chat from its first message on", platforms.growth),
    "killed": ("14  Telegram: kill -9 while the model thinks", platforms.killed),
    "schedules": ("15  Standing work: 10,000 schedules idle, and due at once", schedules.schedules),
    "recall": ("16  Memory per repository: recall", recall.recall),
}


def main() -> None:
    """Run the sections that are named, or all."""
    options = _options()
    disk = machine.disk(options.fsync_ms)
    try:
        report = asyncio.run(_run(options, disk))
    finally:
        shutil.rmtree(disk.folder, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="small numbers, under 90 s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there")
    parser.add_argument(
        "--fsync-ms",
        type=float,
        metavar="MS",
        help="what an fsync costs (default 1, on tmpfs with gcc); -1 is the real disk as it is",
    )
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no section {min(unknown)}; there are {', '.join(SECTIONS)}")
    return options


async def _run(options: argparse.Namespace, disk: Disk) -> dict[str, Any]:
    began = time.monotonic()
    report: dict[str, Any] = {"machine": machine.describe(), "disk": disk.words}
    print(f"{report['machine']}\nState on {disk.words}. {machine.company()}".rstrip())
    rig = Rig(disk, options.quick)
    async with rig.opened():
        for name in ["ground", *options.sections] if options.sections else SECTIONS:
            title, section = SECTIONS[name]
            figures = await section(rig)
            table.show(title, figures)
            report[name] = [figure.as_json() for figure in figures]
    report["seconds"] = round(time.monotonic() - began, 1)
    print(f"\n{report['seconds']:.0f} s")
    return report


if __name__ == "__main__":
    main()
