"""Who is who, what the gate says, whose answer counts, and the limits of a run."""

import msgspec
import pytest

from coworker.policy.approvals import is_expired, refusal, says_yes, seal
from coworker.policy.budget import Spent, exceeded
from coworker.policy.people import People
from coworker.policy.rules import Book, Case
from coworker.policy.standing import Standing
from coworker.settings import Budget, Config, PersonConfig, Rule
from coworker.store import audit
from coworker.store.log import Log
from coworker.types import Call, Person

NAMED = Config(
    people={
        "ann": PersonConfig(role="owner", ids=["slack:U1", "terminal:*"]),
        "bob": PersonConfig(role="member", ids=["terminal:bob"]),
    }
)


def test_an_exact_id_beats_the_wildcard():
    people = People(NAMED, {})
    assert people.find("terminal:bob").name == "bob"
    assert people.find("terminal:somebody").name == "ann"


def test_somebody_who_is_not_named_is_a_stranger():
    assert People(NAMED, {}).find("slack:U2") is None
    assert People(NAMED, {}).find("slack:ann") is None


def test_with_nobody_named_the_terminal_belongs_to_its_owner_and_nobody_else_is_known():
    people = People(Config(), {})
    assert people.find("terminal:root").role == "owner"
    assert people.find("slack:U1") is None


ANN, BOB, EVE = (
    Person("slack:U1", "ann", "owner"),
    Person("slack:U2", "bob", "member"),
    Person("slack:U3", "eve", "guest"),
)


class Clock:
    def now_ms(self):
        return 1


@pytest.fixture
async def standing(tmp_path):
    log = Log(tmp_path, lambda error: None)
    yield Standing(log, Clock())
    await log.close()


@pytest.fixture
def verdict(standing):
    """`verdict(effect, people, rules, **case)`: what the gate says, and why."""

    def verdict(effect, people=(ANN,), rules=(), **case):
        given = {"tool": "push", "args": {}, "paths": (), "repo": "shop", "room": "slack:C1"}
        book = Book(Config(rules=list(rules)), standing)
        return book.decide(Case(effect=effect, people=people, **(given | case)))

    return verdict


@pytest.mark.parametrize(
    ("person", "effect", "expected"),
    [
        (EVE, "read", "allow"),
        (EVE, "write", "deny"),
        (EVE, "world", "deny"),
        (BOB, "write", "allow"),
        (BOB, "keep", "allow"),
        (BOB, "rule", "ask"),
        (BOB, "world", "ask"),
        (ANN, "world", "ask"),
        (ANN, "final", "ask"),
    ],
)
async def test_the_gate_without_rules(verdict, person, effect, expected):
    assert verdict(effect, [person]).verdict == expected


async def test_of_rules_that_match_deny_beats_ask_beats_allow(verdict):
    rules = [Rule(then="allow"), Rule(then="ask", tool="push"), Rule(then="deny", repo="shop")]
    assert verdict("world", rules=rules).verdict == "deny"
    assert verdict("world", rules=rules, repo="blog").verdict == "ask"
    assert verdict("world", rules=rules, repo="blog", tool="pull").verdict == "allow"


async def test_the_reason_names_the_rule_in_words(verdict):
    rules = [Rule(then="allow"), Rule(then="deny", tool="push", repo="shop", people=["owner"])]
    said = verdict("world", rules=rules).reason
    assert said == "rule 2 of the configuration says: never push in shop for owner"


async def test_no_rule_gives_a_guest_more_than_reading(verdict):
    assert verdict("world", [EVE], [Rule(then="allow")]).verdict == "deny"


async def test_permission_needs_everybody_and_a_limit_one(verdict):
    both = [ANN, BOB]
    assert verdict("world", both, [Rule(then="allow", people=["ann"])]).verdict == "ask"
    assert verdict("world", both, [Rule(then="allow", people=["ann", "bob"])]).verdict == "allow"
    assert verdict("write", both, [Rule(then="deny", people=["bob"])]).verdict == "deny"


@pytest.mark.parametrize("path", ["migrations/1.py", "./migrations/a/b.py", "src/../migrations/x"])
async def test_a_folder_is_kept_from_every_way_of_writing_it(verdict, path):
    rules = [Rule(then="deny", paths=["migrations/"])]
    assert verdict("write", rules=rules, paths=[path]).verdict == "deny"
    assert verdict("write", rules=rules, paths=["src/a.py", path]).verdict == "deny"
    assert verdict("write", rules=rules, paths=["migrations_old/1.py"]).verdict == "allow"


async def test_permission_needs_every_file_to_be_named(verdict):
    rules = [Rule(then="allow", paths=["docs/"])]
    assert verdict("world", rules=rules, paths=["docs/a.md", "docs/b.md"]).verdict == "allow"
    assert verdict("world", rules=rules, paths=["docs/a.md", "src/a.py"]).verdict == "ask"


async def test_a_rule_can_name_arguments_and_rooms(verdict):
    rules = [Rule(then="allow", args={"url": "https://docs.test/*"}, rooms=["slack:C1"])]
    there = {"url": "https://docs.test/a"}
    assert verdict("world", rules=rules, args=there).verdict == "allow"
    assert verdict("world", rules=rules, args={"url": "https://evil.test/"}).verdict == "ask"
    assert verdict("world", rules=rules, args=there, room="slack:C2").verdict == "ask"


@pytest.mark.parametrize("effect", ["keep", "rule", "world", "final"])
async def test_outside_words_turn_allow_into_ask_for_what_lasts(verdict, effect):
    rules = [Rule(then="allow")]
    assert verdict(effect, rules=rules).verdict == "allow"
    decision = verdict(effect, rules=rules, taint=["web page x"])
    assert (decision.verdict, "web page x" in decision.reason) == ("ask", True)
    assert verdict("write", rules=rules, taint=["web page x"]).verdict == "allow"


async def test_a_rule_that_was_made_for_outside_words_means_them(verdict):
    rules = [Rule(then="allow", tainted=True)]
    assert verdict("world", rules=rules, taint=["web page x"]).verdict == "allow"
    assert verdict("world", rules=rules).verdict == "ask"


async def test_what_people_decided_outlives_us(tmp_path):
    log = Log(tmp_path, lambda error: None)
    standing = Standing(log, Clock())
    await standing.admit("slack:U9", "zoe", "member", "slack:U1")
    await standing.admit("slack:U8", "yan", "guest", "slack:U1")
    await standing.dismiss("slack:U8", "slack:U1")
    first = await standing.add_rule(Rule(then="deny", tool="push"), "slack:U1")
    assert await standing.add_rule(Rule(then="deny", tool="push"), "slack:U2") == first
    second = await standing.add_rule(Rule(then="allow", tool="push"), "slack:U1")
    assert await standing.remove_rule(first, "slack:U1")
    assert not await standing.remove_rule(first, "slack:U1")
    again = Standing(log, Clock())
    assert again.people == {"slack:U9": ("zoe", "member")}
    assert again.rules == {second: Rule(then="allow", tool="push")}
    assert await again.add_rule(Rule(then="ask"), "slack:U1") == second + 1
    assert await log.apart(lambda db: [*audit.faults(db)]) == []
    await log.close()


APPROVAL, QUESTION = {"approval": True}, {"approval": False}


def test_only_the_asker_or_an_owner_answers():
    assert refusal(ANN, ["slack:U2"], APPROVAL) is None
    assert refusal(BOB, ["slack:U2"], APPROVAL) is None
    assert "may not decide" in refusal(BOB, ["slack:U9"], APPROVAL)
    assert refusal(None, [], QUESTION)


def test_what_cannot_be_taken_back_is_an_owners():
    assert "an owner may" in refusal(BOB, ["slack:U2"], {"approval": True, "owner": True})
    assert refusal(ANN, ["slack:U2"], {"approval": True, "owner": True}) is None


def test_a_guest_who_asked_may_answer_a_question_but_approve_nothing():
    assert refusal(EVE, ["slack:U3"], QUESTION) is None
    assert refusal(EVE, ["slack:U3"], APPROVAL)


@pytest.mark.parametrize(
    ("word", "decision"),
    [(" Allow once ", True), ("yes", True), ("NO", False), ("stop", False), ("maybe, yes", None)],
)
def test_only_plain_words_and_the_options_decide(word, decision):
    assert says_yes(word, {"options": ["+ $1", "Stop"]}) is decision


@pytest.mark.parametrize(("hours", "late"), [(1, 3_600_001), (0.5, 1_800_001)])
def test_a_permission_counts_up_to_its_hour_and_not_after_it(hours, late):
    ask = {**APPROVAL, "at": 1_000}
    assert not is_expired(ask, 1_000 + late - 1, hours)
    assert is_expired(ask, 1_000 + late, hours)
    assert not is_expired(ask, 1_000 + late, 0)
    assert not is_expired({**QUESTION, "at": 1_000}, 1_000 + late, hours)


def test_a_seal_is_of_exactly_this_call():
    call = Call("c1", "push", {"a": 1})
    same = seal("slack:C1", 4, call)
    assert same == seal("slack:C1", 4, Call("c1", "push", {"a": 1}))
    others = [
        seal("slack:C2", 4, call),
        seal("slack:C1", 5, call),
        seal("slack:C1", 4, Call("c2", "push", {"a": 1})),
        seal("slack:C1", 4, Call("c1", "push", {"a": 2})),
    ]
    assert len({same, *others}) == 5


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
