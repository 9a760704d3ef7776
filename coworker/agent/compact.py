"""Shrink a history that has outgrown the model to a summary. It appends nothing itself."""

from __future__ import annotations

import dataclasses
from contextlib import suppress

from coworker.agent.fold import State
from coworker.errors import ModelError
from coworker.models.router import Router
from coworker.types import Answer, Bill, Json, Request

_INSTRUCTION = (
    '<context from="coworker">\nThis conversation is about to be replaced by a summary that you '
    "write now. Write down everything that is needed to go on without the original: what people "
    "asked for and decided (in their words), what was found out (with paths, lines, commits), "
    "what was done with which result, what is still open. "
    " Do not call tools. Answer with the summary alone.\n</context>"
)
_KEEP_CHARS = 12_000
_SUMMARY_TOKENS = 4_000


async def summarise(request: Request, state: State, router: Router, bill: Bill) -> Json:
    """The body of a `summary` entry without its price; when no model can write one, the latest
    words stand in.
    """
    ask = {"role": "user", "content": [{"type": "text", "text": _INSTRUCTION}]}
    asking = dataclasses.replace(
        request, messages=[*request.messages, ask], max_tokens=_SUMMARY_TOKENS
    )
    text = ""
    if not state.too_long:  # what was refused as too long would be refused again
        with suppress(ModelError):
            text = _text(await router.respond(asking, lambda _: None, bill))
    return {
        "text": text or _latest(request),
        "words": [{"head": words["head"], "text": words["text"]} for words in state.words],
    }


def _text(answer: Answer) -> str:
    if answer.model == "offline":
        return ""
    return "\n".join(block["text"] for block in answer.content if block["type"] == "text").strip()


def _latest(request: Request) -> str:
    """The end of the conversation as plain text, labelled as what it is."""
    lines: list[str] = []
    for message in request.messages:
        for block in message["content"]:
            words = block.get("text") or block.get("content") or ""
            if words:
                lines.append(f"{message['role']}: {words}")
    text = "\n".join(lines)
    return f"(The latest part of the conversation, cut from its beginning.)\n{text[-_KEEP_CHARS:]}"
