"""Who is who, what the gate says, whose answer counts, and the limits of a run."""

import msgspec
import pytest

from coworker.config import Budget, Config, PersonConfig, Rule
from coworker.policy.approvals import is_yes, refusal
from coworker.policy.budget import Spent, exceeded
from coworker.policy.people import People
from coworker.policy.rules import decide
from coworker.types import Person

NAMED = Config(
    people={
        "ann": PersonConfig(role="owner", ids=["slack:U1", "terminal:*"]),
        "bob": PersonConfig(role="member", ids=["terminal:bob"]),
    }
)


def test_an_exact_id_beats_the_wildcard():
    people = People(NAMED)
    assert people.find("terminal:bob").name == "bob"
    assert people.find("terminal:somebody").name == "ann"


def test_somebody_who_is_not_named_is_a_stranger():
    assert People(NAMED).find("slack:U2") is None
    assert People(NAMED).find("slack:ann") is None


def test_with_nobody_named_the_terminal_belongs_to_its_owner_and_nobody_else_is_known():
    people = People(Config())
    assert people.find("terminal:root").role == "owner"
    assert people.find("slack:U1") is None


def test_a_run_has_the_least_authority_of_those_who_spoke():
    people = People(NAMED)
    assert people.least(["slack:U1"]) == "owner"
    assert people.least(["slack:U1", "terminal:bob"]) == "member"
    assert people.least(["slack:U1", "slack:U2"]) == "guest"


@pytest.mark.parametrize(
    ("role", "effect", "verdict"),
    [
        ("guest", "read", "allow"),
        ("guest", "write", "deny"),
        ("guest", "world", "deny"),
        ("member", "write", "allow"),
        ("member", "world", "ask"),
        ("owner", "world", "ask"),
    ],
)
def test_the_gate_without_rules(role, effect, verdict):
    assert decide("tool", effect, role, "shop").verdict == verdict


def test_of_rules_that_match_deny_beats_ask_beats_allow():
    rules = [Rule(then="allow"), Rule(then="ask", tool="push"), Rule(then="deny", repo="shop")]
    assert decide("push", "world", "owner", "shop", rules).verdict == "deny"
    assert decide("push", "world", "owner", "blog", rules).verdict == "ask"
    assert decide("pull", "world", "owner", "blog", rules).verdict == "allow"


def test_no_rule_gives_a_guest_more_than_reading():
    assert decide("push", "world", "guest", "shop", [Rule(then="allow")]).verdict == "deny"


def test_only_the_asker_or_an_owner_answers():
    ann, bob = Person("slack:U1", "ann", "owner"), Person("slack:U2", "bob", "member")
    assert refusal(ann, ["slack:U2"], approval=True) is None
    assert refusal(bob, ["slack:U2"], approval=True) is None
    assert "may not decide" in refusal(bob, ["slack:U9"], approval=True)
    assert refusal(None, [], approval=False)


def test_a_guest_who_asked_may_answer_a_question_but_approve_nothing():
    eve = Person("slack:U3", "eve", "guest")
    assert refusal(eve, ["slack:U3"], approval=False) is None
    assert refusal(eve, ["slack:U3"], approval=True)


def test_only_plain_words_decide():
    assert is_yes(" Allow once ") is True
    assert is_yes("NO") is False
    assert is_yes("maybe, yes") is None


SPENT = Spent(steps=1, tokens=10, minutes=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 60}, "60 steps"),
        ({"tokens": 9_000_000}, "9,000,000 tokens"),
        ({"minutes": 121}, "121 minutes"),
    ],
)
def test_each_limit_stops_before_it_is_passed_and_says_which(change, words):
    assert exceeded(SPENT, Budget()) is None
    spent = Spent(**{name: getattr(SPENT, name) for name in SPENT.__slots__} | change)
    assert words in exceeded(spent, Budget())


def test_a_limit_of_zero_means_none():
    free = msgspec.structs.replace(Budget(), run_steps=0)
    assert exceeded(Spent(999, 10, 1), free) is None
