"""The gate: may this call happen? It decides and gives the reason; it neither asks nor acts."""

from __future__ import annotations

from collections.abc import Sequence

from coworker.config import Rule
from coworker.types import Decision, Effect, Role, Verdict

_STRICTEST: tuple[Verdict, ...] = ("deny", "ask", "allow")


def decide(
    tool: str, effect: Effect, role: Role, repo: str | None, rules: Sequence[Rule] = ()
) -> Decision:
    """Allow, ask or deny one call. Configured rules that match beat the defaults."""
    if role == "guest" and effect != "read":
        return Decision("deny", f"guests may only read, and {tool} has an effect")
    matching = [rule for rule in rules if _matches(rule, tool, role, repo)]
    for verdict in _STRICTEST:
        if any(rule.then == verdict for rule in matching):
            return Decision(verdict, f"a rule of the configuration says {verdict} for {tool}")
    return _default(effect)


def _matches(rule: Rule, tool: str, role: Role, repo: str | None) -> bool:
    return (
        rule.tool in ("*", tool)
        and rule.repo in ("*", repo)
        and (not rule.people or role in rule.people)
    )


def _default(effect: Effect) -> Decision:
    match effect:
        case "read":
            return Decision("allow", "reading is allowed")
        case "write":
            return Decision("allow", "writing stays in this conversation's own workspace")
        case "world":
            return Decision("ask", "this leaves the machine, so a person decides")
