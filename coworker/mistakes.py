"""What can be written in the configuration's form and can only be a mistake.

It knows raw values and kinds, not what any key means. All raise ConfigError, with the mend.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from coworker.errors import ConfigError

_SECRET_SHAPE = re.compile(
    r"sk-ant-[\w-]{8,}|xox[abepr]-[\w-]{8,}|xapp-[\w-]{8,}|^\d{6,}:[\w-]{30,}$"
    r"|gh[opsu]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|://[^/@\s:]+:[^/@\s]+@"
)
_HOST = re.compile(r"(?:[A-Za-z0-9][\w.-]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
NAMES = (
    "A name is at most 40 of the letters a to z, without accents, digits, `-`, `_` and `.`: "
    "of other scripts' letters some look the same, and rules go by names."
)
_SECRET_KEY = re.compile(r"(?i)(^|_)(token|secret|password|api_key|apikey)$")


def refuse_secrets(
    table: Mapping[str, Any], where: str, names: Iterable[str], prefix: str = ""
) -> None:
    """Secrets do not belong in the file; `names` are those to use instead."""
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            refuse_secrets(value, where, names, f"{name}.")
        elif _SECRET_KEY.search(key) or _looks_secret(value):
            raise ConfigError(
                f"{where}: {name} looks like a secret, and secrets do not belong in this file. "
                f"Remove it (and consider it leaked), and put the new one in the environment or in "
                f"$CREDENTIALS_DIRECTORY as one of {', '.join(names)}."
            )


def _looks_secret(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and _SECRET_SHAPE.search(text) for text in texts)


def refuse_unknown(raw: Any, kind: Any, where: str, prefix: str = "") -> None:
    """Name what is unknown and what would be known; msgspec alone would name only the former."""
    for key, value, inner in _children(raw, kind, where, prefix):
        refuse_unknown(value, inner, where, f"{prefix}{key}.")


def _children(raw: Any, kind: Any, where: str, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    if get_origin(kind) is dict and isinstance(raw, dict):
        yield from ((key, value, get_args(kind)[1]) for key, value in raw.items())
        return
    if get_origin(kind) is list and isinstance(raw, list):
        yield from ((str(n), value, get_args(kind)[0]) for n, value in enumerate(raw))
        return
    struct = _struct_in(kind)
    if struct is None or not isinstance(raw, dict):
        return
    hints = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in raw.items():
        if key not in hints:
            mend = nearest(key, hints, prefix)
            raise ConfigError(f"{where}: unknown key {prefix}{key}. {mend}")
        if get_origin(hints[key]) is Literal and value not in (known := get_args(hints[key])):
            choices = ", ".join(known)
            raise ConfigError(f"{where}: {prefix}{key}: {value!r} is not one of {choices}.")
        yield key, value, hints[key]


def nearest(word: str, known: Iterable[str], prefix: str = "") -> str:
    """The sentence that names the known word that was probably meant."""
    near = difflib.get_close_matches(word, [*known], n=1, cutoff=0.5)
    return f"Did you mean {prefix}{near[0]}?" if near else f"Known here: {', '.join(known)}."


def _struct_in(kind: Any) -> Any:
    for option in (kind, *get_args(kind)):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def plain(error: msgspec.ValidationError) -> str:
    """`Expected `float`, got `str` - at `$.budget.run_usd`` in the words of the file."""
    what, _, place = str(error).partition(" - at ")
    key = place.strip("`").removeprefix("$.") or "a value"
    return f"{key}: {what[0].lower()}{what[1:]}."


def is_url(text: str) -> bool:
    """Whether it is the address of a web server."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def refuse_odd_urls(urls: Mapping[str, str], where: str) -> None:
    """An address without a scheme or a host leads nowhere."""
    for key, url in urls.items():
        if not is_url(url):
            raise ConfigError(
                f"{where}: {key}: {url!r} is no address. Begin it with https:// or http://."
            )


def refuse_odd_hour(hour: str, where: str) -> None:
    """An hour of the day is written like 22:00."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", hour):
        raise ConfigError(f"{where}: {hour!r} is no hour. Write it like 22:00.")


def refuse_odd_hosts(hosts: Mapping[str, Iterable[str]], where: str) -> None:
    """A host is a name or an IP address, perhaps with a port, and no whole address."""
    for key, each in ((key, each) for key, listed in hosts.items() for each in listed):
        if not _HOST.fullmatch(each):
            raise ConfigError(
                f"{where}: {key}: {each!r} is no host. Write docs.example.com or 10.0.0.7:8080."
            )


def refuse_odd_zone(name: str, key: str) -> None:
    """A time zone has a name that this machine or the tzdata package knows."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"{key}: there is no zone {name!r}. Use a name such as Europe/Berlin."
        ) from None


def refuse_odd_ids(ids: Mapping[str, Iterable[str]], where: str, adapters: Sequence[str]) -> None:
    """People's ids and rooms, by their key, are `adapter:id`."""
    for key, each in ((key, each) for key, listed in ids.items() for each in listed):
        adapter, colon, rest = each.partition(":")
        if adapter in adapters and rest:
            continue
        near = difflib.get_close_matches(adapter, adapters, n=1) if colon and rest else []
        shown = " or ".join(f"{adapter}:…" for adapter in adapters)
        mend = f"Did you mean {near[0]}:{rest}?" if near else f"Write it as {shown}."
        raise ConfigError(f"{where}: {key}: {each!r} does not say on which platform. {mend}")


def refuse_odd_paths(paths: Mapping[str, Iterable[str]], where: str) -> None:
    """Paths, by their key, begin at a repository's root and stay below it."""
    for key, each in ((key, each) for key, listed in paths.items() for each in listed):
        if not each or each.startswith(("/", "~")) or ".." in each.split("/"):
            raise ConfigError(
                f"{where}: {key}: {each!r} is not within a repository. "
                "Write it from the repository's root, such as migrations/ or *.lock."
            )


def is_name(text: str) -> bool:
    """Whether somebody can be called so, in a rule as well."""
    return bool(_NAME.fullmatch(text))


def refuse_odd_names(names: Iterable[str], where: str, roles: Sequence[str]) -> None:
    """Of two names that look alike, or of one that is a role's, nobody knows whom a rule means."""
    seen = {role: f"the role {role}" for role in roles}
    for name in names:
        if not is_name(name):
            raise ConfigError(f"{where}: {name!r} is no name. {NAMES}")
        if (other := seen.setdefault(name.casefold(), name)) != name:
            raise ConfigError(f"{where}: {name} reads like {other}. Choose another name.")


def refuse_empty(rules: Iterable[Mapping[str, Any]], where: str) -> None:
    """An empty list reads like nobody and nothing, and would be a rule about everything."""
    for number, rule in enumerate(rules, 1):
        for key, value in rule.items():
            if value in ([], {}):
                raise ConfigError(
                    f"{where}: rule {number}: {key}: an empty list does not mean none: the rule "
                    f"would be about all {key}. Name those that are meant, or leave {key} out if "
                    "all are."
                )


def refuse_shared_ids(ids: Mapping[str, Iterable[str]], where: str) -> None:
    """Of two people with one id, one would get the authority of the other."""
    seen: dict[str, str] = {}
    for key, each in ((key, each) for key, listed in ids.items() for each in listed):
        if seen.setdefault(each, key) != key:
            raise ConfigError(
                f"{where}: {key}: {each} is in {seen[each]} too. Give each id to one person."
            )
