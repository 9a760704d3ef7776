"""Memory as people ask for it: `!remember`, `!forget`, `!memory`, and `coworker memory`.

It says who asks and from where; what they may know follows from that in `tools/knowledge.py`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from typing import Any, cast, get_args

import msgspec

from coworker.errors import CoworkerError, Denied, NotFound, UsageError
from coworker.repos.registry import Registry
from coworker.store import exchange
from coworker.store.facts import FactKind
from coworker.store.homes import home
from coworker.store.log import Log
from coworker.store.memory import Memory
from coworker.store.said import US, by_id
from coworker.tools import known, offlimits, quotes
from coworker.tools.knowledge import Knowledge
from coworker.tools.known import Known, Note, Origin
from coworker.tools.memory import Forbid
from coworker.types import Inbound, Json, Person, Place, Repo

VERBS = ("remember", "forget", "memory")
_LISTED = 20
_EXPORTED_AT_ONCE = 2_000
_KINDS: tuple[str, ...] = get_args(FactKind)
_NOTED = re.compile(
    rf"(?:(?:(?:as|a|an|the)\s+)?(?P<kind>{'|'.join(_KINDS)})\s*:\s*)?"
    r"(?:instead of\s+#?f?(?P<supersedes>\d{1,15})\s*:\s*)?(?P<text>.+)",
    re.DOTALL | re.IGNORECASE,
)
_RANGE = re.compile(r"#?f(\d{1,15})-#?f?(\d{1,15})", re.IGNORECASE)
_MOST_AT_ONCE = 100
_SPACES = re.compile(r"[\s,]+")
_DECIDED = re.compile(r"\b(?:decided|decision|agreed|from now on)\b", re.IGNORECASE)
_UNBOUND = "Which repository is this about? Say `!repo NAME` first."
_LIMITED = (
    "No rule is made of it, for a rule has no conditions: `!remember never touch {paths}` would "
    "keep every run from it."
)
_ABSENT = "There is no {paths} in {repo}, so no rule keeps it from changes."
_NOTHING = "Nothing is remembered of {repo} here yet. `!remember …` keeps something."


class Notebook:
    """Answers to the verbs of memory."""

    def __init__(self, knowledge: Knowledge, registry: Registry, log: Log, forbid: Forbid) -> None:
        self._knowledge = knowledge
        self._registry = registry
        self._log = log
        self._forbid = forbid

    async def obey(self, verb: str, rest: str, inbound: Inbound) -> str:
        """Do what was said in a chat. Raises UsageError that says how it is meant."""
        person = self._knowledge.person(inbound.body["sender"])
        repo = self._registry.get(inbound.repo) if inbound.repo else None
        if repo is None or person is None:
            raise UsageError(_UNBOUND)
        if verb != "memory" and person.role == "guest":
            raise UsageError("Guests may look at what is remembered; a member can change it.")
        doing = {"remember": self._remember, "forget": self._forget, "memory": self._list}[verb]
        try:
            answer = await doing(repo, rest, inbound, person)
        except CoworkerError as error:
            raise UsageError(str(error)) from None
        return "\n".join(filter(None, [self._knowledge.memories.notice(repo.name), answer]))

    async def act(self, doing: str, repo: str, sender: str, params: Json) -> Any:
        """Do what the command line asks for. Raises what a person should read."""
        person = self._knowledge.person(sender)
        if person is None:
            raise Denied(f"I do not know {sender}. An owner can let it in with `!pair`.")
        found = await self._registry.find(repo)
        answer = await _ACTIONS[doing](self, found, person, **params)
        return {"answer": answer, "notice": self._knowledge.memories.notice(found.name)}

    # In chat

    async def _remember(self, repo: Repo, rest: str, inbound: Inbound, _: Person) -> str:
        about = inbound.body.get("about")
        pointed = await self._pointed_at(inbound, about) if about else None
        text, origin = pointed or (rest, _origin(inbound))
        note = _noted(text) if not about else Note(text, _kind_of(text))
        told = known.told(await self._knowledge.remember(repo, note, origin))
        is_theirs = not about and note.kind in ("fact", "rule")
        more = await self._kept_off(repo, note.text, origin) if is_theirs else []
        return " ".join([told, *more])

    async def _kept_off(self, repo: Repo, text: str, origin: Origin) -> list[str]:
        """What becomes of words that keep files from changes; nothing of all others."""
        paths, absent = (find(text, repo.path) for find in (offlimits.paths, offlimits.absent))
        told = [_ABSENT.format(paths=" or ".join(absent), repo=repo.name)] if absent else []
        if not paths:
            return told
        if offlimits.is_limited(text):
            return [_LIMITED.format(paths=" or ".join(paths)), *told]
        return [await self._forbid(repo, paths, text, origin.sender), *told]

    async def _forget(self, repo: Repo, rest: str, inbound: Inbound, person: Person) -> str:
        if about := inbound.body.get("about"):
            about_it = (inbound.conversation, about["message"])
            return await self._knowledge.forget_message(repo, *about_it, [person], inbound.place)
        if not rest:
            raise UsageError("Say what: `!forget f12`. `!memory` lists what there is.")
        done = await self._forget_each(repo, _SPACES.split(rest), person, inbound.place)
        return "\n".join(each["told"] for each in done)

    async def _list(self, repo: Repo, rest: str, inbound: Inbound, _: Person) -> str:
        if rest:
            found = await self._knowledge.recall(repo, inbound.place, [rest], _LISTED)
            return "\n".join(map(known.line, found)) or "Nothing is known of that here."
        facts = await self._knowledge.facts(repo, inbound.place)
        more = (
            f"\n{len(facts) - _LISTED} older ones: `!memory WORDS`." if len(facts) > _LISTED else ""
        )
        told = "\n".join(map(known.line, facts[:_LISTED]))
        return (told + more) or _NOTHING.format(repo=repo.name)

    async def _forget_each(
        self, repo: Repo, names: Sequence[str], person: Person, place: Place | None
    ) -> list[Json]:
        """What became of each; one that cannot be forgotten does not keep the others."""
        done: list[Json] = []
        for name in dict.fromkeys(chain.from_iterable(map(_named, names))):
            try:
                told, status = await self._knowledge.forget(repo, name, [person], place), 0
            except (Denied, NotFound) as error:
                told, status = str(error), error.exit_status
            done.append({"id": name, "told": told, "exit_status": status})
        return done

    async def _pointed_at(self, inbound: Inbound, about: Json) -> tuple[str, Origin]:
        """The words of a message that somebody put a pin on. Raises UsageError."""
        is_ours, entries = about.get("ours"), self._log.entries(inbound.conversation)
        said = None if is_ours else by_id(entries, about["message"])
        if said is None and not about.get("text"):
            raise UsageError("I have not read that message. Say `!remember …` in words.")
        text = said.body["text"] if said else about["text"]
        sender = said.body["sender"] if said else about["sender"]
        if is_ours and not await self._knowledge.is_clean(inbound.conversation, about["message"]):
            sender = US
        seq = said.seq if said else 0
        origin = Origin(sender, inbound.place, inbound.conversation, seq, about["message"])
        return text, origin

    # On the command line

    async def _add(
        self, repo: Repo, person: Person, text: str, kind: str = "fact", path: str = ""
    ) -> Json:
        note = Note(text, cast(FactKind, kind), path)
        done = await self._knowledge.remember(repo, note, Origin(person.id))
        return {"id": done.id, "is_new": done.is_new, "told": known.told(done)}

    async def _search(self, repo: Repo, _: Person, queries: list[Json], limit: int) -> list[Json]:
        answers = []
        for query in queries:
            known.refuse_odd(query["text"])
            found = await self._found(repo, query["text"], query.get("scope"), limit)
            answers.append(
                {"qid": query.get("qid", ""), "found": [known.as_json(k) for k in found]}
            )
        return answers

    async def _found(self, repo: Repo, text: str, scope: str | None, limit: int) -> list[Known]:
        if scope is None:
            return await self._knowledge.recall(repo, None, [text], limit)
        return await self._knowledge.within(repo, text, [home(self._log.cursor, scope)], limit)

    async def _facts(self, repo: Repo, _: Person) -> list[Json]:
        return [known.as_json(fact) for fact in await self._knowledge.facts(repo, None)]

    async def _show(self, repo: Repo, _: Person, name: str) -> Json:
        return known.as_json(await self._knowledge.one(repo, name))

    async def _forget_all(self, repo: Repo, person: Person, names: Sequence[str]) -> list[Json]:
        return await self._forget_each(repo, names, person, None)

    async def _take_in(self, repo: Repo, person: Person, rows: list[Json]) -> Json:
        """Some lines of a file, checked again, for anybody may write to the socket."""
        if person.role != "owner":
            raise Denied("Only an owner may import, for it is told as if it had been said.")
        try:
            lines = msgspec.convert(rows, list[exchange.Line])
            messages = [exchange.message(line) for line in lines if not line.kind]
        except (msgspec.ValidationError, ValueError) as error:
            raise UsageError(f"That cannot be imported: {error}.") from None
        facts = [exchange.fact(line, person.id) for line in lines if line.kind]
        new = await self._knowledge.memories.take_in(repo.name, messages)
        return {"new": new + await self._knowledge.take_in(repo, facts), "all": len(lines)}

    async def _give_out(self, repo: Repo, _: Person, after: int) -> Json:
        """Some lines, and where to go on; the first of them are the facts."""

        def read(memory: Memory) -> Json:
            messages = memory.page(after, _EXPORTED_AT_ONCE)
            facts = memory.facts.told()[::-1] if after == 0 else []
            lines = [*exchange.lines(facts, list(messages.values()))]
            return {"lines": lines, "after": max(messages, default=0)}

        return await self._knowledge.memories.ask(repo.name, read)


def _named(name: str) -> Sequence[str]:
    """What a name means: `f3-f5` are three. Raises UsageError for too many."""
    found = _RANGE.fullmatch(name)
    if not found:
        return [name]
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < _MOST_AT_ONCE:
        raise UsageError(f"{name}: give the lower number first, and at most {_MOST_AT_ONCE}.")
    return [f"f{number}" for number in range(first, last + 1)]


def _noted(text: str) -> Note:
    """`decision: …`, `instead of f3: …`, `path:4-6@commit …`, or just what is so."""
    found = _NOTED.fullmatch(text.strip())
    if not found:
        return Note(text)
    kind = cast(FactKind, (found["kind"] or _kind_of(text)).lower())
    place, words = quotes.named(found["text"])
    return Note(words, kind, place, int(found["supersedes"] or 0))


def _kind_of(text: str) -> FactKind:
    return "decision" if _DECIDED.search(text) else "fact"


def _origin(inbound: Inbound) -> Origin:
    message = inbound.body.get("message", "")
    return Origin(inbound.body["sender"], inbound.place, inbound.conversation, 0, message)


_ACTIONS: dict[str, Callable[..., Awaitable[Any]]] = {
    "add": Notebook._add,
    "search": Notebook._search,
    "list": Notebook._facts,
    "show": Notebook._show,
    "forget": Notebook._forget_all,
    "import": Notebook._take_in,
    "export": Notebook._give_out,
}
