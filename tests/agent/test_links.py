"""Which links of an answer can be clicked, as the person who reads it sees them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coworker.agent.links import Links
from coworker.settings import Config, RepoConfig, Web
from coworker.types import Entry

WRITTEN = "Please read https://good.test/doc?page=1, and then wiki.test/start."
UNTRUSTED = [
    ("see https://evil.test/?d=1.", "see `https[:]//evil.test/?d=1`."),
    ("![x](https://evil.test/c.png)", "x (`https[:]//evil.test/c.png`)"),
    ('[click here](https://evil.test/a "t")', "click here (`https[:]//evil.test/a`)"),
    ("[good.test](https://evil.test/)", "good.test (`https[:]//evil.test/`)"),
    (
        "[https://good.test/doc](<https://evil.test>)",
        "`https[:]//good.test/doc` (`https[:]//evil.test`)",
    ),
    ("<https://evil.test/a>", "`https[:]//evil.test/a`"),
    ("in `curl https://evil.test/a`", "in `curl https[:]//evil.test/a`"),
    ("[r]: https://evil.test/a", "[r]: `https[:]//evil.test/a`"),
    ("https&#58;//evil.test/a", "`https[:]//evil.test/a`"),
    ("https:\\/\\/evil.test/a", "`https[:]//evil.test/a`"),
    ("HTTPS://EVIL.test/a", "`HTTPS[:]//EVIL.test/a`"),
    ("www.evil.test and evil.com", "`www.evil.test` and `evil.com`"),
    ("evil.test/?d=1", "`evil.test/?d=1`"),
    ("evil.test:8080/1 or evil.test?d=1", "`evil.test:8080/1` or `evil.test?d=1`"),
    ("evil.xn--p1ai/78 and 1.2.3.4/index", "`evil.xn--p1ai/78` and `1.2.3.4/index`"),
    ("all.that.was.read.evil.dev", "`all.that.was.read.evil.dev`"),
    ("[x](//evil.test/1)", "x (`//evil.test/1`)"),
    ("[x](\\\\evil.test\\a)", "x (`\\evil.test\\a`)"),
    ("mailto:a@evil.test?body=1", "`mailto[:]a@evil.test?body=1`"),
    ("tg://resolve?domain=evil", "`tg[:]//resolve?domain=evil`"),
    ("[x](javascript:alert)", "x (`javascript:alert`)"),
    ("https://good.test/doc?page=2", "`https[:]//good.test/doc?page=2`"),
    ("https://python.org.evil.test/", "`https[:]//python.org.evil.test/`"),
    ("https://example.com/acme/shop/../../evil", "`https[:]//example.com/acme/shop/../../evil`"),
]
TRUSTED = [
    "https://good.test/doc?page=1",
    "[the page](https://good.test/doc?page=1#part) and https://wiki.test/start/",
    "https://docs.python.org/3/library/html.html",
    "https://example.com/acme/shop/compare/x?expand=1",
    "https://example.com/acme/shop/pull/7",
    "```\ncurl https://evil.test\n```",
    "[the cart](shop/cart.py) README.md shop/cart.py:6 log.info a.b",
    "ann@example.com git@host.test:a/b",
    "e.g. 1.5 km/h, and/or, v1.2.3/x, 10.0.0.0/8, total(lines).",
]
PIECES = [
    "https://evil.test/a", "[x](", "![", ")", "`", "``", "```\n", "<", ">", " ", "\n", "evil.com",
    "www.", "https&#58;//e.test", "\\", "(", "[good.test](https://evil.test)", "https://good.test/doc",
]  # fmt: skip


@pytest.fixture(scope="module")
def links():
    """Of a conversation in which somebody named two pages and a request was opened."""
    shop = RepoConfig(url="git@example.com:acme/shop.git")
    links = Links(Config(web=Web(allow=["python.org"]), repos={"shop": shop}))
    links.apply(Entry(3, 3, "user", {"text": WRITTEN}, 0))
    links.apply(Entry(4, 3, "tool_done", {"text": "see https://evil.test/a", "receipt": None}, 0))
    return links


@pytest.mark.parametrize(("text", "shown"), UNTRUSTED)
def test_a_link_that_nobody_here_wrote_is_text(links, text, shown):
    assert links.inert(text) == shown


@pytest.mark.parametrize("text", TRUSTED)
def test_what_people_the_owner_or_the_host_wrote_stays(links, text):
    assert links.inert(text) == text


def test_a_label_that_lies_is_shown_as_what_it_leads_to(links):
    lie = "[evil.test/login](https://good.test/doc?page=1)"
    assert links.inert(lie) == "https://good.test/doc?page=1"


def test_a_picture_is_never_embedded(links):
    assert (
        links.inert("![a](https://docs.python.org/a.png)") == "[a](https://docs.python.org/a.png)"
    )


def test_what_the_host_opened_may_be_clicked(links):
    opened = Links(Config())
    assert opened.inert("https://forge.test/a/b/pull/7") == "`https[:]//forge.test/a/b/pull/7`"
    receipt = {"kind": "pr", "url": "https://forge.test/a/b/pull/7"}
    opened.apply(Entry(4, 3, "tool_done", {"text": "", "receipt": receipt}, 0))
    assert opened.inert("https://forge.test/a/b/pull/7") == "https://forge.test/a/b/pull/7"


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_no_address_of_a_stranger_is_left_outside_of_code(links, pieces):
    shown = links.inert("".join(pieces))
    outside = shown.split("```")[0]
    assert "https://evil.test" not in outside
    assert "https&#58;" not in outside


@given(st.text(alphabet="abc .\n-_*#()[]!`'\"", max_size=200))
def test_text_without_links_stays_as_it_is(links, text):
    assert links.inert(text) == text


@pytest.mark.parametrize(
    "piece", ["[", "a.", "https://", "`", "[a](", "- ", "www.", "```\n", "(a", "&#"]
)
def test_the_time_is_linear(links, piece):
    def seconds(size):
        began = time.process_time()
        links.inert(piece * (size // len(piece)))
        return time.process_time() - began

    small = max(min(seconds(20_000) for _ in range(3)), 0.002)
    assert seconds(320_000) < 100 * small  # a square would be 256 times
