"""One streamed answer, put together from its events exactly as it was sent.

It knows the events of the Messages API, and nothing of servers, prices or of trying again.
"""

from __future__ import annotations

import msgspec

from coworker.types import Answer, Emit, Json, Progress, Usage

_LETTERS_A_TOKEN = 3
CUT = 1
"""What stands for a status where an answer broke off."""
_LIMITS = ("max_tokens", "model_context_window_exceeded")
_STATUS_OF = {"overloaded_error": 529, "rate_limit_error": 429, "invalid_request_error": 400}


class _Delta(msgspec.Struct):
    """What a block or the message grows by."""

    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    signature: str = ""
    stop_reason: str | None = None


class Event(msgspec.Struct):
    """One server-sent event; which fields are there depends on its type."""

    type: str = ""
    index: int = 0
    message: Json = {}
    content_block: Json = {}
    delta: _Delta = msgspec.field(default_factory=_Delta)
    usage: Json | None = None
    error: Json = {}


class GaveUp(Exception):
    """A fault that came with status 200, or after it; its args are those of `_fault`."""


class Reply:
    """One answer, put together from its events without changing what was sent."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._blocks: dict[int, Json] = {}
        self._parts: dict[int, list[str]] = {}
        self._tokens: Json = {}
        self._stop_reason = ""
        self._ended = False
        self.is_refused = False
        """Whether the server never began to answer, so that there is nothing to pay."""

    @property
    def usage(self) -> Usage:
        """Tokens as far as they were reported."""
        names = ("input", "output", "cache_read_input", "cache_creation_input")
        return Usage(*(self._tokens.get(f"{name}_tokens", 0) for name in names))

    def spent(self, prompt_tokens: int) -> Usage:
        """Tokens as they were reported; of an answer that broke off, as far as they are known."""
        usage = self.usage
        if self._ended or self.is_refused:
            return usage
        letters = sum(len(part) for parts in self._parts.values() for part in parts)
        return Usage(
            usage.input if usage.total else prompt_tokens,
            max(usage.output, letters // _LETTERS_A_TOKEN),
            usage.cache_read,
            usage.cache_write,
        )

    @property
    def short_writes(self) -> int:
        """Those of the tokens written to the cache that stay there for five minutes only."""
        count: int = self._tokens.get("cache_creation", {}).get("ephemeral_5m_input_tokens", 0)
        return count

    def take(self, event: Event) -> None:
        """Add one event. Raises GaveUp."""
        match event.type:
            case "message_start":
                self._count(event.message.get("usage"))
            case "content_block_start":
                self._blocks[event.index], self._parts[event.index] = event.content_block, []
            case "content_block_delta":
                self._grow(event.index, event.delta)
            case "message_delta":
                self._stop_reason = event.delta.stop_reason or ""
                self._count(event.usage)
            case "message_stop":
                self._ended = True
            case "error":
                status = _STATUS_OF.get(event.error.get("type", ""), 500)
                raise GaveUp(status, str(event.error.get("message", "")))

    def finish(self) -> None:
        """Put the parts together. Raises GaveUp when some are missing."""
        for index, block in self._blocks.items():
            kind = block.get("type", "")
            if kind.endswith("tool_use"):
                block["input"] = "".join(self._parts[index]) or block.get("input") or {}
            elif text := "".join(self._parts[index]):
                block[kind] = block.get(kind, "") + text
        calls = [block for block in self._blocks.values() if "input" in block]
        ids = {block.get("id") for block in calls if block.get("name")}
        if not self._ended or not self._stop_reason or len(ids) < len(calls):
            raise GaveUp(CUT)

    def answer(self, model: str) -> Answer:
        """What was said. Only here are the arguments of calls parsed, and judged."""
        malformed: dict[str, str] = {}
        content = list(self._blocks.values())
        for block in (block for block in content if "input" in block):
            cut = block is content[-1] and self._stop_reason in _LIMITS
            block["input"], fault = _arguments(block["input"], cut=cut)
            malformed |= {block["id"]: fault} if fault else {}
        return Answer(content, self._stop_reason, model, self.usage, malformed)

    def _grow(self, index: int, delta: _Delta) -> None:
        if index not in self._blocks:
            raise GaveUp(CUT)
        self._parts[index].append(delta.text or delta.thinking or delta.partial_json)
        if delta.signature:
            self._blocks[index]["signature"] = delta.signature
        if shown := delta.text or delta.thinking:
            self._emit(Progress("text" if delta.text else "thinking", shown))

    def _count(self, tokens: Json | None) -> None:
        self._tokens |= {name: count for name, count in (tokens or {}).items() if count is not None}


def _arguments(sent: Json | str, *, cut: bool) -> tuple[Json, str]:
    """A call's arguments, and what is wrong with them if they cannot be used."""
    try:
        value = msgspec.json.decode(sent) if isinstance(sent, str) and sent.strip() else sent
        if isinstance(value, dict) and (value or not cut):
            return value, ""
    except ValueError:
        pass
    why = "were cut off by the output limit" if cut else "are not a complete JSON object"
    return {}, f"the arguments {why}: {str(sent)[:500]}."
