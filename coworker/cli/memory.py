"""`coworker memory`: look at what is known of a repository, add to it, take from it.

It reads and prints lines; who may know what is the owner's business.
"""

from __future__ import annotations

import codecs
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from coworker.cli import interrupt, output, table, words
from coworker.cli.conversation import Start
from coworker.cli.link import Link, linked
from coworker.errors import NotFound, UsageError
from coworker.settings import Config
from coworker.store import exchange
from coworker.types import Json

_COLUMNS = ("id", "kind", "status", "at", "who", "text", "link")
_AT_ONCE = 2_000
_QUERIES_AT_ONCE = 100
_SHOWN_FAULTS = 20
_MOST_WORDS = 500


def run(config: Config, options: Namespace) -> int:
    """Do one of the actions; the exit status."""
    return interrupt.run(_run(config, options))


async def _run(config: Config, options: Namespace) -> int:
    start = Start.here(None, options.repo)
    repo = start.repo or start.cwd or ""
    async with linked(config, working=False) as link:
        return await _ACTIONS[options.command](_Asking(link, repo, config), options)


class _Asking:
    """Asks the owner about one repository's memory."""

    def __init__(self, link: Link, repo: str, config: Config) -> None:
        self._link = link
        self._repo = repo
        self.config = config

    async def call(self, doing: str, **params: Any) -> Any:
        """What the owner answers; what it has to say besides goes to stderr."""
        answer = await self._link.call("memory", do=doing, repo=self._repo, **params)
        if answer["notice"]:
            output.complain(answer["notice"])
        return answer["answer"]


async def _add(asking: _Asking, options: Namespace) -> int:
    answer = await asking.call("add", text=options.text, kind=options.kind, path=options.path or "")
    output.say(words.as_json(answer) if options.json else answer["told"])
    return 0


async def _search(asking: _Asking, options: Namespace) -> int:
    if options.limit < 1:
        raise UsageError("--limit: at least 1.")
    if options.jsonl:
        return await _search_lines(asking, options.limit)
    if options.query is None:
        raise UsageError("Say what to look for: coworker memory search QUERY, or --jsonl.")
    queries = [{"text": options.query}]
    [answer] = await asking.call("search", queries=queries, limit=options.limit)
    if not answer["found"] and not options.json:
        raise NotFound("Nothing is known of that. Other words may find it.")
    _print(answer["found"], asking, options)
    return 0 if answer["found"] else NotFound.exit_status


async def _search_lines(asking: _Asking, limit: int) -> int:
    """Questions on stdin; the ones that cannot be read are named, the others are answered."""
    faults = _Faults()
    queries = faults.good(_stdin(), _query)
    while some := [*islice(queries, _QUERIES_AT_ONCE)]:
        for answer in await asking.call("search", queries=some, limit=limit):
            ids = [each["id"] for each in answer["found"]]
            output.say(words.as_json({"qid": answer["qid"], "ids": ids}))
    return faults.told("answered")


async def _list(asking: _Asking, options: Namespace) -> int:
    facts = await asking.call("list")
    if not facts and not options.json:
        output.say("Nothing is remembered yet. Add something: coworker memory add TEXT")
    _print(facts, asking, options)
    return 0


async def _show(asking: _Asking, options: Namespace) -> int:
    found = await asking.call("show", name=options.name)
    as_text = table.fields(found, asking.config.zone)
    output.say(words.as_json(found) if options.json else as_text)
    return 0


async def _forget(asking: _Asking, options: Namespace) -> int:
    """What became of each, the ones that stay on stderr; the status of the first of those."""
    done = await asking.call("forget", names=options.names)
    for each in done:
        say = output.complain if each["exit_status"] and not options.json else output.say
        say(words.as_json(each) if options.json else each["told"])
    return next((each["exit_status"] for each in done if each["exit_status"]), 0)


async def _import(asking: _Asking, options: Namespace) -> int:
    """Lines are sent as they are read; broken ones are named, the good ones kept."""
    faults, new, taken = _Faults(), 0, 0
    with _opened(options) as file:
        lines = faults.good(file, exchange.parse)
        while some := [*islice(lines, _AT_ONCE)]:
            answer = await asking.call("import", rows=msgspec.to_builtins(some))
            new, taken = new + answer["new"], taken + answer["all"]
    said = {"new": new, "known": taken - new, "broken": faults.count}
    known = f", {taken - new:,} were known" if taken > new else ""
    output.say(words.as_json(said) if options.json else f"Imported {new:,}{known}.")
    return faults.told("imported")


async def _export(asking: _Asking, _: Namespace) -> int:
    after = 0
    while True:
        some = await asking.call("export", after=after)
        if some["lines"]:
            output.say("\n".join(map(words.as_json, some["lines"])))
        if not some["after"]:
            return 0
        after = some["after"]


class _Faults:
    """Reads lines, and remembers which of them were broken."""

    def __init__(self) -> None:
        self.count = 0

    def good(self, lines: Iterable[bytes], parse: Callable[[bytes], Any]) -> Iterator[Any]:
        """What the good lines are; the first of the others are named at once."""
        for number, line in enumerate(lines, 1):
            line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if not line.strip():
                continue
            try:
                yield parse(line)
            except ValueError as error:
                self.count += 1
                if self.count <= _SHOWN_FAULTS:
                    output.complain(f"line {number} is left out: {error}")

    def told(self, done: str) -> int:
        """The exit status, after a last word if anything was left out."""
        if self.count:
            lines = "1 line was" if self.count == 1 else f"{self.count:,} lines were"
            output.complain(f"{lines} left out, the others were {done}. Mend them and repeat it.")
        return int(bool(self.count))


def _query(line: bytes) -> Json:
    try:
        found = msgspec.json.decode(line, type=_Query)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"{error}") from None
    if not any(char.isalnum() for char in found.text):
        raise ValueError("`text` has no word to look for")
    text = " ".join(found.text.split()[:_MOST_WORDS])
    return {"qid": found.qid, "text": text, "scope": found.scope}


class _Query(msgspec.Struct):
    text: str
    qid: str | int = ""
    scope: str | None = None


def _stdin() -> BinaryIO:
    return sys.stdin.buffer


def _opened(options: Namespace) -> BinaryIO:
    if str(options.file) == "-":
        return _stdin()
    try:
        return options.file.open("rb")  # type: ignore[no-any-return]
    except OSError as error:
        raise NotFound(
            f"{options.file} cannot be read: {error.strerror or error}. Name a file of JSON lines."
        ) from None


def _print(rows: Sequence[Json], asking: _Asking, options: Namespace) -> None:
    if options.json:
        for row in rows:
            output.say(words.as_json(row))
    elif rows:
        output.say(table.table(rows, asking.config.zone, _COLUMNS))


_ACTIONS: dict[str, Callable[[_Asking, Namespace], Awaitable[int]]] = {
    "memory add": _add,
    "memory search": _search,
    "memory list": _list,
    "memory show": _show,
    "memory forget": _forget,
    "memory import": _import,
    "memory export": _export,
}
