"""A question that waits for a person: how it reads, and which typed words answer it.

It knows neither keys nor the protocol.
"""

from __future__ import annotations

from coworker.cli import words
from coworker.cli.events import Ask

_ALLOW = ("a", "y", "allow", "yes")
_DENY = ("d", "n", "deny", "no")


def text_of(ask: Ask) -> str:
    """The question and its numbered options, safe for a terminal."""
    options = [f"  {n}  {words.one_line(option)}" for n, option in enumerate(ask.options, 1)]
    return "\n".join([words.clean(ask.question).strip(), *options])


def hint(ask: Ask) -> str:
    """How to answer at a prompt."""
    if ask.approval and (not ask.options or _option(ask.options, "allow once") in ask.options):
        return "a allows once, d denies (then Enter)"
    if ask.options:
        return f"Press 1 to {len(ask.options)}, or type your answer."
    return "Type your answer."


def answer(ask: Ask, typed: str) -> str | None:
    """What `typed` answers; None when it is a message of its own.

    A permission is given by its word alone: other text never counts as one.
    """
    word = typed.strip().casefold()
    if word.startswith("!") or word == "stop":
        return None
    if word.isdecimal() and 1 <= int(word) <= len(ask.options):
        return ask.options[int(word) - 1]
    if not ask.approval:
        return typed.strip()
    exact = next((option for option in ask.options if option.casefold() == word), None)
    return exact or _decision(ask.options, word)


def _decision(options: list[str], word: str) -> str | None:
    if word in _ALLOW:
        return _option(options, "allow once")
    return _option(options, "deny") if word in _DENY else None


def _option(options: list[str], meaning: str) -> str:
    """The option that says so, in the spelling in which it was offered."""
    return next((option for option in options if option.casefold() == meaning), meaning)
