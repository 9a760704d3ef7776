"""`coworker audit`: whether the log is as it was written.

It knows two verbs and how a person wants to read their answers.
"""

from __future__ import annotations

from collections.abc import Iterator

from coworker.cli import interrupt, output, words
from coworker.cli.link import linked
from coworker.settings import Config
from coworker.types import Json


def verify(config: Config, head: str, *, as_json: bool) -> int:
    """1 when an entry is not as it was written."""
    return interrupt.run(_verify(config, head.strip(), as_json))


def head(config: Config, *, as_json: bool) -> int:
    """Print one hash over all conversations."""
    return interrupt.run(_head(config, as_json))


async def _verify(config: Config, head: str, as_json: bool) -> int:
    async with linked(config, working=False) as link:
        seen: Json = await link.call("audit_verify", head=head)
    output.say(words.as_json(seen) if as_json else "\n".join(_lines(seen, head)))
    return 1 if seen["faults"] else 0


async def _head(config: Config, as_json: bool) -> int:
    async with linked(config, working=False) as link:
        seen: Json = await link.call("audit_head")
    output.say(words.as_json(seen) if as_json else seen["hash"])
    return 0


def _lines(seen: Json, head: str) -> Iterator[str]:
    for fault in seen["faults"]:
        entry = f"/{fault['seq']}" if fault["seq"] else ""
        yield f"✗ {fault['conversation']}{entry}: {fault['what']}"
    for name in seen["expired"]:
        yield f"– {name}: deleted since the head, by retention_days"
    counted = f"{seen['entries']:,} entries in {seen['conversations']:,} conversations"
    if seen["faults"]:
        yield f"{counted}, not as they were written. Keep this file, and compare it with a backup."
    else:
        yield f"✓ {counted}: every chain holds.{_since(seen, head)}"


def _since(seen: Json, head: str) -> str:
    if not seen["head"]:
        return ""
    return f" Nothing was changed since {'that head' if head else 'the last head on record'}."
