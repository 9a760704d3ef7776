"""The commands of `coworker schedule`: each asks the owner one thing and prints it.

It knows how a person wants to read a schedule, not how one is kept.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from coworker.cli import interrupt, output, table, words
from coworker.cli.conversation import Start
from coworker.cli.link import linked
from coworker.errors import UsageError
from coworker.settings import Config
from coworker.types import Json

_HISTORY = ("at", "outcome", "gate", "missed", "undelivered", "cost_usd", "conversation", "text")
_ADDED = ("when", "prompt", "gate", "to", "name", "policy", "urgent", "zone")
_SENTENCES = {
    "run": "“{name}” runs now: coworker log {conversation}",
    "stop": "“{name}” stops now: coworker log {conversation}",
    "remove": "“{name}” ({id}) is removed.",
    "pause": "“{name}” ({id}) is {coming}.",
    "resume": "“{name}” ({id}): {coming}.",
}
_GOES_ON = "\nIts run that is under way goes on. End it: coworker schedule stop {id}"


def schedule(config: Config, options: Namespace) -> int:
    """Do what the command line says, and print the answer."""
    action = options.command.removeprefix("schedule ")
    return interrupt.run(_ask_and_print(config, action, _given(action, options), options.json))


def _given(action: str, options: Namespace) -> Json:
    match action:
        case "add":
            given = {name: getattr(options, name) for name in _ADDED}
            if options.digest:
                given |= {"prompt": options.prompt or _digest(), "name": options.name or "digest"}
            return {**given, "repo": _repo(options)}
        case "list":
            return {"over": options.all}
        case "preview":
            return {"when": options.when, "zone": options.zone, "gate": options.gate}
    return {"name": options.name}


def _repo(options: Namespace) -> str | None:
    if options.digest and not options.repo:
        raise UsageError("A digest is about a repository. Name it with --repo.")
    return Start.here(None, options.repo).repo


def _digest() -> str:
    """What the shipped skill says is to be done."""
    skill = files("coworker") / "skills_shipped" / "digest" / "SKILL.md"
    return skill.read_text(encoding="utf-8").split("---", 2)[2].strip()


async def _ask_and_print(config: Config, action: str, given: Json, as_json: bool) -> int:
    async with linked(config, working=False) as link:
        answer = await link.call("schedule", action=action, **given)
    if as_json:
        rows = answer if isinstance(answer, list) else [answer]
        output.say("\n".join(map(words.as_json, rows)))
    else:
        output.say(_printed(action, answer, config))
    is_refused = action == "preview" and "refused" in answer
    return UsageError.exit_status if is_refused else 0


def _printed(action: str, answer: Any, config: Config) -> str:
    if action in _SENTENCES:
        more = _GOES_ON if answer.get("running") else ""
        return (_SENTENCES[action] + more).format_map(answer)
    return _PAGES.get(action, _one)(answer, config)


def _listed(answer: list[Json], _: Config) -> str:
    empty = 'Nothing is scheduled. Add something: coworker schedule add "every weekday at 9" TEXT'
    return "\n".join(map(_entry, answer)) or empty


def _entry(row: Json) -> str:
    """Three lines: when it fires stays whole, however narrow the terminal is."""
    gate = f"only if {row['gate']}" if row["gate"] else ""
    last = f"last: {row['last']}" if row["last"] else ""
    told = " · ".join(filter(None, (row["coming"], row["to"], gate, last)))
    lines = (row["name"], f"{row['when']} ({row['timezone']})", told)
    return f"{row['id']}  " + "\n          ".join(map(words.one_line, lines))


def _history(answer: list[Json], config: Config) -> str:
    return table.table(answer, config.zone, _HISTORY) if answer else "It never fired."


def _preview(answer: Json, _: Config) -> str:
    head = f"{answer['when']} ({answer['timezone']})"
    refused = [f"It would be refused: {answer['refused']}"] if answer.get("refused") else []
    return "\n".join([head, *(f"  {line}" for line in answer["next"]), *refused])


def _one(answer: Json, config: Config) -> str:
    times = "\n".join(f"  {line}" for line in answer.pop("next"))
    return f"{table.fields(answer, config.zone)}\n\nNext\n{times}"


_PAGES: dict[str, Callable[[Any, Config], str]] = {
    "list": _listed,
    "history": _history,
    "preview": _preview,
}
