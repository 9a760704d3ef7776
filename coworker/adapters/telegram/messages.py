"""What we say, as messages: pages, receipts, questions, and their buttons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, MessageEntity

from coworker.adapters import render
from coworker.adapters.telegram import markdown
from coworker.adapters.telegram.markdown import escaped, harmless
from coworker.types import SEAL_SHOWN, Json, Outbound

_PAGE = 3_400
"""Room for the receipt, and for tables, which grow."""
_PAGES = 3
_RECEIPT = 300
_LABEL = 60
_QUICK_S = 30
_VERB = re.compile(r"`!(?=[a-z])")
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
    """The bodies of a reply's messages: up to three pages, else one and the whole as a file.

    A question has all its pages, for whoever decides must see it whole.
    """
    body = outbound.body
    if outbound.op == "ask":
        return [{**body, "question": page} for page in _pages(body["question"])]
    if outbound.op != "reply":
        return [body]
    text = render.clean(str(body.get("text") or ""))
    pages = _pages(text)
    file = body.get("file")
    if len(pages) > _PAGES:
        pages, file = pages[:1], {"name": "reply.md", "text": text}
    made: list[Json] = [{"text": page, "file": None} for page in pages]
    made += [{"text": "", "file": file}] if file else []
    return [body | each for each in made] if made[1:] else [body]


def is_first(body: Json) -> bool:
    """Whether nothing of it stands above this message."""
    return bool(body.get("part", 1) == 1)


def is_last(body: Json) -> bool:
    """Whether it ends with this message; what belongs to its end is only there."""
    return bool(body.get("part") == body.get("parts"))


def is_quick(body: Json) -> bool:
    """Whether the answer replaces the progress message, so that nobody is notified twice."""
    return "part" not in body and body.get("receipt", {}).get("seconds", _QUICK_S) < _QUICK_S


def reply(body: Json, *, repeated: bool = False) -> Said:
    """An answer: its text, and at its end the receipt and the buttons."""
    text = harmless(_own_words(body)) or ("" if body.get("file") else "(an empty answer)")
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
    link = _link_to(body.get("asker")) if ping and is_first(body) else ""
    mark = f"[❓]({link})" if link else "❓"
    asked = harmless(body["question"])
    text = _marked(mark, asked) if is_first(body) else asked
    rows, how = (_options(body), _how(body)) if is_last(body) else ((), "")
    pieces = [_REPEAT if repeated else "", text, escaped(how)]
    return Said("\n\n".join(filter(None, pieces)), rows, ping=link)


def decided(body: Json) -> Said:
    """What a question's card turns into: no buttons, and who decided."""
    page = _pages(body["question"])[-1]
    return Said(f"{_marked('❓', page)}\n\n_{escaped(render.decision(body))}_")


def _marked(mark: str, text: str) -> str:
    """Before the text, and never on the line of a fence, which would be none then."""
    return f"{mark}\n\n{text}" if text.startswith(("```", "~~~")) else f"{mark} {text}"


def working(text: str) -> Said:
    """A progress message, newest words last."""
    return Said(_tail(harmless(text), _PAGE), (((_STOP, "stop"),),))


def _own_words(body: Json) -> str:
    """What is said; of what we ourselves say, verbs as they are written on Telegram: `/status`."""
    text = str(body["text"])
    return _VERB.sub("`/", text) if body.get("by") == "host" else text


def _pages(text: str) -> list[str]:
    return render.pages(harmless(text), _PAGE, render.utf16)


def _options(body: Json) -> tuple[tuple[tuple[str, str], ...], ...]:
    labels = [_cut(render.one_line(option), _LABEL) for option in body.get("options") or []]
    number, seal = body["ask"], str(body.get("seal") or "")[:SEAL_SHOWN]
    data = [":".join(filter(None, ("ask", f"{number}:{n}", seal))) for n in range(len(labels))]
    return tuple(((label, each),) for label, each in zip(labels, data, strict=True) if label)


def _how(body: Json) -> str:
    number = body["ask"]
    return f"/approve {number} or /deny {number} answers as well." if body.get("approval") else ""


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
