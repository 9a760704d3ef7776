"""auth.test, conversations.*, users.*, team.*, files.*, views.* and the app itself."""

from __future__ import annotations

import time
import uuid

import msgspec

from tests.fakes.slack.checks import check_blocks
from tests.fakes.slack.methods import channel_of, method, page, thread_of, true, user_of
from tests.fakes.slack.world import BOT, BOT_ID, TEAM, File, Json, Message, Refused, World


@method("auth.test")
def auth_test(world: World, args: Json) -> Json:
    who = {"team": "Team", "team_id": TEAM, "user": "coworker", "user_id": BOT, "bot_id": BOT_ID}
    return {"url": "https://team.slack.com/", **who, "is_enterprise_install": False}


@method("team.info", "team:read")
def team_info(world: World, args: Json) -> Json:
    return {"team": {"id": TEAM, "name": "Team", "domain": "team", "email_domain": ""}}


@method("users.info", "users:read")
def users_info(world: World, args: Json) -> Json:
    return {"user": user_of(world, args).json()}


@method("conversations.history", "{kind}:history")
def history(world: World, args: Json) -> Json:
    channel = channel_of(world, args)
    roots = [m for m in world.messages(channel.id) if m.thread_ts in ("", m.ts)]
    found, more = page(reversed([m for m in roots if _within(m, args)]), args, 100)
    messages = [_listed(world, message, args) for message in found]
    return _listing(messages, more) | {"pin_count": 0}


@method("conversations.replies", "{kind}:history")
def replies(world: World, args: Json) -> Json:
    channel = channel_of(world, args)
    try:
        named = world.find(channel.id, str(args.get("ts", "")))
    except Refused:
        raise Refused("thread_not_found") from None
    root, *rest = world.thread(channel.id, named.thread_ts or named.ts)
    found, more = page([root, *(m for m in rest if _within(m, args))], args, 1_000)
    return _listing([_listed(world, message, args) for message in found], more)


@method("conversations.info", "{kind}:read")
def info(world: World, args: Json) -> Json:
    channel = world.channels.get(str(args.get("channel")))
    if channel is None or (channel.kind != "channel" and BOT not in channel.members):
        raise Refused("channel_not_found")
    return {"channel": channel.json()}


@method("conversations.list", "channels:read")
def list_channels(world: World, args: Json) -> Json:
    kinds = str(args.get("types") or "public_channel").split(",")
    names = {"channel": "public_channel", "group": "private_channel"}
    found = [
        channel.json()
        for channel in world.channels.values()
        if names.get(channel.kind, channel.kind) in kinds
        and (channel.kind == "channel" or BOT in channel.members)
        and not (channel.archived and true(args.get("exclude_archived")))
    ]
    channels, more = page(found, args, 100)
    return {"channels": channels, "response_metadata": more}


@method("users.conversations", "channels:read")
def our_channels(world: World, args: Json) -> Json:
    listed = list_channels(world, {**args, "limit": len(world.channels) + 1})["channels"]
    ours = [each for each in listed if BOT in world.channels[each["id"]].members]
    channels, more = page(ours, args, 100)
    return {"channels": channels, "response_metadata": more}


@method("conversations.members", "{kind}:read")
def members(world: World, args: Json) -> Json:
    found, more = page(channel_of(world, args).members, args, 100)
    return {"members": found, "response_metadata": more}


@method("conversations.open", "im:write")
def open_direct(world: World, args: Json) -> Json:
    users = [name for name in str(args.get("users") or "").split(",") if name]
    if unknown := [name for name in users if name not in world.users]:
        raise Refused("user_not_found", users=unknown)
    if not users:
        raise Refused("channel_not_found")
    return {"channel": {"id": world.dm(users[0]) if len(users) == 1 else world.group(*users)}}


@method("files.getUploadURLExternal", "files:write")
def upload_url(world: World, args: Json) -> Json:
    if not args.get("filename") or int(args.get("length") or 0) < 1:
        raise Refused("invalid_arguments")
    name = f"F0{uuid.uuid4().hex[:8].upper()}"
    url = f"{world.url}/files/{name}/{args['filename']}"
    world.files[name] = File(name, args["filename"], b"", url, BOT)
    return {"upload_url": f"{world.url}/upload/{name}", "file_id": name}


@method("files.completeUploadExternal", "files:write")
def complete_upload(world: World, args: Json) -> Json:
    found = [_uploaded(world, item) for item in args.get("files") or ()]
    if args.get("channel_id"):
        channel = channel_of(world, args, "channel_id")
        thread = thread_of(world, channel, args)
        text = args.get("initial_comment") or ""
        message = Message(channel.id, world.tick(), BOT, text, thread, "file_share", BOT_ID)
        message.files = found
        world.post(message)
    return {"files": [file.json() for file in found]}


@method("files.info", "files:read")
def file_info(world: World, args: Json) -> Json:
    if file := world.files.get(str(args.get("file"))):
        return {"file": file.json()}
    raise Refused("file_not_found")


@method("views.publish")
def publish(world: World, args: Json) -> Json:
    user = user_of(world, args, "user_id").id
    world.homes[user] = _view(args, "home")
    return {"view": world.homes[user]}


@method("views.open")
def open_view(world: World, args: Json) -> Json:
    until = world.triggers.pop(str(args.get("trigger_id")), None)
    if until is None:
        raise Refused("invalid_trigger_id")
    if time.monotonic() > until:
        raise Refused("expired_trigger_id")
    view = _view(args, "modal")
    world.views[view["id"]] = view
    return {"view": view}


@method("views.update")
def update_view(world: World, args: Json) -> Json:
    name = str(args.get("view_id"))
    if name not in world.views:
        raise Refused("not_found")
    world.views[name] = {**_view(args, "modal"), "id": name}
    return {"view": world.views[name]}


@method("apps.manifest.validate")
def validate_manifest(world: World, args: Json) -> Json:
    try:
        manifest = msgspec.convert(args.get("manifest"), Json)
    except msgspec.ValidationError:
        raise Refused("invalid_manifest", errors=[_wrong("not an object", "/")]) from None
    if not manifest.get("display_information", {}).get("name"):
        where = "/display_information/name"
        raise Refused("invalid_manifest", errors=[_wrong("missing required field", where)])
    return {"errors": []}


def _wrong(message: str, pointer: str) -> Json:
    return {"message": message, "pointer": pointer}


def _within(message: Message, args: Json) -> bool:
    ts, oldest, latest = message.ts, str(args.get("oldest") or ""), str(args.get("latest") or "")
    if true(args.get("inclusive")) and ts in (oldest, latest):
        return True
    return (not oldest or _time(ts) > _time(oldest)) and (not latest or _time(ts) < _time(latest))


def _time(ts: str) -> tuple[int, str]:
    seconds, _, rest = ts.partition(".")
    return int(seconds), rest.ljust(6, "0")


def _listed(world: World, message: Message, args: Json) -> Json:
    shown = message.json(metadata=true(args.get("include_all_metadata")))
    _, *answers = world.thread(message.channel, message.ts)
    if message.thread_ts == message.ts and answers:
        users = sorted({answer.user for answer in answers})
        more = {"reply_users": users, "reply_users_count": len(users), "subscribed": False}
        shown |= {"reply_count": len(answers), "latest_reply": answers[-1].ts, **more}
    return shown


def _listing(messages: list[Json], more: Json) -> Json:
    left = bool(more["next_cursor"])
    cursor = {"response_metadata": more} if left else {}
    return {"messages": messages, "has_more": left, **cursor}


def _uploaded(world: World, item: Json) -> File:
    file = world.files.get(item.get("id", ""))
    if file is None or not file.content:
        raise Refused("file_not_found")
    file.title = item.get("title") or file.name
    return file


def _view(args: Json, kind: str) -> Json:
    view = args.get("view")
    if not isinstance(view, dict) or view.get("type") != kind:
        raise Refused("invalid_arguments")
    check_blocks(view.get("blocks", []))
    return {"id": f"V0{uuid.uuid4().hex[:8].upper()}", "hash": uuid.uuid4().hex[:8], **view}
