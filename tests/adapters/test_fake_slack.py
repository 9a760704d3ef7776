"""The fake Slack itself, told through the real client libraries."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack import ALICE, BOB, BOT, GENERAL, TEAM, FakeSlack

ROOT = Path(__file__).parents[2]
BUTTON = {
    "type": "button",
    "action_id": "allow",
    "text": {"type": "plain_text", "text": "Allow once"},
    "value": "7",
}


class Intake(AsyncSocketModeHandler):
    """Keeps what arrives, and acknowledges it unless told to be silent."""

    def __init__(self, app, token) -> None:
        super().__init__(app, token, ping_interval=0.1)
        self.requests: list = []
        self.silent = False

    async def handle(self, client, req) -> None:
        self.requests.append(req)
        if self.silent:
            return
        if req.type == "events_api":
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=req.envelope_id))
        else:
            await super().handle(client, req)

    def events(self) -> list[dict]:
        """The inner events, oldest first."""
        return [req.payload["event"] for req in self.requests if req.type == "events_api"]


def web_client(slack: FakeSlack, **more) -> AsyncWebClient:
    return AsyncWebClient(slack.bot_token, base_url=slack.base_url, retry_handlers=[], **more)


@pytest.fixture
async def slack():
    async with FakeSlack(ack_deadline=0.2, retries=(0, 0.05, 0.05)) as slack:
        yield slack


@pytest.fixture
def client(slack):
    return web_client(slack)


@pytest.fixture
def connected(slack, client):
    """`async with connected() as intake:` is a Bolt app with an open socket."""

    @asynccontextmanager
    async def connected():
        app = AsyncApp(client=client)
        intake = Intake(app, slack.app_token)
        await intake.connect_async()
        try:
            await slack.connected()
            yield intake
        finally:
            await intake.close_async()

    return connected


async def refused(call) -> str:
    """The error that Slack answers."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response["error"]


async def test_a_mention_arrives_twice_and_its_answer_is_seen(slack, client, connected):
    async with connected() as intake:
        asked = await slack.says(ALICE, GENERAL, f"<@{BOT}> what changed & why?")
        await slack.settled()
        message, mention = intake.events()
        assert (message["type"], mention["type"]) == ("message", "app_mention")
        assert message["ts"] == mention["ts"] == asked.ts
        assert message["text"] == f"<@{BOT}> what changed &amp; why?"
        assert len({req.payload["event_id"] for req in intake.requests}) == 2
        await client.chat_postMessage(
            channel=GENERAL, thread_ts=asked.ts, text="Nothing &lt;new&gt;"
        )
        answer = await slack.sees("Nothing <new>", thread=asked)
        assert [m.shown for m in slack.thread(GENERAL, asked.ts)] == [asked.shown, answer.shown]


async def test_what_is_not_acknowledged_comes_again_in_a_new_envelope(slack, connected):
    async with connected() as intake:
        intake.silent = True
        await slack.says(ALICE, GENERAL, "hello")
        await slack.settled()
        assert [req.retry_attempt for req in intake.requests] == [0, 1, 2, 3]
        assert [req.retry_reason for req in intake.requests] == ["", *["timeout"] * 3]
        assert len({req.envelope_id for req in intake.requests}) == 4
        assert len({req.payload["event_id"] for req in intake.requests}) == 1
        assert slack.deliveries[0].lost


async def test_a_late_acknowledgement_is_recorded_and_changes_nothing(slack, connected):
    async with connected() as intake:
        intake.silent = True
        await slack.says(ALICE, GENERAL, "hello")
        await slack.settled()
        late = SocketModeResponse(envelope_id=intake.requests[0].envelope_id)
        await intake.client.send_socket_mode_response(late)
        await slack.until(lambda: slack.acks)
        assert slack.acks[0].late
        assert slack.deliveries[0].lost


async def test_one_event_goes_to_one_of_two_connections(slack, connected):
    async with connected() as one:
        other = Intake(one.app, slack.app_token)
        await other.connect_async()
        await slack.connected(2)
        for number in range(4):
            await slack.says(ALICE, GENERAL, f"number {number}")
        await slack.settled()
        assert (len(one.requests), len(other.requests)) == (2, 2)
        await other.close_async()


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_disconnect_makes_the_app_connect_anew(slack, connected, reason):
    async with connected() as intake:
        (old,) = slack.connections
        await slack.disconnect(reason)
        await slack.until(lambda: slack.connections and old not in slack.connections)
        await slack.says(ALICE, GENERAL, "still there?")
        await slack.settled()
        assert len(intake.requests) == 1


async def test_a_killed_connection_is_replaced_and_the_event_comes_again(slack, connected):
    slack.sockets.retries = (0, 0.3, 1)
    async with connected() as intake:
        slack.kill()
        await slack.until(lambda: not slack.connections)
        await slack.says(ALICE, GENERAL, "hello")
        await slack.settled()
        assert slack.deliveries[0].ack
        assert intake.requests[0].retry_attempt >= 1


async def test_a_frozen_connection_swallows_events_until_the_app_notices(slack, connected):
    slack.sockets.retries = (0, 0.3, 1, 3)
    async with connected() as intake:
        slack.freeze()
        (frozen,) = slack.connections
        await slack.says(ALICE, GENERAL, "hello")
        await slack.until(lambda: any(not c.frozen for c in slack.connections), within=30)
        await slack.settled(within=30)
        assert slack.deliveries[0].ack
        assert frozen.sent[1]["envelope_id"] == slack.deliveries[0].envelopes[0]
        assert intake.requests[0].envelope_id != slack.deliveries[0].envelopes[0]


async def test_a_click_is_answered_and_edits_the_message(slack, client, connected):
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": "Push?"}},
        {"type": "actions", "block_id": "ask", "elements": [BUTTON]},
    ]
    await client.chat_postMessage(channel=GENERAL, text="Push?", blocks=blocks)
    async with connected() as intake:

        @intake.app.action("allow")
        async def allow(ack, body, respond):
            await ack()
            who, value = body["user"]["id"], body["actions"][0]["value"]
            await respond(text=f"{who} allowed {value}", replace_original=True, blocks=[])

        asked = await slack.sees("Push")
        click = await slack.clicks(BOB, asked, "allow")
        await slack.until(lambda: asked.text == f"{BOB} allowed 7")
        await slack.until(lambda: click.ack)
        with pytest.raises(LookupError, match="no button 'deny'"):
            await slack.clicks(BOB, asked, "deny")


async def test_a_command_is_answered_to_one_person_by_its_acknowledgement(slack, connected):
    async with connected() as intake:

        @intake.app.command("/coworker")
        async def status(ack, command):
            await ack(f"{command['text']}: idle")

        await slack.command(ALICE, GENERAL, "/coworker", "status")
        await slack.until(lambda: slack.ephemerals)
        (shown,) = slack.ephemerals
        assert (shown.only_for, shown.text) == (ALICE, "status: idle")
        assert shown not in slack.messages(GENERAL)


async def test_shortcuts_and_views_reach_the_app(slack, connected):
    view = {
        "type": "modal",
        "callback_id": "note",
        "title": {"type": "plain_text", "text": "Note"},
        "blocks": [{"type": "divider"}],
    }
    async with connected() as intake:

        @intake.app.shortcut("about_this")
        async def about(ack, body, client):
            await ack()
            await client.views_open(trigger_id=body["trigger_id"], view=view)

        @intake.app.view("note")
        async def noted(ack, body):
            await ack(response_action="clear")

        said = await slack.says(ALICE, GENERAL, "look at this")
        await slack.shortcut(ALICE, "about_this", said)
        await slack.until(lambda: slack.views)
        done = await slack.submits(ALICE, *slack.views, {"b": {"a": {"value": "x"}}})
        await slack.until(lambda: done.ack)
        assert done.ack.payload == {"response_action": "clear"}


async def test_edits_deletions_reactions_files_and_strangers_become_events(slack, connected):
    async with connected() as intake:
        said = await slack.says(ALICE, GENERAL, "teh cart", files=[("a.log", b"boom")])
        await slack.edits(said, "the cart")
        await slack.reacts(BOB, said, "eyes")
        await slack.deletes(said)
        await slack.another_bot_says(GENERAL, "build 7 failed")
        await slack.opens_home(ALICE, tab="messages")
        slack.event({"type": "sun_rose", "where": "east"})
        await slack.settled()
        file, edited, eyes, deleted, bot, home, new = intake.events()
        assert (file["subtype"], file["files"][0]["name"]) == ("file_share", "a.log")
        assert edited["message"]["text"] == "the cart"
        assert edited["previous_message"]["text"] == "teh cart"
        assert (eyes["reaction"], eyes["item"]["ts"]) == ("eyes", said.ts)
        assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", said.ts)
        assert (bot["subtype"], bot["bot_id"]) == ("bot_message", "B0OTHER")
        assert (home["tab"], new["type"]) == ("messages", "sun_rose")


async def test_the_app_hears_only_what_it_is_in_and_has_subscribed_to(slack, connected):
    away = slack.channel("away", ALICE, bot=False)
    async with connected() as intake:
        await slack.says(ALICE, away, f"<@{BOT}> hello?")
        slack.events.discard("message.channels")
        await slack.says(ALICE, GENERAL, "hello")
        direct = await slack.says(ALICE, slack.dm(ALICE), f"<@{BOT}> hello")
        await slack.settled()
        (event,) = intake.events()
        assert (event["ts"], event["channel_type"]) == (direct.ts, "im")


async def test_a_person_stops_a_session_and_its_stream(slack, client, connected):
    asked = await slack.says(ALICE, GENERAL, "why?")
    there = {"channel": GENERAL, "thread_ts": asked.ts}
    assert await refused(client.chat_startStream(**there)) == "missing_recipient_team_id"
    who = {"recipient_team_id": TEAM, "recipient_user_id": ALICE}
    started = await client.chat_startStream(**there, **who)
    status = {"channel_id": GENERAL, "thread_ts": asked.ts, "status": "processing"}
    assert "warning" not in (await client.agents_sessions_setStatus(**status)).data
    async with connected() as intake:
        await slack.stops(ALICE, asked)
        await slack.settled()
        (event,) = (e for e in intake.events() if e["type"] == "agent_session_stopped")
        assert event["streaming_message_ts"] == [started["ts"]]
    append = client.chat_appendStream(channel=GENERAL, ts=started["ts"], markdown_text="x")
    assert await refused(append) == "stopped_by_user"


async def test_it_runs_as_a_process_with_a_control_endpoint():
    command = (sys.executable, "-m", "tests.fakes.slack", "--port", "0")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        url = f"http://127.0.0.1:{int(await process.stdout.readline())}"
        client = AsyncWebClient("xoxb-fake", base_url=f"{url}/api/", retry_handlers=[])
        async with aiohttp.ClientSession() as session:
            said = {"user": ALICE, "channel": GENERAL, "text": "hello"}
            async with session.post(f"{url}/control/says", json=said) as answer:
                ts = (await answer.json())["ts"]
            await client.chat_postMessage(channel=GENERAL, thread_ts=ts, text="Hello.")
            reacted = {"user": BOB, "message": [GENERAL, ts], "name": "wave"}
            async with session.post(f"{url}/control/reacts", json=reacted) as answer:
                assert answer.status == 200
            command = {"user": ALICE, "channel": GENERAL, "command": "/coworker"}
            async with session.post(f"{url}/control/command", json=command) as answer:
                assert (await answer.json())["kind"] == "slash_commands"
            async with session.get(f"{url}/control/state") as answer:
                state = json.loads(await answer.text())
        first, second = state["messages"][GENERAL]
        assert first["reactions"] == {"wave": [BOB]}
        assert (second["text"], second["thread_ts"]) == ("Hello.", ts)
        assert [call["method"] for call in state["calls"]] == ["chat.postMessage"]
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_an_answer_to_one_person_is_replaced_and_the_url_wears_out(slack, client):
    blocks = [{"type": "actions", "elements": [BUTTON]}]
    await client.chat_postEphemeral(channel=GENERAL, user=ALICE, text="Push?", blocks=blocks)
    (asked,) = slack.ephemerals
    click = await slack.clicks(ALICE, asked, "allow")
    url = click.payload["response_url"]
    async with aiohttp.ClientSession() as session:
        for number in range(5):
            words = {"text": f"Pushed {number}", "blocks": [], "replace_original": True}
            async with session.post(url, json=words) as answer:
                assert answer.status == 200
        async with session.post(url, json={"text": "once more"}) as answer:
            assert (await answer.json())["error"] == "used_url"
    assert [message.shown for message in slack.ephemerals] == ["Pushed 4"]
    assert not slack.messages(GENERAL)


async def test_the_eleventh_connection_is_one_too_many(slack, client):
    async with aiohttp.ClientSession() as session:
        sockets = []
        for _ in range(11):
            opened = await client.apps_connections_open(app_token=slack.app_token)
            sockets.append(await session.ws_connect(opened["url"]))
        greetings = [await socket.receive_json() for socket in sockets]
    assert {greeting["type"] for greeting in greetings[:10]} == {"hello"}
    assert greetings[10]["reason"] == "too_many_websockets"
