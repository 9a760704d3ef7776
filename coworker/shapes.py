"""What common secrets look like, and how one that is known may be written.

The shapes are strict: a hash, an id or a picture is none.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import quote

_LONGEST = 200
"""Of a longer beginning no more is looked for: the pattern nests once a character."""
_SHORTEST = 8
"""A shorter value would be found in ordinary words."""
_ESCAPED = (
    r"(?<=\\[abefnrtv])|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})|(?<=[%=][0-9A-Fa-f]{2})"
    r"|(?<=[0-9;\[]m)"
)
"""What stands before a secret in JSON, URLs, mails or colours and is no letter of it."""
_START, _END = rf"(?:(?<![A-Za-z0-9])|{_ESCAPED})", r"(?![A-Za-z0-9])"
_PEM = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_PEM_END = r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
_PLACEHOLDER = r"(?!(?i:pass|password|passwd|pwd?|secret|token|x+|\*+|\.+|%s)@)"
SHAPES = (
    (
        "private key",
        ("-----BEGIN ",),
        rf"{_PEM}(?:[A-Za-z0-9+/=,:.\s\\]|-(?!----)){{40,}}{_PEM_END}",
    ),
    ("anthropic key", ("sk-ant-",), rf"{_START}sk-ant-[\w-]{{16,}}"),
    (
        "openai key",
        ("sk-",),
        rf"{_START}sk-(?:(?:proj|svcacct|admin|or-v1)-[\w-]{{20,}}|[A-Za-z0-9]{{32,}}{_END})",
    ),
    ("slack token", ("xox", "xapp-"), rf"{_START}(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{{10,}}"),
    (
        "slack webhook",
        ("hooks.slack.com",),
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/-]{20,}",
    ),
    (
        "telegram token",
        (":", "%3"),
        r"[0-9](?<![0-9][0-9])[0-9]{5,11}(?::|%3[Aa])[\w-]{30,}",
    ),
    (
        "github token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        rf"{_START}(?:gh[pousr]_\w{{36,}}|github_pat_\w{{22,}})",
    ),
    (
        "gitlab token",
        ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glagent-"),
        rf"{_START}gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[\w-]{{20,}}(?:\.[\w-]+)*",
    ),
    ("aws key", ("AKIA", "ASIA"), rf"{_START}A[KS]IA[A-Z0-9]{{16}}{_END}"),
    (
        "aws secret",
        ("ecret", "ECRET"),
        r"(?i:aws.?secret.?(?:access.?)?key)[\"']?\s{0,4}[=:]\s{0,4}[\"']?"
        r"(?P<secret>[A-Za-z0-9/+]{40,})",
    ),
    ("google key", ("AIza",), rf"{_START}AIza[\w-]{{35,}}"),
    ("google token", ("ya29.", "GOCSPX-"), rf"{_START}(?:ya29\.|GOCSPX-)[\w-]{{20,}}(?:\.[\w-]+)*"),
    ("stripe key", ("k_live_", "k_test_"), rf"{_START}[rs]k_(?:live|test)_\w{{16,}}"),
    ("webhook secret", ("whsec_",), rf"{_START}whsec_[\w+/=]{{24,}}"),
    ("npm token", ("npm_",), rf"{_START}npm_[A-Za-z0-9]{{36}}{_END}"),
    ("pypi token", ("pypi-",), rf"{_START}pypi-[\w-]{{50,}}"),
    (
        "web token",
        ("eyJ",),
        rf"(?:(?<![\w-])|{_ESCAPED})eyJ[\w-]{{8,}}\.eyJ[\w-]{{8,}}\.[\w-]{{8,}}",
    ),
    (
        "bearer token",
        ("earer ", "EARER ", "uthorization"),
        r"(?i:\bbearer|authorization[\"']?\s?[:=]\s?[\"']?(?:basic|token))\s{1,4}"
        r"(?P<secret>(?=[\w.~+/-]{0,64}[0-9])[\w.~+/-]{20,}=*)",
    ),
    (
        "shortened secret",
        ("…",),
        rf"{_START}(?:sk-|xox[a-z]-|xapp-|gh[pousr]_|github_pat_|glpat-|A[KS]IA|AIza|ya29\.|GOCSPX-"
        r"|[rs]k_(?:live|test)_|whsec_|npm_|pypi-|eyJ|[0-9]{8,10}:|(?<=://)[^\s/:@…]{0,64}:)"
        r"[^\s/@…\[]{6,}(?=\s?\[?…)",
    ),
    (
        "environment secret",
        ("KEY=", "TOKEN=", "SECRET=", "PASSWORD=", "PASSWD="),
        r"(?<![A-Za-z0-9_])(?:[A-Z][A-Z0-9]{0,30}_){0,5}(?:TOKEN|SECRET|PASSWORD|PASSWD"
        r"|(?:API|ACCESS|SECRET|PRIVATE|SIGNING|ENCRYPTION|AUTH|MASTER)_?KEY)=[\"']?"
        r"(?P<secret>(?=[^\s\"'`]{0,64}[0-9])(?=[^\s\"'`]{0,64}[A-Za-z])"
        r"[^\s\"'`,;)/~.$<{(\[%*][^\s\"'`,;)]{7,})",
    ),
    (
        "password",
        ("://",),
        r"://(?:[^\s/:@{}<>$\"'`\\]{0,64}:)?"
        rf"(?P<secret>(?<=:){_PLACEHOLDER}[^\s/:@{{}}<>$\"'`\\]{{1,256}}"
        r"|(?<=/)[\w.~%-]{20,256})(?=@)",
    ),
)
"""What it is called, of which at least one must be in a text to be searched at all, and its shape.

The group `secret`, where there is one, is the part that is secret. Before what must follow, every
repetition is bounded or cannot begin inside itself: otherwise time would not be linear. A shape
takes all that could belong to it, so that what is left is the same when it is searched again.
"""


def beginning(value: str, least: int) -> str:
    """A pattern for as much of a text, and so many characters at least, as is left where it was
    cut off. What follows then is for its caller to say.
    """
    more = ""
    for letter in reversed(value[least:_LONGEST]):
        more = f"(?:{re.escape(letter)}{more})?"
    return f"{re.escape(value[:least])}{more}"


def forms(value: str) -> Iterator[str]:
    """How a secret may be written; a token of two parts is as secret without the first."""
    for plain in (value, value.partition(":")[2]):
        if len(plain) >= _SHORTEST:
            quoted = quote(plain, safe="")
            yield from (plain, json.dumps(plain)[1:-1], quoted, quote(plain))
            yield re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), quoted)
            yield from _encoded(plain.encode())


def _encoded(value: bytes) -> Iterator[str]:
    """The base64 digits that depend on it alone, wherever it stands in what was encoded."""
    for before in range(3):
        digits = base64.b64encode(bytes(before) + value).decode().rstrip("=")
        core = digits[(before * 8 + 5) // 6 : (before + len(value)) * 8 // 6]
        yield core
        yield core.translate(str.maketrans("+/", "-_"))
