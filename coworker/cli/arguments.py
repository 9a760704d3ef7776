"""Which commands and options there are, and how they explain themselves.

It knows the command line, not what any command does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from coworker import __version__

_ABOUT = "A coworker that lives in your team's chat and in your repositories."
_EXIT_STATUSES = (
    "exit status: 0 done, 1 it failed, 2 wrong usage, 66 nothing found, 69 a service is "
    "unavailable, 75 try later, 77 waits for or lacks a permission, 78 configuration error"
)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options; `command` is such as `ask` or `repo add`. Wrong usage exits with 2."""
    before = argparse.Namespace(config=None, state_dir=None, debug=False)
    return _parser().parse_args(argv, before)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong and what to do in one line."""

    def error(self, message: str) -> NoReturn:
        text = " ".join("".join(c if c.isprintable() else " " for c in message).split())
        print(f"coworker: {text}. See: {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> _Parser:
    everywhere = _everywhere()
    parser = _Parser(
        prog="coworker",
        description=_ABOUT,
        epilog=_EXIT_STATUSES,
        parents=[everywhere],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"coworker {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_talking(commands, everywhere)
    _add_setup(commands, everywhere)
    _add_undo(commands, everywhere)
    _add_looking(commands, everywhere)
    _add_approvals(commands, everywhere)
    _add_audit(commands, everywhere)
    _add_repo(commands, everywhere)
    _add_memory(commands, everywhere)
    _add_schedule(commands, everywhere)
    _add_keeping(commands, everywhere)
    _add_service(commands, everywhere)
    return parser


def _everywhere() -> _Parser:
    """Options before and after the command: a default here would undo what stood before it."""
    options = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    options.add_argument("--config", metavar="FILE", type=Path, help="the configuration file")
    options.add_argument("--state-dir", metavar="DIR", type=Path, help="where the state is kept")
    options.add_argument("--debug", action="store_true", help="show tracebacks")
    return options


_Commands = argparse._SubParsersAction  # argparse has no public name for it


def _command(commands: _Commands[_Parser], everywhere: _Parser, name: str, about: str) -> _Parser:
    parser = commands.add_parser(
        name.split()[-1], help=about, description=about, parents=[everywhere], allow_abbrev=False
    )
    parser.set_defaults(command=name)
    return parser


def _add_talking(commands: _Commands[_Parser], everywhere: _Parser) -> None:
    chat = _command(commands, everywhere, "chat", "talk here")
    _add_place(chat)
    ask = _command(commands, everywhere, "ask", "one message in, the reply on stdout")
    ask.add_argument("text", metavar="TEXT", nargs="?", help="the message; - reads stdin")
    _add_place(ask)
    _add_json(ask)
    ask.add_argument("--id", metavar="KEY", help="names the message: sent twice, it is taken once")
    run = _command(commands, everywhere, "run", "the daemon: every configured adapter, schedules")
    about = "how its log reads: text at a terminal, else JSON lines, unless you say"
    run.add_argument("--log", choices=("auto", "text", "json"), default="auto", help=about)


def _add_setup(commands: _Commands[_Parser], everywhere: _Parser) -> None:
    setup = _command(commands, everywhere, "setup", "guided configuration, each step checked")
    about = "only print the manifest of the Slack app, to be pasted at api.slack.com/apps"
    setup.add_argument("--slack-manifest", action="store_true", help=about)


def _add_undo(commands: _Commands[_Parser], everywhere: _Parser) -> None:
    undo = _command(commands, everywhere, "undo", "take back what a run did")
    undo.add_argument("run", metavar="RUN", help="CONVERSATION/RUN, or a conversation: its last")


def _add_looking(commands: _Commands[_Parser], everywhere: _Parser) -> None:
    _add_json(_command(commands, everywhere, "status", "what runs, what waits, what it costs"))
    inbox = _command(commands, everywhere, "inbox", "every accepted message and its outcome")
    inbox.add_argument("--limit", metavar="N", type=int, help="only the newest N")
    _add_json(inbox)
    log = _command(commands, everywhere, "log", "the entries of a conversation")
    log.add_argument("conversation", metavar="CONVERSATION")
    _add_json(log)
    why = _command(commands, everywhere, "why", "from a reply back to what brought it about")
    about = "CONVERSATION/RUN, a conversation for its last, or a message's id"
    why.add_argument("what", metavar="RUN|MESSAGE", help=about)
    _add_json(why)
    cost = _command(commands, everywhere, "cost", "what models have cost")
    by = ("conversation", "repo", "person", "schedule", "day", "skill")
    cost.add_argument("--by", choices=by, default="conversation", help="one line for each")
    about = "only the last so many days, today among them"
    cost.add_argument("--since", metavar="DAYS", type=int, default=0, help=about)
    _add_json(cost)
    about = "what is configured, reachable, missing, unsafe, and the fix"
    doctor = _command(commands, everywhere, "doctor", about)
    doctor.add_argument(
        "--checks", action="store_true", help="also run each repository's set-up and checks once"
    )
    _add_json(doctor)


def _add_approvals(commands: _Commands[_Parser], everywhere: _Parser) -> None:
    about = "what waits for somebody's decision"
    parser = commands.add_parser("approvals", help=about, description=about, parents=[everywhere])
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_json(_command(actions, everywhere, "approvals list", "each as it is asked"))
    for name, what in (("approve", "allow one, once"), ("deny", "refuse one")):
        action = _command(actions, everywhere, f"approvals {name}", what)
        about = "its id as in the list, or its number where only one has that"
        action.add_argument("name", metavar="ID", help=about)
        _add_json(action)


def _add_audit(commands: _Commands[_Parser], everywhere: _Parser) -> None:
    about = "whether the log is as it was written"
    audit = commands.add_parser("audit", help=about, description=about, parents=[everywhere])
    actions = audit.add_subparsers(title="commands", metavar="COMMAND", required=True)
    verify = _command(actions, everywhere, "audit verify", "hold every entry to its chain")
    about = "also to one hash that was taken, and kept elsewhere, some time ago"
    verify.add_argument("--head", metavar="HASH", default="", help=about)
    _add_json(verify)
    _add_json(_command(actions, everywhere, "audit head", "take one hash over all conversations"))


def _add_repo(commands: _Commands[_Parser], everywhere: _Parser) -> None:
    about = "the repositories it may read"
    repo = commands.add_parser("repo", help=about, description=about, parents=[everywhere])
    actions = repo.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add = _command(actions, everywhere, "repo add", "add a checkout")
    add.add_argument("path", metavar="PATH")
    add.add_argument("--name", metavar="NAME", help="its name in chat; else its folder's")
    _add_json(_command(actions, everywhere, "repo list", "list them"))
    show = _command(actions, everywhere, "repo show", "show one")
    show.add_argument("name", metavar="NAME")
    _add_json(show)
    remove = _command(actions, everywhere, "repo remove", "forget one; its checkout stays")
    remove.add_argument("name", metavar="NAME")


def _add_memory(commands: _Commands[_Parser], everywhere: _Parser) -> None:
    about = "what is known of a repository"
    memory = commands.add_parser("memory", help=about, description=about, parents=[everywhere])
    actions = memory.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def action(name: str, what: str) -> _Parser:
        parser = _command(actions, everywhere, f"memory {name}", what)
        parser.add_argument("--repo", metavar="NAME|PATH", help="whose memory; else where you are")
        _add_json(parser)
        return parser

    add = action("add", "remember something, for every room of the repository")
    add.add_argument("text", metavar="TEXT")
    kinds = ("fact", "decision", "rule", "finding")
    add.add_argument("--kind", choices=kinds, default="fact", help="what it is")
    add.add_argument("--path", metavar="PATH[:FROM-TO]", help="the file that shows it")
    search = action("search", "what fits a question best")
    search.add_argument("query", metavar="QUERY", nargs="?", help="without it, see --jsonl")
    about = 'read {"qid","scope","text"} lines on stdin, answer {"qid","ids"} lines'
    search.add_argument("--jsonl", action="store_true", help=about)
    search.add_argument("--limit", metavar="N", type=int, default=10, help="at most so many")
    action("list", "every fact, the newest first")
    action("show", "one fact or message").add_argument("name", metavar="ID")
    action("forget", "remove for good").add_argument("names", metavar="ID", nargs="+")
    about = 'take in lines {"id","scope","session","ts","speaker","text"}'
    action("import", about).add_argument("file", metavar="FILE", type=Path, help="- reads stdin")
    action("export", "everything, as lines that import takes")


def _add_schedule(commands: _Commands[_Parser], everywhere: _Parser) -> None:
    about = "standing work: what it does by the clock"
    schedule = commands.add_parser("schedule", help=about, description=about, parents=[everywhere])
    actions = schedule.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_new_schedule(_command(actions, everywhere, "schedule add", "add one; it counts at once"))
    listed = _command(actions, everywhere, "schedule list", "list them, the next to fire first")
    listed.add_argument("--all", action="store_true", help="also those that are over")
    _add_json(listed)
    preview = _command(actions, everywhere, "schedule preview", "the next five times of a spec")
    preview.add_argument("when", metavar="WHEN")
    preview.add_argument("--zone", metavar="ZONE", default="", help="such as Europe/Berlin")
    preview.add_argument("--gate", metavar="GATE", default="", help="which it would be given")
    _add_json(preview)
    for name, what in (
        ("show", "one of them, what comes next and what it cost"),
        ("run", "run it now, once more; its calendar stays"),
        ("stop", "end its run that is under way"),
        ("pause", "let it fire no more"),
        ("resume", "let it fire again, from its next hour on"),
        ("remove", "forget it; what it did stays in the log"),
        ("history", "its firings and how they ended, the latest first"),
    ):
        action = _command(actions, everywhere, f"schedule {name}", what)
        action.add_argument("name", metavar="ID", help="its id, the beginning of that, or its name")
        _add_json(action)


def _add_new_schedule(add: _Parser) -> None:
    add.add_argument("when", metavar="WHEN", help="“every weekday at 9”, “0 9 * * mon-fri” …")
    add.add_argument("prompt", metavar="TEXT", nargs="?", default="", help="what to do then")
    add.add_argument("--repo", metavar="PATH|NAME", help="what it is about")
    about = "where it speaks, slack:C0123ABCD or telegram:-100123; else a conversation of its own"
    add.add_argument("--to", metavar="ROOM", default="", help=about)
    add.add_argument("--name", metavar="NAME", default="", help="what to call it")
    about = "only if: “new commits”, “changed PATH”, “failing check”, “stale branch”, “command: …”"
    add.add_argument("--gate", metavar="GATE", default="", help=about)
    about = "what becomes of an hour that was missed"
    policies = ("late", "skip", "ask")
    add.add_argument("--missed", dest="policy", choices=policies, default="late", help=about)
    add.add_argument("--urgent", action="store_true", help="also in quiet hours")
    add.add_argument("--zone", metavar="ZONE", default="", help="such as Europe/Berlin; else yours")
    add.add_argument("--digest", action="store_true", help="the morning summary of a repository")
    _add_json(add)


def _add_keeping(commands: _Commands[_Parser], everywhere: _Parser) -> None:
    about = "write all that cannot be had again into one file, also beside a running daemon"
    backup = _command(commands, everywhere, "backup", about)
    backup.add_argument("file", metavar="FILE", type=Path, help="or a folder, for a dated name")
    backup.add_argument("--keep", metavar="N", type=int, help="only the newest N in that folder")
    restore = _command(commands, everywhere, "restore", "put a backup in place; the daemon is off")
    restore.add_argument("file", metavar="FILE", type=Path)
    about = "also when something is there: it is kept beside"
    restore.add_argument("--force", action="store_true", help=about)


def _add_service(commands: _Commands[_Parser], everywhere: _Parser) -> None:
    about = "run it under systemd"
    service = commands.add_parser("service", help=about, description=about, parents=[everywhere])
    actions = service.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, what in (
        ("install", "write the units for this installation, and say what comes next"),
        ("show", "print them"),
        ("uninstall", "remove them; the state stays"),
    ):
        action = _command(actions, everywhere, f"service {name}", what)
        action.add_argument("--user", action="store_true", help="for you, not for the machine")
        action.add_argument("--dry-run", action="store_true", help="only say what would be done")


def _add_place(parser: _Parser) -> None:
    parser.add_argument("--repo", metavar="PATH|NAME", help="what it is about; else where you are")
    parser.add_argument("--conversation", metavar="ID", help="go on with this conversation")


def _add_json(parser: _Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
