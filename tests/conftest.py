"""A world for stories: a real repository, a scripted model, a real owner on a real socket."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from coworker import daemon, logs
from coworker.cli.events import Ask, Progress, Reply
from coworker.cli.link import Link
from coworker.settings import Budget, Config, ModelConfig, Models
from tests.fakes.anthropic import FakeAnthropic

DEADLINE_S = 30

_CART = '''"""The cart."""


def total(lines):
    """Cents of all lines."""
    return sum(round(price * count) for price, count in lines)
'''


def git(folder: Path, *args: str, at: str = "2026-11-20T09:00:00+00:00") -> str:
    """Run git there as ann, at that time, with nothing of this machine's configuration."""
    who = {"NAME": "ann", "EMAIL": "ann@example.com", "DATE": at}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in who.items()
        },
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *args],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def running(words: str) -> list[str]:
    """The command lines on this machine that hold these words."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            line = file.read_bytes().decode(errors="replace")
            found += [line] if words in line else []
    return found


@pytest.fixture(autouse=True)
def log_of_its_own():
    """Commands that ran in this process leave their log open; the next test has its own."""
    yield
    logs.stop()


@pytest.fixture
def shop(tmp_path, made_shop):
    """A small repository with a bug and a history."""
    return Path(shutil.copytree(made_shop, tmp_path / "shop"))


@pytest.fixture(scope="session")
def made_shop(tmp_path_factory):
    """The repository that `shop` copies: git is slower than that."""
    folder = tmp_path_factory.mktemp("made") / "shop"
    (folder / "shop").mkdir(parents=True)
    (folder / "README.md").write_text("# Shop\n\nSells things.\n")
    (folder / "shop" / "cart.py").write_text(_CART)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "Add the cart")
    return folder


@dataclass
class World:
    """What a person can do and see. Every wait has a deadline."""

    config: Config
    model: FakeAnthropic
    link: Link
    repo: Path
    progress: list[Progress] = field(default_factory=list)

    async def says(self, text: str, conversation: str | None = None, **more: Any) -> str:
        """Say it and return the conversation, attached."""
        place = {"conversation": conversation} if conversation else {"repo": str(self.repo)}
        said = await self.link.call("say", text=text, **{**place, **more})
        await self.link.call("attach", conversation=said["conversation"])
        return said["conversation"]

    async def hears(self) -> Reply | Ask:
        """The next reply or question, shown to the person."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                event = await self.link.next_event()
                if not isinstance(event, Progress):
                    await self.link.call("shown", key=event.key)
                    return event
                self.progress.append(event)

    async def ask(self, text: str, conversation: str | None = None) -> str:
        """Say it and hear the reply's text."""
        await self.says(text, conversation)
        return (await self.hears()).text

    async def until(self, condition) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.01)

    async def log(self, conversation: str) -> list[dict[str, Any]]:
        """The entries of a conversation."""
        return await self.link.call("log", conversation=conversation)

    async def kinds(self, conversation: str) -> list[str]:
        """The kinds of its entries in order."""
        return [entry["kind"] for entry in await self.log(conversation)]


@asynccontextmanager
async def living(config: Config, model: FakeAnthropic, repo: Path):
    """A world whose owner lives as long as the context."""
    async with AsyncExitStack() as stack:
        path = await stack.enter_async_context(daemon.opened(config))
        link = await stack.enter_async_context(Link.connect(path))
        yield World(config, model, link, repo)


@pytest.fixture
def configured(tmp_path):
    """A configuration for a scripted model; keywords override."""

    def configured(model: FakeAnthropic | None, **more: Any) -> Config:
        models = Models()
        if model:
            limit = more.pop("context_tokens", 150_000)
            large = ModelConfig(model="claude-opus-5-5", base_url=model.url, context_tokens=limit)
            models = Models(large=large)
        state = {"state_dir": str(tmp_path / "state"), "models": models, "budget": Budget()}
        return Config(**{**state, **more})

    return configured


@pytest.fixture
def world(configured, shop):
    """`async with world(script) as w:` lives with a model that follows the script."""

    @asynccontextmanager
    async def world(script=(), **more: Any):
        async with (
            FakeAnthropic(script, strict=True) as model,
            living(configured(model, **more), model, shop) as made,
        ):
            yield made

    return world


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="run the long versions of slow tests")


def pytest_collection_modifyitems(config, items):
    """The long versions take as long as they take."""
    for item in items if config.getoption("--soak") else ():
        item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture
def soak(request):
    """Whether this is a long run."""
    return request.config.getoption("--soak")
