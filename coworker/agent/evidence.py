"""What the host saw happen in a run, and what the model says beyond it.

It reads receipts and words; it runs nothing and decides nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from coworker.types import Json

LABELS = {"push": "Push", "open_pr": "Open PR", "undo": "Undo", "retry": "Retry"}
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?!\s|$)[^.!?\n]*)*[.!?]?")
_CLAUSE = re.compile(r"[,;:]\s+|\s[–—-]\s|\bbut\b|\band (?=not?\b)")
_OPEN = re.compile(r"(?i)^\W*(if|unless|until)\b|\?\s*$")
_HEDGE = re.compile(
    r"(?i)\b(not|never|no|none|nothing|neither|cannot|if|whether|should|would|could|will|may|might|"
    r"must|please|to be|until|unless|\w+n['’]t)\b|^(run|check|ensure|make sure|see|verify|ask)\b"
)
_LATER = re.compile(r"(?i)\b(after|before|once|when|while)\b")
_TESTS = re.compile(
    r"(?i)(^|\b(all|the|both|every|these|your|our|my|\d+) (\w+ ){0,2})"
    r"(tests?|test suite|suite|checks?|specs?|build|ci|lint)\b[^.\n]{0,40}"
    r"\b(pass|passes|(?<!is )(?<!are )(?<!was )(?<!were )passed|passing|green|clean|succeeds?"
    r"|succeeded)\b(?! (an?|the|its|-\w))"
    r"|\b(everything|all) (is |are |now )*(pass|passes|passed|green)\b"
    r"|\b(passing|green) (tests?|checks?)\b|\b\d+ passed\b"
    r"|\b(pytest|tests?|suite|checks?|build)\b.{0,30}\bexit(s|ed)? (with |code )*0\b"
)
_WORK = r"\b(it|this|everything|work|code|fix|edits?|changes?|commits?|branch)\b.{0,20}\b"
_REQUEST = r"((pull|merge) request|[pm]r)\b"
_PASSIVE = r"(is|are|was|were|been) (now )?"
_PUSHED = re.compile(
    rf"(?i)\bI(['’]ve| have)?( \w+)? pushed\b|^pushed (it|the|to|all|both)\b|\band pushed\b"
    rf"|{_WORK}{_PASSIVE}pushed\b(?! (by|onto)\b)"
    rf"|\bopened ((a|the) )?{_REQUEST}|\b{_REQUEST} ({_PASSIVE})?(opened|created)\b"
)
_COMMITTED = re.compile(
    rf"(?i)\bI(['’]ve| have)? (now |just )?committed\b|^committed (it|the|this|as|and)\b"
    rf"|{_WORK}{_PASSIVE}committed\b(?! by\b)"
)
_CHANGED = re.compile(
    r"(?i)(\bI(['’]ve| have)? (now |just |also )?|^(?=\w+ (the|an?|it|this|both|all)\b))"
    r"(fixed|mended|changed|edited|updated|added|removed|replaced|deleted|implemented|refactored|"
    r"rewrote|created|renamed|wrote)\b(?! up\b)|\b(is|has been) now fixed\b"
)
_A_TEST = re.compile(
    r"(?i)\b(pytest|unittest|tox|nox|jest|vitest|mocha|rspec|ctest|phpunit|ruff|mypy|eslint|tsc"
    r"|(npm|pnpm|yarn|bun|go|cargo|mvn|gradle|gradlew|dotnet|mix|make|just|node)\b.*\b(test|check|lint)"
    r")\b|(^|[\s/_.=-])(tests?|checks?|specs?)([\s/_.-]|$)"
)
_JOINS = frozenset(";|&()")
_TALKS = re.compile(r"(\w+=\S* )*(echo|printf|cat|true|:|grep|rg|ls|head|tail|sed|awk|git)( |$)")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The receipts of a run, oldest first; `order` numbers them across kinds."""

    commands: list[Json] = field(default_factory=list)
    edits: list[Json] = field(default_factory=list)
    commits: list[Json] = field(default_factory=list)
    pushes: list[Json] = field(default_factory=list)

    @property
    def summary(self) -> Json:
        """What a reply carries: commands with exit codes, the last commit, files, pushes."""
        return {
            "commands": [
                {"command": each["command"], "exit_code": each["exit_code"]}
                for each in self.commands
            ],
            "commit": self.commits[-1]["sha"] if self.commits else None,
            "branch": self.commits[-1]["branch"] if self.commits else None,
            "diff_stat": self.commits[-1]["stat"] if self.commits else None,
            "files": sorted({each["path"] for each in self.edits}),
            "pushed": self.pushes[-1].get("url") if self.pushes else None,
        }


def gathered(done: Sequence[Json]) -> Evidence:
    """The evidence in the results of a run's calls and checks."""
    found = Evidence()
    kinds = {
        "command": found.commands,
        "setup": found.commands,
        "edit": found.edits,
        "commit": found.commits,
        "push": found.pushes,
        "pr": found.pushes,
    }
    for number, body in enumerate(done):
        receipt = body.get("receipt")
        if receipt and receipt["kind"] in kinds:
            kinds[receipt["kind"]].append({**receipt, "order": number})
    return found


def offered(evidence: Evidence, outcome: str, run: int) -> list[Json]:
    """The buttons under a reply."""
    names: list[str] = []
    if evidence.commits:
        out = {each["kind"] for each in evidence.pushes}
        names += [name for name, kind in (("push", "push"), ("open_pr", "pr")) if kind not in out]
    if evidence.commits or evidence.edits:
        names.append("undo")
    if outcome == "failed":
        names.append("retry")
    return [{"action": name, "label": LABELS[name], "run": run} for name in names]


def red_checks(done: Sequence[Json]) -> list[Json]:
    """The repository's checks that did not pass on the last commit."""
    last: dict[str, Json] = {}
    for receipt in filter(None, (body.get("receipt") for body in done)):
        if receipt["kind"] == "commit":
            last = {}
        elif receipt.get("check"):
            last[receipt["command"]] = receipt
    return [receipt for receipt in last.values() if receipt["exit_code"]]


def marked(text: str, done: Sequence[Json]) -> str:
    """The text with every claim that no receipt carries named below it."""
    evidence = gathered(done)
    doubts = dict.fromkeys(_doubts(text, evidence))
    return "\n\n".join([text, *(f"⚠ Unverified: {doubt}" for doubt in doubts)])


def _doubts(text: str, evidence: Evidence) -> Iterator[str]:
    for claim in _claims(text):
        for pattern, why in (
            (_TESTS, _why_untested(evidence)),
            (_PUSHED, None if evidence.pushes else "nothing was pushed in this run"),
            (_COMMITTED, None if evidence.commits else "nothing was committed in this run"),
            (_CHANGED, _why_unchanged(evidence)),
        ):
            found = pattern.search(claim) if why else None
            if found and not _LATER.search(claim[: found.start()]):
                yield f"“{claim[:160]}” – {why}."


def _claims(text: str) -> Iterator[str]:
    """Plain statements outside of code and quotations, clause by clause."""
    quoted = r"(?s:```.*?(```|\Z))|`[^`\n]*`|“[^”\n]{0,300}”|\"[^\"\n]{0,300}\"|^>.*?$"
    prose = re.sub(quoted, " ", text, flags=re.MULTILINE)
    for match in _SENTENCE.finditer(prose):
        if _OPEN.search(match[0]):
            continue
        for clause in _CLAUSE.split(match[0]):
            claim = re.sub(r"^\W+|[\s*_]+$", "", clause)
            if claim and not _HEDGE.search(claim):
                yield claim


def _why_untested(evidence: Evidence) -> str | None:
    tests = [e for e in evidence.commands if e.get("check") or _is_test(e["command"])]
    if not tests:
        return "no test was run by itself, so that its exit code could be seen"
    last = tests[-1]
    if last["exit_code"]:
        return f"`{last['command']}` ended with exit {last['exit_code']}"
    if any(edit["order"] > last["order"] for edit in evidence.edits):
        return f"files changed after `{last['command']}` ran"
    return None


def _is_test(command: str) -> bool:
    """Whether the exit code of this command is that of tests: nothing else may have the last word.

    `npm test | tail`, `npm test || true` and `echo npm test` say nothing of tests.
    """
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    try:
        words = [*lexer]
    except ValueError:
        return False
    if "\n" in command.strip() or any(word != "&&" and set(word) <= _JOINS for word in words):
        return False
    steps = " ".join(words).split(" && ")
    return any(_A_TEST.search(step) and not _TALKS.match(step) for step in steps)


def _why_unchanged(evidence: Evidence) -> str | None:
    if evidence.edits or evidence.commits or evidence.commands:
        return None
    return "no file was changed in this run"
