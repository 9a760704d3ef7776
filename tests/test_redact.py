"""What is secret never survives, and what is not stays as it is."""

import base64
import hashlib
import json
import string
import time
import uuid
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coworker.redact import Redactor, Stream
from coworker.types import Progress

ALNUM = string.ascii_letters + string.digits
SECRETS = {
    "anthropic key": "sk-ant-api03-" + "aB3-" * 20,
    "openai key": "sk-proj-" + "aB3x" * 12,
    "slack token": "xoxb-" + "12345678901-2345678901234-" + "aB3x" * 6,
    "slack webhook": "hooks.slack.com/services/T0000AAAA/B0000AAAA/" + "aB3x" * 6,
    "telegram token": "7000000001:AAF" + "aB3_" * 8,
    "github token": "ghp_" + "aB3x" * 9,
    "gitlab token": "glpat-" + "aB3x" * 5,
    "aws key": "AKIA" + "ABCD2345" * 2,
    "google key": "AIza" + "aB3x_" * 7,
    "stripe key": "sk_live_" + "aB3x" * 6,
    "npm token": "npm_" + "aB3x" * 9,
    "pypi token": "pypi-AgEI" + "aB3x" * 14,
    "web token": f"eyJ{'aB3x' * 5}.eyJ{'aB3x' * 9}.{'aB3x' * 10}",
    "private key": (
        "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEaB3/+x\n" * 20 + "-----END RSA PRIVATE KEY-----"
    ),
}
IN_PART = {
    "bearer token": ("Authorization: Bearer {}", "aB3x" * 8),
    "aws secret": ('aws_secret_access_key = "{}"', "aB3/" * 10),
    "password": ("postgres://shop:{}@db.internal/shop", "hunter22"),
}
INNOCENT = [
    hashlib.sha1(b"commit").hexdigest(),
    f"sha256:{hashlib.sha256(b'layer').hexdigest()}",
    str(uuid.UUID(int=2**100 + 12345)),
    f"data:image/png;base64,{base64.b64encode(bytes(range(256)) * 40).decode()}",
    'if "-----BEGIN PRIVATE KEY-----" in text: raise Leak("sk-ant-…, xoxb-… or ghp_…")',
    'engine = create_engine(f"postgres://{user}:{password}@{host}/{name}")',
    "git@github.com:acme/shop.git ssh://git@example.com/acme/shop https://user:password@host/",
    "the bearer of bad news, risk-averse task-force, desk-bound eyJ eyJhbGci",
    "12:30:45.123 [2026-11-21T09:30:00+00:00] 1700000000:main:src/app.py:42:7",
    "AKIA is how they begin; AIza and npm_config_registry too. aws_secret_access_key = get()",
    "glob-something-that-is-rather-long-and-not-a-token gl-pat ghost_in_the_shell_" + "x" * 40,
]
HOSTILE = [
    "a", "-", "1", "/", " ", "\n", "`", "eyJ", "eyJaaaaaaaaa.", "://a:", "://a@", "sk-", "sk-ant-",
    "123456:", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "Bearer ", "aws secret key ", "xoxb-",
    "authorization: basic ", "AKIA", "hooks.slack.com/services/", "ghp_", "pypi-", "AIza", "%3",
]  # fmt: skip


@pytest.mark.parametrize(("what", "secret"), SECRETS.items())
def test_what_looks_like_a_common_secret_is_named_and_cut_out(what, secret):
    for text in (
        secret,
        f"it is {secret}.",
        f'{{"key": "{secret}"}}',
        f"a\n{secret}\nb",
        f"a\\n{secret}",
        f"x={secret}",
    ):
        shown = Redactor().text(text)
        assert f"[secret: {what}]" in shown
        assert secret not in shown
        assert shown.replace(f"[secret: {what}]", secret) == text


@pytest.mark.parametrize("what", IN_PART)
def test_what_is_secret_only_in_its_place_is_cut_out_there(what):
    place, secret = IN_PART[what]
    assert Redactor().text(place.format(secret)) == place.format(f"[secret: {what}]")
    assert Redactor().text(f"the word {secret} alone") == f"the word {secret} alone"


@pytest.mark.parametrize("text", INNOCENT)
def test_ordinary_text_stays_as_it_is(text):
    assert Redactor({"SLACK_BOT_TOKEN": "xoxb-fake-and-ours"}).text(text) == text


@pytest.mark.parametrize("before", ["\\x0d", "\\u001b[31m", "\\u0022", "=3D", "\x1b[1;32m", "\\t"])
@pytest.mark.parametrize("what", ["github token", "slack token", "aws key", "web token"])
def test_what_is_written_before_a_secret_does_not_hide_it(what, before):
    assert Redactor().text(before + SECRETS[what]) == f"{before}[secret: {what}]"


@pytest.mark.parametrize("rest", ["", "…", " [… 12 more bytes in this line]"])
def test_what_was_shortened_before_it_came_here_is_cut_out_too(rest):
    ours = Redactor({"ANTHROPIC_API_KEY": "sk-nobody-knows-this-one-0123456789"})
    for size in (12, 20, 34):
        cut = "sk-nobody-knows-this-one-0123456789"[:size]
        assert ours.text(f"see {cut}{rest}") == f"see [secret: anthropic api key]{rest}"


@pytest.mark.parametrize(
    "begun",
    ["ghp_aB3xaB3xaB3", "7000000001:AAFaB3_aB3_", "eyJaB3xaB3xaB3.eyJaB3xaB3x"],
)
def test_what_looks_like_a_shortened_secret_is_cut_out(begun):
    assert Redactor().text(f"use {begun}… now") == "use [secret: shortened secret]… now"


def test_a_shortened_password_in_an_address_is_cut_out():
    shown = Redactor().text("postgres://shop:hunter22hunt…")
    assert shown == "postgres://[secret: shortened secret]…"
    assert Redactor().text("see http://localhost:8080/page…") == "see http://localhost:8080/page…"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("DB_PASSWORD=hunter2hunter2", "DB_PASSWORD=[secret: environment secret]"),
        ('export API_KEY="a1b2c3d4e5"', 'export API_KEY="[secret: environment secret]"'),
        ("SESSION_SECRET='x1y2z3w4v5'", "SESSION_SECRET='[secret: environment secret]'"),
        *[(same, same) for same in ("TOKEN=$1", "API_KEY=<your key 1>", "MONKEY=banana123")],
        *[(same, same) for same in ("KEY=/etc/keys/key1.pem", "token = tokens[0]", "TOKEN=token")],
    ],
)
def test_the_values_of_an_environment_file_are_secrets(line, shown):
    assert Redactor().text(line) == shown


def test_a_picture_stays_as_it_is():
    picture = {"type": "base64", "media_type": "image/png", "data": f"AKIA{'A' * 16}+"}
    block = {"type": "image", "source": picture, "note": f"AKIA{'A' * 16}"}
    assert Redactor().value(block) == {**block, "note": "[secret: aws key]"}


def test_a_secret_of_ours_cannot_hide_as_a_picture():
    hidden = {"type": "base64", "data": "sk-ours-and-nobody-else's"}
    shown = Redactor({"ANTHROPIC_API_KEY": hidden["data"]}).value([hidden])
    assert shown == [{"type": "base64", "data": "[secret: anthropic api key]"}]


OURS = st.text(alphabet=ALNUM + "-_:+/=%&é", min_size=8, max_size=60)


@given(OURS, st.text(alphabet=ALNUM + " \n:/@", max_size=60), st.text(max_size=60))
def test_no_secret_of_ours_survives_however_it_is_written(secret, before, after):
    redactor = Redactor({"ANTHROPIC_API_KEY": secret})
    encoded = base64.b64encode((before + secret + after).encode()).decode()
    written = {
        "plain": secret,
        "url": quote(secret, safe=""),
        "json": json.dumps(secret)[1:-1],
        "base64": base64.b64encode(secret.encode()).decode().rstrip("="),
    }
    for form in written.values():
        text = f"{before}{form}{after}"
        if secret not in "[secret: anthropic api key]":
            assert secret not in redactor.text(text).replace("[secret: anthropic api key]", "")
    assert redactor.text(encoded) != encoded


@given(st.lists(st.sampled_from([*SECRETS.values(), *INNOCENT, " ", "\n", "x"]), max_size=8))
def test_doing_it_twice_changes_nothing(pieces):
    redactor = Redactor({"TELEGRAM_BOT_TOKEN": SECRETS["telegram token"]})
    once = redactor.text("".join(pieces))
    assert redactor.text(once) == once


@given(st.text(alphabet=ALNUM + " \n.,;()[]{}<>#*_'\"+=", max_size=300))
def test_words_and_code_without_secrets_stay_as_they_are(text):
    if not any(
        mark in text for mark in ("AKIA", "ASIA", "AIza", "eyJ", "npm_", "gh", "whsec_", "k_")
    ):
        assert Redactor().text(text) == text


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_time_is_linear_whatever_is_written(piece):
    def seconds(size):
        text = piece * (size // len(piece))
        began = time.process_time()
        Redactor().text(text)
        return time.process_time() - began

    small = max(min(seconds(100_000) for _ in range(3)), 0.002)
    assert seconds(1_600_000) < 100 * small  # a square would be 256 times


def streamed(stream, text, sizes):
    """What a screen shows of text that came in pieces of these sizes, piece by piece."""
    shown, at = [], 0
    for size in sizes:
        shown += stream.take(Progress("text", text[at : at + size]))
        at += size
    shown += stream.take(Progress("text", text[at:]))
    return [sign.text for sign in [*shown, *stream.take(Progress("step", ""))]]


@settings(max_examples=500)
@given(
    st.sampled_from([*SECRETS.values(), *(place.format(s) for place, s in IN_PART.values())]),
    st.lists(st.integers(1, 30), max_size=80),
)
def test_a_secret_that_is_cut_in_two_does_not_slip_through(secret, sizes):
    text = f"Look: {secret} and that was it, really."
    shown = "".join(streamed(Stream(Redactor()), text, sizes))
    assert shown == Redactor().text(text) != text


@given(st.text(alphabet=ALNUM + " \n.,", max_size=200), st.lists(st.integers(1, 30), max_size=30))
def test_a_stream_without_secrets_is_shown_whole(text, sizes):
    assert "".join(streamed(Stream(Redactor()), text, sizes)) == Redactor().text(text)


def test_a_stream_shows_words_while_more_are_written():
    stream = Stream(Redactor())
    signs = [sign for word in range(5) for sign in stream.take(Progress("text", f"{word} "))]
    assert "".join(sign.text for sign in signs) == "0 1 2 "
