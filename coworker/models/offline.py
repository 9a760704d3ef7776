"""The model of last resort: a table of intents that asks for the tools a person would ask for.

It repeats what tools returned and claims nothing else. It knows no server and no platform.
"""

from __future__ import annotations

import re

from coworker.types import Answer, Emit, Json, Progress, Request

CONNECT = """\
To connect a model, set ANTHROPIC_API_KEY; for a local server, set ANTHROPIC_BASE_URL \
or base_url in [models.large]."""
_CAN = """\
what changed [this week | since monday | in FILE] · who knows FILE · find TEXT · \
show FILE[:FROM-TO] · list files · status · remember … · recall … · \
remind me to … tomorrow at 9 · digest · run the checks"""
_WHEN = r"(?P<when>(?:today|tonight|tomorrow|every|each|next|on|at|in)\b"
_FILE = r"(?!this\b|file\b)[\"'`]*(?P<path>[^\s\"'`?:]*[^\s\"'`?:.,!])"
# The groups of a pattern are the arguments of its tool.
_INTENTS = (
    (r"\bdigest\b", "digest"),
    (r"^(?:recall|do you remember|what do you know about) (?P<queries>.+)", "recall"),
    (r"^remember(?: that|:)? (?P<text>.+)", "remember"),
    (rf"^remind (?:me|us) {_WHEN}.*?) (?:to|that|about) (?P<prompt>.+)", "schedule"),
    (rf"^remind (?:me|us)(?: to| that| about)? (?P<prompt>.+?) {_WHEN}.+)", "schedule"),
    (r"^(?:find|search(?: for)?|grep(?: for)?|look for|where is) (?P<pattern>.+)", "search"),
    (
        r"(?:\bwhat\S*(?: \w+)? (?:changed?|changes|new|happened|going on)\b"
        r"|^(?:show |list )?(?:me )?(?:the )?(?:\w+ )?(?:changes|commits|history|log)\b)"
        r"(?:(?=.*\b(?:in|to) (?P<path>\S*[./]\S*\w)))?"
        r"(?:(?=.*\b(?P<since>since (?:(?! in )[^?!])+|today|yesterday"
        r"|(?:this|last|past) (?:\d+ )?(?:hour|day|week|month|year)s?)\b))?",
        "git_log",
    ),
    (rf"\bwho (?:knows|wrote|owns|changed|made)(?: this| the| file)* {_FILE}", "git_blame"),
    (r"^(?:git )?status\b|\buncommitted\b", "git_status"),
    (rf"^(?:list|ls)(?: all| the)*(?: files)?(?: in {_FILE})?[.?]?$", "list_files"),
    (r"^run (?:the |all )*(?:checks?|tests?)\b", "shell"),
    (
        rf"^(?:show|open|cat|read|print)(?: me| the| file)* {_FILE}[\"'`]*"
        r"(?:(?::| lines? )(?P<start>\d{1,9})(?: ?(?:-|to) ?(?P<end>\d{1,9}))?)?[.?]?$",
        "read_file",
    ),
)
_POLITE = r"(?i)^(?:(?:hey|hi|please|coworker|(?:can|could|would) you|<?@\w+>?)[,:!]?\s+)+"
_CHECKS = "if grep -qs '^test:' Makefile; then make test; else python3 -m pytest -q; fi"
_MARK, _LIMIT = "offline_", 6_000  # the characters understood, and repeated of a result
Made = tuple[Json, Json]  # a call and its result


class Offline:
    """Answers without any model. `reason` says why, `mend` what would help."""

    def __init__(self, reason: str = "no model is connected", mend: str = CONNECT) -> None:
        self._reason = reason
        self._mend = mend

    async def respond(self, request: Request, emit: Emit) -> Answer:
        """Ask for a tool, or repeat what it returned. Never fails."""
        texts, calls = _since_words(request.messages)
        step = self._next(texts, calls, {tool["name"] for tool in request.tools})
        if not isinstance(step, str):
            call = {"type": "tool_use", "id": f"{_MARK}{len(request.messages)}"}
            return Answer([call | step], "tool_use", "offline")
        emit(Progress("text", step))
        return Answer([{"type": "text", "text": step}], "end_turn", "offline")

    def _next(self, texts: list[str], calls: list[Made], offered: set[str]) -> Json | str:
        """The next tool call, or the reply."""
        if any(not call["id"].startswith(_MARK) for call, _ in calls):
            return f"I am offline: {self._reason}. The work above is not finished. {self._mend}"
        if (step := _meant(texts[-1])) is None:
            if "scheduled run" in texts[0]:  # its hour has come
                return f"Reminder: {texts[-1]}"
            return f"I am offline: {self._reason}. I can only do this:\n{_CAN}\n\n{self._mend}"
        if step["name"] not in offered:
            return f"{step['name']} is not available here yet. (I am offline: {self._reason}.)"
        onward = _onward(step, calls, offered) if calls else step
        return self._report(*onward) if isinstance(onward, tuple) else onward

    def _report(self, call: Json, result: Json) -> str:
        """A tool result as it is, fenced, and where it comes from."""
        name, text = call["name"], _text_of(result)
        if result.get("is_error"):
            return f"{name} failed: {text}\n\n(I am offline: {self._reason}.)"
        more = f"\n… {len(text) - _LIMIT} more characters" if len(text) > _LIMIT else ""
        fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", text))])
        head = " ".join([name, *(f"{key}={value}" for key, value in call["input"].items())])
        return (
            f"{head}\n{fence}\n{text[:_LIMIT]}{more}\n{fence}\n\n"
            f"(I am offline: {self._reason}. This is what {name} returned, nothing more.)"
        )


def _since_words(messages: list[Json]) -> tuple[list[str], list[Made]]:
    """What a person said last, with its head, and the calls made since then with their results."""
    calls, results = list[Made](), dict[str, Json]()
    for message in reversed(messages):
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts = [block["text"] for block in blocks if block["type"] == "text"]
        if message["role"] == "user" and texts:
            return texts, calls[::-1]
        results |= {b["tool_use_id"]: b for b in blocks if b["type"] == "tool_result"}
        calls += [(b, results.get(b["id"], {})) for b in blocks if b["type"] == "tool_use"]
    return [""], []


def _text_of(result: Json) -> str:
    said = result.get("content", "")
    return said if isinstance(said, str) else "\n".join(b.get("text", "") for b in said)


def _meant(words: str) -> Json | None:
    """The tool call that these words ask for, if any."""
    plain = " ".join(re.sub(_POLITE, "", words.strip()).split())
    for pattern, tool in _INTENTS if len(plain) < _LIMIT else ():
        if match := re.search(pattern, plain, re.IGNORECASE):
            return {"name": tool, "input": _arguments(tool, match.groupdict())}
    return None


def _arguments(tool: str, given: dict[str, str | None]) -> Json:
    """The groups of a match as the tool wants them."""
    if tool == "shell":
        return {"command": _CHECKS}
    clean: Json = {key: value.strip("\"'`“” ") for key, value in given.items() if value}
    clean |= {key: int(clean[key]) for key in ("start", "end") if key in clean}
    if since := clean.pop("since", ""):
        lately = re.fullmatch(r"(?:last|past) (\d+ |)(\w+)", since)
        begin = f"{lately[1] or '1 '}{lately[2]} ago" if lately else since.removeprefix("since ")
        named = re.fullmatch(r"v\d[\w.]*|[0-9a-f]{7,40}", begin)
        clean |= {"range": f"{begin}..HEAD"} if named else {"since": begin}
    return clean | ({"queries": [clean["queries"]]} if "queries" in clean else {})


def _onward(step: Json, calls: list[Made], offered: set[str]) -> Json | Made:
    """The next call, or the one to report. A bare name not at the root is looked for elsewhere."""
    name, (last, result), lists = step["input"].get("path", ""), calls[-1], {"list_files"}
    if len(calls) == 1 and result.get("is_error") and name and "/" not in name:
        look = {"name": "list_files", "input": {"glob": f"**/{name}"}}
        return look if lists <= offered - {step["name"]} else calls[0]
    if last["name"] not in lists - {step["name"]}:
        return calls[-1]
    found = [line for line in _text_of(result).split() if line.endswith(f"/{name}")]
    if len(found) == 1:
        return {**step, "input": {**step["input"], "path": found[0]}}
    return calls[-1] if found else calls[0]
