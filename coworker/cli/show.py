"""The commands that look: status, inbox, log, cost, repo, doctor; each asks one verb and prints it.

It knows how a person wants to read an answer, not where it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from coworker.cli import interrupt, output, table, words
from coworker.cli.events import Progress
from coworker.cli.link import Link, linked
from coworker.cli.progress import Doing, LiveLine
from coworker.errors import UsageError
from coworker.settings import Config
from coworker.types import Json

_INBOX = ("received_at", "conversation", "kind", "text", "outcome")
_LOG = ("seq", "at", "run", "kind", "what")
_REPOS = ("name", "path", "added", "configured", "local_only")
_SPEAKING = ("tool", "text", "question", "reason", "error", "message", "title", "name")
_ADAPTER_SIGNS = {"connected": True, "listening": True, "refused": False, "broken": False}
_SIGNS = {True: "✓", False: "✗", None: "–"}

Print = Callable[[Any], str]


def status(config: Config, *, as_json: bool) -> int:
    """What is running and waiting, and what it costs."""

    def now(answer: Json) -> str:
        adapters = answer.pop("adapters", [])
        lines = diagnosis([_adapter(each, config) for each in adapters]) if adapters else ""
        return "\n\n".join(filter(None, [table.fields(answer, config.zone), lines]))

    return _shown(config, "status", {}, words.as_json if as_json else now)


def inbox(config: Config, *, limit: int | None, as_json: bool) -> int:
    """Every accepted message and its outcome."""

    def rows(answer: list[Json]) -> str:
        return table.table([_inbox_row(row) for row in answer], config.zone, _INBOX)

    printed = _many(rows, "The inbox is empty: nothing was accepted yet.", as_json)
    return _shown(config, "inbox", {"limit": limit}, printed)


def log(config: Config, conversation: str, *, as_json: bool) -> int:
    """The entries of a conversation."""

    def entries(answer: list[Json]) -> str:
        rows = [{**entry, "what": _summary(entry.get("body"))} for entry in answer]
        return table.table(rows, config.zone, _LOG)

    printed = _many(entries, "No entries yet.", as_json)
    return _shown(config, "log", {"conversation": conversation}, printed)


def cost(config: Config, by: str, days: int, *, as_json: bool) -> int:
    """What models have cost, and the sum."""
    if days < 0:
        raise UsageError(f"--since {days} is no number of days. Leave it out for all of them.")

    def rows(answer: list[Json]) -> str:
        total = {
            by: "total",
            "requests": sum(row["requests"] for row in answer),
            "cost_usd": sum(row["cost_usd"] for row in answer),
        }
        return table.table([*answer, total], config.zone, (by, "requests", "cost_usd"))

    printed = _many(rows, "No model was asked yet.", as_json)
    return _shown(config, "cost", {"by": by, "days": days}, printed)


def repos(config: Config, *, as_json: bool) -> int:
    """The repositories we may read."""

    def rows(answer: list[Json]) -> str:
        return table.table(answer, config.zone, _REPOS)

    empty = "No repositories yet. Add one: coworker repo add PATH"
    return _shown(config, "repos", {}, _many(rows, empty, as_json))


def repo(config: Config, name: str, *, as_json: bool) -> int:
    """One repository."""
    return _shown(config, "repo", {"name": name}, _one(config, as_json))


def repo_add(config: Config, path: str, name: str | None) -> int:
    """Add the checkout at an absolute path."""

    def added(answer: Json) -> str:
        known = answer or {}
        return f"Added {table.value('name', known.get('name') or name or path, config.zone)}."

    return _shown(config, "repo_add", {"path": path, "name": name}, added)


def repo_remove(config: Config, name: str) -> int:
    """Forget an added repository; its checkout is not touched."""
    text = f"Removed {words.one_line(name)}. Its checkout was not touched."
    return _shown(config, "repo_remove", {"name": name}, lambda _: text)


def doctor(config: Config, file: Path | None, *, as_json: bool, with_checks: bool) -> int:
    """What is configured, reachable, missing, unsafe, and the fix. 1 when a check fails."""
    named = str(file.absolute()) if file else None
    return interrupt.run(_doctor(config, named, as_json, with_checks))


async def _doctor(config: Config, file: str | None, as_json: bool, with_checks: bool) -> int:
    printed = _many(diagnosis, "Nothing to check.", as_json)
    async with linked(config, working=False) as link:
        checks: list[Json] = await link.call("doctor", file=file)
        tried = await _with_something_to_try(link) if with_checks else []
        names = {f"checks of {name}" for name in tried}
        checks = [check for check in checks if check.get("check") not in names]
        output.say(printed(checks))
        for name in tried:
            async with LiveLine(Doing()) as line:
                line.hear(Progress("tool", f"runs set-up and checks of {name}"))
                checks.append(await link.call("doctor_checks", repo=name))
            output.say(printed(checks[-1:]))
    return int(any(check.get("ok") is False for check in checks))


async def _with_something_to_try(link: Link) -> list[str]:
    rows: list[Json] = await link.call("repos")
    return [row["name"] for row in rows if row.get("setup") or row.get("checks")]


def _shown(config: Config, verb: str, params: Json, printed: Print) -> int:
    return interrupt.run(_ask_and_print(config, verb, params, printed))


async def _ask_and_print(config: Config, verb: str, params: Json, printed: Print) -> int:
    async with linked(config, working=False) as link:
        answer = await link.call(verb, **params)
    if text := printed(answer):
        output.say(text)
    return 0


def _one(config: Config, as_json: bool) -> Print:
    return words.as_json if as_json else lambda answer: table.fields(answer, config.zone)


def _many(printed: Callable[[list[Json]], str], empty: str, as_json: bool) -> Print:
    """One JSON object per line, or the rows for a person, or the sentence for none of them."""
    if as_json:
        return lambda answer: "\n".join(map(words.as_json, answer))
    return lambda answer: printed(answer) if answer else empty


def _inbox_row(row: Json) -> Json:
    body = row.get("body")
    text = row.get("text") or (body.get("text") if isinstance(body, dict) else None)
    return {**row, "text": text, "outcome": row.get("outcome") or "open"}


def _summary(body: object) -> str:
    """What an entry says, in the words of its body."""
    if not isinstance(body, dict):
        return "" if body is None else str(body)
    if isinstance(body.get("content"), list):
        return " ".join(_block(block) for block in body["content"])
    spoken = [str(body[key]) for key in _SPEAKING if isinstance(body.get(key), str) and body[key]]
    if isinstance(body.get("input"), dict):
        spoken.append(words.as_json(body["input"]))
    return " · ".join(spoken) or words.as_json(body)


def _block(block: object) -> str:
    if not isinstance(block, dict):
        return str(block)
    if block.get("type") == "tool_use":
        return f"→ {block.get('name')} {words.as_json(block.get('input', {}))}"
    return str(block.get("text") or block.get("thinking") or f"[{block.get('type')}]")


def _adapter(adapter: Json, config: Config) -> Json:
    """How a platform is, in the form of a check: what is not connected needs a fix."""
    since = adapter.get("since") or 0
    seen = f", last heard of {words.moment(since, config.zone)}" if since else ""
    return {
        "check": adapter.get("name"),
        "ok": _ADAPTER_SIGNS.get(str(adapter.get("state"))),
        "found": f"{adapter.get('state')}{seen}",
        "fix": adapter.get("detail"),
    }


def diagnosis(checks: Sequence[Json]) -> str:
    """Findings of doctor's form: a sign, what was found, and the fix below it."""
    label = max(words.width(words.one_line(str(check.get("check")))) for check in checks)
    return "\n".join(line for check in checks for line in _check_lines(check, label))


def _check_lines(check: Json, label: int) -> list[str]:
    name = words.one_line(str(check.get("check")))
    padded = name + " " * (label - words.width(name))
    found = words.one_line(str(check.get("found") or ""))
    lines = [f"{_SIGNS.get(check.get('ok'), '–')} {padded}  {found}".rstrip()]
    if fix := check.get("fix"):
        lines.append(f"  {' ' * label}  → {words.one_line(str(fix))}")
    return lines
