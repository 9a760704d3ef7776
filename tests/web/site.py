"""A web site on this machine: it serves what it is told to and counts who came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

HTML = """<!doctype html><html><head><title>Release &amp; notes</title><style>p {color: red}</style>
<body><script>steal()</script><h1>Version 2</h1><p>Rounds <b>once</b>, see
<a href="https://example.org/why?a=1&amp;b=2">why</a>.<ul><li>fast<li>small</ul>
<pre>  total(lines)</pre><!-- hidden words --></html>"""


class Site:
    """Its pages by path: a response, or keywords for one."""

    def __init__(self) -> None:
        self.pages: dict[str, Mapping[str, Any]] = {
            "/": {"text": HTML, "content_type": "text/html"}
        }
        self.requests: list[web.Request] = []
        self.port = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}{path}"

    def moves(self, path: str, target: str) -> None:
        self.pages[path] = {"status": 302, "headers": {"Location": target}}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        page = self.pages.get(request.path)
        return web.Response(**page) if page else web.Response(status=404)


@asynccontextmanager
async def serving() -> AsyncIterator[Site]:
    """A site that is there as long as the context."""
    site, app = Site(), web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        server = web.TCPSite(runner, "127.0.0.1", 0)
        await server.start()
        site.port = runner.addresses[0][1]
        yield site
    finally:
        await runner.cleanup()
