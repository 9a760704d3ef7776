"""The `coworker` command: reads the command line and hands it to the command it names.

It knows names and arguments; everything else is imported by the command that needs it, so that
`--help` is instant.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from coworker.cli import arguments
from coworker.errors import CoworkerError, UsageError

if TYPE_CHECKING:
    from coworker.cli.conversation import Start
    from coworker.settings import Config

_INTERRUPTED = 130
_PIPE_BROKE = 141


def main(argv: Sequence[str]) -> int:
    """Run one command to its exit status; errors are one line on stderr, never a traceback."""
    try:
        options = arguments.parse(argv)
        if not options.debug:
            sys.excepthook = _last_words
        return _run(options)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(options: Namespace) -> int:
    from coworker.cli import output

    os.umask(0o077)  # what we write is for this person alone
    output.prepare(quiet=not options.debug and options.command != "run")
    try:
        return _COMMANDS[options.command](options)
    except CoworkerError as error:
        return _complain(error, options.debug)
    except BrokenPipeError:
        output.abandon(sys.stdout)
        return _PIPE_BROKE
    except BaseExceptionGroup as group:
        return _complain(_plain_error(group), options.debug)


def _complain(error: CoworkerError, debug: bool) -> int:
    from coworker.cli import output

    if debug:
        import traceback

        output.note(output.without_secrets("".join(traceback.format_exception(error))))
    output.complain(str(error))
    return error.exit_status


def _plain_error(group: BaseExceptionGroup[BaseException]) -> CoworkerError:
    """The first error in a group that is meant for people; a group without one goes on rising."""
    found = group.subgroup(CoworkerError)
    if found is None:
        raise group
    first: BaseException = found
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if not isinstance(first, CoworkerError):
        raise group
    return first


def _last_words(_: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What is left to say about a fault of ours; the interpreter then ends with status 1."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    from coworker.cli import output

    text = " ".join(output.without_secrets(str(error)).split())
    print(
        f"coworker: unexpected {type(error).__name__}: {text}. Please report this; "
        "the same command with --debug shows where it happened.",
        file=sys.stderr,
    )


def _chat(options: Namespace) -> int:
    start, config = _start(options), _config(options)
    if sys.stdin and sys.stdin.isatty() and sys.stdout and sys.stdout.isatty():
        from coworker.cli import chat

        return chat.chat(config, start)
    from coworker.cli import lines

    return lines.chat(config, start)


def _ask(options: Namespace) -> int:
    from coworker.cli.ask import ask

    if options.text is None and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("Say what you want: coworker ask TEXT (or pipe the text in)")
    config, start = _config(options), _start(options)
    return ask(config, options.text, start, as_json=options.json, event_id=options.id)


def _undo(options: Namespace) -> int:
    from coworker.cli.undo import undo

    return undo(_config(options), options.run)


def _setup(options: Namespace) -> int:
    from coworker.cli import setup

    if options.slack_manifest:
        return setup.print_manifest()
    return setup.setup(options.config, options.state_dir)


def _daemon(options: Namespace) -> int:
    import asyncio

    from coworker import daemon

    return asyncio.run(daemon.run(_config(options), options.log))


def _backup(options: Namespace) -> int:
    from coworker.cli import backup

    return backup.backup(_config(options), options.file, options.keep)


def _restore(options: Namespace) -> int:
    from coworker.cli import backup

    return backup.restore(_config(options), options.file, force=options.force)


def _service(options: Namespace) -> int:
    from coworker.cli import units

    chosen = units.Choice(options.config, options.state_dir, options.user, options.dry_run)
    return units.ACTIONS[options.command](_config(options), chosen)


def _status(options: Namespace) -> int:
    from coworker.cli import show

    return show.status(_config(options), as_json=options.json)


def _inbox(options: Namespace) -> int:
    from coworker.cli import show

    return show.inbox(_config(options), limit=options.limit, as_json=options.json)


def _log(options: Namespace) -> int:
    from coworker.cli import show

    return show.log(_config(options), options.conversation, as_json=options.json)


def _cost(options: Namespace) -> int:
    from coworker.cli import show

    return show.cost(_config(options), options.by, options.since, as_json=options.json)


def _why(options: Namespace) -> int:
    from coworker.cli.why import why

    return why(_config(options), options.what, as_json=options.json)


def _audit_verify(options: Namespace) -> int:
    from coworker.cli import audit

    return audit.verify(_config(options), options.head, as_json=options.json)


def _audit_head(options: Namespace) -> int:
    from coworker.cli import audit

    return audit.head(_config(options), as_json=options.json)


def _doctor(options: Namespace) -> int:
    from coworker.cli import show

    return show.doctor(
        _config(options), options.config, as_json=options.json, with_checks=options.checks
    )


def _repo_add(options: Namespace) -> int:
    from coworker.cli import conversation, show
    from coworker.errors import UsageError

    if "://" in options.path:
        raise UsageError(
            "An address is no folder. To read a repository by its address, write url = … into "
            "[repos.NAME] of the configuration."
        )
    return show.repo_add(_config(options), conversation.absolute(options.path), options.name)


def _repo_list(options: Namespace) -> int:
    from coworker.cli import show

    return show.repos(_config(options), as_json=options.json)


def _repo_show(options: Namespace) -> int:
    from coworker.cli import show

    return show.repo(_config(options), options.name, as_json=options.json)


def _repo_remove(options: Namespace) -> int:
    from coworker.cli import show

    return show.repo_remove(_config(options), options.name)


def _memory(options: Namespace) -> int:
    from coworker.cli import memory

    return memory.run(_config(options), options)


def _schedule(options: Namespace) -> int:
    from coworker.cli.schedule import schedule

    return schedule(_config(options), options)


def _approvals(options: Namespace) -> int:
    from coworker.cli.approvals import approvals

    return approvals(_config(options), options)


def _config(options: Namespace) -> Config:
    from coworker import config

    return config.load(options.config, options.state_dir)


def _start(options: Namespace) -> Start:
    from coworker.cli.conversation import Start

    return Start.here(options.conversation, options.repo)


_COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "chat": _chat,
    "ask": _ask,
    "undo": _undo,
    "setup": _setup,
    "run": _daemon,
    "backup": _backup,
    "restore": _restore,
    "service install": _service,
    "service show": _service,
    "service uninstall": _service,
    "status": _status,
    "inbox": _inbox,
    "log": _log,
    "cost": _cost,
    "why": _why,
    "approvals list": _approvals,
    "approvals approve": _approvals,
    "approvals deny": _approvals,
    "audit verify": _audit_verify,
    "audit head": _audit_head,
    "doctor": _doctor,
    "repo add": _repo_add,
    "repo list": _repo_list,
    "repo show": _repo_show,
    "repo remove": _repo_remove,
    "memory add": _memory,
    "memory search": _memory,
    "memory list": _memory,
    "memory show": _memory,
    "memory forget": _memory,
    "memory import": _memory,
    "memory export": _memory,
    **dict.fromkeys(
        (
            f"schedule {action}"
            for action in (
                *("add", "list", "preview", "show"),
                *("run", "stop", "pause", "resume", "remove", "history"),
            )
        ),
        _schedule,
    ),
}
