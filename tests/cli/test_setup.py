"""`coworker setup`: what a person is asked, what a wrong answer is told, what is written."""

import json
import re
import stat

import pytest

from coworker.config import load
from tests.conftest import git
from tests.fakes.anthropic import FakeAnthropic, say, status
from tests.fakes.slack import ALICE, FakeSlack
from tests.fakes.telegram import FakeTelegram

TOKEN = "xoxb-fake"


@pytest.fixture
def credentials(tmp_path):
    return tmp_path / ".config/coworker/credentials"


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "config.toml"
    file.unlink()
    return file


class Dialogue:
    """One setup at a terminal."""

    def __init__(self, terminal):
        self.terminal = terminal
        self._at = 0

    async def hears(self, *texts):
        self._at = await self.terminal.sees(*texts, after=self._at)

    async def answers(self, question, text=""):
        await self.hears(question)
        self.terminal.type(f"{text}\r")

    async def skips(self, *questions):
        for question in questions:
            await self.answers(question)

    async def begins(self):
        """The first questions, all with what is offered."""
        await self.skips("State directory", "Time zone", "Work on the repository", "Its name")
        await self.answers("Your name", "ann")


@pytest.fixture
def setup(shell):
    git(shell.cwd, "init", "-q")

    async def setup(*arguments):
        return Dialogue(await shell.at_terminal("setup", *arguments, columns=120))

    return setup


def reach(shell, slack=None, telegram=None):
    if slack:
        shell.environment["COWORKER_SLACK__BASE_URL"] = slack.base_url
    if telegram:
        shell.environment["COWORKER_TELEGRAM__BASE_URL"] = telegram.base_url


async def test_a_new_coworker_is_set_up_with_wrong_answers_first(shell, setup, file, credentials):
    async with FakeSlack() as slack, FakeTelegram() as telegram:
        reach(shell, slack, telegram)
        model = FakeAnthropic([status(401, body={}), say("Yes.")], strict=True)
        async with model:
            dialogue = await setup()
            await dialogue.answers("State directory")
            await dialogue.answers("Time zone", "Europe/Berln")
            await dialogue.hears("there is no zone 'Europe/Berln'")
            await dialogue.answers("Time zone", "Europe/Berlin")
            await dialogue.skips("Work on the repository", "Its name in chat [shop]")
            await dialogue.answers("Your name", "Ann Lee")
            await dialogue.hears("'Ann Lee' is no name")
            await dialogue.answers("Your name", "ann")

            await dialogue.answers("Address of the model server", "nonsense")
            await dialogue.hears("Begin it with https://")
            said = {
                "sk-wrong": "✗ 127.0.0.1 asks for a valid key",
                "sk-right": "✓ tiny at 127.0.0.1",
            }
            for key, verdict in said.items():
                await dialogue.answers("Address of the model server", model.url)
                await dialogue.answers("Id of the model there", "tiny")
                await dialogue.answers("Is it Ollama")
                await dialogue.answers("API key", key)
                await dialogue.hears(verdict)

            await dialogue.answers("Bot token", "xoxb-wrong")
            await dialogue.hears("✗ slack bot token", "invalid_auth", "OAuth & Permissions")
            await dialogue.answers("Bot token", TOKEN)
            await dialogue.hears("✓ slack bot token", "✓ slack scopes")
            await dialogue.answers("App-level token", "xapp-wrong")
            await dialogue.hears("✗ slack socket", "connections:write")
            await dialogue.answers("App-level token", slack.app_token)
            await dialogue.answers("Your member id", "U0NOBODY")
            await dialogue.hears("Nobody in this workspace has the id U0NOBODY")
            await dialogue.answers("Your member id", ALICE)
            await dialogue.answers("That is Alice. Is it you?")

            await dialogue.answers("Bot's token", "4711:wrong")
            await dialogue.hears("✗ telegram token", "@BotFather")
            await dialogue.answers("Bot's token", telegram.token)
            await dialogue.hears("✓ telegram token", "Or type your numeric id")
            (code,) = re.findall(r"write (\d{6}) to @coworker_bot", dialogue.terminal.text)
            stranger, ann = telegram.person("Eve"), telegram.person("Ann", user_id=815)
            await telegram.says(stranger, text="hello, make me owner")
            await telegram.says(ann, text=code)
            await dialogue.hears("Hello Ann.")
            assert not file.exists()
            assert not credentials.exists()
            await dialogue.answers("Write")
            await dialogue.hears("Written.", "coworker doctor", "coworker run")
            assert await dialogue.terminal.ends() == 0

        assert len(telegram.updates.waiting) == 2, "nothing was taken from the daemon"
    config = load(file)
    assert config.timezone == "Europe/Berlin"
    assert config.repos["shop"].path == str(shell.cwd)
    assert config.people["ann"].role == "owner"
    assert set(config.people["ann"].ids) >= {f"slack:{ALICE}", "telegram:815"}
    assert any(each.startswith("terminal:") for each in config.people["ann"].ids)
    assert (config.models.large.base_url, config.models.large.compatible) == (model.url, True)
    kept = {path.name: path.read_text().strip() for path in credentials.iterdir()}
    assert kept == {
        "anthropic_api_key": "sk-right",
        "slack_bot_token": TOKEN,
        "slack_app_token": slack.app_token,
        "telegram_bot_token": telegram.token,
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in credentials.iterdir()} == {0o600}
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o700
    secrets = (*kept.values(), "xapp-wrong", "sk-wrong", "4711:wrong")
    shown = dialogue.terminal.text + file.read_text()
    assert [secret for secret in secrets if secret in shown] == []


async def test_what_setup_wrote_is_what_a_daemon_reads(shell, setup, file):
    async with FakeTelegram() as telegram:
        reach(shell, telegram=telegram)
        dialogue = await setup()
        await dialogue.begins()
        await dialogue.skips("Address of the model", "API key", "Bot token")
        await dialogue.answers("Bot's token", telegram.token)
        await dialogue.answers("Or type your numeric id", "815")
        await dialogue.skips("Write")
        assert await dialogue.terminal.ends() == 0
        findings = (await shell.run("doctor", "--json")).out.splitlines()
        rows = {row["check"]: row for row in map(json.loads, findings)}
        assert rows["telegram token"]["ok"] is True
        assert rows["telegram people"]["found"] == "ann"


async def test_running_it_again_changes_only_what_is_new_and_shows_it(shell, setup, file):
    file.write_text(
        'timezone = "UTC"\n[people.ann]\nrole = "owner"\nids = ["terminal:*"]\n'
        '[[rules]]\ntool = "git_push"\nthen = "deny"\n'
    )
    dialogue = await setup()
    await dialogue.skips("State directory", "Time zone [UTC]", "Work on", "Its name in chat")
    await dialogue.skips("Your name [ann]", "Address of the model", "API key")
    await dialogue.skips("Bot token", "Bot's token")
    await dialogue.hears("+[repos.shop]", "Write")
    dialogue.terminal.type("n\r")
    await dialogue.hears("Nothing was written")
    assert await dialogue.terminal.ends() == 130
    assert "repos" not in file.read_text()

    dialogue = await setup()
    await dialogue.skips("State directory", "Time zone [UTC]", "Work on", "Its name in chat")
    await dialogue.skips("Your name [ann]", "Address of the model", "API key")
    await dialogue.skips("Bot token", "Bot's token", "Write")
    assert await dialogue.terminal.ends() == 0
    config = load(file)
    assert config.rules[0].then == "deny"
    assert config.people["ann"].ids == ["terminal:*"]
    assert "shop" in config.repos


async def test_comments_are_never_lost(shell, setup, file):
    mine = "# mine\nstale_hours = 3 # as agreed\n"
    file.write_text(mine)
    dialogue = await setup()
    await dialogue.begins()
    await dialogue.skips("Address of the model", "API key", "Bot token", "Bot's token")
    await dialogue.hears("has comments that would be lost")
    await dialogue.skips("Write")
    assert await dialogue.terminal.ends() == 0
    assert file.read_text() == mine
    assert load(file.with_name("config.toml.new")).stale_hours == 3


async def test_ctrl_c_leaves_nothing_behind(shell, setup, file, credentials, tmp_path):
    async with FakeSlack() as slack:
        reach(shell, slack)
        dialogue = await setup()
        await dialogue.begins()
        await dialogue.skips("Address of the model", "API key")
        await dialogue.answers("Bot token", TOKEN)
        await dialogue.hears("✓ slack scopes", "App-level token")
        dialogue.terminal.type("\x03")
        await dialogue.hears("Nothing was written")
        assert await dialogue.terminal.ends() == 130
        assert dialogue.terminal.echoes
    assert not file.exists()
    assert not credentials.exists()
    assert not list(tmp_path.glob("**/*xoxb*"))


async def test_a_service_that_cannot_be_reached_is_named_and_can_be_skipped(shell, setup, file):
    shell.environment["COWORKER_SLACK__BASE_URL"] = "http://127.0.0.1:9/api/"
    dialogue = await setup()
    await dialogue.begins()
    await dialogue.skips("Address of the model", "API key")
    await dialogue.answers("Bot token", TOKEN)
    await dialogue.hears("cannot be reached", "slack.base_url")
    await dialogue.skips("Bot token", "Bot's token", "Write")
    assert await dialogue.terminal.ends() == 0
    assert "slack" not in file.read_text()


async def test_a_bot_that_another_program_listens_to_is_told(shell, setup, file):
    async with FakeTelegram() as telegram:
        telegram.updates.webhook = "https://elsewhere.example/"
        reach(shell, telegram=telegram)
        dialogue = await setup()
        await dialogue.begins()
        await dialogue.skips("Address of the model", "API key", "Bot token")
        await dialogue.answers("Bot's token", telegram.token)
        await dialogue.hears("Another program receives this bot's messages")
        await dialogue.answers("Your numeric id", "815")
        await dialogue.skips("Write")
        assert await dialogue.terminal.ends() == 0
    assert "telegram:815" in load(file).people["ann"].ids


async def test_without_a_terminal_it_says_what_it_needs(shell, file):
    ended = await shell.run("setup")
    assert ended.status == 2
    assert "needs a terminal" in ended.err
    assert str(file) in ended.err
    assert ended.err.count("\n") == 1


async def test_the_slack_manifest_is_alone_on_stdout(shell):
    ended = await shell.run("setup", "--slack-manifest")
    assert (ended.status, ended.err) == (0, "")
    manifest = json.loads(ended.out)
    assert manifest["settings"]["socket_mode_enabled"] is True
    assert "app_mention" in manifest["settings"]["event_subscriptions"]["bot_events"]
