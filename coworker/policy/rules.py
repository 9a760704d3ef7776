"""The gate: may this call happen? It decides and gives the reason; it neither asks nor acts."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from coworker.policy.standing import Standing
from coworker.protocols import Guard
from coworker.settings import Config, Rule
from coworker.types import Decision, Effect, Json, Person, Verdict

_STRICTEST: tuple[Verdict, ...] = ("deny", "ask", "allow")
_LASTING: tuple[Effect, ...] = ("keep", "rule", "world", "final")
"""What goes on to have an effect when the run is over."""
_DEFAULTS: Mapping[Effect, Decision] = {
    "read": Decision("allow", "reading is allowed"),
    "write": Decision("allow", "writing stays in this conversation's own workspace"),
    "keep": Decision("allow", "what is kept for later can be looked at and taken back"),
    "rule": Decision("ask", "this changes what happens or is believed later, so a person decides"),
    "world": Decision("ask", "this leaves the machine, so a person decides"),
    "final": Decision("ask", "this cannot be taken back, so an owner decides"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One call that wants to happen: who asks, for what, where, and what the run has read.

    `paths` are the files it touches, from the repository's root; `people` are all whose words the
    run took; `taint` names what the run read that came from outside.
    """

    tool: str
    effect: Effect
    args: Json
    paths: Sequence[str]
    people: Sequence[Person]
    repo: str | None
    room: str
    taint: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """The rules in force, those of the configuration before those that people said."""

    config: Config
    standing: Standing
    home: Callable[[str], str] = str
    """What one room is called, of all the names that it has."""

    def rules(self) -> Iterable[tuple[str, Rule]]:
        """Each with the words that say where it comes from."""
        for number, rule in enumerate(self.config.rules, 1):
            yield f"rule {number} of the configuration", rule
        for number, rule in self.standing.rules.items():
            yield f"rule {number} (`!rules`)", rule

    @property
    def have_paths(self) -> bool:
        """Whether it matters which files a call touches."""
        return any(rule.paths for _, rule in self.rules())

    def guard(self, case: Case) -> Guard | None:
        """What says of any file whether, and by which rule, it is kept from changes by that call.

        For calls that do not say beforehand what they will touch; None when no rule is about files.
        """
        kept = [
            (source, rule)
            for source, rule in self.rules()
            if rule.paths and rule.then != "allow" and self._fits(rule, case)
        ]

        def reason(path: str) -> str:
            found = (each for each in kept if _names_paths(each[1], [path]))
            return next((f"{source} says: {in_words(rule)}" for source, rule in found), "")

        return reason if kept else None

    def told(self, repo: str | None) -> str:
        """What a model should know of the rules of a repository; "" for none."""
        found = [in_words(rule) for _, rule in self.rules() if rule.repo in ("*", repo)]
        return "\n".join(f"- {words}" for words in found)

    def decide(self, case: Case) -> Decision:
        """Allow, ask or deny one call. Rules that match beat the defaults."""
        if case.effect != "read" and any(person.role == "guest" for person in case.people):
            return Decision("deny", f"guests may only read, and {case.tool} has an effect")
        source, rule = self._strictest(case)
        decision = (
            Decision(rule.then, f"{source} says: {in_words(rule)}")
            if rule
            else _DEFAULTS[case.effect]
        )
        is_meant = rule is not None and rule.tainted is True  # an owner has thought of it
        if decision.verdict == "allow" and case.taint and case.effect in _LASTING and not is_meant:
            return Decision("ask", f"this run has read {_list(case.taint)}, which is not ours")
        return decision

    def _strictest(self, case: Case) -> tuple[str, Rule | None]:
        """The rule that decides, and where it comes from."""
        matching = [each for each in self.rules() if self._matches(each[1], case)]
        for verdict in _STRICTEST:
            for source, rule in matching:
                if rule.then == verdict:
                    return source, rule
        return "", None

    def _matches(self, rule: Rule, case: Case) -> bool:
        return self._fits(rule, case) and _names_paths(rule, case.paths)

    def _fits(self, rule: Rule, case: Case) -> bool:
        """Whether it is about such a call, whatever files that touches."""
        return (
            rule.tool in ("*", case.tool)
            and rule.repo in ("*", case.repo)
            and (not rule.rooms or self.home(case.room) in map(self.home, rule.rooms))
            and (rule.tainted is None or rule.tainted == bool(case.taint))
            and _names_people(rule, case.people)
            and all(fnmatchcase(str(case.args.get(k, "")), v) for k, v in rule.args.items())
        )


def in_words(rule: Rule) -> str:
    """A rule as a person reads it: `ask before git_push in shop, for owner`."""
    verb = {"allow": "allow", "ask": "ask before", "deny": "never"}[rule.then]
    args = [f"{name} = {pattern}" for name, pattern in rule.args.items()]
    parts = [
        f"{verb} {'anything' if rule.tool == '*' else rule.tool}",
        f"on {_list(rule.paths)}" if rule.paths else "",
        f"with {_list(args)}" if args else "",
        f"in {rule.repo}" if rule.repo != "*" else "",
        f"in the room {_list(rule.rooms)}" if rule.rooms else "",
        f"for {_list(rule.people)}" if rule.people else "",
        "" if rule.tainted is None else ("after" if rule.tainted else "without") + " outside words",
    ]
    said = " ".join(filter(None, parts))
    return f"{said} ({rule.reason})" if rule.reason else said


def _names_people(rule: Rule, people: Sequence[Person]) -> bool:
    """Permission needs everybody whose words the run took; a limit needs one of them."""
    named = [person.role in rule.people or person.name in rule.people for person in people]
    return not rule.people or (all(named) if rule.then == "allow" else any(named))


def _names_paths(rule: Rule, paths: Sequence[str]) -> bool:
    """Permission needs all the files to be named; a limit needs one."""
    named = [any(_covers(pattern, path) for pattern in rule.paths) for path in paths]
    if not rule.paths:
        return True
    return bool(named) and (all(named) if rule.then == "allow" else any(named))


def _covers(pattern: str, path: str) -> bool:
    """Whether a path is what is named, or below it; a name like `[id]` also means itself."""
    path, pattern = posixpath.normpath(path), posixpath.normpath(pattern)
    meant = any(fnmatchcase(path, each) for each in (pattern, f"{pattern}/*"))
    return meant or f"{path}/".startswith(f"{pattern}/")


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)
