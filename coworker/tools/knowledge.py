"""What the coworker knows of its repositories, as far as those who are here may know it.

It joins the memories, the rooms and the files. Who is asking is said by its caller, never by a
model; the scope of every search follows from that alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import chain, zip_longest
from typing import Protocol

from coworker.errors import Denied, NotFound, ToolError
from coworker.protocols import Clock, ToolContext
from coworker.repos.checkout import Checkouts
from coworker.repos.text import one_line
from coworker.store.facts import EVERYWHERE, Fact
from coworker.store.forgetting import EntryKey, Forgetting
from coworker.store.homes import home
from coworker.store.log import Log
from coworker.store.memories import Memories
from coworker.store.memory import Found, Memory, Message
from coworker.store.said import TERMINAL, US, last_words, log_of, place_of, reply_by_id
from coworker.tools import quotes
from coworker.tools.contradiction import may_contradict
from coworker.tools.known import Known, Note, Origin, Remembered, refuse_odd, usable
from coworker.types import ConversationId, Json, Person, Place, Repo

_ALIKE = 20
_GOOD_WORDS = 2
_OURS = "What Slack, Telegram or a backup still hold of it is not mine to delete."


class Places(Protocol):
    """What the platforms know of rooms and of messages."""

    async def readable(self, here: Place, rooms: Collection[str]) -> Collection[str]:
        """Those of these rooms whose messages everybody who reads here could open."""

    def link(self, place: Place, message: str) -> str:
        """Where a person can open a message; "" when there is no such address."""


class Knowledge:
    """Remember, recall and forget."""

    def __init__(
        self,
        memories: Memories,
        log: Log,
        checkouts: Checkouts,
        places: Places,
        who: Callable[[str], Person | None],
        clock: Clock,
    ) -> None:
        self.memories = memories
        self._log = log
        self._checkouts = checkouts
        self._places = places
        self.person = who
        self._clock = clock

    async def remember(
        self, repo: Repo, note: Note, origin: Origin, *, tainted: bool = False
    ) -> Remembered:
        """Keep a fact; what a run wrote that read outside words is kept apart.

        Raises UsageError, ToolError for a path that is none.
        """
        text = usable(note.text)
        quoted = await quotes.quote(self._checkouts, repo, note.path) if note.path else None
        is_the_quote = quoted is not None and quoted.text.split() == text.split()
        readers = origin.place.here if origin.place and not is_the_quote else EVERYWHERE
        rooms = await self._scope(repo, origin.place)
        alike = await self._alike(repo, text, rooms)
        is_outside = self._is_outside(origin.sender)
        same = [f for f in alike if (f.text, f.readers) == (text, readers)]
        if held := [f for f in same if is_outside or not self._is_outside(f.author)]:
            return Remembered(f"f{held[0].id}", is_new=False)
        if note.supersedes and not await self._fact(repo, note.supersedes, rooms):
            raise NotFound(f"There is no f{note.supersedes} here that it could supersede.")
        body = {
            "kind": note.kind,
            "text": text,
            "source": quoted.source if quoted else origin.message,
            "quote": quoted.text if quoted else "",
            "author": origin.sender,
            "readers": readers,
            "at": self._clock.now_ms(),
            "status": "quarantined" if tainted else "held",
            "conversation": origin.conversation,
            "seq": origin.seq,
            "supersedes": note.supersedes,
        }
        number = await self.memories.note(repo.name, body)
        against = [f for f in alike if f.id != note.supersedes and _contradicts(note, text, f)]
        both = [await self._fact(repo, number, None), *against] if against else []
        shown = await self._shown(repo, [fact for fact in both if fact])
        return Remembered(f"f{number}", is_new=True, against=shown, is_outside=is_outside)

    async def recall(
        self,
        repo: Repo,
        place: Place | None,
        queries: Sequence[str],
        limit: int,
        but: str = "",
    ) -> list[Known]:
        """What fits any of the queries and may be told here: facts, then messages, best first.

        Without what was said in the conversation `but`, which knows that itself. Raises UsageError
        for a query without a word, or of far too many.
        """
        for query in queries:
            refuse_odd(query)
        rooms = await self._scope(repo, place)

        def search(memory: Memory) -> tuple[list[Fact], list[Message]]:
            facts = [memory.facts.find(query, rooms, limit) for query in queries]
            found = [memory.search(query, rooms, limit) for query in queries]
            messages = [[m for _, m in some if m.session != but] for some in found]
            return _merged(facts)[:limit], _merged(messages)[:limit]

        facts, messages = await self.memories.ask(repo.name, search)
        held = [fact for fact in facts if fact.status in ("held", "superseded")]
        return [*await self._shown(repo, held), *map(self._said, messages)][:limit]

    async def remind(self, repo: Repo, place: Place, text: str, limit: int) -> list[Known]:
        """What a run should know of that message before it begins; only what surely fits, and
        nothing that came from outside.
        """
        rooms = await self._scope(repo, place)

        def search(memory: Memory) -> tuple[list[Fact], list[Message]]:
            held = [f for f in memory.facts.find(text, rooms, 3 * limit) if f.status == "held"]
            facts = [fact for fact in held if not self._is_outside(fact.author)]
            found = memory.search(text, rooms, 3 * limit)
            good = [each.message for each in found if _is_good(memory, text, each, place)]
            return facts[:limit], [each for each in good if not self._came_from_outside(each)]

        facts, messages = await self.memories.ask(repo.name, search)
        origins = {(fact.conversation, fact.seq) for fact in facts}
        fresh = [m for m in messages if (m.session, m.seq) not in origins]
        return [*await self._shown(repo, facts), *map(self._said, fresh)][:limit]

    async def within(self, repo: Repo, text: str, rooms: list[str], limit: int) -> list[Known]:
        """Messages from these rooms only, for whoever owns the database."""
        found = await self.memories.ask(repo.name, lambda memory: memory.search(text, rooms, limit))
        return [self._said(each.message) for each in found]

    async def one(self, repo: Repo, name: str) -> Known:
        """A fact or a message by its name. Raises NotFound."""
        facts, message = await self._meant(repo, name)
        if message and message.name == name.strip():
            return self._said(message)
        return (await self._shown(repo, facts))[0]

    async def take_in(self, repo: Repo, facts: Sequence[Json]) -> int:
        """Keep facts that were known elsewhere; how many are new here."""
        known = await self.memories.ask(repo.name, lambda memory: memory.facts.told())
        had = {(fact.text, fact.readers) for fact in known}
        fresh = [fact for fact in facts if (fact["text"], fact["readers"]) not in had]
        for fact in fresh:
            await self.memories.note(repo.name, fact)
        return len(fresh)

    async def facts(self, repo: Repo, place: Place | None) -> list[Known]:
        """Every fact that may be told here, the newest first, whatever its status."""
        rooms = await self._scope(repo, place)
        return await self._shown(
            repo, await self.memories.ask(repo.name, lambda m: m.facts.told(rooms))
        )

    async def forget(
        self, repo: Repo, name: str, by: Sequence[Person], place: Place | None = None
    ) -> str:
        """Remove a message and the facts from it, by the name of any of them.

        Its author may, and owners. Raises NotFound, also for what nobody here could see; Denied.
        """
        facts, message = await self._meant(repo, name)
        authors = {self._name(fact.author) for fact in facts}
        authors |= {self._name(message.author)} if message else set()
        for person in by:
            if person.role != "owner" and authors != {person.name}:
                await self._refuse_unseen(repo, name, facts, message, place)
                raise Denied(f"{person.name} may not forget {name}; who said it, or an owner, may.")
        paused = await self._erase(repo, facts, message, by)
        gone = [f"f{fact.id}" for fact in facts] + (["the message"] if message else [])
        gone += [f"what schedule {schedule} says, which pauses" for schedule in paused]
        return f"Forgotten, in every byte that is mine: {', '.join(gone)}. {_OURS}"

    async def take_back(self, repo: str, name: str) -> Fact | None:
        """Remove a fact and nothing that repeats it; what it was, if it was there."""
        number = int(name.removeprefix("f"))
        fact = await self.memories.ask(repo, lambda memory: memory.facts.get(number))
        if fact is None:
            return None
        home = log_of(repo)
        what = Forgetting(repo, home, [(home.conversation, number)], [], [name])
        body: Json = {"facts": [number], "messages": [], "by": []}
        await self.memories.forget(what, body, self._clock.now_ms())
        return fact

    async def forget_message(
        self, repo: Repo, conversation: str, link: str, by: Sequence[Person], place: Place
    ) -> str:
        """The same for a message, also of ours, by the platform's id. Raises NotFound, Denied."""
        ours = await self._log.apart(lambda db: reply_by_id(db, conversation, link))

        def find(memory: Memory) -> list[str]:
            return [ours] if memory.message(ours) else memory.linked(conversation, link)

        if not (names := await self.memories.ask(repo.name, find)):
            raise NotFound("I know nothing of that message, so there is nothing to forget.")
        return "\n".join([await self.forget(repo, name, by, place) for name in names])

    def origin(self, context: ToolContext) -> Origin:
        """Where a run's words come from: the last message that it took."""
        row = self._log.conversation(context.conversation)
        said = last_words(self._log.entries(context.conversation, context.run), context.run)
        if row is None or said is None:
            raise ToolError("Nobody said anything in this run that could be remembered.")
        message = next(iter(said.body.get("messages", ())), "")
        return Origin(said.body["sender"], row.place, context.conversation, said.seq, message)

    async def is_clean(self, conversation: ConversationId, message: str) -> bool:
        """Whether a message of ours there is known to be of a run that had read nothing outside."""
        runs = [run for where, run in await self._log.runs_of(message) if where == conversation]
        upto = [e for e in self._log.entries(conversation) if e.run <= max(runs, default=0)]
        return bool(upto) and not any(e.body.get("taint") for e in upto)

    # Who may know what

    async def _scope(self, repo: Repo, place: Place | None) -> set[str] | None:
        """The rooms whose messages everybody here could open; None for all of them."""
        if place is None or place.adapter == TERMINAL:
            return None  # whoever sits there owns the database
        here = place.here
        rooms = set(await self.memories.ask(repo.name, lambda memory: memory.rooms()))
        rooms -= {here, TERMINAL, EVERYWHERE}
        open_here = {here, *await self._places.readable(place, rooms)}
        bound = {home(self._log.cursor, room) for room in repo.rooms}
        bound |= {*self._log.bound_rooms(repo.name)}
        return open_here | bound if repo.share_rooms and here in bound else open_here

    # Parts

    async def _alike(self, repo: Repo, text: str, rooms: Collection[str] | None) -> list[Fact]:
        found = await self.memories.ask(repo.name, lambda m: m.facts.find(text, rooms, _ALIKE))
        return [fact for fact in found if fact.status == "held"]

    async def _fact(self, repo: Repo, number: int, rooms: Collection[str] | None) -> Fact | None:
        fact = await self.memories.ask(repo.name, lambda memory: memory.facts.get(number))
        may = fact and (rooms is None or fact.readers in {EVERYWHERE, *rooms})
        return fact if may else None

    async def _shown(self, repo: Repo, facts: Sequence[Fact]) -> list[Known]:
        """Facts as they are told, those stale whose lines have changed."""
        shown = []
        for fact in facts:
            status: str = fact.status
            if fact.quote and status == "held":
                changed = await quotes.has_changed(self._checkouts, repo, fact.source, fact.quote)
                status = "stale" if changed else status
            shown.append(self._known(fact, status))
        return shown

    def _known(self, fact: Fact, status: str) -> Known:
        where = fact.source if fact.quote else self._link(fact.conversation, fact.source)
        name = self._name(fact.author)
        number, room = f"f{fact.id}", fact.readers
        said = (number, fact.kind, status, fact.text, name, fact.at, where, room)
        return Known(*said, self._is_outside(fact.author))

    def _name(self, sender: str) -> str:
        person = self.person(sender)
        return person.name if person else sender

    def _said(self, message: Message) -> Known:
        link = self._link(message.session, message.link)
        return Known(
            *(message.name, "message", "said", message.text, message.speaker),
            *(message.at, link, message.room, self._came_from_outside(message)),
        )

    def _came_from_outside(self, message: Message) -> bool:
        """Whether a stranger or a guest said it, or we did where we had read such words."""
        if message.speaker == US:
            before = self._log.entries(ConversationId(message.session))
            return any(e.body.get("taint") for e in before if e.seq < message.seq)
        return self._is_outside(message.author)

    def _is_outside(self, author: str) -> bool:
        """Whether it is nobody who may do more than read today; ourselves are nobody."""
        person = self.person(author)
        return person is None or person.role == "guest"

    def _link(self, conversation: str, message: str) -> str:
        row = self._log.conversation(ConversationId(conversation))
        return self._places.link(row.place if row else place_of(conversation), message)

    async def _meant(self, repo: Repo, name: str) -> tuple[list[Fact], Message | None]:
        """The facts and the message that go together. Raises NotFound."""

        def find(memory: Memory) -> tuple[list[Fact], Message | None]:
            number = name.strip().lower().lstrip("#").removeprefix("f")
            fact = memory.facts.get(int(number[:18])) if number.isdecimal() else None
            said = f"{fact.conversation}:{fact.seq}" if fact else name.strip()
            message = memory.message(said)
            facts = memory.facts.of(message.session, message.seq) if message else []
            return (facts or [fact]) if fact else facts, message

        facts, message = await self.memories.ask(repo.name, find)
        if not facts and not message:
            raise _nothing(repo, name)
        return facts, message

    async def _refuse_unseen(
        self,
        repo: Repo,
        name: str,
        facts: Sequence[Fact],
        message: Message | None,
        place: Place | None,
    ) -> None:
        """Raise NotFound when nothing of it could be seen here: a refusal would tell of it."""
        rooms = await self._scope(repo, place)
        held = {fact.readers for fact in facts} | ({message.room} if message else set())
        if rooms is not None and not held & {EVERYWHERE, *rooms}:
            raise _nothing(repo, name)

    async def _erase(
        self, repo: Repo, facts: Sequence[Fact], message: Message | None, by: Sequence[Person]
    ) -> list[str]:
        """Take out their words; the schedules that said them too."""
        home = log_of(repo.name)
        places: list[EntryKey] = [(home.conversation, fact.id) for fact in facts]
        if message and message.seq:
            places.append((message.session, message.seq))
        said = [message] if message else []
        body: Json = {
            "facts": [fact.id for fact in facts],
            "messages": [each.name for each in said],
            "by": [person.id for person in by],
        }
        what = Forgetting(
            repo=repo.name,
            home=home,
            places=places,
            texts=[fact.text for fact in facts] + [each.text for each in said],
            names=[*(f"f{fact.id}" for fact in facts), *body["messages"]],
            authors={fact.author for fact in facts} | {each.author for each in said},
            by_owner=all(person.role == "owner" for person in by),
        )
        blanked = await self.memories.forget(what, body, self._clock.now_ms())
        return blanked.schedules


def _nothing(repo: Repo, name: str) -> NotFound:
    return NotFound(
        f"There is nothing called {one_line(name, 60)} in the memory of {repo.name}. "
        "`!memory` lists what there is."
    )


def _contradicts(note: Note, text: str, fact: Fact) -> bool:
    decided = ("decision", "rule")
    return note.kind in decided and fact.kind in decided and may_contradict(text, fact.text)


def _is_good(memory: Memory, text: str, found: Found, place: Place) -> bool:
    """Whether it shares enough of the question's words, and is somebody else's from elsewhere."""
    if found.message.session == place.conversation or found.message.speaker == US:
        return False
    shared = memory.shared_words(text, found.row)
    return len(shared) >= _GOOD_WORDS or any(c.isdigit() for word in shared for c in word)


def _merged(lists: Sequence[Sequence[object]]) -> list:  # type: ignore[type-arg]
    """The best of each list, then the second of each, every one once."""
    in_turn = chain.from_iterable(zip_longest(*lists))
    return list(dict.fromkeys(each for each in in_turn if each is not None))
