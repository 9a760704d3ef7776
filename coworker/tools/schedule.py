"""Standing work asked for in plain words: the model makes the spec, a person saves it.

It does not know who is asked, or how; nothing counts before that.
"""

from __future__ import annotations

from coworker.protocols import Tool, ToolContext
from coworker.store.log import Log
from coworker.store.schedules import Policy, Schedule, chat_of
from coworker.tools.base import Args, tool
from coworker.tools.timetable import Timetable, Wish
from coworker.types import ConversationId, ToolResult

CARD = ("Save", "Change")
_NONE = "There are no schedules here."


class AddSchedule(Args):
    """`when` in words or five cron fields; `gate` is a cheap check that must hold first."""

    when: str
    prompt: str
    gate: str | None = None
    name: str | None = None
    missed: Policy | None = None
    urgent: bool | None = None

    def describe(self) -> str:
        """When and what."""
        return f"schedules {self.when}: {self.prompt}"


class ListSchedules(Args):
    """Nothing to choose."""

    def describe(self) -> str:
        """What is looked at."""
        return "looks at the schedules"


class RemoveSchedule(Args):
    """Which one: its id, or its name."""

    id: str

    def describe(self) -> str:
        """Which one."""
        return f"removes the schedule {self.id}"


class Nothing(Args):
    """Nothing to choose."""

    def describe(self) -> str:
        """That there is no news."""
        return "finds nothing new"


def tools(timetable: Timetable, log: Log) -> tuple[Tool, ...]:
    """The tools that keep time."""

    async def drafted(args: AddSchedule, context: ToolContext) -> Schedule:
        row = log.conversation(context.conversation)
        assert row is not None, "a run has a conversation"  # noqa: S101
        wish = Wish(
            key=_key(context.conversation, context.run, context.call_id),
            when=args.when,
            prompt=args.prompt,
            creator=timetable.least(context.senders),
            place=row.place,
            conversation=chat_of(row.id),
            repo=row.repo,
            name=args.name or "",
            gate=args.gate or "",
            policy=args.missed or "late",
            urgent=bool(args.urgent),
            said_at=_asked_at(log, context),
        )
        return await timetable.draft(wish)

    async def card(args: AddSchedule, context: ToolContext) -> str:
        return timetable.card(await drafted(args, context), context.conversation)

    @tool(effect="keep", rerun="safe", preview=card, card=CARD)
    async def schedule(args: AddSchedule, context: ToolContext) -> ToolResult:
        """Do something later or again and again. `when`: "in 20 minutes", "tomorrow at 9", \
"every weekday at 09:00", "first monday of the month at 10:00", "0 9 * * mon-fri". `prompt`: \
what to do then, complete in itself. `gate`, needed for more than 4 a day: "new commits", \
"changed PATH", "failing check", "stale branch 30 days" or "command: …". \
The person sees a card and saves it."""
        made = await drafted(args, context)
        await timetable.save(made)
        return ToolResult(f"Saved.\n{timetable.lines([made])}")

    @tool(effect="read", rerun="safe")
    async def schedules(args: ListSchedules, context: ToolContext) -> str:
        """The schedules of this room: id, name, when, when next, how the last run ended."""
        row = log.conversation(context.conversation)
        return timetable.lines(timetable.here(row.place) if row else []) or _NONE

    @tool(effect="keep", rerun="safe")
    async def unschedule(args: RemoveSchedule, context: ToolContext) -> str:
        """Remove a schedule by its id or name. Only for its creator or an owner."""
        found = timetable.own(args.id, timetable.least(context.senders))
        await timetable.remove(found)
        return f"Removed “{found.name}” ({found.id})."

    @tool(effect="read", rerun="safe")
    async def nothing_new(args: Nothing, context: ToolContext) -> str:
        """End a scheduled run without a word, when there is nothing worth people's time."""
        return "Nothing is posted if this is a scheduled run; else answer the person."

    return (schedule, schedules, unschedule, nothing_new)


async def take_back(timetable: Timetable, log: Log, conversation: ConversationId, run: int) -> str:
    """Remove the schedules that a run made; says so, or "" when there were none."""
    made = [
        entry.body["call"]
        for entry in log.entries(conversation, run)
        if entry.run == run and entry.kind == "tool_done" and entry.body["tool"] == "schedule"
    ]
    removed = [await timetable.take_back(_key(conversation, run, call)) for call in made]
    named = ", ".join(f"“{name}”" for name in removed if name)
    return f"The schedule {named} is removed." if named else ""


def _asked_at(log: Log, context: ToolContext) -> int | None:
    """When the call was made: what its card shows is what is saved, however late that is."""
    for entry in log.entries(context.conversation, context.run):
        blocks = entry.body["content"] if entry.kind == "assistant" else []
        if any(block.get("id") == context.call_id for block in blocks):
            return entry.at
    return None


def _key(conversation: ConversationId, run: int, call: str) -> str:
    """What names a wish of a run, for ever."""
    return f"{conversation} {run} {call}"
