"""`coworker doctor` against real servers: what is wrong, and the exact fix."""

import json
import re

import pytest

from tests.fakes.anthropic import FakeAnthropic, say, status
from tests.fakes.slack import GENERAL, FakeSlack
from tests.fakes.telegram import FakeTelegram


class Clinic:
    """A home whose configuration and tokens can be set, and what doctor says about it."""

    def __init__(self, shell, home):
        self.shell = shell
        self._file = home / "config.toml"

    def write(self, text):
        self._file.write_text(text)
        self._file.chmod(0o600)

    def connect(self, slack=None, telegram=None, model=None):
        if slack:
            self.set(SLACK_BOT_TOKEN=slack.bot_token, SLACK_APP_TOKEN=slack.app_token)
            self.set(COWORKER_SLACK__BASE_URL=slack.base_url)
        if telegram:
            self.set(TELEGRAM_BOT_TOKEN=telegram.token)
            self.set(COWORKER_TELEGRAM__BASE_URL=telegram.base_url)
        if model:
            self.set(ANTHROPIC_API_KEY="sk-ant-fake", ANTHROPIC_BASE_URL=model.url)

    def set(self, **variables):
        self.shell.environment |= variables

    async def finds(self):
        """The findings by check, each as (ok, found, fix)."""
        ended = await self.shell.run("doctor", "--json")
        rows = [json.loads(line) for line in ended.out.splitlines()]
        assert rows, ended.err
        assert ended.status == int(any(row["ok"] is False for row in rows))
        return {row["check"]: (row["ok"], row["found"], row["fix"]) for row in rows}


@pytest.fixture
def clinic(shell, tmp_path):
    shell.state.chmod(0o700)
    return Clinic(shell, tmp_path)


KNOWN = '[people.ann]\nrole = "owner"\nids = ["slack:U0ALICE", "telegram:4711", "terminal:*"]\n'


async def test_when_everything_is_right_it_says_so_and_talks_to_nobody(clinic):
    async with (
        FakeSlack() as slack,
        FakeTelegram() as telegram,
        FakeAnthropic([say("Yes."), say("Yes.")], strict=True) as model,
    ):
        telegram.world.privacy = False
        clinic.write(KNOWN)
        clinic.connect(slack, telegram, model)
        findings = await clinic.finds()
        right = ("slack bot token", "slack scopes", "slack socket", "slack clock", "slack people")
        right += ("telegram token", "telegram privacy mode", "telegram people", "configuration")
        for check in (*right, "model large", "model small"):
            assert findings[check][0] is True, (check, findings[check])
        assert not slack.called("chat.postMessage")
        assert not telegram.called("sendMessage")
        assert sum(len(str(request)) for request in model.requests) < 2_000


async def test_a_wrong_token_of_one_platform_leaves_the_report_of_the_others(clinic):
    async with FakeSlack() as slack, FakeTelegram() as telegram:
        clinic.connect(slack, telegram)
        clinic.set(SLACK_BOT_TOKEN="xoxb-wrong")
        findings = await clinic.finds()
        ok, found, fix = findings["slack bot token"]
        assert ok is False
        assert "invalid_auth" in found
        assert "OAuth & Permissions" in fix
        assert findings["telegram token"][:2] == (True, "@coworker_bot")


async def test_half_of_slack_is_a_mistake_and_none_of_it_a_choice(clinic):
    findings = await clinic.finds()
    assert findings["slack"][:2] == (None, "not connected")
    assert findings["telegram"][:2] == (None, "not connected")
    clinic.set(SLACK_BOT_TOKEN="xoxb-x")
    ok, found, fix = (await clinic.finds())["slack"]
    assert (ok, found) == (False, "SLACK_APP_TOKEN is missing, so it is off")
    assert "coworker setup" in fix


async def test_scopes_app_token_and_rooms_of_slack(clinic):
    async with FakeSlack() as slack:
        slack.scopes.discard("reactions:write")
        away = slack.channel("away")
        slack.world.channels[away].members.clear()
        clinic.connect(slack)
        clinic.set(SLACK_APP_TOKEN="xapp-wrong")
        rooms = f'["slack:{GENERAL}", "slack:{away}", "slack:C0NOWHERE", "telegram:-1"]'
        clinic.write(f'{KNOWN}[repos.shop]\npath = "{clinic.shell.cwd}"\nrooms = {rooms}\n')
        findings = await clinic.finds()
        assert "reactions:write" in findings["slack scopes"][1]
        assert "--slack-manifest" in findings["slack scopes"][2]
        assert "connections:write" in findings["slack socket"][2]
        assert findings[f"slack room {GENERAL}"] == (True, "#general", "")
        assert findings[f"slack room {away}"][:2] == (False, "#away, but we are not in it")
        assert "/invite" in findings["slack room C0NOWHERE"][2]
        assert "slack room -1" not in findings


async def test_privacy_mode_webhook_and_rooms_of_telegram(clinic):
    async with FakeTelegram() as telegram:
        team = telegram.group("Team")
        telegram.updates.webhook = "https://elsewhere.example/hook"
        clinic.connect(telegram=telegram)
        rooms = f'["telegram:{team.id}", "telegram:-99"]'
        clinic.write(f'{KNOWN}[repos.shop]\npath = "{clinic.shell.cwd}"\nrooms = {rooms}\n')
        findings = await clinic.finds()
        assert findings["telegram privacy mode"][0] is None
        assert "/setprivacy" in findings["telegram privacy mode"][2]
        assert findings["telegram webhook"][0] is False
        assert findings[f"telegram room {team.id}"] == (True, "Team", "")
        assert findings["telegram room -99"][0] is False


async def test_hosts_that_nobody_answers_at_are_named_with_their_key(clinic):
    nobody = "http://127.0.0.1:9"
    tokens = {"SLACK_BOT_TOKEN": "xoxb-x", "SLACK_APP_TOKEN": "xapp-x"}
    clinic.set(**tokens, TELEGRAM_BOT_TOKEN="1:AAF0-fake_token_of_thirty_five_signs")
    clinic.set(COWORKER_SLACK__BASE_URL=f"{nobody}/api/")
    clinic.set(COWORKER_TELEGRAM__BASE_URL=f"{nobody}/bot")
    findings = await clinic.finds()
    assert findings["slack bot token"][0] is False
    assert "slack.base_url" in findings["slack bot token"][2]
    assert findings["telegram"][0] is False
    assert "telegram.base_url" in findings["telegram"][2]


@pytest.mark.parametrize(
    ("answer", "found", "fix"),
    [
        (status(401, body={}), "asks for a valid key", "Check ANTHROPIC_API_KEY"),
        (status(404, body={}), "does not know claude-opus-5-5", "Check model and base_url"),
    ],
)
async def test_the_model_is_really_asked(clinic, answer, found, fix):
    async with FakeAnthropic(lambda _: answer) as model:
        clinic.connect(model=model)
        said = (await clinic.finds())["model large"]
        assert said[0] is False
        assert found in said[1]
        assert said[2].startswith(fix)


async def test_nobody_known_on_a_platform_is_said(clinic):
    async with FakeSlack() as slack:
        clinic.connect(slack)
        ok, found, fix = (await clinic.finds())["slack people"]
        assert (ok, found) == (False, "nobody is known there, so nobody is answered")
        assert "[people.NAME]" in fix


async def test_what_others_could_read_or_change_is_unsafe(clinic, tmp_path):
    secrets = tmp_path / ".config/coworker/credentials"
    secrets.mkdir(parents=True)
    token = secrets / "telegram_bot_token"
    token.write_text("1:secret")
    for path, mode in ((token, 0o644), (secrets, 0o755), (clinic.shell.state, 0o750)):
        path.chmod(mode)
    (tmp_path / "config.toml").chmod(0o666)
    ended = await clinic.shell.run("doctor")
    assert ended.status == 1
    said = re.sub(r"\s+", " ", ended.out)
    assert f"chmod 600 {token}" in said
    assert f"chmod 700 {secrets}" in said
    assert f"chmod 700 {clinic.shell.state}" in said
    assert f"chmod go-w {tmp_path / 'config.toml'}" in said
    assert "1:secret" not in said


async def test_a_daemon_is_asked_when_it_runs(clinic):
    async with FakeTelegram() as telegram:
        clinic.connect(telegram=telegram)
        clinic.write(KNOWN)
        await clinic.shell.start("run")
        await telegram.until(lambda: telegram.called("getUpdates"))
        del clinic.shell.environment["TELEGRAM_BOT_TOKEN"]
        findings = await clinic.finds()
        assert findings["telegram token"][:2] == (True, "@coworker_bot")
        out = (await clinic.shell.run("status")).out
        assert re.search(r"✓ telegram +connected, last heard of 20", out)


async def test_the_status_says_what_is_wrong_and_how_to_mend_it(clinic):
    async with FakeTelegram() as telegram:
        clinic.connect(telegram=telegram)
        clinic.set(TELEGRAM_BOT_TOKEN="1:AAF0-wrong_token_of_thirty_five_sign")
        process = await clinic.shell.start("run")
        while b"rejects us" not in await process.stderr.readline():
            pass
        out = (await clinic.shell.run("status")).out
        assert "✓ terminal  listening" in out
        assert "✗ telegram  refused" in out
        assert "→ Telegram does not accept TELEGRAM_BOT_TOKEN. Ask @BotFather" in out
        told = json.loads((await clinic.shell.run("status", "--json")).out)["adapters"]
        assert [each["state"] for each in told] == ["listening", "refused"]


async def test_a_rule_that_can_never_match_is_named(clinic):
    clinic.write(
        KNOWN
        + '[[rules]]\nthen = "deny"\npeople = ["ann", "ownr"]\nrepo = "shp"\npaths = ["docs/"]\n'
    )
    ok, found, fix = (await clinic.finds())["rules"]
    assert ok is False
    for odd in ("ownr, who is nobody", "shp, which is no repository"):
        assert f"rule 1 of the configuration names {odd}" in found
    assert "ann" not in found
    assert "docs" not in found
    assert "never matches" in fix
