"""The documentation, held to the code."""

import re
import subprocess
import sys
import typing
from pathlib import Path

import msgspec
import pytest

from coworker.adapters.slack.manifest import SCOPES
from coworker.settings import Config

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def keys(struct, prefix=""):
    for name, kind in ((field.encode_name, field.type) for field in msgspec.structs.fields(struct)):
        inner = next((k for k in (kind, *typing.get_args(kind)) if is_struct(k)), None)
        yield f"{prefix}{name}"
        if inner:
            yield from keys(inner, "")


def is_struct(kind):
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


@pytest.mark.parametrize("page", ["docs/configuration.md", "config/coworker.example.toml"])
def test_every_configuration_key_is_described(page):
    text = (ROOT / page).read_text()
    missing = [key for key in keys(Config) if not re.search(rf"\b{key}\b", text)]
    assert missing == []


def test_every_permission_that_the_slack_app_asks_for_is_explained():
    text = (ROOT / "docs" / "slack.md").read_text()
    assert [scope for scope in SCOPES if f"`{scope}`" not in text] == []


def test_every_file_that_a_page_names_exists():
    for page in PAGES:
        for name in re.findall(
            r"`((?:coworker|tests|config|docs|benchmarks)/[\w/.]*)`", page.read_text()
        ):
            assert (ROOT / name).exists(), f"{page.name} names {name}"
        for link in re.findall(r"\]\(([\w/.]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links {link}"


def test_every_room_and_file_has_its_place_on_the_map():
    text = (ROOT / "docs" / "architecture.md").read_text() + (ROOT / "AGENTS.md").read_text()
    rooms = {path.relative_to(ROOT).parts[1] for path in ROOT.glob("coworker/*/__init__.py")}
    assert [room for room in rooms if f"coworker/{room}" not in text] == []


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "coworker", *arguments], capture_output=True, text=True, check=False
    )


def commands():
    return re.findall(r"^    (\w+) +\S", run("--help").stdout, re.MULTILINE)


def test_every_command_is_in_the_readme_and_every_command_of_the_readme_exists():
    readme = (ROOT / "README.md").read_text()
    named = set(re.findall(r"^    coworker (\w+)", readme, re.MULTILINE))
    assert named == set(commands()) - {"help"}


def test_the_readme_names_the_make_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?m)(?:^    |`)make (\w+)", "\n".join(map(Path.read_text, PAGES))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_pins_carry_hashes_and_no_address():
    pins = (ROOT / "constraints.txt").read_text()
    assert "://" not in pins
    assert "--index-url" not in pins
    for pin in re.findall(r"^[\w.-]+==.*(?:\n .*)*", pins, re.MULTILINE):
        assert "--hash=sha256:" in pin
    assert not re.findall(r"^(?!\s|#)(?!\S+==).+", pins, re.MULTILINE)
