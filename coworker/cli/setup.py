"""`coworker setup`: asks, checks each answer against the live service, and writes at the end.

It knows what to ask and in which order; what a service says is its adapter's matter.
"""

from __future__ import annotations

import asyncio
import getpass
import sys
import tomllib
from pathlib import Path
from typing import get_args

from coworker.cli import interrupt, output, settings, words
from coworker.cli.introduction import Introduction, Script
from coworker.cli.prompt import Prompt
from coworker.config import file_for, load
from coworker.errors import CoworkerError, NotFound, UsageError
from coworker.mistakes import refuse_odd_names, refuse_odd_zone
from coworker.repos.checkout import locate
from coworker.types import Role

_WELCOME = """\
This asks for what a coworker needs, checks it, and writes {file}.
Enter takes what stands in brackets, or skips. Nothing is written before the end; Ctrl-C leaves.
"""
_NEEDS_TERMINAL = (
    "Setup asks questions and needs a terminal. Without one: write {file} "
    "(docs/configuration.md), set the tokens in the environment, and say `coworker doctor`."
)
_BESIDE = (
    "{file} has comments that would be lost, so the new one is beside it: "
    "take over what you want from {beside}."
)
_LEFT = "\nNothing was written. `coworker setup` begins again."
_NEXT = """\
Next:
  coworker doctor                   # what is still missing, if anything
  coworker run                      # try it; Ctrl-C ends it
  coworker service install{user}  # keep it running
In a room, `!repo NAME` said by an owner binds it to a repository."""


def print_manifest() -> int:
    """The Slack app's manifest, alone on stdout."""
    from coworker.adapters.slack import manifest

    output.say(manifest.printed())
    return 0


def setup(named: Path | None, state_dir: Path | None) -> int:
    """Ask everything. Raises UsageError without a terminal, ConfigError for a broken file."""
    file = file_for(named).absolute()
    if not (words.is_terminal(sys.stdin) and words.is_terminal(sys.stdout)):
        raise UsageError(_NEEDS_TERMINAL.format(file=file))
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    config = load(file if file.exists() else Path("/dev/null"), state_dir)
    script = Script(file, before, tomllib.loads(before), config)
    return interrupt.run(_setup(script))


async def _setup(script: Script) -> int:
    prompt = Prompt()
    try:
        prompt.say(_WELCOME.format(file=script.file))
        await _basics(prompt, script)
        await _repository(prompt, script)
        introduction = Introduction(prompt, script, await _person(prompt, script))
        await introduction.model()
        await introduction.slack()
        await introduction.telegram()
        return await _finish(prompt, script)
    except EOFError:
        output.note(_LEFT)
        return interrupt.INTERRUPTED
    except asyncio.CancelledError:
        output.note(_LEFT)
        raise


async def _basics(prompt: Prompt, script: Script) -> None:
    config = script.config
    typed = await prompt.line("State directory", config.state_dir)
    if typed != config.state_dir:
        script.settings["state_dir"] = typed
    while True:
        zone = script.settings.get("timezone") or _local_zone()
        script.settings["timezone"] = await prompt.line("Time zone", zone)
        try:
            return refuse_odd_zone(script.settings["timezone"], "Time zone")
        except CoworkerError as error:
            prompt.say(str(error))
            del script.settings["timezone"]


def _local_zone() -> str:
    """This machine's zone, as far as /etc/localtime tells."""
    return str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2] or "UTC"


async def _repository(prompt: Prompt, script: Script) -> None:
    try:
        root = locate(Path.cwd()).root
    except NotFound:
        return prompt.say("Stand in a repository and run this again, to name one.")
    repos = script.settings.setdefault("repos", {})
    known = [name for name, repo in script.config.repos.items() if _is_at(repo.path, root)]
    if known:
        return prompt.say(f"The repository {known[0]} is there already ({root}).")
    if await prompt.yes(f"Work on the repository {root}?"):
        name = await prompt.line("Its name in chat", root.name.lower())
        repos[name] = {**repos.get(name, {}), "path": str(root)}
    return None


def _is_at(path: str, root: Path) -> bool:
    return bool(path) and Path(path).expanduser().resolve() == root


async def _person(prompt: Prompt, script: Script) -> list[str]:
    """The owner's ids, to which those on the platforms are added."""
    people = script.settings.setdefault("people", {})
    owners = [name for name, person in people.items() if person.get("role") == "owner"]
    name = await _name(prompt, owners[0] if owners else getpass.getuser())
    person = people.setdefault(name, {"role": "owner"})
    ids: list[str] = person.setdefault("ids", [])
    everybody = [each for other in people.values() for each in other.get("ids", ())]
    if not any(each.startswith("terminal:") for each in everybody):
        ids.append(f"terminal:{getpass.getuser()}")
    return ids


async def _name(prompt: Prompt, known: str) -> str:
    while True:
        name = await prompt.line("Your name", known)
        try:
            refuse_odd_names([name], "Your name", get_args(Role))
            return name
        except CoworkerError as error:
            prompt.say(str(error))


async def _finish(prompt: Prompt, script: Script) -> int:
    """Show what would be written, and write it if that is wanted."""
    chosen = {key: value for key, value in script.settings.items() if value != {}}
    after = settings.rendered(chosen)
    settings.check(after, script.file)
    hidden = {settings.secret_file(name, script.file): text for name, text in script.typed.items()}
    changed = tomllib.loads(script.before) != chosen
    target = [_target(prompt, script, after)] if changed else []
    files = " and ".join(map(str, [*target, *hidden]))
    if files and not await prompt.yes(f"Write {files}?"):
        raise EOFError
    for path, secret in hidden.items():
        settings.save(path, f"{secret}\n", is_secret=True)
    for path in target:
        settings.save(path, after, is_secret=False)
    prompt.say("\nWritten." if files else "\nNothing has changed.")
    user = "" if script.file.is_relative_to("/etc") else " --user"
    prompt.say(_NEXT.format(user=user))
    return 0


def _target(prompt: Prompt, script: Script, after: str) -> Path:
    """Where the new configuration goes: beside the old one when that has comments."""
    if not script.before:
        prompt.say(f"\n{after}")
        return script.file
    prompt.say("\n" + settings.difference(script.before, after, script.file))
    if not settings.lost_comments(script.before, after):
        return script.file
    beside = script.file.with_name(f"{script.file.name}.new")
    prompt.say(_BESIDE.format(file=script.file, beside=beside))
    return beside
