"""The seams that have two implementations today: Adapter, Platform, Model, Tool, Clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from coworker.types import (
    Answer,
    ConversationId,
    Effect,
    Emit,
    Health,
    Heard,
    Inbound,
    Json,
    Line,
    Outbound,
    Parked,
    Place,
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
    """A way in which people reach us."""

    name: str

    def reachable(self, conversation: ConversationId) -> bool:
        """Whether sending now makes sense at all."""

    def posts_progress(self, place: Place) -> bool:
        """Whether a run there begins with a progress message, an outbound of its own."""

    def parts(self, outbound: Outbound) -> list[Json]:
        """The bodies of the messages it takes to say this, in order; mostly just its own."""

    async def send(self, outbound: Outbound) -> str:
        """Say it and return the platform's id of the message.

        Raises Unavailable when surely nothing was sent (it may name how long to wait), Unconfirmed
        when nobody knows, Undeliverable when it never can be, and Displaced when it cannot be
        written over what it names.
        """

    async def find(self, outbound: Outbound) -> str | None:
        """The platform's id of an outbound that was perhaps sent before a crash or a reset.

        "" when it surely was not, or sending it once more changes nothing; None when nobody can
        tell. Raises Unavailable when it cannot be asked now.
        """

    def progress(self, place: Place, progress: Progress) -> None:
        """Show a sign of life. Never raises, never waits."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What a platform may tell us and ask of us. Everything it tells is on disk when it returns."""

    hear: Callable[[Inbound], Awaitable[Heard]]
    """Accept what somebody said; `repo` is filled in for it."""
    command: Callable[[Inbound], Awaitable[str]]
    """Do a verb and return the answer, for its sender alone."""
    follows: Callable[[ConversationId], bool]
    """Whether we take part in this conversation, so that no mention is needed any more."""
    overview: Callable[[str], Json | None]
    """What is running, what is asked, what was spent; None for a sender whom we do not know."""
    connected: Callable[[str], None]
    """The adapter of this name can be reached (again): deliver what waits."""
    cursor: Callable[[str, str], str | None]
    """How far a source was read, by adapter and key."""
    keep: Callable[[str, str, str], Awaitable[None]]
    """Remember that."""


class Platform(Adapter, Protocol):
    """A chat service that we connect to."""

    async def run(self, intake: Intake) -> None:
        """Connect, listen and catch up until cancelled.

        Raises Refused when the service rejects us as such (a wrong token), anything else of ours
        when it is worth another try.
        """

    def health(self) -> Health:
        """How the connection is, measured by what comes in."""

    async def history(self, place: Place, before: str) -> Sequence[Line]:
        """What was said in the thread before the message of that id, oldest first; may be empty."""

    async def fetch(self, file: Json) -> bytes:
        """The bytes of a file that came with a message. Raises Unavailable in words."""

    async def readable(self, rooms: Sequence[str], here: str) -> Sequence[str]:
        """Those of these rooms whose messages everybody who reads `here` could open.

        What cannot be found out counts as no; it never raises.
        """

    async def zone(self, person: str) -> str:
        """The time zone in somebody's profile, such as Europe/Berlin; "" when it is not known.

        It never raises, and is asked again and again: what it costs is kept.
        """

    def is_us(self, person: str) -> bool:
        """Whether that id is our own; unknown before we were connected."""

    def link(self, place: Place, message: str) -> str:
        """Where a person can open a message; "" when there is no such address."""

    async def examine(self, rooms: Sequence[str] = ()) -> list[Json]:
        """What is right and wrong with the token, its permissions, settings and these rooms.

        In doctor's form. It says nothing to anybody and needs no connection of `run`.
        """


Guard = Callable[[str], str]
"""Why a file, named from the repository's root, may not be changed unasked; "" when it may be."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool is given besides its arguments. It never sees the gate, the log or the model."""

    repo: Repo | None
    conversation: ConversationId
    call_id: str
    emit: Emit
    run: int = 0
    taint: Sequence[str] = ()
    """What the run has read that came from outside; empty when all of it is ours."""
    senders: Sequence[str] = ()
    """The ids of the people whose words the run took."""
    is_approved: bool = False
    """Whether a person has said yes to just this call."""
    guard: Guard | None = None
    """What speaks for files that are kept from changes; None when no rule names any."""


class Tool(Protocol):
    """Something the coworker can do."""

    name: str
    description: str
    effect: Effect
    rerun: Rerun
    schema: Json
    card: Sequence[str]
    """Where a person always decides, by the preview: the words for yes and for something else."""

    def parse(self, raw: Json) -> Any:
        """Arguments as this tool's own type. Raises ToolError that tells the model what to mend."""

    def effect_of(self, args: Any, words: str) -> Effect:
        """What this very call touches; `words` is all that people have said in the run."""

    def lasting(self, args: Any) -> Json | None:
        """The arguments, as patterns, that `Always here` is bound to; None: not offered."""

    async def touched(self, args: Any, context: ToolContext) -> Sequence[str]:
        """The files that it would change, from the repository's root. Raises ToolError."""

    def describe(self, args: Any) -> str:
        """The call in a few words for a person: `reads src/shop/cart.py`."""

    async def run(self, args: Any, context: ToolContext) -> ToolResult | Parked:
        """Do it. Raises ToolError for a failure the model can act on.

        When cancelled it must leave no process behind.
        """

    async def probe(self, args: Any, context: ToolContext) -> ToolResult | None:
        """After a crash in a call with rerun `probe`: its result if it took effect, else None."""

    async def preview(self, args: Any, context: ToolContext) -> str:
        """What a person who decides should see before: a diff, a whole address. May be ""."""
