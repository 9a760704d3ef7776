"""Text both ways: what people wrote in Slack as plain words, and ours so that it pings nobody.

It knows Slack's markup and nothing of messages, rooms or people.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from coworker.adapters import render

_TOKEN = re.compile(r"<([^<>\n]+)>")
_USER = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^<>]*)?>")
_ABOUT_PEOPLE = re.compile(r"\s*(?:<@[UW][A-Z0-9]+>\s*)?!(?:un)?pair\s", re.IGNORECASE)
_OBEYED = re.compile(r"<(?=[@!#]|[^<>\s|]+\|)")
_ADDRESS_AS_LABEL = re.compile(r"\[([^\[\]\n]*(?:://|www\.)[^\[\]\n]*)\]\((<?[^()\s]+>?)\)")
_FALLBACK = 3_000
_BREAK = "\u2060"
"""A word joiner: nothing to see, and no markup any more."""


def mentioned(text: str) -> list[str]:
    """The ids of the people whom a text names, in order."""
    return _USER.findall(text)


def with_ids(text: str, us: str) -> str:
    """The people whom `!pair` and `!unpair` name, by their ids: a name would let nobody in."""
    verb = _ABOUT_PEOPLE.match(text)
    if not verb:
        return text

    def told(found: re.Match[str]) -> str:
        return found[0] if found[1] == us else f"slack:{found[1]}"

    return verb[0] + _USER.sub(told, text[verb.end() :])


def opens_with_somebody(text: str) -> str:
    """The id of the person whose @ a message begins with, or ""."""
    opening = _USER.match(text.lstrip())
    return opening[1] if opening else ""


def plain(text: str, us: str = "", names: Mapping[str, str] | None = None) -> str:
    """Slack's markup as the person wrote it, without the mention of us."""
    known = names or {}

    def written(token: re.Match[str]) -> str:
        return _written(token[1], us, known)

    return render.clean(html.unescape(_TOKEN.sub(written, text))).strip()


def _written(token: str, us: str, names: Mapping[str, str]) -> str:
    target, _, label = token.partition("|")
    match target[0]:
        case "@" if target[1:] == us:
            return ""
        case "@":
            return f"@{label or names.get(target[1:], target[1:])}"
        case "#":
            return f"#{label or target[1:]}"
        case "!":
            return label or f"@{target[1:].partition('^')[0]}"
        case _:
            return _link(target, label)


def _link(target: str, label: str) -> str:
    """A link by its address; with its label when the person chose one."""
    bare = target.removeprefix("mailto:").removeprefix("tel:")
    if not label or label in (target, bare):
        return label or bare
    if target.partition("://")[2].rstrip("/") == label.rstrip("/"):
        return label
    return f"{label} ({target})"


def harmless(markdown: str) -> str:
    """Our Markdown without what Slack would obey: pings, its own links, labels that lie."""
    text = _OBEYED.sub(f"<{_BREAK}", render.clean(markdown))
    return _ADDRESS_AS_LABEL.sub(_honest, text)


def escaped(text: str) -> str:
    """Text for a place where Slack reads its own markup, so that none is left in it."""
    return html.escape(render.clean(text), quote=False)


def fallback(text: str) -> str:
    """What a notification shows of a message; never empty."""
    return escaped(text.strip()[:_FALLBACK]) or "…"


def _honest(link: re.Match[str]) -> str:
    """`[good.example](https://evil.example)` with the address for everybody to see."""
    label, address = link[1], link[2].strip("<>")
    return link[0] if label.rstrip("/") == address.rstrip("/") else f"{label} ({address})"
