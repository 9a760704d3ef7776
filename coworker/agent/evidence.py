"""What the host saw happen in a run, and what the model says beyond it.

It reads receipts and words; it runs nothing and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from coworker.types import Json

LABELS = {"push": "Push", "open_pr": "Open PR", "undo": "Undo", "retry": "Retry"}
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?!\s|$)[^.!?\n]*)*[.!?]?")
_HEDGE = re.compile(
    r"(?i)\b(not|never|no|cannot|if|once|when|after|before|should|would|could|will|may|might|must|"
    r"please|to be|until|unless|\w+n['’]t)\b|\?\s*$"
)
_TESTS = re.compile(
    r"(?i)(^|\b(all|the|both|every|these|\d+) (\w+ ){0,2})"
    r"(tests?|test suite|suite|checks?|specs?|build|ci|lint)\b[^.\n]{0,40}"
    r"\b(pass|passes|passed|passing|green|succeeds?|succeeded)\b"
    r"|\b(passing|green) (tests?|checks?|build)\b|\b\d+ passed\b"
)
_PUSHED = re.compile(r"(?i)\bpushed\b|\bopened (a|the) (pull|merge) request\b")
_COMMITTED = re.compile(
    r"(?i)\bI(['’]ve| have)? (now |just )?committed\b|\b(is|are|been) committed\b"
)
_CHANGED = re.compile(
    r"(?i)\bI(['’]ve| have)? (now |just |also )?(fixed|changed|edited|updated|added|removed|"
    r"deleted|implemented|refactored|rewrote|created|renamed|wrote)\b|\b(is|has been) now fixed\b"
)
_A_TEST = re.compile(
    r"(?i)\b(pytest|unittest|tox|nox|jest|vitest|mocha|rspec|ctest|phpunit|ruff|mypy|eslint|tsc"
    r"|(npm|pnpm|yarn|bun|go|cargo|mvn|gradle|gradlew|dotnet|mix|make|just|node)\b.*\b(test|check|lint)"
    r")\b|(^|[\s/_.=-])(tests?|checks?|specs?)([\s/_.-]|$)"
)


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
        "edit": found.edits,
        "commit": found.commits,
        "push": found.pushes,
        "pr": found.pushes,
    }
    for number, body in enumerate(done):
        receipt = body.get("receipt")
        if receipt:
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


def marked(text: str, done: Sequence[Json]) -> str:
    """The text with every claim that no receipt carries named below it."""
    evidence = gathered(done)
    doubts = dict.fromkeys(_doubts(text, evidence))
    return "\n\n".join([text, *(f"⚠ Unverified: {doubt}" for doubt in doubts)])


def _doubts(text: str, evidence: Evidence) -> Iterator[str]:
    for sentence in _claims(text):
        for pattern, why in (
            (_TESTS, _why_untested(evidence)),
            (_PUSHED, None if evidence.pushes else "nothing was pushed in this run"),
            (_COMMITTED, None if evidence.commits else "nothing was committed in this run"),
            (_CHANGED, _why_unchanged(evidence)),
        ):
            if why and pattern.search(sentence):
                yield f"“{sentence[:160]}” – {why}."


def _claims(text: str) -> Iterator[str]:
    """Plain statements outside of code and quotations."""
    prose = re.sub(r"(?s:```.*?(```|\Z))|`[^`\n]*`|^>.*?$", " ", text, flags=re.MULTILINE)
    for match in _SENTENCE.finditer(prose):
        sentence = match[0].strip(" *_#-")
        if sentence and not _HEDGE.search(sentence):
            yield sentence


def _why_untested(evidence: Evidence) -> str | None:
    tests = [e for e in evidence.commands if e.get("check") or _A_TEST.search(e["command"])]
    if not tests:
        return "no test was run"
    last = tests[-1]
    if last["exit_code"]:
        return f"`{last['command']}` ended with exit {last['exit_code']}"
    if any(edit["order"] > last["order"] for edit in evidence.edits):
        return f"files changed after `{last['command']}` ran"
    return None


def _why_unchanged(evidence: Evidence) -> str | None:
    if evidence.edits or evidence.commits or evidence.commands:
        return None
    return "no file was changed in this run"
