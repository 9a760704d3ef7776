"""What was fetched, as text to read. It runs nothing, loads nothing, and its time is linear."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from coworker.errors import Unavailable

_HTML = ("text/html", "application/xhtml+xml")
_TEXT = ("application/json", "application/xml", "application/toml", "application/yaml")
_UNREAD = frozenset(("script", "style", "noscript", "template", "svg", "iframe", "object", "title"))
_BLOCK = re.compile(
    r"address|article|aside|blockquote|br|d[dlt]|details|div|fig(?:caption|ure)|footer|form|h[1-6r]"
    r"|header|main|nav|[ou]l|p|pre|section|summary|table|tr"
)
_TAG = re.compile(r"""<(/?)([A-Za-z][\w-]{0,30})((?>[^<>"']+|"[^"]*"|'[^']*')*+)>""")
_HREF = re.compile(r"""\bhref\s{0,4}=\s{0,4}["']?(https?://[^\s"'<>]{1,2000})""", re.IGNORECASE)
_ENTITY = re.compile(r"&#?\w{1,32};?")
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,500})", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", re.IGNORECASE)
_KNOWN_CHARSET = re.compile(
    r"(?i)utf-?(8|16|16le|16be)|us-ascii|iso-8859-\d{1,2}|(windows-|cp)125\d|koi8-[ru]|shift_jis"
    r"|euc-(jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5"
)
_GAPS = re.compile(r"\n{3,}")


def refuse_kind(kind: str) -> None:
    """Only text is read. Raises Unavailable."""
    if not (
        kind.startswith("text/") or kind in (*_HTML, *_TEXT) or kind.endswith(("+json", "+xml"))
    ):
        raise Unavailable(f"It is {kind[:80]}, not text that could be read.")


def readable(kind: str, data: bytes, charset: str | None) -> tuple[str, str]:
    """The title and the text, which for HTML is without its markup."""
    named = _CHARSET.search(data[:4_096]) if kind in _HTML else None
    charset = charset or (named[1].decode() if named else "")
    text = data.decode(charset if _KNOWN_CHARSET.fullmatch(charset) else "utf-8", "replace")
    if kind not in _HTML:
        return "", text
    title = _TITLE.search(text)
    lines = "\n".join(line.rstrip() for line in "".join(_words(text)).split("\n"))
    return _plain(title[1]).strip() if title else "", _GAPS.sub("\n\n", lines).strip()


def _words(text: str) -> Iterator[str]:
    """The text between the tags, a line for each block, links with their address."""
    lower, at, link, verbatim = text.lower(), 0, "", False
    while (start := text.find("<", at)) >= 0:
        yield _plain(text[at:start], verbatim=verbatim)
        tag = _TAG.match(text, start)
        if tag is None:
            at = _after_note(text, start)
            continue
        at, closes, name = tag.end(), bool(tag[1]), tag[2].lower()
        if name in _UNREAD and not closes:
            end = lower.find(f"</{name}", at)
            at = end if end >= 0 else len(text)
        elif name == "a":
            href = _HREF.search(tag[3])
            yield f" ({link})" if link else ""
            link = _plain(href[1]) if href else ""
        yield _mark(name, closes=closes)
        verbatim = not closes if name == "pre" else verbatim
    yield _plain(text[at:], verbatim=verbatim)


def _after_note(text: str, start: int) -> int:
    """Where a comment or declaration ends; a lone `<` is over at once."""
    if not text.startswith("<!", start):
        return start + 1
    mark = "-->" if text.startswith("<!--", start) else ">"
    found = text.find(mark, start)
    return found + len(mark) if found >= 0 else len(text)


def _mark(name: str, *, closes: bool) -> str:
    """What stands in the text for a tag."""
    if closes or name not in ("li", "td", "th"):
        return "\n" if _BLOCK.fullmatch(name) else ""
    return "\n- " if name == "li" else " "


def _plain(text: str, *, verbatim: bool = False) -> str:
    shown = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    return shown if verbatim else re.sub(r"\s+", " ", shown)
