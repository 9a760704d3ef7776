r"""Text out of a repository that hides nothing: control and invisible characters are shown.

It does not know where the text goes or how much of it is wanted.
"""

from __future__ import annotations

import html
import re

from coworker.errors import ToolError

_STYLE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_HIDDEN = re.compile(
    r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"  # controls, escape sequences
    r"|[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028\u2029]"
    r"|[\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb]"  # bidi, fillers
    r"|[\U0001d173-\U0001d17a\U000e0000-\U000e0fff]|[\ud800-\udfff]"  # tags, broken UTF-8
    r"|(?<![\u0600-\u06ff])\u200c"  # joiners stay where script and emoji need them
    r"|(?<![\u2190-\u2bff\ufe0f\u0900-\u0dff\U0001f000-\U0001faff])\u200d"
)
MARKUP = re.compile(r"\\([!-/:-@\[-`{-~])")
"""A character that Markdown takes as it is, for the backslash before it."""
_BREAKS = re.compile(r"[\t\n\r]")
_TICKS_TOO_MANY = re.compile("`{20,}")
"""More than a fence has anywhere."""
_MARKED = re.compile(r"[`*_~<>\[\]\\]")
_SNIFFED = 8_192


def visible(text: str) -> str:
    """The same text without colours, with every control and invisible character as an escape.

    Lines still end with a newline, whatever ended them before; tabs stay.
    """
    return exact(_STYLE.sub("", text))


def exact(text: str) -> str:
    """The same text with every control and invisible character as an escape: nothing is left out.

    Lines still end with a newline, whatever ended them before; tabs stay.
    """
    return _HIDDEN.sub(_escape, text).replace("\r\n", "\n")


def fenced(text: str, language: str = "") -> str:
    """Text as a Markdown block that shows exactly it, for a person who decides about it."""
    shown = _TICKS_TOO_MANY.sub(lambda ticks: r"\x60" * len(ticks[0]), exact(text)).rstrip("\n")
    fence = _ticks(shown, 3)
    return f"{fence}{language}\n{shown}\n{fence}"


def code(text: str) -> str:
    """A line of Markdown that shows exactly this text; as code where Markdown would change it."""
    if not _MARKED.search(text):
        return text
    mark = _ticks(text, 1)
    pad = " " if "`" in text else ""
    return f"{mark}{pad}{text}{pad}{mark}"


def _ticks(text: str, least: int) -> str:
    """More backticks in a row than there are within."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)


def rendered(text: str) -> str:
    """The text as a platform may show it: without what cannot be seen, and without escapes."""
    seen = _HIDDEN.sub("", _STYLE.sub("", html.unescape(text)))
    return MARKUP.sub(r"\1", seen)


def one_line(text: str, limit: int = 200) -> str:
    """Visible, in one line and at most `limit` characters: for names, subjects, messages."""
    line = " ".join(visible(text[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def path_name(path: str, limit: int = 1_000) -> str:
    """A path as one line in which every odd character, also a line break, is an escape."""
    text = _BREAKS.sub(_escape, _HIDDEN.sub(_escape, path[:limit]))
    return text if len(path) <= limit else f"{text}…"


def decoded(data: bytes, what: str) -> str:
    """Bytes as text; those that are not UTF-8 as escapes. Raises ToolError for binary data."""
    if is_binary(data):
        raise ToolError(f"{what} is binary, so there is no text to show.")
    return data.decode("utf-8", errors="backslashreplace")


def is_binary(data: bytes) -> bool:
    """Whether this is no text in an encoding that extends ASCII."""
    return b"\0" in data[:_SNIFFED]


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as the file system functions give it
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
