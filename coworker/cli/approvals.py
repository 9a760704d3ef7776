"""The commands of `coworker approvals`: what waits for a decision, and the decision.

It knows how a person wants to read them, not whose decision counts.
"""

from __future__ import annotations

from argparse import Namespace

from coworker.cli import interrupt, output, table, words
from coworker.cli.link import linked
from coworker.settings import Config
from coworker.types import Json

_ACTIONS = {"list": "list", "approve": "allow", "deny": "deny"}
_DECIDED = {
    "allow": "Allowed: {id}. It goes on, without a daemon at the next start of one.",
    "deny": "Denied: {id}.",
}
_NONE = "Nothing waits for a decision."


def approvals(config: Config, options: Namespace) -> int:
    """Do what the command line says, and print the answer."""
    action = _ACTIONS[options.command.removeprefix("approvals ")]
    name = None if action == "list" else options.name
    return interrupt.run(_ask_and_print(config, action, name, options.json))


async def _ask_and_print(config: Config, action: str, name: str | None, as_json: bool) -> int:
    async with linked(config, working=False) as link:
        answer = await link.call("approvals", action=action, name=name)
    if as_json:
        for row in answer if isinstance(answer, list) else [answer]:
            output.say(words.as_json(row))
    elif action == "list":
        output.say(_listed(answer, config))
    else:
        output.say(_DECIDED[action].format_map(answer))
    return 0


def _listed(waiting: list[Json], config: Config) -> str:
    """Each as it is asked, whole: what is decided must be seen."""
    return "\n\n".join(_one(each, config) for each in waiting) or _NONE


def _one(each: Json, config: Config) -> str:
    until = each["expires_at"]
    parts = [
        each["id"],
        f"asked by {words.one_line(each['asker'])}",
        table.value("at", each["at"], config.zone),
        f"until {table.value('expires_at', until, config.zone)}" if until else "",
        "an owner decides" if each["owner"] else "",
    ]
    question = words.clean(each["question"]).strip()
    return "\n".join([" · ".join(filter(None, parts)), *(f"  {x}" for x in question.split("\n"))])
