"""The nouns that pass between rooms: plain, frozen values that know nothing of any vendor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NewType

Json = dict[str, Any]
"""A JSON object, as it is stored and sent."""

ConversationId = NewType("ConversationId", str)
Effect = Literal["read", "write", "keep", "rule", "world", "final"]
"""What a call touches: nothing, the workspace, what outlives the run, what may happen later, the
world outside this machine, or something that cannot be taken back."""
Rerun = Literal["safe", "probe", "never"]
"""What recovery may do with a call that was begun and has no result."""
Verdict = Literal["allow", "ask", "deny"]
Role = Literal["owner", "member", "guest"]
RANK: Mapping[Role, int] = {"guest": 0, "member": 1, "owner": 2}
Tier = Literal["large", "small"]
InboundKind = Literal["message", "stop", "answer", "action", "verb", "edit", "sent", "due"]
Heard = Literal["new", "known", "refused", "forbidden", "elsewhere", "ignored"]
"""What became of an inbound: taken, had before, from a stranger, an answer that somebody else may
give, a button where we put none, nothing for us."""
Sign = Literal["text", "thinking", "tool", "note", "step"]
EntryKind = Literal[
    "base", "context", "user", "assistant", "decision", "tool_start", "tool_done", "ask",
    "answer", "plan", "reply", "reply_sent", "steer", "cancelled", "summary", "forgotten", "error",
    "fact",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody we know, by immutable platform id and never by display name."""

    id: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation happens."""

    adapter: str
    room: str
    thread: str = ""

    @property
    def conversation(self) -> ConversationId:
        """The conversation that a platform's place is, for ever: `slack:C0SHOP:1700.1`."""
        return ConversationId(":".join(filter(None, (self.adapter, self.room, self.thread))))

    @property
    def here(self) -> str:
        """The room as rules and the configuration name it; all terminals are one: `terminal`."""
        return self.adapter if self.adapter == "terminal" else f"{self.adapter}:{self.room}"


@dataclass(frozen=True, slots=True)
class Inbound:
    """Someone or something spoke. (`source`, `event_id`) names it for ever, so twice is once.

    Every `body` has `sender`, an `adapter:id`, and `about_ours` (the platform's id of our message
    that it answers) where a place has no threads. Besides, by kind:

    - `message`: `text`; from a platform also `message` (its id there), `at` (milliseconds UTC when
      it was written), `direct` (said to us, by mention, reply or in private), and where there are
      any `files` ([{id, name, mime, size}], `spoken` for the sender's own voice) and `quoted`
      ([{who, text}], forwarded or cited: data).
      `when` is "queue" or "instead" for one that is not to steer the run under way.
    - `edit`: `message` and the new `text`, None when it was deleted.
    - `answer`: `ask` (its number) and `text`, or the place of an `option`.
    - `action`: `action` (push, open_pr, undo) and `run`.
    - `verb`: `text`, answered outside of any run. `stop`: nothing more.
    - `due`: a schedule's hour has come: `text` (its prompt), `schedule` (its id), `name`, `due`
      (milliseconds UTC), `missed` (how many hours before went by unused), `gate` (what it saw).

    What a button or a reaction said has `on`, the platform's id of that message, mostly ours, and
    `place` is where it stands; an answer has the first `SEAL_SHOWN` characters of the question's
    `seal` besides, if that has one.
    """

    source: str
    event_id: str
    conversation: ConversationId
    kind: InboundKind
    body: Json
    place: Place
    repo: str | None = None


@dataclass(frozen=True, slots=True)
class Outbound:
    """Something that must arrive. The key names it for ever, so a repeat can be recognised.

    Every `body` has `run`, 0 for what is said outside of any. A `reply` has `text`, `outcome`,
    `receipt`, `messages` (the platform's ids of what it answers), `asker`, `actions` ([{action,
    label, run}], its buttons), and `part` of `parts` where it takes several. An `ask` has `ask`
    (its number), `question`, `options`, `approval`, `asker` and where it is an approval `seal`.
    `decided` takes the buttons off a question's card: it has `question`, `word` and `who` decided.
    A place without a thread is the room.
    """

    key: str
    conversation: ConversationId
    op: Literal["reply", "ask", "progress", "decided"]
    body: Json
    place: Place
    maybe_duplicate: bool = False
    over: str = ""
    """The platform's id of the message this may be written over: of the run's progress message, or
    of the question's card; "" when that is not known."""


SEAL_SHOWN = 8
"""Characters of a seal that a button carries: a button's data has little room."""


def ask_key(conversation: ConversationId, run: int, number: int) -> str:
    """The key of the message that asks a question."""
    return f"{conversation}:{run}:ask{number}"


def reply_key(conversation: ConversationId, run: int, seq: int) -> str:
    """The key of the message, or its last part, that is the reply of that entry."""
    return f"{conversation}:{run}:{seq}"


def progress_key(conversation: ConversationId, run: int) -> str:
    """The key of the message that shows what a run is doing."""
    return f"{conversation}:{run}:progress"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a conversation's append-only log. `at` is milliseconds UTC."""

    seq: int
    run: int
    kind: EntryKind
    body: Json
    at: int
    v: int = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model request, in the four kinds that have a price."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    @property
    def total(self) -> int:
        """Everything the request carried and returned: the context's size after it."""
        return self.input + self.output + self.cache_read + self.cache_write


@dataclass(frozen=True, slots=True)
class Request:
    """One model request. `system`, `tools` and `messages` are in the Messages API's form.

    `tokens` is an estimate of what there is to read, for when the server does not say.
    """

    system: str
    tools: list[Json]
    messages: list[Json]
    tier: Tier = "large"
    local_only: bool = False
    max_tokens: int = 16_000
    tokens: int = 0


@dataclass(slots=True)
class Bill:
    """What a request costs, in dollars. It grows while the request is under way, so that one that
    is broken off, or brings nothing, is counted too.
    """

    usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, as received.

    `malformed` maps a tool call's id to what is wrong with its arguments, for the model to read.
    `notice` is a sentence for the person when another model than the wanted one answered;
    `stopgap` says why none of the configured ones could.
    """

    content: list[Json]
    stop_reason: str
    model: str
    usage: Usage = field(default_factory=Usage)
    malformed: dict[str, str] = field(default_factory=dict)
    notice: str = ""
    stopgap: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """A passing sign of life: best effort, carries no state.

    `text` and `thinking` are deltas; `tool` says in words what is being done; `note` is a sentence.
    """

    kind: Sign
    text: str


Emit = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Health:
    """How a platform is. `since` is milliseconds UTC of the last proof that it lives, 0 if none.

    `detail` says what is wrong and how to mend it.
    """

    state: Literal["starting", "connected", "reconnecting", "refused", "broken"]
    since: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a thread's history. `who` is `adapter:id`, "" when it was us."""

    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call of a model's answer. `fault` says why it cannot even be tried."""

    id: str
    name: str
    input: Json
    fault: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returns to the model; `receipt` is what the host itself saw happen.

    `taint` names who wrote the text when it was no person of ours: "web page https://…".
    """

    text: str
    is_error: bool = False
    receipt: Json | None = None
    taint: str = ""


@dataclass(frozen=True, slots=True)
class Parked:
    """A tool that waits for a person: the run becomes rows until somebody answers."""

    question: str
    options: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's verdict on one call, with the reason in words."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository we may read: its name in chat and the checkout it lives in.

    `git_dir` is given where nothing beneath `path` may be asked for it: in a workspace. One that
    `is_cloned` is configured by url only; `path` is our own checkout of it. `share_rooms` lets all
    its rooms know what was said in any of them.
    """

    name: str
    path: Path
    url: str = ""
    local_only: bool = False
    rooms: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    share_rooms: bool = False
    git_dir: Path | None = None
    is_cloned: bool = False
