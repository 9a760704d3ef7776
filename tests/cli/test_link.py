"""A client's end of the control protocol, against a socket that misbehaves."""

import asyncio
import json

import pytest

from coworker.cli.events import Progress, Reply
from coworker.cli.link import Link
from coworker.errors import NotFound, Unavailable


@pytest.fixture
async def link_to(tmp_path):
    """A link to a server that answers each line with the bytes that `reply` returns for it.

    It hangs up in the middle of a line when they do not end in one.
    """
    servers = []

    async def link_to(reply):
        async def connected(reader, writer):
            answer = b"\n"
            while answer.endswith(b"\n") or not answer:
                request = await reader.readline()
                answer = reply(json.loads(request)) if request else b"bye"
                writer.write(answer)
            writer.close()

        server = await asyncio.start_unix_server(connected, tmp_path / "socket")
        servers.append(server)
        return Link.connect(tmp_path / "socket")

    yield link_to
    for server in servers:
        server.close()


def line(**message):
    return json.dumps(message).encode() + b"\n"


async def test_answers_find_their_calls_in_any_order(link_to):
    held = []

    def backwards(request):
        held.append(line(id=request["id"], result=request["verb"]))
        return b"".join(reversed(held)) if len(held) == 2 else b""

    async with await link_to(backwards) as link:
        assert await asyncio.gather(link.call("a"), link.call("b")) == ["a", "b"]


async def test_an_error_keeps_its_exit_status_even_an_unknown_one(link_to):
    statuses = iter([66, 123])

    def fails(request):
        error = {"message": "no", "exit_status": next(statuses)}
        return line(id=request["id"], error=error)

    async with await link_to(fails) as link:
        with pytest.raises(NotFound):
            await link.call("a")
        with pytest.raises(Exception, match="no") as caught:
            await link.call("a")
        assert caught.value.exit_status == 123


async def test_what_a_newer_daemon_adds_is_no_harm(link_to):
    def newer(request):
        return (
            line(event={"kind": "confetti"})
            + line(event={"kind": "progress", "what": "text", "text": "a", "colour": "red"})
            + line(event={"kind": "reply", "key": "k", "text": "b", "mood": "good"})
            + line(id=request["id"], result={})
        )

    async with await link_to(newer) as link:
        await link.call("attach")
        assert await link.next_event() == Progress("text", "a")
        assert await link.next_event() == Reply("k", "b")


@pytest.mark.parametrize(
    "answer",
    [
        b"no json\n",
        b'{"event": {"kind": "reply", "text": 7}}\n',
        b"[]\n",
        b'{"event": 7}\n',
        b'{"id": 1, "error": "no"}\n',
        b"x" * (16 * 2**20 + 1) + b"\n",
        b'{"id": 1, "resu',
    ],
)
async def test_nonsense_is_an_end_in_words_for_calls_and_events(link_to, answer):
    def nonsense(_):
        return answer

    async with await link_to(nonsense) as link:
        async with asyncio.timeout(30):
            with pytest.raises(Unavailable):
                await link.call("a")
            with pytest.raises(Unavailable):
                await link.next_event()
            with pytest.raises(Unavailable):
                await link.call("b")


async def test_nobody_there_is_said_with_what_to_do(tmp_path):
    with pytest.raises(Unavailable, match="coworker run"):
        async with Link.connect(tmp_path / "nobody"):
            pass
