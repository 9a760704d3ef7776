"""The memories of all repositories: each is read up to the end of the log before it is asked.

Their files are derived: one that is damaged is made anew from the log. Nothing here knows who asks.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from coworker.errors import ConfigError, DiskFull
from coworker.store import said
from coworker.store.forgetting import Blanked, Eraser, Forgetting
from coworker.store.log import Log
from coworker.store.memory import Memory, Message
from coworker.store.writer import connect
from coworker.types import Json

Result = TypeVar("Result")
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_UNUSABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_IOERR", "SQLITE_BUSY")
_SALVAGED_AT_ONCE = 1_000
_MADE_ANEW = (
    "The memory of {repo} was damaged ({error}) and was made anew from the log. Of the messages "
    "that had been imported, {kept:,} could be read; import the others again. The damaged file "
    "is kept as {aside}, until something is forgotten."
)
_NOT_MENDED = (
    "{path} is damaged and could not be made anew ({error}). Move it away and ask again: all but "
    "imported messages is read from the log."
)
_LOG_DAMAGED = (
    "{path} is damaged ({error}), so the memory cannot be asked. Stop coworker and put a backup "
    "in its place: coworker restore FILE."
)
_IN_USE = (
    "The words are gone from every answer, but the database was in use, so some bytes of them may "
    "still be on disk. They go the next time this memory is asked."
)
_log = logging.getLogger(__name__)


class Memories:
    """One file per repository, `repos/<name>.db`, opened when it is first asked."""

    def __init__(self, log: Log, state_dir: Path) -> None:
        self._store = log
        self._folder = state_dir / "repos"
        self._open: dict[str, Memory] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._readers: dict[str, sqlite3.Connection] = {}
        self._complete: set[str] = set()
        """Repositories whose memory holds no conversation that the log has no more."""
        self._told: dict[str, str] = {}
        self._asking: set[asyncio.Future[Any]] = set()

    async def ask(self, repo: str, work: Callable[[Memory], Result]) -> Result:
        """Do something with a memory that knows all that was said, in another thread.

        What it writes is one transaction. Raises DiskFull, ConfigError.
        """
        asking = asyncio.ensure_future(self._ask_in_turn(repo, work))
        self._asking.add(asking)  # whoever stops waiting does not stop what the thread does
        asking.add_done_callback(self._asking.discard)
        return await asyncio.shield(asking)

    async def note(self, repo: str, body: Json) -> int:
        """Write a fact into the log, from where the memory takes it; its number."""
        clean = self._store.redactor.value(body)
        return await self._store.record(said.log_of(repo), "fact", clean, body["at"])

    async def take_in(self, repo: str, messages: Sequence[Message]) -> int:
        """Index messages said elsewhere, but none that was forgotten; how many are new."""
        redact = self._store.redactor.text
        clean = [replace(each, text=redact(each.text)) for each in messages]

        def add(memory: Memory) -> int:
            gone = said.forgotten(self._readers[repo], repo)
            return memory.add(each for each in clean if each.name not in gone)

        return await self.ask(repo, add)

    async def forget(self, what: Forgetting, body: Json, at: int) -> Blanked:
        """Take words out of the log and of the memory, out of every byte.

        `body` has `facts` and `messages`, what they are called in this memory.
        """
        if what.by_owner:  # first what no log has: after a death the rest can still be named
            eraser = Eraser(what)
            dropped = await self.ask(what.repo, lambda memory: memory.scrub_imported(eraser))
            body = {**body, "messages": list(dict.fromkeys([*body["messages"], *dropped]))}
        for damaged in self._path(what.repo).parent.glob(self._aside(what.repo, "*").name):
            damaged.unlink(missing_ok=True)
        blanked = await self._store.forget(what, body, at)
        await self.ask(what.repo, lambda _: None)
        return blanked

    def expired(self) -> None:
        """The log has forgotten conversations: so do the memories, when they are next asked."""
        self._complete.clear()

    def notice(self, repo: str) -> str:
        """What a person should be told of a memory, once; mostly nothing."""
        return self._told.pop(repo, "")

    async def close(self) -> None:
        """Give all files up."""
        await asyncio.gather(*self._asking, return_exceptions=True)
        for memory in self._open.values():
            memory.close()
        for reader in self._readers.values():
            reader.close()
        self._open.clear()
        self._readers.clear()

    async def _ask_in_turn(self, repo: str, work: Callable[[Memory], Result]) -> Result:
        async with self._locks.setdefault(repo, asyncio.Lock()):
            try:
                return await self._ask(repo, work)
            except sqlite3.Error as error:
                if not await asyncio.to_thread(self._is_damaged, repo, error):
                    raise self._explained(repo, error) from error
                fault = error
            try:
                await asyncio.to_thread(self._make_anew, repo, fault)
                return await self._ask(repo, work)
            except sqlite3.Error as error:
                path = self._path(repo)
                raise ConfigError(_NOT_MENDED.format(path=path, error=error)) from error

    async def _ask(self, repo: str, work: Callable[[Memory], Result]) -> Result:
        memory, answers = await asyncio.to_thread(self._answered, repo, work)
        if not answers:
            await self._purge(repo, memory)
            answers = [await asyncio.to_thread(_transact, memory, lambda: work(memory))]
        return answers[0]

    def _answered(self, repo: str, work: Callable[[Memory], Result]) -> tuple[Memory, list[Result]]:
        """The memory, up to date, and its answer unless words are to be purged first."""
        memory = self._read(repo)
        if memory.is_unpurged():
            return memory, []
        return memory, [_transact(memory, lambda: work(memory))]

    async def _purge(self, repo: str, memory: Memory) -> None:
        """Once words were taken out of both files: until this is done, each start tries again."""
        await asyncio.to_thread(memory.purge)
        if await self._store.purge():
            memory.mark_unpurged(False)
        else:
            self._told[repo] = _IN_USE

    def _read(self, repo: str) -> Memory:
        """A memory, brought up to the end of the log."""
        memory = self._open.get(repo) or self._opened(repo)
        fresh, gone = self._news(repo, memory.cursors())
        if fresh.cursors or gone:
            _transact(memory, lambda: _take(memory, fresh, gone))
        return memory

    def _news(self, repo: str, cursors: dict[str, int]) -> tuple[said.News, list[str]]:
        """What is new in the log, and which conversations it has no more."""
        try:
            reader = self._readers.get(repo)
            if reader is None:
                reader = self._readers[repo] = connect(self._store.file, read_only=True)
            fresh = said.news(reader, repo, cursors)
            gone = [] if repo in self._complete else said.gone(reader, cursors)
        except sqlite3.Error as error:
            raise ConfigError(_LOG_DAMAGED.format(path=self._store.file, error=error)) from error
        self._complete.add(repo)
        return fresh, gone

    def _opened(self, repo: str) -> Memory:
        memory = self._open[repo] = Memory(self._path(repo))
        return memory

    def _path(self, repo: str) -> Path:
        return self._folder / f"{quote(repo, safe='')}.db"

    def _aside(self, repo: str, when: str) -> Path:
        """Where a damaged file is kept; a repository's name has no `*` there."""
        path = self._path(repo)
        return path.with_name(f"{path.name}.damaged-{when}")

    def _make_anew(self, repo: str, error: sqlite3.Error) -> None:
        """Keep what no log has, as far as it can be read; the log gives the rest."""
        if memory := self._open.pop(repo, None):
            memory.close()
        path = self._path(repo)
        kept = _salvaged(path)
        aside = self._aside(repo, time.strftime("%Y-%m-%d-%H%M%S"))
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(f"{aside}{suffix}")
        memory = self._opened(repo)
        _transact(memory, lambda: memory.add(kept))
        told = _MADE_ANEW.format(repo=repo, error=error, kept=len(kept), aside=aside.name)
        self._told[repo] = told
        _log.warning("a memory was damaged and is made anew", extra={"key": repo})

    def _is_damaged(self, repo: str, error: sqlite3.Error) -> bool:
        """Whether the file is to blame, and not the disk, its rights, or a question."""
        name, memory = _name(error), self._open.get(repo)
        if name.startswith(("SQLITE_FULL", *_UNUSABLE)):
            return False
        if memory is None or name.startswith(_DAMAGED):
            return True
        try:
            return not memory.is_whole()
        except sqlite3.Error:
            return True

    def _explained(self, repo: str, error: sqlite3.Error) -> Exception:
        path, name = self._path(repo), _name(error)
        if name == "SQLITE_FULL":
            return DiskFull(
                f"The disk that holds {path} is full, so nothing was remembered. Free some space."
            )
        if name.startswith(_UNUSABLE):
            return ConfigError(f"{path} cannot be used ({error}). Make it writable for coworker.")
        return error


def _take(memory: Memory, fresh: said.News, gone: Sequence[str]) -> None:
    for conversation in gone:
        memory.drop_conversation(conversation)
    memory.add(fresh.messages)
    for fact in fresh.facts:
        memory.facts.put(fact)
    if fresh.forgotten:
        memory.mark_unpurged(True)
    for each in fresh.forgotten:
        memory.drop(each["messages"])
        for number in each["facts"]:
            memory.facts.remove(number)
    for name, text in fresh.changed.items():
        memory.reword(name, text)
    for fact in fresh.mended:
        memory.facts.reword(fact)
    for conversation, seq in fresh.cursors.items():
        memory.advance(conversation, seq)


def _transact(memory: Memory, work: Callable[[], Result]) -> Result:
    memory.db.execute("BEGIN IMMEDIATE")
    try:
        result = work()
    except BaseException:
        if memory.db.in_transaction:
            memory.db.execute("ROLLBACK")
        raise
    memory.db.execute("COMMIT")
    return result


def _salvaged(path: Path) -> Sequence[Message]:
    """The imported messages of a damaged file, opened to be read only, up to the first fault."""
    kept: list[Message] = []
    with suppress(sqlite3.Error), closing(Memory.reading(path)) as memory:
        after = 0
        while some := memory.imported(after, _SALVAGED_AT_ONCE):
            kept += some.values()
            after = max(some)
    return kept


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "") or ""
