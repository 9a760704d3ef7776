"""`coworker why`: from a reply back to what brought it about.

It knows how a person wants to read that account, not where it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from coworker.cli import interrupt, output, words
from coworker.cli.link import linked
from coworker.settings import Config
from coworker.types import Json

_LONGEST = 200
"""Characters of what somebody said or a call was given; --json has all of it."""


def why(config: Config, what: str, *, as_json: bool) -> int:
    """Print the account of one run."""
    return interrupt.run(_why(config, what, as_json))


async def _why(config: Config, what: str, as_json: bool) -> int:
    async with linked(config, working=False) as link:
        seen: Json = await link.call("why", what=what)
    output.say(words.as_json(seen) if as_json else told(seen, config.zone))
    return 0


def told(seen: Json, zone: ZoneInfo) -> str:
    """The account in lines, in the order in which things happened."""
    return "\n".join(_lines(seen, zone))


def _lines(seen: Json, zone: ZoneInfo) -> Iterator[str]:
    yield f"{seen['conversation']}/{seen['run']}"
    for said in seen["asked"]:
        schedule = f" (schedule {said['schedule']})" if said.get("schedule") else ""
        yield f"{words.moment(said['at'], zone)}  {said['head']}{schedule}: {_cut(said['text'])}"
    for known in seen["known"]:
        ids = f": {', '.join(map(str, known['ids']))}" if known["ids"] else ""
        yield f"  told of: {_cut(known['source'])}{ids}"
    if prompt := seen["prompt"]:
        yield f"  prompt: entry {prompt['seq']}, {len(prompt['tools'])} tools"
    for number, step in enumerate(seen["steps"], 1):
        yield from _step(number, step, zone)
    for asked in seen["questions"]:
        yield f"  question {asked['ask']}: {_cut(asked['question'])} {_answered(asked)}"
    for check in seen["checks"]:
        yield f"  check {_cut(check['command'])}: exit {check['exit_code']}"
    yield from _end(seen["reply"], seen["delivery"], zone)


def _step(number: int, step: Json, zone: ZoneInfo) -> Iterator[str]:
    model = step["model"] or step["kind"]
    tokens, cost = f"{step['tokens']:,} tokens", words.dollars(step["cost_usd"])
    yield f"{words.moment(step['at'], zone)}  step {number}: {model}, {tokens}, {cost}"
    for call in step["calls"]:
        yield f"  → {call['tool']} {_cut(words.as_json(call['input']))}: {_ended(call)}"


def _ended(call: Json) -> str:
    receipt = call.get("receipt") or {}
    parts = [
        f"{call['verdict']} ({_cut(call['reason'])})" if "verdict" in call else "",
        f"{call['by']} said {_cut(call['answer'])}" if call.get("by") else "",
        f"exit {receipt['exit_code']}" if "exit_code" in receipt else "",
        "failed" if call.get("is_error") else "",
        words.duration(call["ms"] / 1000) if call.get("ms") is not None else "",
    ]
    return " · ".join(filter(None, parts)) or "not begun"


def _answered(asked: Json) -> str:
    return f"{asked['by']} said {_cut(asked['answer'])}" if asked["by"] else "(open)"


def _end(reply: Json | None, delivery: Json | None, zone: ZoneInfo) -> Iterator[str]:
    if reply is None:
        yield "No reply yet."
        return
    receipt = words.receipt_line(reply["outcome"], reply.get("receipt") or {})
    yield f"{words.moment(reply['at'], zone)}  reply: {_cut(reply['text'])}"
    yield f"  {receipt}"
    if delivery is None:
        yield "  not delivered yet, as far as is known"
    else:
        remote = f" as {delivery['remote_id']}" if delivery["remote_id"] else ""
        yield f"  delivered {words.moment(delivery['at'], zone)}{remote}"


def _cut(text: str) -> str:
    return words.fit(words.one_line(text), _LONGEST)
