"""One page of the web, read with care: every connection is checked at the moment it is made.

It sends no cookie and no credential, believes no proxy, and knows nothing of conversations.
"""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yarl import URL

from coworker.errors import Denied, Unavailable
from coworker.settings import Web
from coworker.web import page
from coworker.web.address import checked, is_private, is_public, parsed

if TYPE_CHECKING:
    from aiohttp import ClientResponse

_SECONDS = 20.0
_BYTES = 2_000_000
_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_HEADERS = {
    "User-Agent": "coworker (reads a page that somebody asked for)",
    "Accept": "text/html, text/markdown, text/plain, application/json;q=0.9, */*;q=0.1",
    "Accept-Encoding": "gzip",
}
_PRIVATE = (
    "{host} is not on the public internet, so it is not read. "
    "An owner can allow it in the configuration: [web] private."
)
Found = list[tuple[Any, ...]]
Resolve = Callable[[str, int], Awaitable[Found]]
"""What `getaddrinfo` says of a host and port."""


@dataclass(frozen=True, slots=True)
class Page:
    """What was read: where it was in the end, what it is called, its text, whether that is all."""

    url: str
    title: str
    text: str
    is_whole: bool


async def _system(host: str, port: int) -> Found:
    loop = asyncio.get_running_loop()
    return list(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Reader:
    """Reads pages, as far as the configuration lets it."""

    def __init__(self, web: Web, resolve: Resolve = _system) -> None:
        self._web = web
        self._resolve = resolve

    def check(self, url: str) -> None:
        """Refuse what is plainly never read, without asking anybody for it. Raises Denied."""
        parts = parsed(url)
        if not checked(parts, self._web) and is_private(parts):
            raise Denied(_PRIVATE.format(host=parts.host))

    async def read(self, url: str) -> Page:
        """The text behind an address. Raises Denied, Unavailable."""
        import aiohttp

        try:
            async with asyncio.timeout(_SECONDS):
                return await self._followed(url)
        except TimeoutError:
            raise Unavailable(f"No whole answer came within {_SECONDS:.0f} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if refusal := _refusal(error):
                raise refusal from None
            raise Unavailable(f"It cannot be reached: {_reason(error)}.") from None

    async def _followed(self, address: str) -> Page:
        url = parsed(address)
        for _ in range(_REDIRECTS + 1):
            found = await self._hop(url)
            if isinstance(found, Page):
                return found
            url = parsed(str(url.join(URL(found))))
        raise Unavailable(f"It was sent on more than {_REDIRECTS} times, so it was given up.")

    async def _hop(self, url: URL) -> Page | str:
        """The page, or where it is said to have moved."""
        import aiohttp

        is_open = checked(url, self._web)
        connector = aiohttp.TCPConnector(
            resolver=_resolver(self._resolve, is_open=is_open),
            socket_factory=lambda info: _socket(info, is_open=is_open),
            force_close=True,
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                trust_env=False,
                auto_decompress=False,
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status in _MOVED and (target := response.headers.get("Location")):
                return target
            return await _page(response)


async def _page(response: ClientResponse) -> Page:
    if response.status != 200:
        raise Unavailable(f"The server answers {response.status} {response.reason or ''}".rstrip())
    kind = response.content_type
    page.refuse_kind(kind)
    data, is_whole = await _body(response)
    title, text = await asyncio.to_thread(page.readable, kind, data, response.charset)
    return Page(str(response.url), title, text, is_whole)


async def _body(response: ClientResponse) -> tuple[bytes, bool]:
    """At most so many bytes, and as many again once they are unpacked; and whether that is all."""
    data = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        data += chunk
        if len(data) > _BYTES:
            break
    is_whole = len(data) <= _BYTES
    packed = response.headers.get("Content-Encoding", "identity").lower()
    if packed == "identity":
        return bytes(data[:_BYTES]), is_whole
    if packed not in ("gzip", "deflate"):
        raise Unavailable(f"The server packs it as {packed[:40]!r}, which was not asked for.")
    return _unpacked(bytes(data), is_whole=is_whole)


def _unpacked(data: bytes, *, is_whole: bool) -> tuple[bytes, bool]:
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        text = unpacking.decompress(data, _BYTES)
    except zlib.error:
        raise Unavailable("What the server sent is damaged.") from None
    return text, is_whole and not unpacking.unconsumed_tail


def _resolver(resolve: Resolve, *, is_open: bool) -> Any:
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Resolver(AbstractResolver):
        """Asks once; a name with any private address is none of the public internet."""

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            found = await resolve(host, port)
            for *_, address in found:
                _refuse_private(address[0], host, is_open=is_open)
            return [
                ResolveResult(
                    hostname=host,
                    host=address[0],
                    port=port,
                    family=family,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
                for family, *_, address in found
            ]

        async def close(self) -> None:
            """Nothing is held."""

    return Resolver()


def _socket(info: Any, *, is_open: bool) -> socket.socket:
    """The socket of one connection; what it will connect to is known by now."""
    family, kind, protocol, _, address = info
    _refuse_private(address[0], address[0], is_open=is_open)
    return socket.socket(family, kind, protocol)


class _Private(OSError):
    """Raised within the client library, which passes on only errors of this kind."""


def _refuse_private(address: str, host: str, *, is_open: bool) -> None:
    if not (is_open or is_public(address)):
        raise _Private(_PRIVATE.format(host=host))


def _refusal(error: BaseException) -> Denied | None:
    """Our own refusal, however the client library has wrapped it."""
    seen: BaseException | None = error
    while seen:
        if isinstance(seen, _Private):
            return Denied(str(seen))
        if isinstance(seen, ExceptionGroup):
            return next(filter(None, map(_refusal, seen.exceptions)), None)
        seen = seen.__cause__ or seen.__context__ or getattr(seen, "os_error", None)
    return None


def _reason(error: BaseException) -> str:
    import ssl

    if isinstance(error, ssl.SSLError) or "CERTIFICATE" in str(error).upper():
        return "its certificate cannot be trusted"
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__
