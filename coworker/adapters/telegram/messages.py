"""What we say, as messages: pages, receipts, questions, and their buttons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, MessageEntity

from coworker.adapters import render
from coworker.adapters.telegram import markdown
from coworker.adapters.telegram.markdown import escaped, harmless
from coworker.types import Json, Outbound

_PAGE = 3_400
"""Room for the receipt, and for tables, which grow."""
_PAGES = 3
_RECEIPT = 300
_LABEL = 60
_QUICK_S = 30
_REPEAT = "(possibly a repeat)"
_STOP = "🛑 Stop"


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
        """Whether Telegram may read the Markdown itself."""
        return markdown.is_tame(self.text, self.ping)

    def formatted(self) -> tuple[str, list[MessageEntity]]:
        """The text as people see it, with where it is bold, code and so on."""
        return markdown.entities(self.text, self.ping)


def parts(outbound: Outbound) -> list[Json]:
    """The bodies of a reply's messages: up to three pages, else one and the whole as a file."""
    body = outbound.body
    text = render.clean(str(body.get("text") or ""))
    pages = render.pages(harmless(text), _PAGE, render.utf16)
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
    pages = render.pages(harmless(body["question"]), _PAGE, render.utf16)
    text = pages[0] + ("\n\n…" if pages[1:] else "")
    how = f"/approve {number} or /deny {number} answers as well." if body.get("approval") else ""
    labels = [_cut(render.one_line(option), _LABEL) for option in body.get("options") or []]
    rows = tuple(((label, f"ask:{number}:{n}"),) for n, label in enumerate(labels) if label)
    head = _REPEAT if repeated else ""
    link = _link_to(body.get("asker")) if ping else ""
    mark = f"[❓]({link})" if link else "❓"
    return Said("\n\n".join(filter(None, [head, f"{mark} {text}", escaped(how)])), rows, ping=link)


def working(text: str) -> Said:
    """A progress message, newest words last."""
    return Said(_tail(harmless(text), _PAGE), (((_STOP, "stop"),),))


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
