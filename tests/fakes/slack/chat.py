"""chat.*, reactions.*, and the status of threads."""

from __future__ import annotations

import re
import time

from tests.fakes.slack.checks import check_blocks, check_metadata, content
from tests.fakes.slack.methods import channel_of, message_of, method, thread_of, user_of
from tests.fakes.slack.world import BOT, BOT_ID, Channel, Json, Message, Refused, World

_WRITE = "chat:write"
_STATUSES = ("pending", "in_progress", "complete", "error")


@method("chat.postMessage", _WRITE)
def post_message(world: World, args: Json) -> Json:
    channel = _open(channel_of(world, args))
    content(args)
    thread = thread_of(world, channel, args)
    message = world.post(_ours(world, channel, thread, args))
    return {"channel": channel.id, "ts": message.ts, "message": message.json()}


@method("chat.postEphemeral", _WRITE)
def post_ephemeral(world: World, args: Json) -> Json:
    channel = _open(channel_of(world, args))
    content(args)
    user = user_of(world, args).id
    if user not in channel.members:
        raise Refused("user_not_in_channel")
    message = _ours(world, channel, thread_of(world, channel, args), args)
    message.only_for = user
    world.ephemerals.append(message)
    return {"message_ts": message.ts}


@method("chat.update", _WRITE)
def update(world: World, args: Json) -> Json:
    message = message_of(world, args)
    if message.bot_id != BOT_ID:
        raise Refused("cant_update_message")
    if _streams(message):
        raise Refused("streaming_state_conflict")
    content(args, 4_000)
    # What is not named stays, except that Markdown takes the place of text and blocks.
    names = ("text", "blocks", "attachments", "metadata")
    changes = {name: args[name] for name in names if args.get(name) is not None}
    if args.get("markdown_text"):
        changes = {"text": args["markdown_text"], "blocks": []}
    world.edit(message, BOT, plan="", tasks={}, **changes)
    shown = {"text": message.text, "message": message.json()}
    return {"channel": message.channel, "ts": message.ts, **shown}


@method("chat.delete", _WRITE)
def delete(world: World, args: Json) -> Json:
    message = message_of(world, args)
    if message.bot_id != BOT_ID or _streams(message):
        raise Refused("cant_delete_message")
    world.delete(message)
    return {"channel": message.channel, "ts": message.ts}


@method("chat.getPermalink")
def permalink(world: World, args: Json) -> Json:
    message = message_of(world, args, "message_ts")
    path = f"archives/{message.channel}/p{message.ts.replace('.', '')}"
    return {"channel": message.channel, "permalink": f"https://team.slack.com/{path}"}


@method("chat.startStream", _WRITE)
def start_stream(world: World, args: Json) -> Json:
    channel = _open(channel_of(world, args))
    thread = thread_of(world, channel, args)
    if channel.kind != "im":
        for name in ("recipient_team_id", "recipient_user_id"):
            if not args.get(name):
                raise Refused(f"missing_{name}")
    message = _ours(world, channel, thread, {})
    message.streaming = "in_progress"
    message.streaming_until = time.monotonic() + world.stream_life
    _stream(message, args)
    world.post(message)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.appendStream", _WRITE)
def append_stream(world: World, args: Json) -> Json:
    message = _streaming(world, args)
    if not (args.get("markdown_text") or args.get("chunks")):
        raise Refused("no_text")
    _stream(message, args)
    return {"channel": message.channel, "ts": message.ts}


@method("chat.stopStream", _WRITE)
def stop_stream(world: World, args: Json) -> Json:
    message = _streaming(world, args)
    blocks = args.get("blocks") or []
    check_blocks(blocks)
    check_metadata(args.get("metadata") or {})
    _stream(message, args)
    streamed = [{"type": "markdown", "text": message.text}] if blocks and message.text else []
    changes = {"blocks": streamed + blocks, "metadata": args.get("metadata") or {}}
    world.edit(message, BOT, streaming="completed", **changes)
    if status := args.get("session_status"):
        _session(world, message.channel, message.thread_ts, str(status), "")
    return {"channel": message.channel, "ts": message.ts, "message": message.json()}


@method("assistant.threads.setStatus", _WRITE)
def thread_status(world: World, args: Json) -> Json:
    channel = channel_of(world, args, "channel_id")
    thread = thread_of(world, channel, args)
    if not thread or len(args.get("loading_messages") or ()) > 10:
        raise Refused("invalid_arguments")
    world.statuses[channel.id, thread] = str(args.get("status", ""))
    return {}


@method("agents.sessions.setStatus", _WRITE)
def session_status(world: World, args: Json) -> Json:
    channel = channel_of(world, args, "channel_id")
    thread = thread_of(world, channel, args)
    status, title = str(args.get("status")), str(args.get("title") or "")
    if not thread or len(title) > 200:
        raise Refused("invalid_arguments")
    session = _session(world, channel.id, thread, status, title)
    deaf = status == "processing" and "agent_session_stopped" not in world.events
    warning = {"warning": "missing_agent_session_stopped_event_subscription"} if deaf else {}
    return {**session, "agent_status": status, **warning}


@method("reactions.add", "reactions:write")
def add_reaction(world: World, args: Json) -> Json:
    world.react(BOT, message_of(world, args, "timestamp"), _emoji(args))
    return {}


@method("reactions.remove", "reactions:write")
def remove_reaction(world: World, args: Json) -> Json:
    world.react(BOT, message_of(world, args, "timestamp"), _emoji(args), add=False)
    return {}


def _open(channel: Channel) -> Channel:
    if channel.archived:
        raise Refused("is_archived")
    return channel


def _ours(world: World, channel: Channel, thread: str, args: Json) -> Message:
    text = args.get("markdown_text") or args.get("text") or ""
    message = Message(channel.id, world.tick(), BOT, text, thread, bot_id=BOT_ID)
    message.blocks = args.get("blocks") or []
    message.attachments = args.get("attachments") or []
    message.metadata = args.get("metadata") or {}
    return message


def _streaming(world: World, args: Json) -> Message:
    message = message_of(world, args)
    if message.bot_id != BOT_ID:
        raise Refused("message_not_owned_by_app")
    if message.streaming == "stopped":
        raise Refused("stopped_by_user")
    if not _streams(message):
        raise Refused("message_not_in_streaming_state")
    return message


def _streams(message: Message) -> bool:
    return message.streaming == "in_progress" and time.monotonic() < message.streaming_until


def _stream(message: Message, args: Json) -> None:
    """Take in what is appended, all or nothing, in the form in which the stream was opened."""
    modes = [name for name in ("markdown_text", "chunks") if args.get(name)]
    if len(modes) == 2:
        raise Refused("cannot_provide_both_markdown_text_and_chunks")
    if modes and message.streaming_mode not in ("", *modes):
        raise Refused("streaming_mode_mismatch")
    message.streaming_mode = message.streaming_mode or "".join(modes)
    _take(message, args)


def _take(message: Message, args: Json) -> None:
    chunks = args.get("chunks") or []
    texts = [args.get("markdown_text") or ""]
    texts += [
        str(chunk.get("text", "")) for chunk in chunks if chunk.get("type") == "markdown_text"
    ]
    if any(len(text) > 12_000 for text in texts):
        raise Refused("msg_too_long")
    if not all(map(_known, chunks)):
        raise Refused("invalid_chunks")
    message.text += "".join(texts)
    for chunk in chunks:
        match chunk["type"]:
            case "task_update":
                message.tasks.setdefault(chunk["id"], {}).update(chunk)
            case "plan_update":
                message.plan = chunk["title"]
            case "blocks":
                message.blocks = [*message.blocks, *chunk["blocks"]]


def _known(chunk: Json) -> bool:
    match chunk:
        case {"type": "markdown_text", "text": str()} | {"type": "plan_update", "title": str()}:
            return True
        case {"type": "task_update", "id": str(), "title": str(), "status": status}:
            return status in _STATUSES
        case {"type": "blocks", "blocks": [*_]}:
            return True
    return False


def _session(world: World, channel: str, thread: str, status: str, title: str) -> Json:
    if status not in ("processing", "active", "suspended", "closed"):
        raise Refused("invalid_status")
    session = world.sessions.setdefault((channel, thread), {"title": title})
    session["status"] = status
    return session


def _emoji(args: Json) -> str:
    name = str(args.get("name", "")).strip(":")
    if not re.fullmatch(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?", name):
        raise Refused("invalid_name")
    return name
