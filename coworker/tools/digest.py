"""The summary of a repository since the last working day, from git and our own log alone.

It asks no model, so it is useful on the first day and also offline. The first one of a room goes
back further when nothing is newer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from coworker.protocols import Clock, Tool, ToolContext
from coworker.repos.checkout import Checkout, Checkouts
from coworker.repos.text import one_line, path_name
from coworker.store.calls import was_called
from coworker.store.log import Conversation, Log
from coworker.tools.base import Args, bound_repo, tool
from coworker.tools.since import begin_of
from coworker.types import Entry, Json, Person

_MOST_COMMITS, _MOST_EACH, _MOST_BRANCHES, _MOST_TALKS = 500, 5, 10, 50
NO_NEWS = "Nothing new in "
"""How a digest begins that is not worth a message."""
_MOST_AUTHORS, _FEW_AUTHORS = 8, 3
_WEEKEND = (5, 6)


class Digest(Args):
    """Since when, if not since the last working day."""

    since: str | None = None

    def describe(self) -> str:
        """What is summed up."""
        return f"sums up what happened since {self.since or 'the last working day'}"


def tools(
    checkouts: Checkouts, log: Log, clock: Clock, find: Callable[[str], Person | None]
) -> tuple[Tool, ...]:
    """The digest of a conversation's repository. `find` knows people."""

    def name_of(sender: str) -> str:
        person = find(sender)
        return person.name if person else sender

    @tool(effect="read", rerun="safe")
    async def digest(args: Digest, context: ToolContext) -> str:
        """The morning summary of the repository: new commits by author, changed areas, open \
branches, failing checks, and what waits for whom. For a daily one, schedule "Post the digest."."""
        repo = bound_repo(context)
        now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
        since = begin_of(args.since, now) if args.since else _midnight(_last_workday(now))
        checkout = await checkouts.open(repo)
        here = log.conversation(context.conversation)
        talks = [row for row in log.conversations() if row.repo == repo.name][:_MOST_TALKS]
        in_room = [row for row in talks if here and _room(row) == _room(here)]
        waits = _list("Waiting for somebody", _waiting(in_room, log, name_of))
        fails = _list("Checks that failed last", _failing(talks, log))
        branches = _list("Open branches", await _branches(checkout, now))
        news = await _news(checkout, since)
        if not (news or args.since) and here and await _is_first(log, here):
            since = await _far_back(checkout, now)
            news = await _news(checkout, since)
        if not (waits or fails or news):
            told = [f"{NO_NEWS}{repo.name} since {since}.", branches]
            return "\n\n".join(filter(None, told))
        head = f"Digest of {repo.name} since {since}"
        told = [head, waits, fails, branches, await _detached(checkout), news or "No new commits."]
        return "\n\n".join(filter(None, told))

    return (digest,)


async def _is_first(log: Log, here: Conversation) -> bool:
    asked = ("digest", here.repo or "", here.place)
    return not await log.apart(lambda db: was_called(db, *asked))


async def _far_back(checkout: Checkout, now: datetime) -> str:
    """A week ago, or the day of the last commit if that is longer ago."""
    asked = ("-1", "--no-merges", "--date=format-local:%Y-%m-%d 00:00", "--format=%cd")
    last = (await checkout.git.run("log", *asked, "HEAD")).out.decode().strip()
    return min(filter(None, (last, _midnight(now - timedelta(days=7)))))


async def _news(checkout: Checkout, since: str) -> str:
    """New commits by author, and where they changed something; "" when there are none."""
    if not await checkout.head():
        return ""
    form = "--format=%x1e%an%x1f%h%x1f%s%x1f%p"
    asked = ("--no-merges", f"--since={since}", f"-n{_MOST_COMMITS}", form, "--name-only")
    out = (await checkout.git.must("log", *asked, "HEAD")).decode(errors="replace")
    is_shallow = await _is_shallow(checkout)
    by_author: dict[str, list[str]] = defaultdict(list)
    areas: Counter[str] = Counter()
    for commit in out.split("\x1e")[1:]:
        head, *paths = commit.strip().splitlines()
        author, short, subject, parents = (*head.split("\x1f"), "", "", "")[:4]
        by_author[one_line(author, 60)].append(f"{short} {one_line(subject, 100)}")
        if parents or not is_shallow:  # where history is cut, everything looks new
            areas.update(_area(path) for path in paths if path)
    return _told(by_author, areas, is_shallow=is_shallow) if by_author else ""


def _told(by_author: dict[str, list[str]], areas: Counter[str], *, is_shallow: bool) -> str:
    """How much first, then where, then the busiest authors."""
    count, people = sum(map(len, by_author.values())), len(by_author)
    many = f"{count} or more" if count == _MOST_COMMITS else str(count)
    told = ", ".join(f"{area} ({number})" for area, number in areas.most_common(_MOST_EACH))
    busiest = sorted(by_author.items(), key=lambda each: -len(each[1]))[:_MOST_AUTHORS]
    each = _MOST_EACH if people <= _FEW_AUTHORS else 2
    lines = [
        f"{_counted(many, 'new commit')} by {_counted(people, 'author')}",
        f"Changed most: {told}" if told else "",
        "This is a shallow clone: older history is cut off." if is_shallow else "",
        *(line for author, commits in busiest for line in _by(author, commits, each)),
        f"and {_counted(people - len(busiest), 'more author')}" if people > len(busiest) else "",
    ]
    return "\n".join(filter(None, lines))


def _by(author: str, commits: Sequence[str], each: int) -> Iterator[str]:
    yield f"{author}: {_counted(len(commits), 'new commit')}"
    yield from (f"- {commit}" for commit in commits[:each])
    if len(commits) > each:
        yield f"- and {len(commits) - each} more"


def _counted(number: int | str, what: str) -> str:
    return f"{number} {what}{'' if str(number) == '1' else 's'}"


async def _is_shallow(checkout: Checkout) -> bool:
    told = await checkout.git.run("rev-parse", "--is-shallow-repository")
    return told.out.strip() == b"true"


async def _detached(checkout: Checkout) -> str:
    head = await checkout.head()
    if checkout.branch or not head:
        return ""
    return f"No branch is checked out; this is about the commit {head[:10]}."


def _area(path: str) -> str:
    folder, slash, _ = path.rpartition("/")
    return path_name(f"{'/'.join(folder.split('/')[:2])}/" if slash else path, 80)


async def _branches(checkout: Checkout, now: datetime) -> list[str]:
    """Branches with work that is not on the one that is checked out, each once."""
    if not await checkout.head():
        return []
    names = "%(refname:short)%1f%(symref)%1f%(objectname)"
    form = f"--format=%(committerdate:unix)%1f{names}%1f%(authorname)"
    asked = ("--no-merged=HEAD", "--sort=-committerdate", f"--count={_MOST_BRANCHES * 3}", form)
    out = await checkout.git.must("for-each-ref", *asked, "refs/heads", "refs/remotes")
    rows = [line.split("\x1f") for line in out.decode(errors="replace").splitlines()]
    heads = {(name, commit) for _, name, _, commit, _ in rows}
    return [
        f"{path_name(name, 80)} by {one_line(author, 60)}, {_days(now, int(at))}"
        for at, name, symref, commit, author in rows
        if not symref and (name.partition("/")[2], commit) not in heads
    ][:_MOST_BRANCHES]


def _failing(talks: Sequence[Conversation], log: Log) -> list[str]:
    """Checks whose latest receipt, in any conversation of the repository, is a failure."""
    latest: dict[str, tuple[int, Json]] = {}
    for row in talks:
        for entry in log.entries(row.id, row.base_seq):
            for check in entry.body.get("checks", []) if entry.kind == "context" else []:
                receipt = check["receipt"]
                latest[receipt["command"]] = max(
                    latest.get(receipt["command"], (0, {})),
                    (entry.at, receipt),
                    key=lambda seen: seen[0],
                )
    failed = [receipt for _, receipt in latest.values() if receipt["exit_code"]]
    return [f"`{one_line(r['command'], 80)}` ended with exit {r['exit_code']}" for r in failed]


def _waiting(talks: Sequence[Conversation], log: Log, name_of: Callable[[str], str]) -> list[str]:
    """Questions of this room that nobody has answered."""
    lines = []
    for row in talks:
        for body in _open_asks(log.entries(row.id, row.base_seq)) if row.state == "waiting" else ():
            lines.append(f"{name_of(body['asker'])}: {one_line(body['question'], 160)}")
    return lines


def _open_asks(entries: Sequence[Entry]) -> list[Json]:
    asked: dict[str, Json] = {}
    for entry in entries:
        if entry.kind == "ask":
            asked[entry.body["call"]] = entry.body
        elif entry.kind == "answer":
            asked.pop(entry.body["call"], None)
        elif entry.kind in ("reply", "cancelled"):
            asked.clear()
    return list(asked.values())


def _room(row: Conversation) -> tuple[str, str]:
    return row.place.adapter, row.place.room


def _last_workday(now: datetime) -> datetime:
    day = now - timedelta(days=1)
    while day.weekday() in _WEEKEND:
        day -= timedelta(days=1)
    return day


def _midnight(day: datetime) -> str:
    return f"{day:%Y-%m-%d} 00:00"


def _days(now: datetime, at: int) -> str:
    days = int((now.timestamp() - at) // 86_400)
    return "today" if days < 1 else f"{days} day{'s' if days > 1 else ''} ago"


def _list(head: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{head}:", *(f"- {line}" for line in lines)]) if lines else ""
