"""What no set of rules can do, whatever they say: more denials never allow, guests never act."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from coworker.policy.rules import Book, Case
from coworker.settings import Config, Rule
from coworker.types import Person

STRICTNESS = {"allow": 0, "ask": 1, "deny": 2}
TOOLS, REPOS, ROOMS = ("push", "edit", "fetch"), ("shop", "till"), ("slack:C1", "slack:C2")
NAMES = ("ann", "bob", "eve")
PARTS = st.sampled_from(["a", "b", "migrations", "migrations_old", ".", "..", "", "x*", "ä", "[a]"])
PATHS = st.lists(PARTS, min_size=1, max_size=5).map("/".join).filter(bool)


class Standing:
    """Nothing was said in chat."""

    def __init__(self):
        self.rules = {}


def some(values):
    return st.lists(st.sampled_from(values), unique=True)


RULES = st.builds(
    Rule,
    then=st.sampled_from(["allow", "ask", "deny"]),
    tool=st.sampled_from(["*", *TOOLS]),
    repo=st.sampled_from(["*", *REPOS]),
    people=some(("owner", "member", "guest", *NAMES)),
    rooms=some(ROOMS),
    paths=st.lists(PATHS, max_size=2),
    args=st.dictionaries(st.just("url"), st.sampled_from(["*", "https://a/*", ""]), max_size=1),
    tainted=st.sampled_from([None, True, False]),
)
PEOPLE = st.builds(
    Person, st.just("x:1"), st.sampled_from(NAMES), st.sampled_from(["owner", "member", "guest"])
)
CASES = st.builds(
    Case,
    tool=st.sampled_from(TOOLS),
    effect=st.sampled_from(["read", "write", "keep", "rule", "world", "final"]),
    args=st.dictionaries(st.just("url"), st.sampled_from(["https://a/b", ""]), max_size=1),
    paths=st.lists(PATHS, max_size=3),
    people=st.lists(PEOPLE, min_size=1, max_size=3),
    repo=st.sampled_from([None, *REPOS]),
    room=st.sampled_from(ROOMS),
    taint=st.sampled_from([(), ("web page x",)]),
)
BOOKS = st.lists(RULES, max_size=6)
bounded = settings(derandomize=True, deadline=None, max_examples=100)


def verdict(rules, case):
    return Book(Config(rules=rules), Standing()).decide(case).verdict


@bounded
@given(BOOKS, CASES, st.randoms())
def test_the_order_of_rules_does_not_matter(rules, case, chance):
    shuffled = chance.sample(rules, len(rules))
    assert verdict(shuffled, case) == verdict(rules, case)


@bounded
@given(BOOKS, RULES, st.sampled_from(["ask", "deny"]), CASES)
def test_a_further_limit_never_allows_more(rules, rule, then, case):
    limit = replace(rule, then=then)
    assert STRICTNESS[verdict([*rules, limit], case)] >= STRICTNESS[verdict(rules, case)]


@bounded
@given(BOOKS, CASES)
def test_a_denial_that_fits_everything_denies_and_beats_whatever_else_is_said(rules, case):
    assert verdict([*rules, Rule(then="deny")], case) == "deny"
    assert verdict([*rules, Rule(then="ask")], case) != "allow"


@bounded
@given(st.lists(RULES.filter(lambda rule: rule.tainted is None), max_size=6), CASES)
def test_outside_words_never_allow_more(rules, case):
    clean, tainted = (
        dataclasses.replace(case, taint=()),
        dataclasses.replace(case, taint=("web page x",)),
    )
    assert STRICTNESS[verdict(rules, tainted)] >= STRICTNESS[verdict(rules, clean)]


@bounded
@given(BOOKS, CASES, PEOPLE)
def test_a_guest_never_gets_more_than_reading(rules, case, person):
    guest = Person("x:2", person.name, "guest")
    everybody = [*case.people, guest]
    decided = verdict(rules, dataclasses.replace(case, people=everybody))
    assert decided == "deny" or case.effect == "read"


@bounded
@given(BOOKS, CASES, PATHS)
def test_one_more_changed_file_never_allows_more(rules, case, path):
    more = dataclasses.replace(case, paths=[*case.paths, path])
    limits = [rule for rule in rules if rule.then != "allow"]
    assert STRICTNESS[verdict(limits, more)] >= STRICTNESS[verdict(limits, case)]


ANN = Person("x:1", "ann", "owner")
FOLDERS = st.lists(st.sampled_from(["a", "b", "ä c", "-x", "[y]"]), min_size=1, max_size=3)


@bounded
@given(FOLDERS, FOLDERS, st.data())
def test_a_folder_that_is_kept_is_kept_however_it_is_written(folder, below, data):
    named = "/".join(folder) + data.draw(st.sampled_from(["", "/", "/."]))
    rules = [Rule(then="deny", paths=[named])]
    parts = [*folder, *below]
    detour = data.draw(st.integers(0, len(parts)))
    winding = "/".join([".", *parts[:detour], "side", "..", "", *parts[detour:]])
    case = Case("edit", "write", {}, [winding], [ANN], "shop", "slack:C1")
    assert verdict(rules, case) == "deny"
    beside = "/".join([*folder[:-1], f"{folder[-1]}_old", *below])
    assert verdict(rules, dataclasses.replace(case, paths=[beside])) == "allow"
