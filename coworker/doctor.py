"""What is configured, reachable, missing or unsafe, each with the fix. It changes nothing."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from coworker import sandbox
from coworker.config import TOKENS, credentials_dir, person_environment, program_environment, secret
from coworker.errors import ConfigError, CoworkerError, ModelError
from coworker.models.router import Router, Seat
from coworker.policy.rules import Book, in_words
from coworker.protocols import Platform
from coworker.repos import remote
from coworker.repos.checkout import locate
from coworker.repos.registry import Registry
from coworker.settings import Config, Rule
from coworker.types import RANK, Json, Repo, Role

_PATIENCE_S = 20


class Doctor:
    """Looks at everything that is configured. `platforms` builds what is not connected."""

    def __init__(
        self,
        config: Config,
        router: Router,
        registry: Registry,
        book: Book,
        platforms: Callable[[], Mapping[str, Platform]],
    ) -> None:
        self._config = config
        self._router = router
        self._registry = registry
        self._book = book
        self._platforms = platforms

    async def examine(self, file: Path) -> list[Json]:
        """One finding per check: {check, ok: true|false|null, found, fix}; null means a choice.

        `file` is the configuration file.
        """
        repos = self._registry.list()
        groups = await asyncio.gather(
            _programs(self._config.sandbox.kind), self._models(), self._chats(repos)
        )
        return [
            _python(),
            _config_file(file),
            _state_dir(self._config.state),
            *_credentials(credentials_dir()),
            self._rules(),
            *itertools.chain.from_iterable(groups),
            *itertools.chain.from_iterable(await asyncio.gather(*map(_repo, repos))),
        ]

    def _rules(self) -> Json:
        """What is decided by more than the defaults; a rule that names nothing protects nothing."""
        said = [in_words(rule) for _, rule in self._book.rules()]
        odd = [f"{of} names {what}" for of, rule in self._book.rules() for what in self._odd(rule)]
        fix = "Mend [[rules]]: as it is written, that never matches."
        return finding("rules", not odd, "; ".join(odd or said) or "the defaults", fix)

    def _odd(self, rule: Rule) -> Iterator[str]:
        """What a rule names and nothing can be."""
        admitted = (name for name, _ in self._book.standing.people.values())
        known = {*RANK, *self._config.people, *admitted, *([] if self._config.people else ["you"])}
        yield from (f"{each}, who is nobody here" for each in rule.people if each not in known)
        if rule.repo not in ("*", *(repo.name for repo in self._registry.list())):
            yield f"{rule.repo}, which is no repository here"

    async def _models(self) -> list[Json]:
        seats = [seat for seat in self._router.describe() if seat.model]
        if not seats:
            fix = "Set ANTHROPIC_API_KEY, or ANTHROPIC_BASE_URL for a server of your own."
            return [finding("model", None, "none configured: the offline model answers", fix)]
        return await asyncio.gather(*[self._model(seat) for seat in seats])

    async def _model(self, seat: Seat) -> Json:
        check = f"model {seat.tier}"
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._router.probe(seat.tier)
        except ModelError as error:
            return finding(check, False, *_what_and_mend(error))
        except TimeoutError:
            found = f"{seat.model} at {seat.where} does not answer within {_PATIENCE_S} s"
            return finding(check, False, found, f"Check base_url in [models.{seat.tier}].")
        return finding(check, True, f"{seat.model} at {seat.where} answers")

    async def _chats(self, repos: Sequence[Repo]) -> list[Json]:
        """Each platform on its own: one that fails takes no other's report with it."""
        try:
            platforms, missing = self._platforms(), _missing_tokens()
        except ConfigError as error:
            return [finding("credentials", False, *_what_and_mend(error))]
        reports = await asyncio.gather(
            *[_examined(each, _rooms(name, repos)) for name, each in platforms.items()]
        )
        admitted = self._book.standing.people
        known = [_people(name, self._config, admitted) for name in platforms]
        return [*missing, *itertools.chain.from_iterable(reports), *known]


def finding(check: str, ok: bool | None, found: str, fix: str = "") -> Json:
    """One line of the report; a fix is only named where something is not right."""
    return {"check": check, "ok": ok, "found": found, "fix": "" if ok else fix}


def _what_and_mend(error: CoworkerError) -> tuple[str, str]:
    """The two halves of a sentence that says what happened and what to do."""
    what, _, mend = str(error).partition(". ")
    return what, mend


def _python() -> Json:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return finding("python", sys.version_info >= (3, 11), version, "Use Python 3.11 or newer.")


def _config_file(file: Path) -> Json:
    if not file.is_file():
        found = f"{file} does not exist: defaults and the environment"
        return finding("configuration", None, found, "`coworker setup` writes it.")
    is_safe = not file.stat().st_mode & 0o022
    found = str(file) if is_safe else f"{file} can be changed by other users"
    return finding("configuration", is_safe, found, f"chmod go-w {file}")


def _state_dir(path: Path) -> Json:
    if not path.is_dir():
        found = f"{path} does not exist yet"
        return finding("state directory", None, found, "It is made at the first start.")
    free_mb = shutil.disk_usage(path).free // 2**20
    found = f"{path}, {free_mb:,} MB free"
    return _open("state directory", path) or finding(
        "state directory", free_mb >= 100, found, "Free some disk space."
    )


def _credentials(folder: Path) -> list[Json]:
    if not folder.is_dir():
        return []
    return [_open("credentials", folder) or finding("credentials", True, str(folder))]


def _open(check: str, path: Path) -> Json | None:
    """The finding that others can look into the directory, if they can."""
    if not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return None
    return finding(check, False, f"{path} is open to other users", f"chmod 700 {path}")


async def _programs(sandbox_kind: str) -> Sequence[Json]:
    rg = "Install ripgrep for faster searches; git grep is used meanwhile."
    return await asyncio.gather(
        _program("git", True, "Install git 2.34 or newer."),
        _program("rg", False, rg),
        _sandbox(sandbox_kind),
    )


async def _program(name: str, required: bool, fix: str) -> Json:
    try:
        process = await asyncio.create_subprocess_exec(
            name,
            "--version",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=program_environment(),
        )
    except OSError:
        return finding(name, False if required else None, "not installed", fix)
    output, _ = await process.communicate()
    return finding(name, process.returncode == 0, output.decode().partition("\n")[0], fix)


async def _sandbox(kind: str) -> Json:
    if kind == "none":
        return finding("sandbox", None, "none, by your choice", 'Set sandbox.kind = "bubblewrap".')
    fault = await sandbox.self_test()
    if fault:
        return finding("sandbox", False, "commands are off", fault)
    return finding("sandbox", True, "; ".join(sandbox.layers()))


def _missing_tokens() -> list[Json]:
    """What keeps a platform off: all of it is missing by choice, half of it by mistake."""
    findings = []
    for name, needed in TOKENS.items():
        missing = [each for each in needed if not secret(each)]
        if len(missing) == len(needed):
            fix = f"`coworker setup` connects it; docs/{name}.md says how."
            findings.append(finding(name, None, "not connected", fix))
        elif missing:
            fix = f"Say it to `coworker setup`; docs/{name}.md says where it is found."
            findings.append(finding(name, False, f"{missing[0]} is missing, so it is off", fix))
    return findings


async def _examined(platform: Platform, rooms: Sequence[str]) -> list[Json]:
    name = platform.name
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await platform.examine(rooms)
    except TimeoutError:
        found = f"no answer within {_PATIENCE_S} s"
    except CoworkerError as error:
        found = str(error)
    return [finding(name, False, found, f"Check the network and {name}.base_url.")]


def _rooms(name: str, repos: Sequence[Repo]) -> list[str]:
    """The platform's ids of the rooms that are bound to a repository."""
    return [
        room.removeprefix(f"{name}:")
        for repo in repos
        for room in repo.rooms
        if room.startswith(f"{name}:")
    ]


def _people(name: str, config: Config, admitted: Mapping[str, tuple[str, Role]]) -> Json:
    """Who is known on a platform: by the configuration, and by `!pair` since."""
    people = config.people.items()
    known = [who for who, each in people if any(id.startswith(f"{name}:") for id in each.ids)]
    paired = {id: each for id, each in admitted.items() if id.startswith(f"{name}:")}
    known += [f"{who} ({role}, let in as {id})" for id, (who, role) in paired.items()]
    if twice := [
        f"{id} is called {who}" for id, (who, _) in paired.items() if who in config.people
    ]:
        found = f"{'; '.join(twice)}, like somebody of the configuration whose rules then count"
        return finding(f"{name} people", False, found, "`!unpair` it, and choose another name.")
    if known:
        return finding(f"{name} people", True, ", ".join(known))
    fix = f'Give yourself an id there: `coworker setup`, or [people.NAME] ids = ["{name}:…"].'
    return finding(f"{name} people", False, "nobody is known there, so nobody is answered", fix)


async def _repo(repo: Repo) -> list[Json]:
    check, fix = (
        f"repository {repo.name}",
        f"Check it out there, or `coworker repo remove {repo.name}`.",
    )
    try:
        if repo.is_cloned:
            fix = f"Mend url in [repos.{repo.name}]."
            there = remote.address(repo.url)
            await remote.reach(there, person_environment())
            found = [finding(check, True, f"{there.shown} can be read")]
        else:
            found = [finding(check, True, str(locate(repo.path).root))]
    except CoworkerError as error:
        return [finding(check, False, str(error), fix)]
    if repo.setup or repo.checks:
        once = "`coworker doctor --checks` runs set-up and checks once in the sandbox."
        found.append(finding(f"checks of {repo.name}", None, "not tried", once))
    return found
