"""What the Web API of the fake Slack takes, refuses and breaks, told through slack_sdk."""

from __future__ import annotations

import time

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.models.messages.chunk import TaskUpdateChunk
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack import ALICE, BOB, BOT, GENERAL, TEAM, FakeSlack

BUTTON = {
    "type": "button",
    "action_id": "allow",
    "text": {"type": "plain_text", "text": "Allow once"},
}


def web_client(slack: FakeSlack, **more) -> AsyncWebClient:
    return AsyncWebClient(slack.bot_token, base_url=slack.base_url, retry_handlers=[], **more)


@pytest.fixture
async def slack():
    async with FakeSlack() as slack:
        yield slack


@pytest.fixture
def client(slack):
    return web_client(slack)


async def refused(call) -> str:
    """The error that Slack answers."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response["error"]


async def test_a_file_needs_the_token(slack, client):
    said = await slack.says(ALICE, GENERAL, "the log", files=[("a.log", b"boom")])
    url = said.json()["files"][0]["url_private"]
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as stranger:
            assert b"Sign in" in await stranger.read()
        bearer = {"Authorization": f"Bearer {client.token}"}
        async with session.get(url, headers=bearer) as ours:
            assert await ours.read() == b"boom"


async def test_an_upload_becomes_a_message_in_the_thread(slack, client):
    asked = await slack.says(ALICE, GENERAL, "the diff?")
    await client.files_upload_v2(
        channel=GENERAL,
        thread_ts=asked.ts,
        content="+1",
        filename="a.diff",
        initial_comment="Here.",
    )
    answer = await slack.sees("Here", thread=asked)
    assert [(file.name, file.content) for file in answer.files] == [("a.diff", b"+1")]


async def test_history_and_replies_are_paged(slack, client):
    said = [await slack.says(ALICE, GENERAL, f"number {n}") for n in range(5)]
    for n in range(3):
        await slack.says(BOB, GENERAL, f"reply {n}", thread=said[1])
    pages = [
        [m["text"] for m in answer["messages"]]
        async for answer in await client.conversations_history(channel=GENERAL, limit=2)
    ]
    assert pages == [["number 4", "number 3"], ["number 2", "number 1"], ["number 0"]]
    since = await client.conversations_history(channel=GENERAL, oldest=said[3].ts)
    assert [m["text"] for m in since["messages"]] == ["number 4"]
    since = await client.conversations_history(channel=GENERAL, oldest=said[3].ts, inclusive=True)
    assert [m["text"] for m in since["messages"]] == ["number 4", "number 3"]
    thread = await client.conversations_replies(channel=GENERAL, ts=said[1].ts, limit=3)
    assert [m["text"] for m in thread["messages"]] == ["number 1", "reply 0", "reply 1"]
    assert thread["messages"][0]["reply_count"] == 3
    assert thread["has_more"]


async def test_metadata_is_kept_and_shown_when_asked_for(slack, client):
    metadata = {"event_type": "reply", "event_payload": {"key": "k1"}}
    posted = await client.chat_postMessage(channel=GENERAL, text="Done", metadata=metadata)
    await client.chat_update(channel=GENERAL, ts=posted["ts"], text="Really done")
    plain = await client.conversations_history(channel=GENERAL)
    full = await client.conversations_history(channel=GENERAL, include_all_metadata=True)
    assert "metadata" not in plain["messages"][0]
    assert full["messages"][0]["metadata"] == metadata
    assert full["messages"][0]["text"] == "Really done"


async def test_an_update_keeps_blocks_that_it_does_not_name(slack, client):
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "Working"}}]
    posted = await client.chat_postMessage(channel=GENERAL, text="Working", blocks=blocks)
    await client.chat_update(channel=GENERAL, ts=posted["ts"], text="Done")
    assert slack.messages(GENERAL)[0].shown == "Working"
    await client.chat_update(channel=GENERAL, ts=posted["ts"], text="Done", blocks=[])
    assert slack.messages(GENERAL)[0].shown == "Done"


def section(text: str) -> dict:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
        ({"channel": "C0AWAY", "text": "x"}, "not_in_channel"),
        ({"channel": "C0SECRET", "text": "x"}, "channel_not_found"),
        ({"text": ""}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "markdown_text": "x"}, "markdown_text_conflict"),
        ({"text": "x", "thread_ts": "yesterday"}, "invalid_thread_ts"),
        ({"text": "x", "blocks": [section("y")] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("y" * 3_001)]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("")]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "poem"}]}, "invalid_blocks"),
        (
            {"text": "x", "blocks": [{"type": "actions", "elements": [BUTTON] * 2}]},
            "invalid_blocks",
        ),
        ({"text": "x", "metadata": {"event_type": "reply"}}, "invalid_metadata_format"),
    ],
)
async def test_a_bad_message_is_refused_and_seen_by_nobody(slack, client, arguments, error):
    slack.channel("away", ALICE, bot=False)
    slack.channel("secret", ALICE, bot=False, private=True)
    sent = {"channel": GENERAL, **arguments}
    assert await refused(client.api_call("chat.postMessage", json=sent)) == error
    assert not slack.messages(GENERAL)
    assert slack.calls[-1].error == error


async def test_an_update_takes_less_text_than_a_post(slack, client):
    posted = await client.chat_postMessage(channel=GENERAL, text="x" * 4_001)
    update = client.chat_update(channel=GENERAL, ts=posted["ts"], text="y" * 4_001)
    assert await refused(update) == "msg_too_long"


async def test_what_is_not_ours_cannot_be_changed(slack, client):
    said = await slack.says(ALICE, GENERAL, "mine")
    there = {"channel": GENERAL, "ts": said.ts}
    assert await refused(client.chat_update(**there, text="x")) == "cant_update_message"
    assert await refused(client.chat_delete(**there)) == "cant_delete_message"
    gone = client.chat_delete(channel=GENERAL, ts="1.000000")
    assert await refused(gone) == "message_not_found"


async def test_a_reaction_counts_once(slack, client):
    said = await slack.says(ALICE, GENERAL, "hello")
    there = {"channel": GENERAL, "timestamp": said.ts, "name": "eyes"}
    await client.reactions_add(**there)
    assert await refused(client.reactions_add(**there)) == "already_reacted"
    assert said.reactions == {"eyes": [BOT]}
    await client.reactions_remove(**there)
    assert await refused(client.reactions_remove(**there)) == "no_reaction"


async def test_a_stream_becomes_the_message(slack, client):
    asked = await slack.says(ALICE, GENERAL, "why?")
    stream = await client.chat_stream(
        channel=GENERAL, thread_ts=asked.ts, recipient_team_id=TEAM, recipient_user_id=ALICE
    )
    await stream.append(chunks=[TaskUpdateChunk(id="1", title="git log", status="in_progress")])
    held = client.chat_update(channel=GENERAL, ts=stream.ts, text="x")
    assert await refused(held) == "streaming_state_conflict"
    mixed = client.chat_appendStream(channel=GENERAL, ts=stream.ts, markdown_text="x")
    assert await refused(mixed) == "streaming_mode_mismatch"
    await stream.append(markdown_text="Because.")
    await stream.stop()
    answer = await slack.sees("Because", thread=asked)
    assert (answer.streaming, answer.tasks["1"]["title"]) == ("completed", "git log")


async def test_a_stream_dies_of_old_age_and_can_then_be_edited(slack, client):
    slack.world.stream_life = 0.05
    asked = await slack.says(ALICE, slack.dm(ALICE), "why?")
    there = {"channel": asked.channel, "thread_ts": asked.ts}
    started = await client.chat_startStream(**there, markdown_text="Well")
    old = slack.thread(asked.channel, asked.ts)[1]
    await slack.until(lambda: time.monotonic() > old.streaming_until)
    late = {"channel": asked.channel, "ts": started["ts"]}
    append = client.chat_appendStream(**late, markdown_text="…")
    assert await refused(append) == "message_not_in_streaming_state"
    await client.chat_update(**late, text="Well, because.")
    await slack.sees("Well, because", thread=asked)


async def test_the_status_of_a_thread_goes_with_the_answer(slack, client):
    asked = await slack.says(ALICE, GENERAL, "why?")
    where = {"channel_id": GENERAL, "thread_ts": asked.ts}
    await client.assistant_threads_setStatus(**where, status="is reading…")
    assert slack.statuses == {(GENERAL, asked.ts): "is reading…"}
    await client.chat_postMessage(channel=GENERAL, thread_ts=asked.ts, text="Because.")
    assert not slack.statuses


async def test_it_tells_who_and_where(slack, client):
    slack.user("gus", guest=True)
    secret = slack.channel("secret", ALICE, private=True)
    assert (await client.auth_test())["user_id"] == BOT
    assert (await client.team_info())["team"]["id"] == TEAM
    assert (await client.users_info(user="U0GUS"))["user"]["is_restricted"]
    assert (await client.conversations_info(channel=secret))["channel"]["is_private"]
    assert (await client.conversations_members(channel=GENERAL))["members"] == [ALICE, BOB, BOT]
    listed = await client.conversations_list(types="public_channel,private_channel")
    assert [channel["id"] for channel in listed["channels"]] == [GENERAL, secret]
    opened = await client.conversations_open(users=ALICE)
    assert opened["channel"]["id"] == slack.dm(ALICE)
    await client.views_publish(user_id=ALICE, view={"type": "home", "blocks": []})
    assert slack.homes[ALICE]["type"] == "home"


async def test_a_missing_scope_is_named(slack, client):
    slack.scopes.discard("channels:history")
    with pytest.raises(SlackApiError) as caught:
        await client.conversations_history(channel=GENERAL)
    response = caught.value.response
    assert (response["error"], response["needed"]) == ("missing_scope", "channels:history")
    assert "channels:history" not in response.headers["x-oauth-scopes"].split(",")


async def test_a_wrong_and_a_revoked_token_are_told_apart(slack, client):
    stranger = AsyncWebClient("xoxb-other", base_url=slack.base_url, retry_handlers=[])
    assert await refused(stranger.auth_test()) == "invalid_auth"
    slack.revoked = True
    assert await refused(client.auth_test()) == "token_revoked"


async def test_a_rate_limit_says_how_long_to_wait(slack, client):
    slack.fault("chat.postMessage", "ratelimited", seconds=7)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=GENERAL, text="x")
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "7"
    await client.chat_postMessage(channel=GENERAL, text="x")
    assert len(slack.messages(GENERAL)) == 1


async def test_the_real_limit_is_one_post_a_second_in_a_channel():
    async with FakeSlack(real_limits=True) as slack:
        client = web_client(slack)
        other = slack.channel("other", ALICE)
        await client.chat_postMessage(channel=GENERAL, text="x")
        await client.chat_postMessage(channel=other, text="x")
        again = client.chat_postMessage(channel=GENERAL, text="x")
        assert await refused(again) == "ratelimited"


@pytest.mark.parametrize(
    ("kind", "status"), [("500", 500), ("502", 502), ("garbage", 200), ("error", 200)]
)
async def test_a_server_error_has_no_effect_and_is_used_up(slack, client, kind, status):
    slack.fault("chat.postMessage", kind)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=GENERAL, text="x")
    response = caught.value.response
    assert getattr(response, "status_code", None) or response.status == status
    assert not slack.messages(GENERAL)
    await client.chat_postMessage(channel=GENERAL, text="x")


@pytest.mark.parametrize(("after_effect", "messages"), [(False, 0), (True, 1)])
async def test_a_reset_comes_before_or_after_the_effect(slack, client, after_effect, messages):
    slack.fault("chat.postMessage", "reset", after_effect=after_effect)
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=GENERAL, text="x")
    assert [call.error for call in slack.called("chat.postMessage")] == ["reset"]
    assert len(slack.messages(GENERAL)) == messages


async def test_a_hang_lasts_until_the_client_gives_up_and_a_delay_does_not(slack):
    client = web_client(slack, timeout=0.2)
    slack.fault("chat.postMessage", "hang")
    slack.fault("chat.postMessage", "slow", seconds=0.02)
    with pytest.raises(TimeoutError):
        await client.chat_postMessage(channel=GENERAL, text="lost")
    await client.chat_postMessage(channel=GENERAL, text="slow")
    assert [m.text for m in slack.messages(GENERAL)] == ["slow"]


async def test_a_manifest_needs_a_name(slack, client):
    good = {"display_information": {"name": "Coworker"}}
    await client.apps_manifest_validate(manifest=good)
    with pytest.raises(SlackApiError) as caught:
        await client.apps_manifest_validate(manifest={"features": {}})
    assert caught.value.response["errors"][0]["pointer"] == "/display_information/name"
