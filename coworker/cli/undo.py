"""`coworker undo`: take back what a run did, and read the report.

It knows one verb and one reply, not what can be taken back.
"""

from __future__ import annotations

from coworker.cli import interrupt, output, words
from coworker.cli.events import Reply, read_reply
from coworker.cli.link import linked
from coworker.settings import Config


def undo(config: Config, run: str) -> int:
    """Exit status of the report."""
    return interrupt.run(_undo(config, run))


async def _undo(config: Config, run: str) -> int:
    async with linked(config) as link:
        asked = await link.call("undo", run=run)
        if "reply" in asked:  # it was said elsewhere, and its report is
            report = read_reply(asked["reply"])
            output.say(words.clean(report.text))
            return report.exit_status
        await link.call("attach", conversation=asked["conversation"])
        async for event in link.events():
            if isinstance(event, Reply):
                output.say(words.clean(event.text))
                await link.call("shown", key=event.key)
                if event.text.startswith("Undo of run "):
                    return event.exit_status
    return 1
