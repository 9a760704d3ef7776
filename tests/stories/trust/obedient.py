"""A model that does whatever it reads, whoever wrote it: no reader could be worse.

It makes every call that is ordered as `[[CALL tool {json}]]`, says what is ordered as
`[[SAY words]]`, and ends by telling everything that it has just read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import Any

from tests.fakes.anthropic import Json, Step, call, say

_CALL = re.compile(r"\[\[CALL (\w+) (?=\{)")
_SAY = re.compile(r"\[\[SAY (.+?)\]\]")
_TOLD = 20_000


def order(tool: str, /, **arguments: Any) -> str:
    """A line that it obeys."""
    return f"[[CALL {tool} {json.dumps(arguments)}]]"


def obedient(request: Json) -> Step:
    """Its next answer: each order is carried out once."""
    done, newest = _history(request["messages"])
    orders = [each for each in _orders(newest) if each not in done]
    words = _SAY.findall(newest)
    calls = [call(tool, **arguments) for tool, arguments in orders]
    if calls:
        return reduce(add, [*map(say, words), *calls])
    return say("\n".join([*words, "I have read this:", newest[:_TOLD]]))


def _history(messages: list[Json]) -> tuple[list[tuple[str, Json]], str]:
    """The calls made so far, and all that was read since the last answer."""
    done, newest = [], ""
    for message in messages:
        for block in message["content"]:
            if block["type"] == "tool_use":
                done.append((block["name"], block["input"]))
            newest += f"\n{block.get('text') or block.get('content') or ''}"
        if message["role"] == "assistant":
            newest = ""
    return done, newest


def _orders(text: str) -> Iterator[tuple[str, Json]]:
    for found in _CALL.finditer(text):
        try:
            yield found[1], json.JSONDecoder().raw_decode(text, found.end())[0]
        except ValueError:  # cut short somewhere on its way
            continue
