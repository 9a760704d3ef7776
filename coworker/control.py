"""What the command line can ask of whoever owns the state directory.

It looks up, checks and answers; what a verb means belongs to the rooms below.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coworker import __version__
from coworker.adapters.terminal import Terminal
from coworker.agent.act import Ports
from coworker.agent.spending import BY, costs, name_of
from coworker.agent.trace import find, traced
from coworker.agent.words import broke
from coworker.audit import Audit
from coworker.config import file_for
from coworker.dispatch import Dispatch
from coworker.errors import Denied, NotFound, TryLater, UsageError
from coworker.reception import DONE_ALREADY, Reception, stranger, too_long
from coworker.repos.registry import Registry
from coworker.types import ConversationId, Inbound, Json, Place, Repo, reply_key
from coworker.verbs import prefixed, verb_in

_ASKED = "{} waits for an answer of a person. What you said is noted, and done after that."
_LISTENING: Json = {"name": "terminal", "state": "listening", "since": 0, "detail": ""}


@dataclass(frozen=True, slots=True)
class Client:
    """One connected command line: who it is, and how to show it something."""

    sender: str
    show: Callable[[Json], None]


@dataclass(frozen=True, slots=True)
class Views:
    """What there is to look at and to handle beside conversations: how things go now, what is
    right and wrong, with fixes, standing work, and what waits for a decision.
    """

    overview: Callable[[], Json]
    remember: Callable[[str, str, str, Json], Awaitable[Any]]
    examine: Callable[[Path], Awaitable[list[Json]]]
    rehearse: Callable[[Repo], Awaitable[Json]]
    schedule: Callable[..., Awaitable[Any]]
    approve: Callable[..., Awaitable[Any]]
    audit: Audit


class Control:
    """The verbs of the command line."""

    def __init__(
        self,
        ports: Ports,
        dispatch: Dispatch,
        reception: Reception,
        views: Views,
        terminal: Terminal,
        registry: Registry,
    ) -> None:
        self._ports = ports
        self._dispatch = dispatch
        self._reception = reception
        self._views = views
        self._terminal = terminal
        self._registry = registry
        self._rehearsals: set[asyncio.Future[Json]] = set()

    async def call(self, client: Client, verb: str, params: Json) -> Any:
        """What this verb answers. Raises CoworkerError, and TypeError for odd parameters."""
        if verb not in _VERBS:
            raise UsageError(f"There is no verb {verb!r}.")
        return await _VERBS[verb](self, client, **params)

    def leave(self, show: Callable[[Json], None]) -> None:
        """Nobody looks at this screen any more."""
        self._terminal.detach(show)

    def close(self) -> None:
        """Give up what takes long."""
        for rehearsal in self._rehearsals:
            rehearsal.cancel()

    # Verbs

    async def hello(self, _: Client) -> Json:
        """Who answers here."""
        return {"version": __version__, "pid": os.getpid()}

    async def say(
        self,
        client: Client,
        text: str,
        conversation: str | None = None,
        repo: str | None = None,
        cwd: str | None = None,
        event_id: str | None = None,
    ) -> Json:
        """Accept a message; the conversation it went to, and the reply if it is an old one."""
        _check_text(text)
        target, repo_name = await self._target(conversation, repo, cwd)
        inbound = Inbound(
            source="terminal",
            event_id=event_id or uuid.uuid4().hex,
            conversation=target,
            kind="message",
            body={"text": text, "sender": client.sender},
            place=Place("terminal", target),
            repo=repo_name,
        )
        if self._ports.people.find(client.sender) is None:
            await self._reception.hear(inbound)
            raise Denied(stranger(client.sender))
        if self._ports.log.inbox_row(inbound.source, inbound.event_id):
            return self._known(inbound)
        if verb_in(text):
            return await self._obey(inbound)
        if await self._dispatch.ingest(prefixed(inbound)):
            return {"conversation": target, "accepted": True}
        return self._known(inbound)

    async def attach(self, client: Client, conversation: str) -> Json:
        """Show this conversation's events from now on, beginning with what nobody has seen yet."""
        target = self._existing(conversation)
        self._terminal.attach(target, client.show)
        self._dispatch.deliver(target)
        return {}

    async def shown(self, _: Client, key: str) -> Json:
        """A person has seen this outbound."""
        self._terminal.shown(key)
        return {}

    async def stop(self, client: Client, conversation: str) -> Json:
        """End the run under way."""
        target = self._existing(conversation)
        if self._ports.log.state(target) != "idle":
            await self._tell(client, target, "stop", {})
            return {"was_running": True}
        return {"was_running": False}

    async def answer(self, client: Client, conversation: str, ask: int, text: str) -> Json:
        """Answer a numbered question."""
        accepted = await self._tell(
            client, self._existing(conversation), "answer", {"ask": ask, "text": text}
        )
        return {"accepted": accepted}

    async def undo(self, client: Client, run: str) -> Json:
        """Take back what a run did; `run` is CONVERSATION/RUN, or a conversation for its last.

        A terminal is shown the report; of what was said elsewhere it is in the answer. Raises
        NotFound or Denied, and TryLater while somebody is asked there.
        """
        if self._ports.people.find(client.sender) is None:
            raise Denied(stranger(client.sender))
        name, _, number = run.rpartition("/") if "/" in run else (run, "", "")
        target = self._existing(name)
        runs = {entry.run for entry in self._ports.log.entries(target) if entry.kind == "user"}
        if number and (not number.isdigit() or int(number) not in runs):
            raise NotFound(f"{target} has no run {number}. `coworker log {target}` lists them.")
        chosen = int(number) if number else max(runs, default=0)
        press = _from(client, target, "action", {"action": "undo", "run": chosen})
        await self._reception.hear(press)
        return {"conversation": target, "run": chosen, **await self._elsewhere(press)}

    async def status(self, _: Client) -> Json:
        """What is going on."""
        ports, seen = self._ports, self._views.overview()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "state_dir": str(ports.config.state),
            **seen,
            "adapters": [_LISTENING, *seen["adapters"]],
            "models": [dataclasses.asdict(seat) for seat in ports.router.describe()],
        }

    async def inbox(self, _: Client, limit: int = 100) -> list[Json]:
        """Accepted messages and their outcomes."""
        return self._ports.log.received(limit)

    async def log(self, _: Client, conversation: str) -> list[Json]:
        """A conversation's entries."""
        target = self._existing(conversation)
        return [
            {
                "conversation": target,
                "seq": entry.seq,
                "run": entry.run,
                "kind": entry.kind,
                "v": entry.v,
                "at": entry.at,
                "body": entry.body,
            }
            for entry in self._ports.log.entries(target)
        ]

    async def cost(self, _: Client, by: str = "conversation", days: int = 0) -> list[Json]:
        """What models have cost in the last days, today among them; 0 is ever."""
        if by not in BY:
            raise UsageError(f"Costs cannot be summed by {by}. Use one of {', '.join(BY)}.")
        return await costs(by, days, self._ports)

    async def why(self, _: Client, what: str) -> Json:
        """How a run came about."""
        target, run = await find(what, self._ports.log)
        entries = self._ports.log.entries(target)
        seen = traced(run, entries, lambda sender: name_of(sender, self._ports))
        return {"conversation": target, **seen}

    async def audit_verify(self, _: Client, head: str = "") -> Json:
        """Whether the log is as it was written, and as it was when that head was taken."""
        return await self._views.audit.verify(head)

    async def audit_head(self, _: Client) -> Json:
        """One hash over all conversations, which is recorded."""
        return await self._views.audit.head()

    async def repos(self, _: Client) -> list[Json]:
        """Every repository we know."""
        return [self._repo_json(repo.name) for repo in self._registry.list()]

    async def repo(self, _: Client, name: str) -> Json:
        """One repository."""
        return self._repo_json(name)

    async def repo_add(self, _: Client, path: str, name: str | None = None) -> Json:
        """Remember a checkout."""
        return self._repo_json((await self._registry.add(Path(path), name)).name)

    async def repo_remove(self, _: Client, name: str) -> Json:
        """Forget a checkout; the files stay."""
        await self._registry.remove(name)
        return {"removed": name}

    async def doctor(self, _: Client, file: str = "") -> list[Json]:
        """What is configured, reachable, missing, unsafe."""
        return await self._views.examine(file_for(Path(file) if file else None))

    async def doctor_checks(self, _: Client, repo: str) -> Json:
        """Whether a repository's set-up and checks work here; it may take many minutes."""
        found = await self._registry.find(repo)
        rehearsal = asyncio.ensure_future(self._views.rehearse(found))
        self._rehearsals.add(rehearsal)
        try:
            return await rehearsal
        finally:
            self._rehearsals.discard(rehearsal)

    async def memory(self, client: Client, do: str, repo: str, **params: Any) -> Any:
        """What is known of a repository: add, search, list, show, forget, import or export."""
        return await self._views.remember(do, repo, client.sender, params)

    async def schedule(self, client: Client, action: str, **given: Any) -> Any:
        """Add, show or change standing work."""
        return await self._views.schedule(action, client.sender, **given)

    async def approvals(self, client: Client, action: Any, name: str = "") -> Any:
        """List what waits for a decision, allow or deny it."""
        return await self._views.approve(action, client.sender, name)

    # Parts of verbs

    async def _target(
        self, conversation: str | None, repo: str | None, cwd: str | None
    ) -> tuple[ConversationId, str | None]:
        if conversation and self._ports.log.conversation(ConversationId(conversation)):
            return ConversationId(conversation), None
        if conversation:
            raise NotFound(f"There is no conversation {conversation}. `coworker inbox` lists them.")
        name = None
        if repo:
            name = (await self._registry.find(repo)).name
        elif cwd:
            name = await self._around(cwd)
        return ConversationId(f"t-{uuid.uuid4().hex[:10]}"), name

    async def _around(self, cwd: str) -> str | None:
        """The repository somebody stands in, if it is one."""
        try:
            return (await self._registry.find(cwd)).name
        except NotFound:
            return None

    async def _obey(self, inbound: Inbound) -> Json:
        """A verb is answered on the spot; what it sets in motion replies like a message does."""
        answer = await self._reception.command(inbound)
        row = self._ports.log.inbox_row(inbound.source, inbound.event_id)
        if row and row["taken_seq"] != 0:
            said = {"conversation": inbound.conversation, "accepted": True}
            return said | await self._elsewhere(inbound)
        return {"conversation": inbound.conversation, "accepted": False, "answer": answer}

    async def _elsewhere(self, inbound: Inbound) -> Json:
        """The reply, once it is there, where no terminal is shown it. Raises TryLater."""
        row = self._ports.log.conversation(inbound.conversation)
        if row is None or row.place.adapter == "terminal":
            return {}
        await self._dispatch.driven(row.id)
        if "reply" not in (known := self._known(inbound)):
            raise TryLater(_ASKED.format(row.id))
        return {"reply": known["reply"], "delivered": True}

    def _known(self, inbound: Inbound) -> Json:
        """The same message again: point to the conversation it once went to, and its reply."""
        log = self._ports.log
        row = log.inbox_row(inbound.source, inbound.event_id) or {}
        conversation = ConversationId(row["conversation"])
        result: Json = {"conversation": conversation, "accepted": False}
        if (row["taken_seq"], row["outcome"]) == (0, "answered"):
            return {**result, "answer": DONE_ALREADY}
        for entry in log.entries(conversation, row["taken_seq"] or 1):
            if entry.kind == "reply" and row["outcome"]:
                key = reply_key(conversation, entry.run, entry.seq)
                return {**result, "reply": entry.body, "delivered": bool(log.remote_id(key))}
        if row["outcome"] == "failed":  # parked: there is no log to take the reply from
            lost = {"text": broke("see the log"), "outcome": "failed", "exit_status": 1, "run": 0}
            return {**result, "reply": lost}
        return result

    async def _tell(self, client: Client, target: ConversationId, kind: Any, body: Json) -> bool:
        return await self._reception.hear(_from(client, target, kind, body)) == "new"

    def _existing(self, conversation: str) -> ConversationId:
        target = ConversationId(conversation)
        if self._ports.log.conversation(target) is None:
            raise NotFound(f"There is no conversation {conversation}. `coworker inbox` lists them.")
        return target

    def _repo_json(self, name: str) -> Json:
        repo = self._registry.get(name)
        if repo is None:
            raise NotFound(f"There is no repository {name}. `coworker repo list` shows them.")
        return {
            "name": repo.name,
            "path": str(repo.path),
            "url": repo.url,
            "rooms": list(repo.rooms),
            "setup": list(repo.setup),
            "checks": list(repo.checks),
            "local_only": repo.local_only,
            "configured": name in self._ports.config.repos,
        }


_Verb = Callable[..., Awaitable[Any]]
_VERBS: dict[str, _Verb] = {
    "hello": Control.hello,
    "say": Control.say,
    "attach": Control.attach,
    "shown": Control.shown,
    "stop": Control.stop,
    "answer": Control.answer,
    "undo": Control.undo,
    "status": Control.status,
    "inbox": Control.inbox,
    "log": Control.log,
    "cost": Control.cost,
    "why": Control.why,
    "audit_verify": Control.audit_verify,
    "audit_head": Control.audit_head,
    "repos": Control.repos,
    "repo": Control.repo,
    "repo_add": Control.repo_add,
    "repo_remove": Control.repo_remove,
    "memory": Control.memory,
    "schedule": Control.schedule,
    "approvals": Control.approvals,
    "doctor": Control.doctor,
    "doctor_checks": Control.doctor_checks,
}


def _from(client: Client, target: ConversationId, kind: Any, body: Json) -> Inbound:
    return Inbound(
        source="terminal",
        event_id=uuid.uuid4().hex,
        conversation=target,
        kind=kind,
        body={**body, "sender": client.sender},
        place=Place("terminal", target),
    )


def _check_text(text: str) -> None:
    if not text.strip():
        raise UsageError("The message is empty. Write what you want to know or have done.")
    if sentence := too_long(text):
        raise UsageError(sentence)
