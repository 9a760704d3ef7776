"""The web is read as text, and nothing of this machine's network is reached through it."""

import gzip
import json
import socket
import time

import pytest

from coworker.errors import Denied, Unavailable
from coworker.protocols import ToolContext
from coworker.settings import Web
from coworker.tools.web import tools
from coworker.types import ConversationId
from coworker.web import page
from coworker.web.address import is_public
from coworker.web.fetch import Reader

SPELLINGS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1./",
    "http://localhost/",
    "http://localhost./",
    "http://LOCALHOST/",
    "http://0.0.0.0/",
    "http://0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fd00::1]/",
    "http://[ff02::1]/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://①②⑦.⓪.⓪.①/",
    "https://127.0.0.1:8443/",
]
MALFORMED = [
    "http://user:password@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1:80\\@example.com/",
    "http://example.com:22/",
    "http://example.com:6379/",
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://127.0.0.1:70/",
    "data:text/html,hi",
    "//example.com/",
    "http://",
    "http:///etc/passwd",
    "http://[::1",
    "just words",
    "",
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]


def reading(site, **more):
    """A reader for whose owner the site is a private host that may be read."""
    return Reader(Web(private=[site.host], **more))


def named(*addresses):
    """A network in which every name has these addresses; it remembers who asked."""
    asked = []

    async def resolve(host, port):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    return resolve, asked


@pytest.mark.parametrize("url", SPELLINGS)
async def test_no_spelling_of_a_private_address_is_connected_to(url):
    with pytest.raises((Denied, Unavailable), match=r"public internet|cannot be reached"):
        await Reader(Web()).read(url)


@pytest.mark.parametrize("url", MALFORMED)
async def test_what_is_no_plain_address_of_a_page_is_refused_in_a_sentence(url):
    with pytest.raises(Denied, match=r"\.$"):
        await Reader(Web()).read(url)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_public(address):
    assert is_public(address)


async def test_a_redirect_cannot_lead_into_this_machine(site, canary):
    targets = [canary.url(), "http://127.0.0.1/", "http://[::1]/", "//127.0.0.1/x", "file:///etc/x"]
    for target in targets:
        site.moves("/", target)
        with pytest.raises(Denied):
            await reading(site).read(site.url())
    assert len(site.requests) == len(targets)
    assert canary.requests == []


async def test_a_name_is_asked_once_and_what_it_says_then_counts(site):
    resolve, asked = named("127.0.0.1")
    site.moves("/", "http://rebound.test:8080/")
    with pytest.raises(Denied, match=r"rebound\.test is not on the public internet"):
        await Reader(Web(private=[site.host]), resolve).read(site.url())
    assert asked == ["rebound.test"]


async def test_one_private_address_among_public_ones_is_enough_to_refuse():
    resolve, asked = named("93.184.216.34", "10.0.0.1")
    with pytest.raises(Denied, match="public internet"):
        await Reader(Web(), resolve).read("http://mixed.test/")
    assert asked == ["mixed.test"]


async def test_a_name_that_the_owner_opened_may_be_private(site):
    resolve, _ = named("127.0.0.1")
    reader = Reader(Web(private=[f"wiki.internal:{site.port}"]), resolve)
    assert "Version 2" in (await reader.read(f"http://wiki.internal:{site.port}/")).text
    with pytest.raises(Denied):
        await reader.read(f"http://sub.wiki.internal:{site.port}/")


async def test_a_page_is_read_as_text(site):
    read = await reading(site).read(site.url())
    assert read.title == "Release & notes"
    assert read.text == (
        "Version 2\n\nRounds once, see why (https://example.org/why?a=1&b=2).\n\n"
        "- fast\n- small\n\n  total(lines)"
    )
    assert (read.url, read.is_whole) == (site.url(), True)


async def test_the_result_says_that_strangers_wrote_it(site):
    (web_fetch,) = tools(reading(site))
    site.moves("/old", "/")
    context = ToolContext(None, ConversationId("t-1"), "call", lambda _: None)
    result = await web_fetch.run(web_fetch.parse({"url": site.url("/old")}), context)
    assert result.taint == f"web page {site.url()}"


async def test_it_follows_redirects_and_says_where_it_was_in_the_end(site):
    site.moves("/old", "/newer")
    site.moves("/newer", site.url("/"))
    assert (await reading(site).read(site.url("/old"))).url == site.url()


async def test_it_does_not_go_round_in_circles(site):
    site.moves("/", "/")
    with pytest.raises(Unavailable, match="more than 5 times"):
        await reading(site).read(site.url())
    assert len(site.requests) == 6


async def test_it_sends_no_cookie_no_credential_and_asks_no_proxy(site, canary, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, canary.url())
    site.pages["/set"] = {"status": 302, "headers": {"Location": "/", "Set-Cookie": "a=b"}}
    await reading(site).read(site.url("/set"))
    assert canary.requests == []
    for request in site.requests:
        assert not {"cookie", "authorization", "referer"} & {
            name.lower() for name in request.headers
        }


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/markdown"])
async def test_text_is_taken_as_it_is(site, kind):
    text = json.dumps({"a": "<b>é</b>"}, ensure_ascii=False)
    site.pages["/"] = {"text": text, "content_type": kind}
    assert (await reading(site).read(site.url())).text == text


@pytest.mark.parametrize("kind", ["image/png", "application/pdf", "application/octet-stream"])
async def test_what_is_no_text_is_refused(site, kind):
    site.pages["/"] = {"body": b"x", "content_type": kind}
    with pytest.raises(Unavailable, match=f"It is {kind}, not text"):
        await reading(site).read(site.url())


async def test_what_is_packed_is_unpacked_and_no_bomb_goes_off(site):
    packed = {"content_type": "text/plain", "headers": {"Content-Encoding": "gzip"}}
    site.pages["/"] = {**packed, "body": gzip.compress(b"small")}
    assert (await reading(site).read(site.url())).text == "small"

    site.pages["/"] = {**packed, "body": gzip.compress(bytes(200_000_000))}
    read = await reading(site).read(site.url())
    assert (len(read.text), read.is_whole) == (2_000_000, False)


async def test_a_long_page_is_cut(site):
    site.pages["/"] = {"text": "x" * 3_000_000, "content_type": "text/plain"}
    read = await reading(site).read(site.url())
    assert (len(read.text), read.is_whole) == (2_000_000, False)


@pytest.mark.parametrize("charset", ["zlib", "punycode", "nonsense", "rot13"])
async def test_an_odd_charset_is_not_obeyed(site, charset):
    kind = {"Content-Type": f"text/plain; charset={charset}"}
    site.pages["/"] = {"body": b"plain", "headers": kind}
    assert (await reading(site).read(site.url())).text == "plain"


async def test_a_fault_of_the_server_is_a_sentence(site):
    with pytest.raises(Unavailable, match="The server answers 404 Not Found"):
        await reading(site).read(site.url("/nowhere"))


async def test_what_the_owner_denies_is_not_read(site):
    with pytest.raises(Denied, match=r"web\.deny"):
        await reading(site, deny=["127.0.0.1"]).read(site.url())
    assert site.requests == []


@pytest.mark.parametrize(
    "piece",
    [b"<", b"<!--", b'<a "', b"<a <a", b"<script>", b"&#9", b"<a b='", b" \n", b"<li>", b"\n"],
)
def test_the_time_to_read_a_page_is_linear(piece):
    def seconds(size):
        began = time.process_time()
        page.readable("text/html", piece * (size // len(piece)), None)
        return time.process_time() - began

    small = max(min(seconds(20_000) for _ in range(3)), 0.002)
    assert seconds(320_000) < 100 * small  # a square would be 256 times
