"""A model's Markdown for Telegram: made harmless, judged by a parser, or turned into entities."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pyromark
from telegram import MessageEntity
from telegramify_markdown import RenderConfig, convert
from telegramify_markdown.converter import STANDARD_OPTIONS

from coworker.adapters import render
from coworker.types import Json

LIMIT = 4096
"""UTF-16 units of a message."""
_ENTITIES = 100
_CODE = re.compile(
    r"(^ {0,3}(`{3,}(?=[^`\n]*$)|~{3,}).*?(?:^ {0,3}\2[`~]* *$|\Z)"
    r"|(?<!\\)(`+)[^`].*?(?<!`)\3(?!`))",
    re.M | re.S,
)
_TAG = re.compile(r"(?<!\\)<(?=[A-Za-z/!?])(?!https?://)")
_MENTION = re.compile(r"(?<![\w.])@(?=[A-Za-z])")
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~])")
_OUTWARD = ("http://", "https://", "mailto:")
"""Links that lead out of Telegram; those that do not can ping people and press buttons."""


def harmless(text: str) -> str:
    """Text whose names ping nobody, whose pictures are links, and whose tags are words.

    Code stays as it is, for there nothing is interpreted. Doing it twice changes nothing.
    """
    pieces = _CODE.split(render.clean(text).strip())
    every = _CODE.groups + 1
    return "".join(
        _defused(piece) if number % every == 0 else piece
        for number, piece in enumerate(pieces)
        if number % every in (0, 1)
    )


def escaped(text: str) -> str:
    """Words of ours as Markdown that shows exactly them."""
    return _MARKS.sub(r"\\\1", text)


def is_tame(text: str, ping: str = "") -> bool:
    """Whether Telegram may read it as Markdown: to a parser it has no picture, tag or inner link.

    Telegram would fetch a picture from any address that a model was made to write. The only link
    into Telegram that is allowed is `ping`.
    """
    events: Any = pyromark.events(text, options=STANDARD_OPTIONS)
    return all(_is_open(event, ping) for event in events if isinstance(event, dict))


def entities(text: str, ping: str = "") -> tuple[str, list[MessageEntity]]:
    """The text as people see it, with where it is bold, code and so on."""
    shown, found = convert(text, latex_escape=False, config=_look())
    if not shown.strip() or render.utf16(shown) > LIMIT:
        return text, []
    kept = [
        entity
        for entity in found
        if entity.type != "spoiler" and (not entity.url or _is_outward(entity.url, ping))
    ]
    return shown, [MessageEntity(**entity.to_dict()) for entity in kept[:_ENTITIES]]


def _defused(text: str) -> str:
    text = _TAG.sub(r"\\<", text.replace("![", "["))
    return _MENTION.sub("@\u2060", text)


def _is_open(event: Json, ping: str) -> bool:
    start = event.get("Start")
    inside = start if isinstance(start, dict) else {}
    if "Image" in inside or "Html" in event or "InlineHtml" in event:
        return False
    return "Link" not in inside or _is_outward(inside["Link"]["dest_url"], ping)


def _is_outward(url: str, ping: str) -> bool:
    return url.startswith(_OUTWARD) or bool(ping and url == ping)


@cache
def _look() -> Any:
    """The library's style without its pictures before headings and links."""
    look = RenderConfig.isolated()
    symbols = look.markdown_symbol
    for level in range(1, 7):
        setattr(symbols, f"heading_level_{level}", "")
    symbols.image = symbols.link = ""
    symbols.unordered_list_item = "•"
    return look
