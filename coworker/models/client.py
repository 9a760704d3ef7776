"""One configured model server: a request in, one streamed answer out, every fault in plain words.

It knows the Messages API and its vendor's library, and nothing of other models or of tools.
The first sentence of each of its errors says what happened, the rest what to do.
"""

from __future__ import annotations

import asyncio
import gc
import random
import re
import sys
import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from coworker.config import ANTHROPIC_URL, model_url, secret
from coworker.errors import ContextTooLong, ModelError, ModelRefused, Overloaded, RateLimited
from coworker.models import prices
from coworker.models.reply import CUT, Event, GaveUp, Reply
from coworker.protocols import Clock
from coworker.settings import ModelConfig
from coworker.types import Answer, Bill, Emit, Json, Progress, Request, Tier

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
_AWAY_MS = 30_000  # for this long after giving up, one attempt a request is enough
_LONGEST_WAIT_S = 30.0
_PATIENT_MS = 60_000
"""An attempt that failed after this long is not made again."""
_UNKNOWN_WAIT_S = 15.0
_importing = threading.Lock()


class MessagesClient:
    """A model behind one server of the Messages API.

    `patience_s` is how long the server may be silent before the request counts as lost; `key` is
    one that is tried before it is configured.
    """

    def __init__(
        self,
        config: ModelConfig,
        tier: Tier,
        clock: Clock,
        patience_s: float | None = None,
        key: str = "",
    ) -> None:
        self._config = config
        self._tier = tier
        self._clock = clock
        self._patience_s = patience_s or (600.0 if config.compatible else 120.0)
        self._url = model_url(config)
        self._key = key or secret(config.api_key_env)
        self._price = prices.price_of(config)
        self._sdk: AsyncAnthropic | None = None
        self._loading = asyncio.Lock()
        self._away_until_ms = 0

    @property
    def host(self) -> str:
        """Where requests go."""
        return urlsplit(self._url).hostname or self._url

    @property
    def obstacle(self) -> str | None:
        """Why this model cannot even be asked, and what to do about it."""
        if self._key or self._url.rstrip("/") != ANTHROPIC_URL:
            return None
        return f"{self._config.model} has no key. Set {self._config.api_key_env}."

    async def respond(self, request: Request, emit: Emit, bill: Bill) -> Answer:
        """Answer one request, trying again after passing faults. Raises ModelError."""
        if self.obstacle:
            raise ModelRefused(self.obstacle)
        body = _body(request, compatible=self._config.compatible) | {"model": self._config.model}
        away = self._clock.now_ms() < self._away_until_ms
        pauses_s = iter(() if away else _PAUSES_S)
        while True:
            reply, began = Reply(emit), self._clock.now_ms()
            try:
                fault = await self._attempt(body, reply)
            finally:
                bill.usd += self._cost(reply, request.tokens)
            if fault is None:
                self._away_until_ms = 0
                return reply.answer(self._config.model)
            wait_s = _wait(fault, next(pauses_s, None))
            if self._clock.now_ms() - began > _PATIENT_MS:
                wait_s = None  # it hangs: asking again would only double the silence
            if wait_s is None:
                if isinstance(fault, Overloaded):
                    self._away_until_ms = self._clock.now_ms() + _AWAY_MS
                raise fault
            emit(Progress("note", f"{what_happened(fault)}; trying again."))
            await self._clock.sleep(wait_s)

    async def aclose(self) -> None:
        """Close every connection. A later request opens new ones."""
        sdk, self._sdk = self._sdk, None
        if sdk:
            await sdk.close()

    async def _attempt(self, body: Json, reply: Reply) -> ModelError | None:
        """One request; what went wrong, if anything."""
        sdk = await self._loaded()
        import anthropic
        import httpx2

        try:
            async with aclosing(_events(sdk, body)) as events:
                async for event in events:
                    reply.take(event)
            reply.finish()
        except anthropic.APIStatusError as error:
            reply.is_refused = True
            wait_s = _retry_after(error.response.headers)
            return self._fault(error.status_code, error.api_message or "", wait_s)
        except GaveUp as error:
            reply.is_refused = not reply.usage.total
            return self._fault(*error.args)
        except (anthropic.APITimeoutError, httpx2.TimeoutException, TimeoutError) as error:
            reply.is_refused = _was_never_sent(error)
            return self._fault(_LATE)
        except (anthropic.APIConnectionError, OSError) as error:
            reply.is_refused = _was_never_sent(error)
            return self._fault(_UNREACHABLE)
        except httpx2.HTTPError:
            return self._fault(CUT)
        return None

    async def _loaded(self) -> AsyncAnthropic:
        async with self._loading:
            if self._sdk is None:
                self._sdk = await asyncio.to_thread(self._connect)
            return self._sdk

    def _connect(self) -> AsyncAnthropic:
        """Build the vendor's client: in a thread, since its import takes most of a second."""
        with _importing:
            _import_quietly()
        import anthropic
        import httpx2

        # Whoever names a server on this machine does not expect a proxy in between.
        mounts = {"http://": None, "https://": None} if self._config.is_local else None
        sdk = anthropic.AsyncAnthropic(
            api_key=self._key or "none",
            base_url=self._url,
            max_retries=0,
            http_client=anthropic.DefaultAioHttpClient(
                mounts=mounts,
                follow_redirects=False,
                limits=httpx2.Limits(max_connections=10_000, keepalive_expiry=60.0),
                timeout=httpx2.Timeout(self._patience_s, connect=10.0, pool=600.0),
            ),
        )
        _ = sdk.messages.with_streaming_response  # imports more on first use
        return sdk

    def _cost(self, reply: Reply, prompt_tokens: int) -> float:
        if self._price is None:
            return 0.0
        return prices.cost(self._price, reply.spent(prompt_tokens), reply.short_writes)

    def _fault(self, status: int, said: str = "", wait_s: float = _UNKNOWN_WAIT_S) -> ModelError:
        model = self._config.model
        if status == 429:
            wait = f"{wait_s:.0f} s" if wait_s < 90 else f"{wait_s / 60:.0f} min"
            return RateLimited(f"{model} asks us to wait {wait}. Say it again then.", wait_s)
        if _NO_CREDIT.search(said):
            status = 402
        if status == 400 and _TOO_LONG.search(said):
            status = 413
        kind, what, mend = _FAULTS.get(status) or _FAULTS[status // 100 * 100]
        words = {"host": self.host, "tier": self._tier, "status": status}
        said = self._quoted(said)
        return kind(f"{what}. {mend}".format(it=self._config, said=said, **words))

    def _quoted(self, said: str) -> str:
        """The server's first sentence, if it is one, without the key that some servers repeat."""
        sentence = " ".join(said.split()).split(". ")[0]
        if not sentence or sentence[0] in "{[<":
            return ""
        hidden = _KEY.sub("…", sentence.replace(self._key, "…") if self._key else sentence)
        return f": “{hidden[:200]}”"


def what_happened(fault: ModelError) -> str:
    """The first sentence of a fault, without its full stop."""
    return str(fault).split(". ", 1)[0].rstrip(".")


_LATE, _UNREACHABLE = 408, 2  # faults without a status share the table of the others
_AGAIN = "Say it again in a few minutes."
_CHECK = "Check model and base_url (without /v1) in [models.{tier}]."
_CHECK_KEY = "Check {it.api_key_env} and the account it belongs to."
_FAULTS: dict[int, tuple[type[ModelError], str, str]] = {
    CUT: (Overloaded, "{it.model} broke off its answer", _AGAIN),
    _LATE: (Overloaded, "{it.model} did not answer in time", _AGAIN),
    _UNREACHABLE: (Overloaded, "{it.model} cannot be reached at {host}", _CHECK),
    200: (ModelRefused, "{host} does not speak the Messages API", _CHECK),
    300: (ModelRefused, "{host} redirects the requests to {it.model}", _CHECK),
    400: (ModelRefused, "{host} refuses the request to {it.model} ({status}){said}", _CHECK),
    401: (ModelRefused, "{host} asks for a valid key for {it.model}", _CHECK_KEY),
    402: (ModelRefused, "There is no credit left for {it.model}", _CHECK_KEY),
    403: (ModelRefused, "{host} does not allow {it.model} with this key", _CHECK_KEY),
    404: (ModelRefused, "{host} does not know {it.model}", _CHECK),
    409: (Overloaded, "{it.model} is busy with another request", _AGAIN),
    413: (ContextTooLong, "This conversation no longer fits {it.model}", "Start a new one."),
    500: (Overloaded, "{it.model} has a fault on its server ({status})", _AGAIN),
    529: (Overloaded, "{it.model} is overloaded", _AGAIN),
}
_TOO_LONG = re.compile(r"(?i)too long|too many tokens|context (length|window|size|limit|exceeded)")
_NO_CREDIT = re.compile(r"(?i)credit balance")
_KEY = re.compile(r"\bsk-[\w-]{4,}")


def _wait(fault: ModelError, pause_s: float | None) -> float | None:
    """Seconds until the next attempt; None when there is none."""
    if pause_s is None:
        return None
    if isinstance(fault, RateLimited):
        return fault.retry_after_s if fault.retry_after_s <= _LONGEST_WAIT_S else None
    if isinstance(fault, Overloaded):
        return pause_s * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, hides nothing
    return None


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks us to wait."""
    value = headers.get("retry-after", "")
    return float(value) if re.fullmatch(r"\d{1,9}(\.\d*)?", value) else _UNKNOWN_WAIT_S


def _was_never_sent(error: Exception) -> bool:
    import httpx2

    never = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
    return isinstance(error, never) or isinstance(error.__cause__, never)


def _import_quietly() -> None:
    """Import without the collector's long pauses, which the event loop would feel."""
    if "anthropic" in sys.modules or not gc.isenabled():
        return
    gc.disable()
    try:
        import anthropic  # noqa: F401 - the import is the effect
    finally:
        gc.enable()
        gc.freeze()


def _body(request: Request, *, compatible: bool) -> Json:
    """The request in the vendor's dialect, or in what every server of the Messages API knows."""
    body: Json = {"max_tokens": request.max_tokens}
    if request.tools:
        body["tools"] = request.tools
    if compatible:
        return body | {"system": request.system, "messages": _alternating(request.messages)}
    hour = {"type": "ephemeral", "ttl": "1h"}
    return body | {
        "system": [{"type": "text", "text": request.system, "cache_control": hour}],
        "messages": request.messages,  # as they are: signed thinking is bound to every byte
        "thinking": {"type": "adaptive", "display": "summarized"},
        "cache_control": {"type": "ephemeral"},
    }


def _alternating(messages: list[Json]) -> list[Json]:
    """Each role's consecutive messages as one, without thinking, which is another model's."""
    merged: list[Json] = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        kept = [block for block in blocks if "thinking" not in block["type"]]
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1] = {"role": message["role"], "content": merged[-1]["content"] + kept}
        elif kept:
            merged.append({"role": message["role"], "content": kept})
    return merged


async def _events(sdk: AsyncAnthropic, body: Json) -> AsyncGenerator[Event, None]:
    """The events of one answer, as sent.

    Read below the library's accumulation, which would lose the rest of an answer at a call with
    bad JSON, add keys that were not sent, and cost almost half of the time.
    """
    import anthropic

    decode = msgspec.json.Decoder(Event).decode
    async with sdk.messages.with_streaming_response.create(**body, stream=True) as response:
        if "event-stream" not in response.headers.get("content-type", ""):
            raise GaveUp(response.status_code)
        try:
            async for sse in anthropic.AsyncStream.raw_events(response.http_response):
                if sse.data:
                    yield decode(sse.data)
        except ValueError as error:
            raise GaveUp(CUT) from error
