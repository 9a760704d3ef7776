"""What we say, as Telegram takes it: Markdown made harmless, its forms, pages and buttons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyromark
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, MessageEntity
from telegramify_markdown import RenderConfig, convert
from telegramify_markdown.converter import STANDARD_OPTIONS

from coworker.adapters import render
from coworker.types import Json, Outbound

LIMIT = 4096
_PAGE = 3_500
_PAGES = 3
_ENTITIES = 100
_RECEIPT = 300
_LABEL = 60
_QUICK_S = 30
_REPEAT = "(possibly a repeat)"
_STOP = "🛑 Stop"
_CODE = re.compile(
    r"(^ {0,3}(`{3,}(?=[^`\n]*$)|~{3,}).*?(?:^ {0,3}\2[`~]* *$|\Z)"
    r"|(?<!\\)(`+)[^`].*?(?<!`)\3(?!`))",
    re.M | re.S,
)
_OPEN = ("http://", "https://", "mailto:")
"""Links that lead out of Telegram; those that do not can ping people and press buttons."""
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~])")


@dataclass(frozen=True, slots=True)
class Said:
    """A message in Markdown, its buttons as rows of (label, data), and perhaps a file.

    `ping` is the one link into Telegram that is ours and not some text's.
    """

    text: str
    buttons: tuple[tuple[tuple[str, str], ...], ...] = ()
    file: Json | None = None
    ping: str = ""

    @property
    def markup(self) -> InlineKeyboardMarkup | None:
        """The buttons as Telegram takes them."""
        rows = [
            [InlineKeyboardButton(label, callback_data=d) for label, d in r] for r in self.buttons
        ]
        return InlineKeyboardMarkup(rows) if rows else None

    @property
    def is_tame(self) -> bool:
        """Whether Telegram may read the Markdown: to a parser it holds no picture, HTML or ping."""
        events: Any = pyromark.events(self.text, options=STANDARD_OPTIONS)
        return all(self._is_open(event) for event in events if isinstance(event, dict))

    def formatted(self) -> tuple[str, list[MessageEntity]]:
        """The text as people see it, with where it is bold, code and so on."""
        text, found = convert(self.text, latex_escape=False, config=_look())
        if not text.strip() or render.utf16(text) > LIMIT:
            return self.text, []
        kept = [
            entity
            for entity in found
            if entity.type != "spoiler" and (not entity.url or self._leads_out(entity.url))
        ]
        return text, [MessageEntity(**entity.to_dict()) for entity in kept[:_ENTITIES]]

    def _is_open(self, event: Json) -> bool:
        start = event.get("Start")
        inside = start if isinstance(start, dict) else {}
        if "Image" in inside or "Html" in event or "InlineHtml" in event:
            return False
        return "Link" not in inside or self._leads_out(inside["Link"]["dest_url"])

    def _leads_out(self, url: str) -> bool:
        return url.startswith(_OPEN) or url == self.ping != ""


def parts(outbound: Outbound) -> list[Json]:
    """The bodies of a reply's messages: up to three pages, else one and the whole as a file."""
    body = outbound.body
    text = render.clean(str(body.get("text") or ""))
    pages = render.pages(text, _PAGE, render.utf16)
    file = body.get("file")
    if len(pages) > _PAGES:
        pages, file = pages[:1], {"name": "reply.md", "text": text}
    made: list[Json] = [{"text": page, "file": None} for page in pages]
    made += [{"text": "", "file": file}] if file else []
    if outbound.op != "reply" or len(made) == 1:
        return [body]
    return [body | each for each in made]


def is_last(body: Json) -> bool:
    """Whether a reply ends with this message; what belongs to its end is only there."""
    return bool(body.get("part") == body.get("parts"))


def is_quick(body: Json) -> bool:
    """Whether the answer replaces the progress message, so that nobody is notified twice."""
    return "part" not in body and body.get("receipt", {}).get("seconds", _QUICK_S) < _QUICK_S


def reply(body: Json, *, repeated: bool = False) -> Said:
    """An answer: its text, and at its end the receipt and the buttons."""
    text = harmless(body["text"]) or ("" if body.get("file") else "(an empty answer)")
    rows = tuple(_actions(body)) if is_last(body) else ()
    pieces = [_REPEAT if repeated else "", text, receipt(body) if is_last(body) else ""]
    return Said("\n\n".join(filter(None, pieces)), rows, body.get("file"))


def receipt(body: Json) -> str:
    """The line that says what an answer cost and rests on; "" for one outside of a run."""
    if not body.get("receipt") or not body.get("run"):
        return ""
    line = render.receipt_line(body.get("outcome", ""), body["receipt"])
    return f"_{escaped(_cut(line, _RECEIPT))}_"


def question(body: Json, *, ping: bool = False, repeated: bool = False) -> Said:
    """A card that asks; each button answers, so do words and the commands named below it."""
    number = body["ask"]
    pages = render.pages(render.clean(body["question"]), _PAGE, render.utf16)
    text = harmless(pages[0]) + ("\n\n…" if pages[1:] else "")
    how = f"/approve {number} or /deny {number} answers as well." if body.get("approval") else ""
    labels = [_cut(render.one_line(option), _LABEL) for option in body.get("options") or []]
    rows = tuple(((label, f"ask:{number}:{n}"),) for n, label in enumerate(labels) if label)
    head = _REPEAT if repeated else ""
    link = _link_to(body.get("asker")) if ping else ""
    mark = f"[❓]({link})" if link else "❓"
    return Said("\n\n".join(filter(None, [head, f"{mark} {text}", escaped(how)])), rows, ping=link)


def working(text: str) -> Said:
    """A progress message, newest words last."""
    return Said(harmless(_tail(text, _PAGE)), (((_STOP, "stop"),),))


def harmless(markdown: str) -> str:
    """Markdown of which nothing pings somebody, fetches something or is taken for HTML.

    Code stays as it is: there nothing is interpreted.
    """
    pieces = _CODE.split(render.clean(markdown).strip())
    return "".join(
        _defused(pieces[n]) + (pieces[n + 1] if n + 1 < len(pieces) else "")
        for n in range(0, len(pieces), _CODE.groups + 1)
    )


def escaped(text: str) -> str:
    """Words of ours as Markdown that shows exactly them."""
    return _MARKS.sub(r"\\\1", text)


def _defused(text: str) -> str:
    """A picture would be fetched by Telegram from whatever address a model was made to write."""
    text = text.replace("![", "[")
    text = re.sub(r"<(?=[A-Za-z/!?])(?!https?://)", r"\\<", text)
    return re.sub(r"(?<![\w.])@(?=[A-Za-z])", "@\u2060", text)


def _link_to(person: str | None) -> str:
    """A link that notifies somebody; it needs no name."""
    found = re.fullmatch(r"telegram:(\d+)", person or "")
    return f"tg://user?id={found[1]}" if found else ""


def _actions(body: Json) -> Sequence[tuple[tuple[str, str], ...]]:
    found = [
        (_cut(render.one_line(each["label"]), _LABEL), f"act:{each['action']}:{each['run']}")
        for each in body.get("actions") or []
    ]
    return [tuple(found[n : n + 3]) for n in range(0, len(found), 3)]


def _cut(line: str, limit: int) -> str:
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _tail(text: str, limit: int) -> str:
    """The end of a text; UTF-16 units are at most twice its characters."""
    if render.utf16(text) <= limit:
        return text
    head, _, rest = text.partition("\n\n")
    return f"{head}\n\n… {rest[-limit // 2 :]}"


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
