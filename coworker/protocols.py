"""The seams that have two implementations today: Adapter, Model, Tool, Clock. No others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from coworker.types import (
    Answer,
    ConversationId,
    Effect,
    Emit,
    Json,
    Outbound,
    Parked,
    Progress,
    Repo,
    Request,
    Rerun,
    ToolResult,
)


class Clock(Protocol):
    """Time as an argument, so that no test sleeps."""

    def now_ms(self) -> int:
        """Milliseconds UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait that long; a cancelled wait raises CancelledError."""


class Model(Protocol):
    """Somebody who thinks."""

    async def respond(self, request: Request, emit: Emit) -> Answer:
        """Answer one request, emitting text and thinking as they arrive.

        Raises ModelError (see errors.py) with a sentence a person can read; nothing else.
        """


class Adapter(Protocol):
    """A platform on which people reach us."""

    name: str

    def reachable(self, conversation: ConversationId) -> bool:
        """Whether sending now makes sense at all."""

    async def send(self, outbound: Outbound) -> str:
        """Say it and return the platform's id of the message.

        Raises Unavailable when surely nothing was sent, Unconfirmed when nobody knows.
        """

    async def find(self, outbound: Outbound) -> str | None:
        """The platform's id of an outbound that was perhaps sent before a crash, if it can tell."""

    def progress(self, conversation: ConversationId, progress: Progress) -> None:
        """Show a sign of life. Never raises, never waits."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool is given besides its arguments. It never sees the gate, the log or the model."""

    repo: Repo | None
    conversation: ConversationId
    call_id: str
    emit: Emit
    run: int = 0


class Tool(Protocol):
    """Something the coworker can do."""

    name: str
    description: str
    effect: Effect
    rerun: Rerun
    schema: Json

    def parse(self, raw: Json) -> Any:
        """Arguments as this tool's own type. Raises ToolError that tells the model what to mend."""

    def describe(self, args: Any) -> str:
        """The call in a few words for a person: `reads src/shop/cart.py`."""

    async def run(self, args: Any, context: ToolContext) -> ToolResult | Parked:
        """Do it. Raises ToolError for a failure the model can act on.

        When cancelled it must leave no process behind.
        """

    async def probe(self, args: Any, context: ToolContext) -> ToolResult | None:
        """After a crash in a call with rerun `probe`: its result if it took effect, else None."""

    async def preview(self, args: Any, context: ToolContext) -> str:
        """What a person who decides should see before: a diff stat, a whole command. May be ""."""
