"""A Telegram Bot API server for tests, and the people who write to the bot.

    async with FakeTelegram() as telegram:
        app = Application.builder().token(telegram.token)
        app = app.base_url(telegram.base_url).base_file_url(telegram.base_file_url).build()

Who and where: `person(name, started=)`, `other_bot(name)`, `group(title, *people)`,
`supergroup(title, *people, forum=)`, `channel(title)`, `topic(chat, name)` → its id. A chat is a
Chat, a Person (the private one) or an id. A bot cannot write to somebody who never wrote to it:
`started` says that they did. `promotes`, `kicks`, `adds`, `blocks` change what the bot may.

What people do (`await`): `says(user, chat, text, topic=, reply_to=, quote=, photo=, document=,
voice=, sticker=, size=, forward_from=, mentions=, anonymous=, as_channel=, more=)` → the message,
`posts(channel, text)`, `edits(user, message, text)`, `deletes(message)`, `clicks(user, message,
label or data)` → a query id for `answer`, `reacts(user, message, emoji)`, `migrates(group)` → the
supergroup. `delivers(kind, body)` queues any update, also of an unknown kind.

What people see: `chat(chat, topic)` and `replies(...)` → list of Seen, edits applied; `drafts`,
`action`. Waits: `until(predicate, within=20)`, `hears(chat, words)`. What was asked: `calls`,
`called(method)` → Call(method, args, at, result, refused).

What goes wrong: `fail(method, fault, times=)` with flood, refuse, server_error, bad_gateway,
garbage, reset, lost_reply, hang, slow, late; `heal()`; `down = True` is an outage.
`FakeTelegram(real_limits=True)` counts messages like the platform.

Settings: `world.privacy` (on, as it is by default), `world.private_topics`, `world.rich` (False: a
server from before rich messages), `world.hears_bots`, `world.query_s`, `world.ahead_s` (moves the
clock), `updates.keep_s`, `updates.webhook`, `updates.conflict_pause_s`. `updates.waiting` is what
was not confirmed, `updates.offsets` what was polled with.

Not there: the Markdown parse modes, which are refused, and the real server's brake on polls that
follow each other too fast. The wording of refusals about rich messages is assumed.

As a process: `python -m tests.fakes.telegram --port N`, see `control`.
"""

from tests.fakes.telegram.faults import (
    Fault,
    bad_gateway,
    flood,
    garbage,
    hang,
    late,
    lost_reply,
    refuse,
    reset,
    server_error,
    slow,
)
from tests.fakes.telegram.screen import Seen
from tests.fakes.telegram.server import TOKEN, Call, FakeTelegram
from tests.fakes.telegram.wire import Json
from tests.fakes.telegram.world import ANONYMOUS_ADMIN, CHANNEL_BOT, Chat, Person

__all__ = [
    "ANONYMOUS_ADMIN",
    "CHANNEL_BOT",
    "TOKEN",
    "Call",
    "Chat",
    "FakeTelegram",
    "Fault",
    "Json",
    "Person",
    "Seen",
    "bad_gateway",
    "flood",
    "garbage",
    "hang",
    "late",
    "lost_reply",
    "refuse",
    "reset",
    "server_error",
    "slow",
]
