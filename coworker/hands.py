"""What a conversation has in hand: the repository it is about, and its own workspace of it."""

from __future__ import annotations

import dataclasses

from coworker.errors import CoworkerError
from coworker.repos import marks
from coworker.store.log import Conversation
from coworker.tools import commit, shell
from coworker.tools.workplace import Workplace
from coworker.types import ConversationId, Json, Repo


class Hands:
    """Looks at a conversation's workspace, checks it, and takes back what a run did there."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def place_of(self, conversation: Conversation) -> Repo | None:
        """The conversation's own workspace once it has one, else the checkout."""
        repo = self._original(conversation)
        own = self._workplace.get(conversation.id) if repo else None
        if repo and own:
            return dataclasses.replace(repo, path=own.tree, git_dir=own.git_dir)
        return repo

    async def check(self, conversation: Conversation) -> list[Json]:
        """What the repository's checks say of what was committed, as results of tools."""
        repo = self._original(conversation)
        if repo is None:
            return []
        results, notes = await self._workplace.check(conversation.id, repo)
        return [
            {
                "text": shell.told(finished),
                "receipt": shell.receipt(command, finished) | {"check": True},
                "notes": notes,
            }
            for command, finished in results
        ]

    def notes(self, conversation: Conversation) -> list[str]:
        """Sentences about what its workspace has and has not of the person's files."""
        return self._workplace.notes(conversation.id)

    async def diff(self, conversation: ConversationId) -> str:
        """What was committed there."""
        return await commit.diff(self._workplace.get(conversation))

    async def undo(self, conversation: Conversation, run: int) -> str:
        """Take back what a run committed; what became of it, in words."""
        workspace = self._workplace.get(conversation.id)
        try:
            return await marks.take_back(workspace, run) if workspace else marks.NOTHING
        except CoworkerError as error:
            return f"not taken back: {error}"

    def _original(self, conversation: Conversation) -> Repo | None:
        return self._workplace.original(conversation.repo) if conversation.repo else None
