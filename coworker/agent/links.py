"""Links in what a model says: one that nobody here has written leads nowhere at a click.

A link can carry away what the model has read, at a click or when a platform looks ahead. It knows
Markdown, not platforms.
"""

from __future__ import annotations

import html
import re

from coworker.errors import Denied, ToolError
from coworker.repos.forge import project_of
from coworker.repos.text import MARKUP
from coworker.settings import Config
from coworker.types import Entry, Json
from coworker.web.address import lies_in, parsed

_FENCE = re.compile(
    r"(^ {0,3}(`{3,20}(?=[^`\n]*$)|~{3,20}(?!~)).*?(?:^ {0,3}\2[`~]* *$|\Z))", re.M | re.S
)
_COLON = r"(?:\\?:|&colon;|&#0*58;|&#[xX]0*3[aA];)"
_SLASH = r"(?:\\?/|&sol;|&#0*47;|&#[xX]0*2[fF];)"
_REST = r"[^\s<>\"'`|]"
_NAME = r"(?:[\w-]{1,63}\.){1,8}"
_ADDRESS = (
    rf"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{{0,20}}{_COLON}{_SLASH}{{2}}{_REST}+"
    rf"|(?<![\w./@-])(?:mailto{_COLON}|www\.){_REST}+"
    rf"|(?<![\w./@-]){_NAME}[^\W\d][\w-]{{1,23}}(?::[0-9]{{1,5}})?[/?]{_REST}+"
    rf"|(?<![\w./@-])[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}(?::[0-9]{{1,5}})?/(?![0-9]{{1,2}}\b){_REST}+"
    rf"|(?<![\w./@-]){_NAME}(?:com|net|org|io|ai|dev|xyz|biz|ru|cn|tk)\b"
)
_LINK = re.compile(
    r"(?P<code>`[^`\n]+`)"
    r"|(?P<image>!?)\[(?P<label>[^\[\]\n]{0,500})\]\(\s{0,4}<?(?P<target>[^()\s<>]*(?:\([^()\s<>]*\)"
    r"[^()\s<>]*)*)>?(?:\s+[\"'(][^\n]{0,200}[\"')])?\s{0,4}\)"
    rf"|<?(?P<bare>{_ADDRESS})>?"
)
_BARE = re.compile(_ADDRESS)
_ENTITY = re.compile(r"&#?\w{1,32};")
_TAIL = ".,;:!?'\"*_~)]}”’…"
"""What ends a sentence, not an address."""


class Links:
    """The addresses that were written by people of this conversation, its owner, or the host."""

    def __init__(self, config: Config) -> None:
        self._allowed = config.web.allow
        self._forges = {_forge(repo.url) for repo in config.repos.values()} - {""}
        self._written: set[str] = set()

    def apply(self, entry: Entry) -> None:
        """Take in what people wrote and what the host itself made."""
        match entry.kind:
            case "user" | "steer":
                self._trust(entry.body["text"])
            case "summary":
                for words in entry.body["words"]:
                    self._trust(words["text"])
            case "context":
                self._trust_all(entry.body)
            case "tool_done":
                receipt: Json = entry.body.get("receipt") or {}
                self._trust_all(receipt)
                url = str(receipt.get("url") or "")
                self._trust(url)
                self._forges |= {_forge(url)} - {""}

    def _trust_all(self, body: Json) -> None:
        """Permalinks of messages that were recalled: the host made them."""
        for url in body.get("links", ()):
            self._trust(url)

    def inert(self, text: str) -> str:
        """The text with every address that is not trusted as code that no platform makes a link.

        Pictures become links. What stands in fences stays. Doing it twice changes nothing.
        """
        pieces = _FENCE.split(text)
        every = _FENCE.groups + 1
        return "".join(
            piece if number % every else _LINK.sub(self._shown, piece)
            for number, piece in enumerate(pieces)
            if number % every < 2
        )

    def is_trusted(self, address: str) -> bool:
        """Whether it may be clicked."""
        plain = _plain(address)
        if _key(plain) in self._written:
            return True
        if f"{plain}/".startswith(tuple(self._forges)) and ".." not in plain:
            return True
        try:
            return lies_in(parsed(plain if "://" in plain else f"http://{plain}"), self._allowed)
        except Denied:
            return False

    def _trust(self, text: str) -> None:
        self._written.update(_key(_plain(found[0])) for found in _BARE.finditer(text))

    def _shown(self, found: re.Match[str]) -> str:
        if code := found["code"]:
            return code if not _BARE.search(code) else _BARE.sub(self._uncoded, code)
        if bare := found["bare"]:
            address = bare.rstrip(_TAIL)
            if self.is_trusted(address):
                return found[0]
            return f"`{_dead(address)}`{bare[len(address) :]}"
        return self._link(found)

    def _uncoded(self, found: re.Match[str]) -> str:
        return found[0] if self.is_trusted(found[0]) else _dead(found[0])

    def _link(self, found: re.Match[str]) -> str:
        label, target = found["label"].strip(), found["target"]
        is_path = not _plain(target).startswith(("//", "\\", "/\\"))
        if is_path and not _BARE.match(_plain(target)) and ":" not in _plain(target):
            return f"[{label}]({target})" if found["image"] else found[0]  # a path leads nowhere
        if not self.is_trusted(target):
            words = label.replace("`", "")
            said = "" if _plain(words).rstrip("/") == _plain(target).rstrip("/") else words
            return (
                f"{_BARE.sub(_named, said)} (`{_dead(target)}`)" if said else f"`{_dead(target)}`"
            )
        if _BARE.search(label) and _key(_plain(label)) != _key(_plain(target)):
            return f"{label} ({target})" if self.is_trusted(label) else f"{target}"
        return f"[{label}]({target})" if found["image"] else found[0]


def _forge(remote: str) -> str:
    """The pages of a repository where it is hosted, "" when it is at no such place."""
    try:
        host, project = project_of(remote)
    except (ToolError, ValueError):
        return ""
    return f"https://{host}/{project}/"


def _named(found: re.Match[str]) -> str:
    return f"`{_dead(found[0])}`"


def _plain(address: str) -> str:
    """An address without what Markdown takes from it."""
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), address)
    return MARKUP.sub(r"\1", text).strip("<>").rstrip(_TAIL)


def _key(address: str) -> str:
    """How two spellings of one address are compared: without fragment and last slash."""
    return address.partition("#")[0].removeprefix("http://").removeprefix("https://").rstrip("/")


def _dead(address: str) -> str:
    """`https[:]//host/path`: to be read, and not to be clicked anywhere."""
    return _plain(address).replace("`", "").replace("://", "[:]//").replace("mailto:", "mailto[:]")
