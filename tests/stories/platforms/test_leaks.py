"""What an obedient model was told to let out does not leave through a chat."""

import json

from tests.fakes.anthropic import say

EVIL = "https://evil.test/?d=read"
SECRET = "ghp_" + "cAnArY0" * 6


async def test_neither_a_secret_nor_a_live_link_is_sent(talk):
    answer = f"Here: {SECRET} and {EVIL}, ![x]({EVIL}) or [this]({EVIL}). " + "More words. " * 1_500
    async with talk([say(answer)]) as (t, chat):
        await chat.opens(f"say {SECRET}")
        await chat.hears("[secret: github token]")
        await t.delivered()
        calls = (*t.slack.calls, *t.telegram.calls)
        sent = repr([vars(call) | {"result": ""} for call in calls])
        assert "evil.test" in sent
        assert EVIL not in sent
        assert SECRET not in sent
        assert SECRET not in json.dumps(t.model.requests[0])
