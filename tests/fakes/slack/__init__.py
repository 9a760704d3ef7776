"""A Slack workspace on 127.0.0.1: Web API, Socket Mode and the people in it.

It knows nothing of coworker; slack_sdk and slack_bolt talk to it by `base_url`.

    async with FakeSlack(ack_deadline=0.2, retries=(0, 0.1, 0.1)) as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.base_url, retry_handlers=[])
        # ... AsyncSocketModeHandler(AsyncApp(client=client), slack.app_token) ...
        asked = await slack.says(ALICE, GENERAL, f"<@{BOT}> what changed?")
        answer = await slack.sees("Nothing changed", thread=asked)
        await slack.clicks(ALICE, answer, "allow")

Who is there: ALICE and BOB, members of GENERAL like the BOT; more with `user(name)`,
`channel(name, *members, private=…)`, `group(*members)`, `dm(user)`: all return ids.
What people do: `joins says edits deletes reacts unreacts clicks command shortcut submits opens_home
stops`, `another_bot_says`, and `event(…)` for an event of any type. `says` returns the `Message`,
what is sent as a click or command returns its `Delivery` (`ack`, `lost`, `envelopes`).
What people see: `thread(channel, ts)`, `messages(channel)`, `ephemerals`, `homes`, `views`,
`statuses`; a `Message` has `shown` (unescaped, blocks before text), `text`, `buttons`,
`reactions`, `files`, `tasks`. Waits: `until(predicate, within=20)`, `sees(pattern, …)`,
`settled()` (every event was acknowledged or given up).
What the app did: `calls` (method, arguments, at, error), `called(method)`, `acks`, `deliveries`,
`connections`.
What goes wrong: `fault(method, kind, times=1, …)`, see `faults.py`; `revoked = True`; `scopes`
and `events` are sets to change; `kill()`, `freeze()` (half-open) and `disconnect(reason)` for the
sockets; `real_limits=True` for one post a second in a channel.

As a process: `python -m tests.fakes.slack --port 0`; see `__main__.py`.
"""

from tests.fakes.slack.people import FakeSlack
from tests.fakes.slack.world import ALICE, BOB, BOT, GENERAL, TEAM, Message

__all__ = ["ALICE", "BOB", "BOT", "GENERAL", "TEAM", "FakeSlack", "Message"]
