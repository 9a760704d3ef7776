"""What Slack refuses in a message, as far as it can be told from the message alone."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tests.fakes.slack.world import Json, Refused

_BLOCKS = (
    "actions alert card carousel container context context_actions divider file header image input "
    "markdown plan rich_text section table task_card video"
)
_MARKDOWN_TOGETHER = 12_000
"""Characters in all markdown blocks of a message."""
_ELEMENTS = {"actions": 25, "context": 10, "context_actions": 5}


def content(args: Json, most: int = 40_000) -> None:
    """Text of so many characters, blocks and metadata of a message. Raises Refused."""
    text, markdown, blocks = (args.get(key) for key in ("text", "markdown_text", "blocks"))
    if markdown and (text or blocks):
        raise Refused("markdown_text_conflict")
    if not (text or markdown or blocks or args.get("attachments")):
        raise Refused("no_text")
    if len(text or "") > most or len(markdown or "") > 12_000:
        raise Refused("msg_too_long")
    check_blocks(blocks or [])
    check_metadata(args.get("metadata") or {})


def check_metadata(metadata: Json) -> None:
    """Metadata has a type and a payload of at most 16 KB. Raises Refused."""
    if metadata and not (metadata.get("event_type") and "event_payload" in metadata):
        raise Refused("invalid_metadata_format")
    if len(msgspec.json.encode(metadata)) > 16 * 1024:
        raise Refused("metadata_too_large")


def check_blocks(blocks: list[Json]) -> None:
    """Blocks are known, not too many and not too long. Raises Refused."""
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    if complaints := list(_complaints(blocks)):
        raise Refused("invalid_blocks", response_metadata={"messages": complaints})
    markdown = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    if markdown > _MARKDOWN_TOGETHER:
        raise Refused("msg_blocks_too_long")


def _complaints(blocks: list[Json]) -> Iterator[str]:
    if len(blocks) > 50:
        yield "[ERROR] no more than 50 items allowed [json-pointer:/blocks]"
    names = [block["block_id"] for block in blocks if block.get("block_id")]
    if len(names) > len(set(names)):
        yield "[ERROR] `block_id` is not unique [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        for complaint, pointer in _block(block):
            yield f"[ERROR] {complaint} [json-pointer:/blocks/{number}{pointer}]"


def _block(block: Json) -> Iterator[tuple[str, str]]:
    kind = block.get("type")
    if kind not in _BLOCKS.split():
        yield f"unsupported type: {kind}", "/type"
        return
    if len(block.get("block_id", "")) > 255:
        yield "must be less than 256 characters", "/block_id"
    yield from _text(kind, block)
    elements = block.get("elements", [])
    if kind in _ELEMENTS:
        yield from _elements(elements, _ELEMENTS[kind])
    for number, field in enumerate(block.get("fields", [])):
        yield from _length(field.get("text", ""), 2_000, f"/fields/{number}/text")


def _text(kind: str, block: Json) -> Iterator[tuple[str, str]]:
    if kind == "section" and not (block.get("text") or block.get("fields")):
        yield "missing required field: text", ""
    elif kind == "section" and block.get("text"):
        text = block["text"]
        if not isinstance(text, dict) or text.get("type") not in ("mrkdwn", "plain_text"):
            yield "must be a text object", "/text"
        else:
            yield from _length(text.get("text", ""), 3_000, "/text/text")
    elif kind == "header":
        yield from _length(block.get("text", {}).get("text", ""), 150, "/text/text")
    elif kind == "markdown":
        yield from _length(block.get("text", ""), 12_000, "/text")


def _elements(elements: list[Json], most: int) -> Iterator[tuple[str, str]]:
    if not elements:
        yield "must be more than 0 items", "/elements"
    if len(elements) > most:
        yield f"no more than {most} items allowed", "/elements"
    actions = [element["action_id"] for element in elements if element.get("action_id")]
    if len(actions) > len(set(actions)):
        yield "`action_id` is not unique", "/elements"
    for number, element in enumerate(elements):
        if element.get("type") == "button":
            where = f"/elements/{number}"
            yield from _length(element.get("text", {}).get("text", ""), 75, f"{where}/text/text")
            yield from _length(element.get("value", "x"), 2_000, f"{where}/value")
            yield from _length(element.get("action_id", "x"), 255, f"{where}/action_id")


def _length(text: str, most: int, pointer: str) -> Iterator[tuple[str, str]]:
    if not text:
        yield "must be more than 0 characters", pointer
    if len(text) > most:
        yield f"must be less than {most + 1} characters", pointer
