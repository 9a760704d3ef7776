"""What the host itself says to people and to the model: true, plain sentences.

It only phrases what the fold knows; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from coworker.agent.evidence import Evidence
from coworker.agent.fold import State
from coworker.store.log import InboxRow
from coworker.tools.digest import NO_NEWS
from coworker.types import Answer, Json

MAX_REPEATS = 6
_NUDGE_AT = 3
NOTHING_RUNS = "Nothing is running here, so there was nothing to stop."
STOPPED_UNBEGUN = "Stopped before it began."
STOPPED_CALL = "Stopped by a person before it finished; it may have happened in part."
STOPPED_REQUEST = "Stopped by a person while the model was answering; what that cost is counted."
LOST_REQUEST = "We ended while the model may have been answering; what that costs is counted."
BROKEN_CALL = "Something broke inside coworker during this call; it may have happened in part."
STARTED = "On it."
AFRESH = "A fresh start: what was said here before is no longer part of the conversation."
STILL_MARKED = (
    " The work here that is not pushed yet was done after words from outside were read, "
    "so what leaves the machine is still asked."
)
HAS_WORK = (
    "This thread has work in {repo} already, so it stays there. "
    "Start a new thread for another repository."
)
TOO_SLOW = (
    "The model was still answering when the run had taken {minutes} minutes, the limit of one run "
    "(budget.run_minutes), so I stopped."
)
OUTGROWN = (
    "This conversation no longer fits the model, even summarised, so I stopped. "
    "Start a new conversation with what matters."
)


def final(answer: Answer) -> tuple[str, str, str] | None:
    """(text, outcome, by) when this answer ends the run, None when the work goes on."""
    if any(block["type"] == "tool_use" for block in answer.content):
        return None
    text = "\n\n".join(
        b["text"] for b in answer.content if b["type"] == "text" and b["text"]
    ).strip()
    match answer.stop_reason:
        case "pause_turn" | "model_context_window_exceeded":
            return None
        case "refusal":
            return (
                f"{answer.model} declined to answer this. Say it differently.",
                "failed",
                "host",
            )
        case "max_tokens":
            note = (
                "(The answer reached the output limit and ends here. Say “continue” for the rest.)"
            )
            return f"{text}\n\n{note}".strip(), "answered", "model"
    if not text:
        return (
            f"{answer.model} ended without an answer. Ask again, perhaps in other words.",
            "failed",
            "host",
        )
    return text, "answered", "model"


def offline(state: State, answer: Answer, text: str, *, is_last: bool) -> tuple[str, str, str]:
    """(text, outcome, by) when no model was asked.

    Of standing work a digest needs none, and a reminder is due now; what a model should have done
    is tried again, and nobody is told. "offline" is told, and no success.
    """
    ended = "offline" if answer.stopgap else "answered"
    done = state.done[-1] if state.done else None
    if state.alone and done and done["tool"] == "digest" and not done["is_error"]:
        return text, "nothing" if done["text"].startswith(NO_NEWS) else ended, "model"
    if not answer.stopgap:
        return text, "answered", "model"
    if state.alone and not is_last:
        return answer.stopgap, "failed", "host"
    if text.startswith("Reminder: "):
        return with_notices(text, [answer.stopgap]), ended, "model"
    return text, "failed", "model"


def with_notices(text: str, notices: Sequence[str]) -> str:
    """The reply with what the person should know about how it came about."""
    return "\n\n".join([text, *(f"({notice})" for notice in notices)])


def stopped(state: State, inbox: Sequence[InboxRow]) -> str:
    """The report after a stop: what was done, what may have happened in part, what comes next."""
    begun = [call.call.name for call in state.calls.values() if call.starts]
    partly = f" Cut short, perhaps done in part: {', '.join(begun)}." if begun else ""
    waiting = sum(row.kind == "message" and row.body.get("when") != "instead" for row in inbox)
    who = "1 message that waited is" if waiting == 1 else f"{waiting} messages that waited are"
    further = f" {who} read now; say stop again to end that, too." if waiting else ""
    return f"Stopped. {_so_far(state)}{partly}{further}"


def limited(sentence: str, state: State) -> str:
    """The report after a limit."""
    go_on = "" if sentence == OUTGROWN else " Say “continue” to go on."
    return f"{sentence} {_so_far(state)}{go_on}"


def repeated(state: State) -> str:
    """The sentence for a model that goes round in circles."""
    key = max(state.seen, key=state.seen.__getitem__)
    tool = next((body["tool"] for body in reversed(state.done) if body["key"] == key), "a tool")
    times = state.seen[key]
    return f"I stopped: the model made the same {tool} call {times} times, with the same result."


def broke(reference: str) -> str:
    """The sentence for a fault of our own."""
    return (
        f"Something broke inside coworker while it worked on this (reference {reference}). "
        "Nothing more was done. Try again; if it happens again, report the reference with the log."
    )


def checked(results: Sequence[Json]) -> Json:
    """The body of the entry that tells the model how the repository's checks ended."""
    told = [f"$ {each['receipt']['command']}\n{each['text']}" for each in results]
    failed = any(each["receipt"]["exit_code"] for each in results)
    verdict = "Mend it, commit, and say what you did." if failed else "All of them passed."
    notes = dict.fromkeys(note for each in results for note in each.get("notes", []))
    text = "\n\n".join(["Run on a clean checkout of your last commit:", *notes, *told, verdict])
    return {"source": "checks of the repository", "text": text, "checks": list(results)}


def scheduled(head: str, due: Json) -> str:
    """The head of a scheduled run's words: nobody waits, so silence is an answer too."""
    gate = f", because of {due['gate']}" if due["gate"] else ""
    missed = f", {due['missed']} missed while I was away" if due["missed"] else ""
    return (
        f"{head}; scheduled run “{due['name']}”{gate}{missed}; nobody waits for it: "
        "if there is nothing worth saying, call nothing_new"
    )


def bound(repo: str) -> str:
    """The word after a conversation was bound to a repository."""
    return f"This conversation is about {repo} now."


def red(checks: Sequence[Json]) -> str:
    """The sentence for work that does not pass, whatever the model says of it."""
    ended = ", ".join(f"`{each['command']}` ended with exit {each['exit_code']}" for each in checks)
    return f"⚠ The last commit does not pass the repository's checks: {ended}."


def undone(run: int, text: str, evidence: Evidence) -> str:
    """The report after an undo, with what cannot be taken back."""
    pushed = dict.fromkeys(each["url"] for each in evidence.pushes)
    stays = (
        f" What was pushed stays at {', '.join(pushed)}; remove it there by hand." if pushed else ""
    )
    return f"Undo of run {run}: {text}{stays}"


def with_notes(body: Json, notes: Sequence[str], state: State) -> Json:
    """A result with what has not been told yet about where it happened."""
    fresh = [note for note in notes if note not in state.told]
    if not fresh:
        return body
    return {**body, "text": "\n".join([body["text"], *(f"[{n}]" for n in fresh)]), "notes": fresh}


def with_nudge(body: Json, state: State) -> Json:
    """Tell a model that repeats itself so, once it is plain."""
    times = state.seen.get(body["key"], 0) + 1
    if times < _NUDGE_AT:
        return body
    note = (
        f"[coworker: this call returned exactly this {times} times. Do something else, or answer.]"
    )
    return {**body, "text": f"{body['text']}\n{note}"}


def notice(text: str) -> Json:
    """The body of what is said outside of any run."""
    return {
        "text": text,
        "by": "host",
        "outcome": "answered",
        "exit_status": 0,
        "run": 0,
        "receipt": {},
        "actions": [],
        "messages": [],
        "asker": "",
    }


def midnight(now_ms: int, zone: ZoneInfo) -> int:
    """The start of today in that zone, in milliseconds UTC."""
    today = datetime.fromtimestamp(now_ms / 1000, zone)
    return int(today.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)


def _so_far(state: State) -> str:
    happened = [body for body in state.done if not body["is_error"]]
    if not happened:
        return "Nothing had been done before that."
    counts: dict[str, int] = {}
    for body in happened:
        counts[body["tool"]] = counts.get(body["tool"], 0) + 1
    calls = ", ".join(f"{tool} ×{n}" if n > 1 else tool for tool, n in counts.items())
    return f"Done before that: {calls}."
