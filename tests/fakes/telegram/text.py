"""Text as the platform takes it: lengths, entities, buttons, and what it complains about."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from tests.fakes.telegram.wire import Json, bad, units

MESSAGE_LIMIT = 4096
CAPTION_LIMIT = 1024
RICH_LIMIT = 32_768
_RAW_LIMIT = 1 << 15
_ENTITIES = 100
_DATA_BYTES = 64
_BUTTONS = 100
_KINDS = (
    "mention hashtag cashtag bot_command url email phone_number bold italic underline "
    "strikethrough spoiler blockquote expandable_blockquote code pre text_link text_mention "
    "custom_emoji date_time"
)
_FOUND = re.compile(
    r"(?P<bot_command>(?<![\w/])/\w{1,64}(?:@\w+)?)"
    r"|(?P<url>https?://[^\s<>]*[^\s<>.,!?)])"
    r"|(?P<mention>(?<!\w)@[A-Za-z]\w{3,31})"
)
_TAGS = {
    **dict.fromkeys(["b", "strong"], "bold"),
    **dict.fromkeys(["i", "em"], "italic"),
    **dict.fromkeys(["u", "ins"], "underline"),
    **dict.fromkeys(["s", "strike", "del"], "strikethrough"),
    **dict.fromkeys(["span", "tg-spoiler"], "spoiler"),
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
}


def detected(text: str) -> list[Json]:
    """Commands, links and mentions, which the platform finds by itself."""
    return [
        {
            "type": found.lastgroup,
            "offset": units(text[: found.start()]),
            "length": units(found.group()),
        }
        for found in _FOUND.finditer(text)
    ]


def formatted(
    args: Json, field: str = "text", limit: int = MESSAGE_LIMIT
) -> tuple[str, list[Json]]:
    """The text of a request and its entities. Raises Refused like the platform."""
    text = str(args.get(field) or "")
    if len(text.encode()) > _RAW_LIMIT:
        raise bad("text is too long")
    mode = str(args.get("parse_mode") or "none").lower()
    if mode == "html":
        text, entities = _html(text)
    elif mode == "none":
        entities = _given(text, args.get("entities" if field == "text" else "caption_entities"))
    else:
        raise bad("unsupported parse_mode")  # of the real ones, Markdown is not built here
    text = text.rstrip()
    if units(text) > limit:
        raise bad("message is too long" if field == "text" else "message caption is too long")
    return text, _merged(text, entities)


def required(args: Json) -> tuple[str, list[Json]]:
    """The text of a message. Raises Refused also when there is none."""
    if not args.get("text"):
        raise bad("message text is empty")
    text, entities = formatted(args)
    if not text.strip():
        raise bad("text must be non-empty")
    return text, entities


def keyboard(args: Json) -> Json | None:
    """The inline keyboard of a request. Raises Refused for buttons that cannot be."""
    markup = args.get("reply_markup")
    if not markup:
        return None
    if not isinstance(markup, dict):
        raise bad("object expected as reply markup")
    rows = markup.get("inline_keyboard", [])
    buttons = [button for row in rows for button in row]
    if len(buttons) > _BUTTONS:
        raise bad("reply markup is too long")
    for button in buttons:
        _check_button(button)
    return markup if buttons else None


def rich(args: Json) -> str:
    """The source of a rich message. Raises Refused; the wording of these three is assumed."""
    given = args.get("rich_message")
    sources = [given[k] for k in ("markdown", "html", "blocks") if k in given] if given else []
    if len(sources) != 1:
        raise bad("exactly one of the fields html, markdown and blocks must be specified")
    if not sources[0] or not str(sources[0]).strip():
        raise bad("message text is empty")
    if units(str(sources[0])) > RICH_LIMIT:
        raise bad("message is too long")
    return str(sources[0])


def _given(text: str, entities: Any) -> list[Json]:
    kept = []
    for entity in entities or []:
        if not isinstance(entity, dict) or not {"type", "offset", "length"} <= set(entity):
            raise bad("can't parse MessageEntity: expected an Object")
        if entity["type"] not in _KINDS.split():
            raise bad("can't parse MessageEntity: unsupported type specified")
        _check_place(text, entity["offset"], entity["length"])
        kept.append(entity)
    return kept


def _check_place(text: str, offset: int, length: int) -> None:
    size = units(text)
    if offset < 0:
        raise bad(f"receive an entity with incorrect offset {offset}")
    if length < 0:
        raise bad(f"receive an entity with incorrect length {length}")
    if offset > size:
        raise bad(f"entity begins after the end of the text at UTF-16 offset {offset}")
    if offset + length > size:
        raise bad(
            f"entity beginning at UTF-16 offset {offset} ends after the end of the text "
            f"at UTF-16 offset {offset + length}"
        )
    raw = text.encode("utf-16-le")
    try:
        raw[: 2 * offset].decode("utf-16-le"), raw[: 2 * (offset + length)].decode("utf-16-le")
    except UnicodeDecodeError:
        raise bad(f"entity beginning at UTF-16 offset {offset} is within a symbol") from None


def _merged(text: str, entities: list[Json]) -> list[Json]:
    """Those that were given and lie within the text, and those found beside them; at most 100."""
    size = units(text)
    kept = [
        {**e, "length": min(e["length"], size - e["offset"])}
        for e in entities
        if e["length"] and e["offset"] < size
    ]
    links = {"code", "pre", "text_link", "text_mention", "mention", "url", "bot_command"}
    taken = [range(e["offset"], e["offset"] + e["length"]) for e in kept if e["type"] in links]
    found = [e for e in detected(text) if not any(e["offset"] in place for place in taken)]
    return sorted(kept + found, key=lambda e: (e["offset"], -e["length"]))[:_ENTITIES]


def _check_button(button: Json) -> None:
    if not button.get("text"):
        raise bad('can\'t parse inline keyboard button: Field "text" must be of type String')
    if not any(
        button.get(kind) for kind in set(button) - {"text", "style", "icon_custom_emoji_id"}
    ):
        raise bad(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        )
    if len(str(button.get("callback_data", "")).encode()) > _DATA_BYTES:
        raise bad("BUTTON_DATA_INVALID")


def _html(source: str) -> tuple[str, list[Json]]:
    parser = _Html(source)
    parser.feed(source)
    parser.close()
    if parser.open:
        raise bad(
            f"can't parse entities: Can't find end tag corresponding to start tag "
            f'"{parser.open[-1][0]}"'
        )
    return parser.text, parser.entities


class _Html(HTMLParser):
    """The platform's few tags; offsets in complaints are in bytes."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.entities: list[Json] = []
        self.open: list[tuple[str, Json]] = []
        self._lines = source.splitlines(keepends=True)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            raise bad(
                f'can\'t parse entities: Unsupported start tag "{tag}" at byte offset {self._at()}'
            )
        more = {"url": dict(attrs).get("href")} if tag == "a" else {}
        self.open.append((tag, {"type": _TAGS[tag], "offset": units(self.text), **more}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open:
            raise bad(f"can't parse entities: Unexpected end tag at byte offset {self._at()}")
        name, entity = self.open.pop()
        if name != tag:
            raise bad(
                f"can't parse entities: Unmatched end tag at byte offset {self._at()}, "
                f'expected "</{name}>", found "</{tag}>"'
            )
        length = units(self.text) - entity["offset"]
        self.entities.append({**entity, "length": length})

    def _at(self) -> int:
        line, column = self.getpos()
        before = "".join(self._lines[: line - 1]) + self._lines[line - 1][:column]
        return len(before.encode())
