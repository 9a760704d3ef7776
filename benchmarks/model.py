"""The scripted model as a process: does what the words of a task say, and says when it was asked.

    python -m benchmarks.model       prints its port, answers until it is ended

Its last answer of a task is the JSON list of [asked, answered, bytes] of every request of the
task: nanoseconds of the clock that all processes of a machine share, and the size of the request.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Any

import msgspec

from tests.fakes.anthropic import FakeAnthropic, Step, call, say, slow

MARK = "bench"
Stamp = tuple[int, int, int]


class Task(msgspec.Struct):
    """What one message asks for: so many calls of a tool, then so many characters of text."""

    id: str
    calls: int = 0
    tool: str = "read_file"
    delay_s: float = 0.0
    chars: int = 0

    def words(self, padding: int = 0) -> str:
        """The message that asks for it, and characters that mean nothing."""
        return f"{MARK} {msgspec.json.encode(self).decode()}\n{'x' * padding}"


def main() -> None:
    """Serve until the process is ended."""
    asyncio.run(_serve())


async def _serve() -> None:
    stamps: defaultdict[str, list[Stamp]] = defaultdict(list)

    def script(request: dict[str, Any]) -> Step:
        asked = time.monotonic_ns()
        size = len(msgspec.json.encode(request))
        task, done = _task(request["messages"])
        if task is None:
            return say("A summary.")
        last = done >= task.calls
        seen = stamps.pop(task.id, []) if last else stamps[task.id]
        seen.append((asked, time.monotonic_ns() + round(task.delay_s * 1e9), size))
        return (_report(task, seen) if last else _call(task, done)) + slow(task.delay_s)

    print(await FakeAnthropic(script, keep=1).start(), flush=True)
    await asyncio.Event().wait()


def _task(messages: list[dict[str, Any]]) -> tuple[Task | None, int]:
    """The latest task, and how many answers there were since."""
    done = 0
    for message in reversed(messages):
        if message["role"] == "assistant":
            done += 1
            continue
        texts = [b.get("text", "") for b in message["content"] if isinstance(b, dict)]
        if any(texts):
            head = texts[-1].partition("\n")[0]
            known = head.startswith(f"{MARK} ")
            return (msgspec.json.decode(head[len(MARK) :], type=Task) if known else None), done
    return None, done


def _report(task: Task, stamps: list[Stamp]) -> Step:
    return say(f"{msgspec.json.encode(stamps).decode()}\n{'y' * task.chars}")


def _call(task: Task, number: int) -> Step:
    match task.tool:
        case "ask":
            return call("ask", question=f"May I go on, {task.id}?")
        case "write_file":
            return call("write_file", path="shop/new.py", content=f"{task.id}, {number}\n")
        case "shell":
            return call("shell", command=f": {task.id}, {number}")
        case _:
            return call("read_file", path=f"shop/part{number % 10}.py")


if __name__ == "__main__":
    main()
