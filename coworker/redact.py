"""Secrets are cut out of text: every one that we hold ourselves, and what looks like a common one.

It knows shapes and values; where text comes from and goes to is decided above. Time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from coworker.shapes import SHAPES, beginning, forms
from coworker.types import Progress, Sign

LABEL = re.compile(r"\[secret: [a-z0-9 ]{1,60}\]")
"""What stands where a secret was."""
_KEY_END = re.compile("-----END [^-\n]{0,60}-----")
_WORDS = re.compile(r"\S+\s+\S+\s*\Z")
_BEGUN = 12
"""So much of a secret at the end of what was shortened is as good as more."""
_REACH = 16_384
"""Characters of a stream over which one secret can reach."""


class Redactor:
    """Takes secrets out. `known` are those we hold, by what they are called."""

    def __init__(self, known: Mapping[str, str] = MappingProxyType({})) -> None:
        names = {_label(name.replace("_", " ").lower()): value for name, value in known.items()}
        said = "".join([*names, *(_label(what) for what, _, _ in SHAPES)])
        self._labels = {
            form: label
            for label, value in names.items()
            for form in forms(value)
            if form not in said
        }
        longest = sorted(self._labels, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest)))
        self._begun = {value[:_BEGUN]: label for label, value in names.items() if value[_BEGUN:]}
        self._shortened = re.compile("|".join(map(_shortened, filter(None, names.values()))))
        self._shapes = [(_label(what), hints, re.compile(at)) for what, hints, at in SHAPES]

    def text(self, text: str) -> str:
        """The text with every secret replaced by what it was: `[secret: slack token]`.

        Doing it twice changes nothing.
        """
        text = self._without_ours(text)
        if any(begun in text for begun in self._begun):
            text = self._shortened.sub(lambda found: self._begun[found[0][:_BEGUN]], text)
        for label, hints, shape in self._shapes:
            if any(hint in text for hint in hints):
                text = shape.sub(partial(_without, label), text)
        return text

    def value(self, value: Any) -> Any:
        """The same for every text in a JSON value; of a picture's bytes only our own are taken."""
        match value:
            case str():
                return self.text(value)
            case list() | tuple():
                return [self.value(each) for each in value]
            case {"type": "base64", "data": str(data), **rest}:
                return {"type": "base64", **self.value(rest), "data": self._without_ours(data)}
            case dict():
                return {self.value(key): self.value(each) for key, each in value.items()}
        return value

    def _without_ours(self, text: str) -> str:
        if not any(form in text for form in self._labels):
            return text
        return self._known.sub(lambda found: self._labels[found[0]], text)


class Stream:
    """Signs of life without secrets; one that is cut in two is held back until it is whole.

    Text lags behind by its last words, for some secrets are known by the word before. `shown` has
    the last word on what is handed out.
    """

    def __init__(self, redactor: Redactor, shown: Callable[[str], str] = str) -> None:
        self._redactor = redactor
        self._shown = shown
        self._kind: Literal["text", "thinking"] = "text"
        self._held = self._partial = ""

    def take(self, progress: Progress) -> list[Progress]:
        """What may be shown by now, with what was held back of something else."""
        kind = progress.kind
        if kind != "text" and kind != "thinking":
            return [*self._rest(), self._sign(kind, self._redactor.text(progress.text))]
        before = [] if kind == self._kind else self._rest()
        self._kind = kind
        more = self._more(progress.text)
        return before + ([self._sign(kind, more)] if more else [])

    def _more(self, piece: str) -> str:
        word = re.split(r"\s", piece)[-1]
        if len(word) == len(piece):
            self._partial += piece
            return ""
        whole = self._partial + piece[: len(piece) - len(word)]
        whole, self._partial = self._held + whole, word
        end = _before_key(whole)
        shown = self._redactor.text(whole[:end])
        cut = _before_words(shown)
        self._held = shown[cut:] + whole[end:]
        return shown[:cut]

    def _rest(self) -> list[Progress]:
        """What was held back: no more of it comes."""
        text, self._held, self._partial = self._held + self._partial, "", ""
        return [self._sign(self._kind, self._redactor.text(text))] if text else []

    def _sign(self, kind: Sign, text: str) -> Progress:
        return Progress(kind, self._shown(text))


def _shortened(value: str) -> str:
    """A pattern for what is left of a secret where a text was cut off."""
    return rf"{beginning(value, _BEGUN)}(?=\s?\[?…|\Z)"


def _before_key(text: str) -> int:
    """Where a key begins of which the end is yet to come."""
    key = text.rfind("-----BEGIN ", max(0, len(text) - _REACH))
    return key if key >= 0 and not _KEY_END.search(text, key) else len(text)


def _before_words(text: str) -> int:
    """Where the last words begin, by which the next one may be known as a secret."""
    start = max(0, len(text) - _REACH)
    words = _WORDS.search(text, start)
    return words.start() if words else start


def _without(label: str, found: re.Match[str]) -> str:
    """The match with the part that is secret replaced: all of it, unless the shape says which."""
    if "secret" not in found.re.groupindex:
        return label
    before, after = found.start("secret") - found.start(), found.end("secret") - found.start()
    return f"{found[0][:before]}{label}{found[0][after:]}"


def _label(what: str) -> str:
    return f"[secret: {what}]"
