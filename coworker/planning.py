"""Standing work in people's hands: `coworker schedule …` on the command line, `!schedules` in chat.

It answers at once and wakes no model, but for a run that somebody asks for.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from coworker.adapters.render import dollars
from coworker.agent.act import Ports
from coworker.calendar import preview, too_often
from coworker.dispatch import Dispatch
from coworker.errors import CoworkerError, Denied, NotFound, TryLater, UsageError
from coworker.repos.registry import Registry
from coworker.scheduler import firing_row
from coworker.store.homes import home
from coworker.store.schedules import Policy, Schedule
from coworker.tools import gates
from coworker.tools.timetable import Timetable, Wish, coming, is_open, not_yet
from coworker.types import ConversationId, Inbound, Json, Place

_MOST_HISTORY = 1_000
_USAGE = (
    "`!schedules` lists them; "
    "`!schedules run|stop|pause|resume|remove|show|history ID` handles one."
)
_UNKNOWN_ROOM = (
    "Nobody ever spoke to me in {room}, and it is bound to no repository. Say something to me "
    "there first (on Slack: /invite @coworker), or name it in repos.….rooms."
)
_ASKED = (
    "“{}” speaks where a question is open that nobody has answered. Answer it there, or write "
    "`!stop`, and run it then."
)
_NOT_BEGUN = (
    "“{}” has not begun: where it speaks a question is open that nobody has answered. Answer that, "
    "or write `!stop` there, and it begins; then it can be stopped."
)
_GOES_ON = "Its run that is under way goes on; `!schedules stop {}` ends it."
_IDLE = "No run of “{}” is under way, so there was nothing to stop."
_NOBODY = (
    "Standing work has its maker's authority, and {sender} has none here. "
    "An owner adds it to a member's ids in the configuration."
)
State = Literal["active", "paused", "over"]


class Planning:
    """Adds, shows and changes schedules for whoever may."""

    def __init__(
        self, ports: Ports, timetable: Timetable, dispatch: Dispatch, registry: Registry
    ) -> None:
        self._ports = ports
        self._schedules = ports.log.schedules
        self._timetable = timetable
        self._dispatch = dispatch
        self._registry = registry

    async def act(self, action: str, sender: str, **given: Any) -> Any:
        """What the command line asks for, as JSON. Raises UsageError, NotFound or Denied.

        Whoever speaks on the command line owns the machine's files, and so all that is in them.
        """
        done = _ACTIONS.get(action)
        if done is None:
            raise UsageError(f"There is no action {action}. There are {', '.join(_ACTIONS)}.")
        return await done(self, sender, **given)

    async def verb(self, rest: str, inbound: Inbound) -> str:
        """The answer to `!schedules …`."""
        action, _, name = rest.strip().partition(" ")
        sender = inbound.body["sender"]
        row = self._ports.log.conversation(inbound.conversation)
        place = row.place if row else inbound.place  # a terminal may speak about another place
        if not action:
            listed = self._timetable.here(place)
            return self._timetable.lines(listed) or "There are no schedules here."
        if action not in _SAID or not name.strip():
            return _USAGE
        try:
            if action in ("show", "history"):
                self._in_room(name, place)
            elif action == "stop":
                self._refuse_others(name, sender)
            else:
                self._timetable.own(name, sender)
            answer = await self.act(action, sender, name=name)
        except CoworkerError as error:
            return str(error)
        return self._in_words(action, answer)

    # Actions

    async def add(
        self,
        sender: str,
        when: str,
        prompt: str,
        *,
        to: str = "",
        repo: str | None = None,
        **more: Any,
    ) -> Json:
        """A schedule that counts at once: whoever asks on the command line needs no card."""
        person = self._ports.people.find(sender)
        if person is None or person.role == "guest":
            raise Denied(_NOBODY.format(sender=sender))
        if (policy := more.get("policy")) not in (None, *get_args(Policy)):
            raise UsageError(f"{policy} is not one of {', '.join(get_args(Policy))}.")
        place, conversation = self._place(to)
        if to:
            self._refuse_unknown(place)
        bound = (await self._registry.find(repo)).name if repo else None
        wish = Wish(
            key=uuid.uuid4().hex,
            when=when,
            prompt=prompt,
            creator=sender,
            place=place,
            conversation=conversation,
            repo=bound,
            **more,
        )
        schedule = await self._timetable.draft(wish)
        await self._timetable.save(schedule)
        note = not_yet(schedule)
        return {**self._shown(schedule), **({"note": note} if note else {})}

    async def listed(self, _: str, *, over: bool = False) -> list[Json]:
        """All schedules, by when they fire next; those that are over only when asked for."""
        return [self._shown(each) for each in self._schedules.all() if over or is_open(each)]

    async def show(self, _: str, name: str) -> Json:
        """One schedule, what comes next, and what it has cost so far."""
        schedule = self._timetable.find(name)
        return {**self._shown(schedule), **self._so_far(schedule)}

    async def preview(self, sender: str, when: str, *, zone: str = "", gate: str = "") -> Json:
        """What a spec means: its next five times, and why it would be refused with that gate."""
        calendar = await self._timetable.calendar(when, zone, sender)
        now = self._ports.clock.now_ms()
        told = {
            "when": calendar.words,
            "timezone": calendar.zone.key,
            "next": preview(calendar, now),
        }
        if gate:
            gates.read(gate)
        reason = too_often(calendar, now, gated=bool(gate))
        return {**told, "refused": reason} if reason else told

    async def run(self, _: str, name: str) -> Json:
        """One run now; the calendar stays. Raises TryLater while the former one is open."""
        schedule = self._timetable.find(name)
        now = self._ports.clock.now_ms()
        row = firing_row(schedule, now, extra=True)
        is_asked = self._ports.log.state(row.conversation) == "waiting"
        if is_asked and schedule.place.adapter == "terminal":
            raise TryLater(_ASKED.format(schedule.name))
        if not (conversation := await self._schedules.run_now(row, now)):
            raise TryLater(
                f"“{schedule.name}” is running already. Wait for its end, or stop it: "
                f"`!schedules stop {schedule.id}`, `coworker schedule stop {schedule.id}`."
            )
        self._dispatch.wake(conversation)
        return {"id": schedule.id, "name": schedule.name, "conversation": conversation}

    async def stop(self, sender: str, name: str) -> Json:
        """An end to its run under way. Raises NotFound, and TryLater before that has begun."""
        firing = self._under_way(name)
        told, conversation = firing["body"], firing["conversation"]
        log = self._ports.log
        row = log.conversation(conversation)
        if row is None or (firing["run"] is None and log.state(conversation) == "waiting"):
            raise TryLater(_NOT_BEGUN.format(told["name"]))
        event = uuid.uuid4().hex
        stop = Inbound("stopped", event, row.id, "stop", {"sender": sender}, row.place, row.repo)
        await self._dispatch.ingest(stop)
        return {"id": told["schedule"], "name": told["name"], "conversation": conversation}

    async def pause(self, sender: str, name: str) -> Json:
        """No more firings until it is resumed."""
        schedule = self._timetable.find(name)
        person = self._ports.people.find(sender)
        await self._schedules.pause(schedule.id, f"by {person.name if person else sender}")
        shown = self._shown(self._timetable.find(schedule.id))
        return {**shown, "running": self._runs(schedule.id)}

    async def resume(self, _: str, name: str) -> Json:
        """Firings again, from the next hour on."""
        schedule = self._timetable.find(name)
        await self._timetable.resume(schedule)
        return self._shown(self._timetable.find(schedule.id))

    async def remove(self, _: str, name: str) -> Json:
        """Forgotten; what it did stays in the log."""
        schedule = self._timetable.find(name)
        await self._timetable.remove(schedule)
        running = self._runs(schedule.id)
        return {"id": schedule.id, "name": schedule.name, "removed": True, "running": running}

    async def history(self, _: str, name: str, *, limit: int = 50) -> list[Json]:
        """Its firings, the latest first."""
        schedule = self._timetable.find(name)
        return [_fired(row) for row in self._schedules.history(schedule.id, limit)]

    def _under_way(self, name: str) -> Json:
        """The firing that has not ended, also of a schedule that is removed. Raises NotFound."""
        try:
            schedule = self._timetable.find(name)
        except NotFound:
            if found := self._open(name.strip("` ")):
                return found
            raise
        if found := self._open(schedule.id):
            return found
        raise NotFound(_IDLE.format(schedule.name))

    def _open(self, schedule: str) -> Json | None:
        fired = self._schedules.history(schedule, _MOST_HISTORY)
        return next((row for row in fired if row["outcome"] is None), None)

    def _runs(self, schedule: str) -> bool:
        return self._open(schedule) is not None

    def _refuse_others(self, name: str, sender: str) -> None:
        """Its creator and owners may. Raises NotFound, Denied."""
        told, person = self._under_way(name)["body"], self._ports.people.find(sender)
        if told["sender"] != sender and (person is None or person.role != "owner"):
            raise Denied(f"“{told['name']}” belongs to somebody else; its creator or an owner may.")

    # Words

    def _place(self, to: str) -> tuple[Place, ConversationId | None]:
        """A room as it is written, `slack:C0SHOP` or `telegram:-100:7`; "" for a terminal's own."""
        if not to:
            name = ConversationId(f"t-{uuid.uuid4().hex[:10]}")
            return Place("terminal", name), name
        adapter, _, rest = to.partition(":")
        room, _, thread = rest.partition(":")
        if adapter not in ("slack", "telegram") or not room:
            raise UsageError(
                f"{to} is no room. Write slack:C0123ABCD or telegram:-100123 (:topic)."
            )
        named = home(self._ports.log.cursor, f"{adapter}:{room}")
        return Place(adapter, named.partition(":")[2], thread), None

    def _refuse_unknown(self, place: Place) -> None:
        """A room is known by its repository, its person, or what was said in it."""
        room = f"{place.adapter}:{place.room}"
        named = [each for repo in self._registry.list() for each in repo.rooms]
        bound = {home(self._ports.log.cursor, each) for each in named}
        people = {each for person in self._ports.config.people.values() for each in person.ids}
        here = {conversation.place for conversation in self._ports.log.conversations()}
        spoken_in = {f"{each.adapter}:{each.room}" for each in here}
        if room not in bound | people | spoken_in and not self._ports.log.cursor("room", room):
            raise UsageError(_UNKNOWN_ROOM.format(room=room))

    def _in_room(self, name: str, place: Place) -> None:
        """Only what belongs to a room is told there. Raises NotFound."""
        schedule = self._timetable.find(name)
        if schedule not in self._timetable.here(place):
            raise UsageError(f"“{schedule.name}” belongs to another room. `!schedules` lists ours.")

    def _in_words(self, action: str, answer: Any) -> str:
        goes_on = isinstance(answer, dict) and answer.get("running")
        more = _GOES_ON.format(answer["id"]) if goes_on else ""
        match action:
            case "history":
                zone = self._ports.config.zone
                return "\n".join(_line(row, zone) for row in answer[:20]) or "It never ran."
            case "show":
                return self._timetable.card(self._timetable.find(answer["id"]))
            case "run":
                return f"“{answer['name']}” runs now."
            case "stop":
                return f"“{answer['name']}” stops now."
            case "remove":
                return f"“{answer['name']}” is removed. {more}".rstrip()
        line = self._timetable.lines([self._timetable.find(answer["id"])])
        return f"{line}\n{more}".rstrip()

    def _shown(self, schedule: Schedule) -> Json:
        calendar = self._timetable.again(schedule)
        last = self._schedules.history(schedule.id, 1)
        place = schedule.place
        return {
            "id": schedule.id,
            "name": schedule.name,
            "when": schedule.spec,
            "timezone": schedule.tz,
            "state": _state(schedule),
            "coming": coming(schedule),
            "next_at": schedule.next_at,
            "next": preview(calendar, self._ports.clock.now_ms()),
            "prompt": schedule.prompt,
            "repo": schedule.repo,
            "to": schedule.conversation or f"{place.adapter}:{place.room}",
            "creator": schedule.creator,
            "gate": schedule.gate,
            "missed": schedule.policy,
            "urgent": schedule.urgent,
            "paused": schedule.paused,
            "failures": schedule.failures,
            "last": (last[0]["outcome"] or "running") if last else None,
        }

    def _so_far(self, schedule: Schedule) -> Json:
        """How often it fired, how often for nothing, and what that cost."""
        fired = self._schedules.history(schedule.id, _MOST_HISTORY)
        costs = [row["cost_usd"] for row in fired if row["cost_usd"] is not None]
        quiet = sum(1 for row in fired if row["outcome"] in ("nothing", "nothing new"))
        return {
            "fired": len(fired),
            "runs": len(costs),
            "found_nothing": quiet,
            "cost_usd": round(sum(costs), 6),
        }


def _state(schedule: Schedule) -> State:
    if schedule.paused is not None:
        return "paused"
    return "over" if schedule.next_at is None else "active"


def _fired(row: Json) -> Json:
    """One line of a history, for people and programs."""
    body = row["body"]
    return {
        "at": row["at"],
        "due": body["due"],
        "outcome": row["outcome"] or "running",
        "missed": body["missed"],
        "gate": body["gate"],
        "cost_usd": row["cost_usd"],
        "conversation": row["conversation"] if row["run"] else None,
        "run": row["run"] or None,
        "text": row["text"] or "",
        "undelivered": body.get("undelivered", ""),
    }


def _line(row: Json, zone: ZoneInfo) -> str:
    at = datetime.fromtimestamp(row["at"] / 1000, zone)
    cost = f" · {dollars(row['cost_usd'])}" if row["cost_usd"] else ""
    gate = f" · {row['gate']}" if row["gate"] else ""
    lost = f" · not delivered: {row['undelivered']}" if row["undelivered"] else ""
    return f"- {at:%a %Y-%m-%d %H:%M}: {row['outcome']}{cost}{gate}{lost}"


_ACTIONS: dict[str, Callable[..., Awaitable[Any]]] = {
    "add": Planning.add,
    "list": Planning.listed,
    "show": Planning.show,
    "preview": Planning.preview,
    "run": Planning.run,
    "stop": Planning.stop,
    "pause": Planning.pause,
    "resume": Planning.resume,
    "remove": Planning.remove,
    "history": Planning.history,
}
_SAID = ("show", "run", "stop", "pause", "resume", "remove", "history")
