"""The configuration: found, merged, and clear about what is wrong with it."""

import re
from pathlib import Path

import pytest

from coworker.config import credentials_dir, load, refuse_unknown_tools, secret
from coworker.errors import ConfigError

EXAMPLE = Path(__file__).parent.parent / "config" / "coworker.example.toml"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch, tmp_path):
    for name in (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "STATE_DIRECTORY",
        "COWORKER_CONFIG",
        "SLACK_BOT_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "config.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def test_nothing_configured_is_a_working_configuration(tmp_path):
    config = load()
    assert config.state == tmp_path / ".local/state/coworker"
    assert config.models.large is None


def test_the_example_is_valid_as_it_is_and_with_every_line_switched_on(write):
    load(EXAMPLE)
    switched_on = re.sub(r"(?m)^# ((?:\[|\w+ = ).*)$", r"\1", EXAMPLE.read_text())
    config = load(write(switched_on))
    assert config.people["alice"].role == "owner"
    assert config.repos["shop"].checks == ["pytest -q"]
    assert config.rules[0].then == "ask"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[budget]\nrun_used = 1", "unknown key budget.run_used. Did you mean budget.run_usd?"),
        ("[buget]\nrun_usd = 1", "unknown key buget. Did you mean budget?"),
        ("[models.large]\nmodle = 'x'", "Did you mean models.large.model?"),
        ("[repos.shop]\npaths = '/x'", "Did you mean repos.shop.path?"),
        ("[budget]\nrun_usd = 'much'", "budget.run_usd: expected `float`"),
        ("[models.large]\nbase_url = 'x'", "models.large: object missing required field `model`"),
        ("[people.ann]\nrole = 'king'", "people.ann.role: 'king' is not one of owner, member"),
        ("[people.ann]\nids = ['U012AB3CD']", "'U012AB3CD' does not say on which platform. Write"),
        ("[people.ann]\nids = ['slak:U1']", "Did you mean slack:U1?"),
        ("[people.ann]\nids = ['slack:']", "'slack:' does not say on which platform"),
        (
            "[people.ann]\nids = ['slack:U1']\n[people.bob]\nids = ['slack:U1']",
            "people.bob.ids: slack:U1 is in people.ann.ids too. Give each id to one person.",
        ),
        (
            '[people."\u0430lice"]',
            "people: '\u0430lice' is no name. A name is at most 40 of the letters",
        ),
        ("[people.Owner]", "people: Owner reads like the role owner. Choose another name."),
        ("[people.ann]\n[people.Ann]", "people: Ann reads like ann. Choose another name."),
        ("[repos.shop]\nrooms = ['#general']", "'#general' does not say on which platform"),
        ("[slack]\nbase_url = 'slack.com/api/'", "slack.base_url: 'slack.com/api/' is no address"),
        (
            "[telegram]\nbase_file_url = 'ftp://x'",
            "telegram.base_file_url: 'ftp://x' is no address",
        ),
        ("[models.large]\nmodel = 'x'\nbase_url = 'localhost:80'", "models.large.base_url"),
        ("timezone = 'Mars/Base'", "no zone 'Mars/Base'"),
        ("timezone = ", "not valid TOML"),
        (b"timezone = '\xff'", "not UTF-8"),
    ],
)
def test_a_mistake_is_named_with_its_file_key_and_mend(write, text, words):
    file = write(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[slack]\nbot_token = 'anything'",
        "anthropic_api_key = 'anything'",
        "[models.large]\nmodel = 'm'\nbase_url = 'http://x/?k=sk-ant-REDACTED'",
        "[repos.a]\nsetup = 1\n[slack]\nbase_url = 'xoxb-123456789012'",
    ],
)
def test_a_secret_in_the_file_is_refused_without_being_repeated(write, text):
    with pytest.raises(ConfigError, match="looks like a secret") as caught:
        load(write(text))
    assert "abcdefgh12345" not in str(caught.value)
    assert "xoxb-1234" not in str(caught.value)


def test_a_named_file_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"No such file.*--config"):
        load(tmp_path / "nowhere.toml")


def test_the_environment_beats_the_file_and_the_argument_beats_both(write, monkeypatch, tmp_path):
    file = write("state_dir = '/from/file'\n[budget]\nrun_usd = 1\nday_usd = 7")
    monkeypatch.setenv("COWORKER_BUDGET__RUN_USD", "3.5")
    monkeypatch.setenv("COWORKER_SLACK__BASE_URL", "http://127.0.0.1:9/api/")
    config = load(file, tmp_path / "argument")
    assert (config.budget.run_usd, config.budget.day_usd) == (3.5, 7)
    assert config.slack.base_url == "http://127.0.0.1:9/api/"
    assert config.state == tmp_path / "argument"


def test_a_misspelt_variable_is_an_error_too(monkeypatch):
    monkeypatch.setenv("COWORKER_BUDGET__RUN_UDS", "3.5")
    with pytest.raises(ConfigError, match=r"Did you mean budget\.run_usd"):
        load()


def test_a_server_address_in_the_environment_is_enough_to_be_connected(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    assert load().models.large.base_url == "http://127.0.0.1:9"


def test_a_secret_comes_from_the_environment_or_a_credential_file(monkeypatch, tmp_path):
    (tmp_path / "slack_bot_token").write_text("from-file\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert secret("SLACK_BOT_TOKEN") == "from-file"
    monkeypatch.setenv("SLACK_BOT_TOKEN", "from-environment")
    assert secret("SLACK_BOT_TOKEN") == "from-environment"
    assert secret("TELEGRAM_BOT_TOKEN") == ""


def test_a_secret_also_comes_from_the_persons_own_folder_if_it_is_theirs_alone():
    file = credentials_dir() / "slack_bot_token"
    file.parent.mkdir(parents=True)
    file.write_text("mine\n")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match=f"can be read by other users.*chmod 600 {file}"):
        secret("SLACK_BOT_TOKEN")
    file.chmod(0o600)
    assert secret("SLACK_BOT_TOKEN") == "mine"


def test_a_rule_for_a_tool_that_does_not_exist_is_an_error(write):
    config = load(write("[[rules]]\nthen = 'deny'\n[[rules]]\ntool = 'git_psuh'\nthen = 'deny'"))
    with pytest.raises(ConfigError, match=r"rule 2: tool: .*'git_psuh'. Did you mean git_push"):
        refuse_unknown_tools(config, {"git_push": (), "shell": ()})
    refuse_unknown_tools(config, {"git_psuh": ()})


def test_a_rule_for_an_argument_that_does_not_exist_is_an_error(write):
    config = load(write("[[rules]]\nthen = 'allow'\ntool = 'open_pr'\nargs = { titel = 'x' }"))
    with pytest.raises(ConfigError, match=r"rule 1: args: open_pr takes no 'titel'. Did you mean"):
        refuse_unknown_tools(config, {"open_pr": ("title", "body")})


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ("rooms = ['C0SHOP']", "'C0SHOP' does not say on which platform"),
        ("paths = ['/etc/']", "'/etc/' is not within a repository"),
        ("paths = ['a/../../b']", "is not within a repository"),
        ("people = []", "an empty list does not mean none: the rule would be about all people"),
        ("rooms = []", "Name those that are meant, or leave rooms out if all are"),
        ("paths = []", "would be about all paths"),
        ("args = {}", "would be about all args"),
    ],
)
def test_a_rule_that_can_match_nothing_or_everything_is_an_error(write, field, what):
    with pytest.raises(ConfigError, match=f"rule 1: {field.split()[0]}: .*{what}"):
        load(write(f"[[rules]]\nthen = 'deny'\n{field}"))


def test_a_rule_may_be_for_the_terminal(write):
    assert load(write("[[rules]]\nthen = 'deny'\nrooms = ['terminal']")).rules[0].rooms
