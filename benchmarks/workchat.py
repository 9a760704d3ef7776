"""A team's talk, made up from a seed: what its messages say and which of them answers a question.

Identifiers, paths, tickets, hashes, flags and slips of the keyboard, between a lot of chatter.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from coworker.store.memory import Message

PEOPLE = ("ann", "bob", "carol", "dave", "erin", "farid")
REPOS = ("shop", "till")
_VERBS = [
    "parse",
    "load",
    "merge",
    "render",
    "fetch",
    "encode",
    "rotate",
    "flush",
    "resolve",
    "validate",
    "split",
    "index",
]
_NOUNS = [
    "invoice",
    "cart",
    "session",
    "header",
    "token",
    "branch",
    "receipt",
    "coupon",
    "refund",
    "stock",
    "price",
    "order",
    "label",
    "batch",
    "ledger",
    "carrier",
    "voucher",
    "basket",
    "shelf",
    "parcel",
]
_FAULTS = ("throws a KeyError", "hangs for minutes", "drops the last row", "is off by one cent")
_TOPICS = [
    "linting",
    "logging",
    "caching",
    "packaging",
    "pagination",
    "localisation",
    "retries",
    "rounding",
    "tracing",
    "sharding",
    "archiving",
    "throttling",
]
_CHATTER = (
    "lunch at {hour}? the {noun} place again",
    "can somebody look at the {noun} page, it feels slow",
    "I am off on {day}, {who} has the pager",
    "the {noun} team asked whether we {verb} before or after the {noun2}",
    "thanks, works now",
    "rebased, waiting for the build",
    "who broke main? the {noun} test is red",
    "let us talk about the {noun} on {day}",
    "+1",
    "deploy of the {noun} is done, all green",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


@dataclass(frozen=True)
class Question:
    """What somebody asks later in the same repository, and the message that answers it."""

    text: str
    repo: str
    answer: str


@dataclass(frozen=True)
class Talk:
    """Everything that was said, by repository, and what is asked about it."""

    messages: dict[str, list[Message]]
    questions: list[Question]


def talk(seed: int = 1, notes: int = 600, chatter: int = 3_000) -> Talk:
    """The same for the same seed: `notes` messages worth a question among so much chatter."""
    rng = random.Random(seed)
    messages: dict[str, list[Message]] = {repo: [] for repo in REPOS}
    questions: list[Question] = []
    worth = [True] * notes + [False] * chatter
    rng.shuffle(worth)
    names = _names(rng)
    for number, is_worth in enumerate(worth):
        repo, who = rng.choice(REPOS), rng.choice(PEOPLE)
        said, asked = rng.choice(_NOTES)(rng, next(names), who) if is_worth else (_idle(rng), "")
        name = f"{repo}-{number}"
        at = 1_760_000_000_000 + number * 600_000
        session = f"{repo}-s{number // 12}"
        messages[repo].append(Message(name, "slack:C1", session, at, who, _slip(rng, said)))
        if asked:
            questions.append(Question(asked, repo, name))
    return Talk(messages, questions)


def noise(count: int, seed: int = 2, rooms: int = 20) -> Iterator[Message]:
    """Chatter in many rooms, with words as common as words are."""
    rng = random.Random(seed)
    rare = [f"{a}{b}" for a in _NOUNS for b in _NOUNS]
    for number in range(count):
        said = f"{_idle(rng)} {' '.join(rng.choices(rare, k=4))}"
        room, session = f"slack:C{number // 500 % rooms}", f"s{number // 20}"
        at = 1_700_000_000_000 + number * 30_000
        yield Message(f"noise-{number}", room, session, at, rng.choice(PEOPLE), said)


def _names(rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """A verb and two nouns, never the same three again."""
    found = [(v, a, b) for v in _VERBS for a in _NOUNS for b in _NOUNS if a != b]
    rng.shuffle(found)
    return iter(found)


_Name = tuple[str, str, str]


def _symbol(rng: random.Random, name: _Name, who: str) -> tuple[str, str]:
    verb, a, b = name
    symbol, fault = f"{verb}{a.title()}{b.title()}", rng.choice(_FAULTS)
    asked = (f"what is wrong with {symbol}?", f"what did {who} say about the {verb} {a} {b} thing?")
    return f"{symbol} {fault} when it is called twice", rng.choice(asked)


def _path(rng: random.Random, name: _Name, who: str) -> tuple[str, str]:
    verb, a, b = name
    path = f"src/{a}/{verb}_{b}.py"
    return f"the slow part is in {path}, line {rng.randrange(9, 400)}", f"what is in {path}?"


def _ticket(rng: random.Random, name: _Name, who: str) -> tuple[str, str]:
    verb, a, b = name
    ticket = f"OPS-{rng.randrange(1_000, 99_999)}"
    said = f"{ticket}: customers cannot {verb} a {a} with a {b}"
    return said, rng.choice(
        (f"what was {ticket.lower()} about?", f"{who}'s ticket: {verb} {a} {b}")
    )


def _commit(rng: random.Random, name: _Name, who: str) -> tuple[str, str]:
    verb, a, b = name
    sha = f"{rng.getrandbits(48):012x}"
    return f"{sha} mends how we {verb} the {a} {b}", f"which change was {sha[:8]}?"


def _flag(rng: random.Random, name: _Name, who: str) -> tuple[str, str]:
    verb, a, b = name
    flag = f"--{verb}-{a}-{b}"
    return f"start it with {flag} until it is mended", f"when do we need {flag}?"


def _decision(rng: random.Random, name: _Name, who: str) -> tuple[str, str]:
    verb, a, b = name
    topic = rng.choice(_TOPICS)
    said = f"we decided that {topic} of {a} and {b} happens before we {verb}"
    return said, f"what did we decide on {topic} for {a} {b}, when {verb}ing?"


_NOTES: tuple[Callable[[random.Random, _Name, str], tuple[str, str]], ...] = (
    _symbol,
    _path,
    _ticket,
    _commit,
    _flag,
    _decision,
)


def _idle(rng: random.Random) -> str:
    return rng.choice(_CHATTER).format(
        hour=rng.randrange(11, 14),
        noun=rng.choice(_NOUNS),
        noun2=rng.choice(_NOUNS),
        verb=rng.choice(_VERBS),
        day=rng.choice(_DAYS),
        who=rng.choice(PEOPLE),
    )


def _slip(rng: random.Random, text: str) -> str:
    """One plain word in every fourth message loses or swaps a letter."""
    words = text.split(" ")
    plain = [
        n for n, word in enumerate(words) if word.isalpha() and word.islower() and len(word) > 4
    ]
    if rng.random() < 0.25 and plain:
        place = rng.choice(plain)
        word, cut = words[place], rng.randrange(1, len(words[place]) - 1)
        words[place] = word[:cut] + word[cut + 1 :]
    return " ".join(words)
