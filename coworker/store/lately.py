"""What was forgotten while runs were under way: they know it still, and may say it once more.

It lives in memory only, for with us end the runs. What they write is cleaned until they have ended.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from coworker.store.forgetting import EntryKey, Eraser, Forgetting
from coworker.types import ConversationId, Entry, Json, Outbound

Said = TypeVar("Said", bound=Entry | Outbound)


class Lately:
    """The texts that each open conversation is not to say any more."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader
        self._erasers: dict[ConversationId, list[Eraser]] = {}
        self.count = 0
        """How often anything was forgotten: whoever keeps entries in memory reads them again."""

    @contextmanager
    def forgetting(self, what: Forgetting) -> Iterator[set[EntryKey]]:
        """While words are taken out, and until the runs have ended that are under way now and
        knew them: it gives a set for those. Nobody else's run says or does anything else by it.
        """
        sql = "SELECT id FROM conversation WHERE state <> 'idle' AND (repo = ? OR repo IS NULL)"
        under_way = {row[0] for row in self._reader.execute(sql, (what.repo,))}
        meanwhile = Eraser(what)
        self._keep(meanwhile, under_way)
        knew: set[EntryKey] = set()
        yield knew
        self._drop(meanwhile, under_way)
        self._keep(Eraser(what, short=True), under_way & {conversation for conversation, _ in knew})
        self.count += 1

    def _keep(self, eraser: Eraser, conversations: Collection[str]) -> None:
        for conversation in conversations:
            self._erasers.setdefault(ConversationId(conversation), []).append(eraser)

    def _drop(self, eraser: Eraser, conversations: Collection[str]) -> None:
        for name in map(ConversationId, conversations):
            left = [each for each in self._erasers.get(name, ()) if each is not eraser]
            if left:
                self._erasers[name] = left
            else:
                self._erasers.pop(name, None)

    def holds(self, conversation: ConversationId) -> bool:
        """Whether it might say something that was forgotten."""
        return conversation in self._erasers

    def body(self, conversation: ConversationId, body: Json) -> Json:
        """What is said there, without the words."""
        for eraser in self._erasers.get(conversation, ()):
            body = eraser.clean(body)
        return body

    def clean(self, conversation: ConversationId, said: Sequence[Said]) -> list[Said]:
        """The same for all that a run says; what people say anew is theirs."""
        if not self.holds(conversation):
            return [*said]
        return [
            each
            if isinstance(each, Entry) and each.kind in ("user", "steer")
            else dataclasses.replace(each, body=self.body(conversation, each.body))
            for each in said
        ]

    def ended(self, conversation: ConversationId) -> None:
        """Its run is over; the next one reads the log."""
        self._erasers.pop(conversation, None)
