"""What we say as the arguments of a Slack message: text, blocks, buttons, receipt and key.

It knows Slack's limits and nothing of requests or connections.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coworker.adapters import render
from coworker.adapters.slack.text import escaped, fallback, harmless
from coworker.types import SEAL_SHOWN, Json, Outbound, Place

EVENT = "coworker"
"""The type of the metadata that carries an outbound's key."""
PAGE = 11_000
_MOST_PAGES = 3
_MOST_BUTTONS = 5
_LABEL = 75
_CONTEXT = 1_500
_QUICK_S = 30
_MARK = re.compile(
    r"(?P<number>\d{1,9})(?:/(?P<seal>\w+))? (?P<place>slack:\S+) (?P<word>.+)", re.DOTALL
)
_OURS = re.compile(r"slack:([UW][A-Z0-9]+)")
_OTHER = "Something else? Reply here in the thread."
_IN_WORDS = "Or reply `!approve {ask}` or `!deny {ask}` here."
_IN_FILE = "The whole answer is in the file."


@dataclass(frozen=True, slots=True)
class Mark:
    """What a button carries: the question or run it belongs to, where, and what it says.

    `seal` is the beginning of that of the call which an approval is bound to.
    """

    number: int
    conversation: str
    word: str
    seal: str = ""

    def __str__(self) -> str:
        """As a button's value, within 150 characters."""
        seal = f"/{self.seal}" if self.seal else ""
        return f"{self.number}{seal} {self.conversation} {self.word}"

    @classmethod
    def read(cls, value: str) -> Mark | None:
        """The mark in a button's value, None for a value that is none of ours."""
        found = _MARK.fullmatch(value)
        if not found:
            return None
        return cls(int(found["number"]), found["place"], found["word"], found["seal"] or "")

    @property
    def place(self) -> Place:
        """Where it was shown."""
        return Place(*self.conversation.split(":", 2))


def parts(outbound: Outbound) -> list[Json]:
    """The bodies of the messages that this takes: pages, or a long answer's first and a file."""
    key = _said_in(outbound)
    text = outbound.body[key]
    pages = _pages(text)
    if len(pages) > _MOST_PAGES and outbound.op == "reply":
        name = f"reply-{zlib.crc32(outbound.key.encode()):08x}.md"  # by which it is found again
        file = {"name": name, "text": text}
        last = {**outbound.body, key: _IN_FILE, "file": file}
        return [{**outbound.body, key: pages[0]}, last]
    return [{**outbound.body, key: page} for page in pages]


def is_whole(body: Json) -> bool:
    """Whether this is all of what is said, in one message."""
    return bool(body.get("parts", 1) == 1)


def is_last(body: Json) -> bool:
    """Whether nothing more of it follows."""
    return bool(body.get("part", 1) == body.get("parts", 1))


def was_quick(body: Json) -> bool:
    """Whether the run was so short that whoever asked still looks on."""
    return float((body.get("receipt") or {}).get("seconds") or 0) < _QUICK_S


def message(outbound: Outbound) -> Json:
    """Arguments of chat.postMessage and chat.update alike."""
    body = outbound.body
    said = body.get(_said_in(outbound)) or ""
    if outbound.maybe_duplicate:
        said = f"(possibly a repeat)\n\n{said}"
    return {
        "text": f"{_call(outbound)} {fallback(said)}".strip(),
        "blocks": list(_blocks(outbound, said)),
        "metadata": {"event_type": EVENT, "event_payload": {"key": outbound.key}},
    }


def without_blocks(arguments: Json) -> Json:
    """The same in plain text, for a Slack that does not take our blocks."""
    said = "\n".join(filter(None, map(_words, arguments["blocks"])))
    return {**arguments, "blocks": [], "text": escaped(said) or arguments["text"]}


def shown(text: str, run: int, place: Place) -> Json:
    """A run's progress, with a button that stops it."""
    stop = _button("do:stop", "Stop", Mark(run, place.conversation, "stop"))
    blocks = [_markdown(render.pages(text, PAGE)[0]), {"type": "actions", "elements": [stop]}]
    return {"text": fallback(text), "blocks": blocks}


def receipt(body: Json) -> Json:
    """What a progress message turns into once the answer stands elsewhere."""
    line = render.receipt_line(body["outcome"], body.get("receipt") or {})
    return {"text": fallback(line), "blocks": [_context(line)]}


def decided(outbound: Outbound) -> Json:
    """What a question's card turns into: no buttons, and who decided."""
    body = outbound.body
    page = _pages(body["question"])[-1]
    return {"text": fallback(page), "blocks": [_markdown(page), _context(render.decision(body))]}


def asked(blocks: Sequence[Json]) -> Mark | None:
    """The question whose card this is, while it has buttons."""
    for block in blocks:
        for element in block.get("elements", []) if block["type"] == "actions" else []:
            if str(element.get("action_id", "")).startswith("answer"):
                options = element.get("options") or [element]
                return Mark.read(str(options[0].get("value", "")))
    return None


def _pages(text: str) -> list[str]:
    return render.pages(text, PAGE, lambda piece: len(harmless(piece)))


def _words(block: Json) -> str:
    """What a block says, without buttons and mentions."""
    match block["type"]:
        case "markdown":
            return str(block["text"])
        case "context":
            return str(block["elements"][0]["text"])
    return ""


def _said_in(outbound: Outbound) -> str:
    return "question" if outbound.op == "ask" else "text"


def _call(outbound: Outbound) -> str:
    """The mention that makes whoever asked look here again, where that is needed."""
    body = outbound.body
    asker = _OURS.fullmatch(str(body.get("asker") or ""))
    waits = outbound.op == "ask" or (body.get("run") and not was_quick(body))
    needed = body.get("part", 1) == 1 and waits and not outbound.place.room.startswith("D")
    return f"<@{asker[1]}>" if asker and needed else ""


def _blocks(outbound: Outbound, said: str) -> Iterator[Json]:
    body = outbound.body
    if mention := _call(outbound):
        yield {"type": "section", "text": {"type": "mrkdwn", "text": mention}}
    yield _markdown(said)
    if outbound.op == "progress":
        yield from shown(said, body["run"], outbound.place)["blocks"][1:]
    elif is_last(body):
        yield from _ask(outbound) if outbound.op == "ask" else _end(outbound)


def _end(outbound: Outbound) -> Iterator[Json]:
    """The receipt, and what can be done with the answer."""
    body, here = outbound.body, outbound.conversation
    if body.get("receipt"):
        yield _context(render.receipt_line(body["outcome"], body["receipt"]))
    buttons = [
        _button(f"do:{each['action']}", each["label"], Mark(each["run"], here, each["action"]))
        for each in body.get("actions") or []
    ]
    if buttons:
        yield {"type": "actions", "elements": buttons}


def _ask(outbound: Outbound) -> Iterator[Json]:
    body, here = outbound.body, outbound.conversation
    seal = str(body.get("seal") or "")[:SEAL_SHOWN]
    marks = [Mark(body["ask"], here, option, seal) for option in body.get("options") or []]
    if 0 < len(marks) <= _MOST_BUTTONS:
        buttons = [_button(f"answer:{n}", mark.word, mark) for n, mark in enumerate(marks)]
        yield {"type": "actions", "elements": buttons}
    elif marks:
        yield {"type": "actions", "elements": [_select(marks)]}
    yield _context(_IN_WORDS.format(ask=body["ask"]) if body.get("approval") else _OTHER)


def _select(marks: Sequence[Mark]) -> Json:
    options = [{"text": _plain(mark.word), "value": str(mark)} for mark in marks]
    chosen = {"placeholder": _plain("Choose an answer"), "options": options}
    return {"type": "static_select", "action_id": "answer", **chosen}


def _button(action_id: str, label: str, mark: Mark) -> Json:
    return {"type": "button", "action_id": action_id, "text": _plain(label), "value": str(mark)}


def _markdown(text: str) -> Json:
    return {"type": "markdown", "text": harmless(text).strip() or "(nothing to show)"}


def _context(line: str) -> Json:
    return {"type": "context", "elements": [{**_plain(line), "text": line[:_CONTEXT]}]}


def _plain(text: str) -> Json:
    shortened = text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
    return {"type": "plain_text", "text": render.one_line(shortened) or "…", "emoji": False}
