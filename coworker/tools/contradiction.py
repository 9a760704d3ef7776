"""Whether two decisions may contradict each other. It compares words and understands nothing.

So it only ever makes us show both to a person.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from coworker.store.terms import content_words

_VALUE = re.compile(r"\w*\d\w*(?:[.-]\w+)*")
_STEM = 5
_NO = "no not never don without stop drop drops dropped dropping remove removed avoid disable"
_EMPTY = """
    we us our team decide decided decision agree agreed use uses using used always keep kept
    support supported supports must shall go going want stay instead
    """
_AGAINST, _SAYS_NOTHING = frozenset(_NO.split()), frozenset(_EMPTY.split())


@dataclass(frozen=True, slots=True)
class _Gist:
    subject: frozenset[str]
    values: frozenset[str]
    is_against: bool


def may_contradict(one: str, other: str) -> bool:
    """Whether both are about the same and say something else: a no for a yes, a value, a word."""
    a, b = _gist(one), _gist(other)
    shared = a.subject & b.subject
    if not shared or 2 * len(shared) < min(len(a.subject), len(b.subject)):
        return False
    if a.is_against != b.is_against or (a.values and b.values and a.values != b.values):
        return True
    return len(a.subject - b.subject) == len(b.subject - a.subject) == 1


def _gist(text: str) -> _Gist:
    values = frozenset(_VALUE.findall(text.lower()))
    words = content_words(_VALUE.sub(" ", text))
    against = sum(word in _AGAINST for word in re.findall(r"[a-z]+", text.lower()))
    subject = (word for word in words if word not in _AGAINST | _SAYS_NOTHING)
    return _Gist(frozenset(word[:_STEM] for word in subject), values, against % 2 == 1)
