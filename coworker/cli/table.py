"""Rows and fields as plain text that fits the terminal.

It knows names of units (`_at`, `_usd`, `_s`), not what any row is about.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from coworker.cli import words
from coworker.types import Json

_GAP = "  "
_NARROWEST = 8


def table(rows: Sequence[Json], zone: ZoneInfo, columns: Sequence[str] = ()) -> str:
    """One line per row under its headings; `columns` come first, empty ones are left out."""
    names = _columns(rows, columns)
    cells = [[_heading(name) for name in names]]
    cells += [[value(name, row.get(name), zone) for name in names] for row in rows]
    widths = _fitted([max(map(words.width, column)) for column in zip(*cells, strict=True)])
    return "\n".join(_line(row, widths) for row in cells)


def fields(record: Json, zone: ZoneInfo) -> str:
    """One aligned line per field; nested objects and lists of them follow as their own blocks."""
    plain = {name: item for name, item in record.items() if not _is_nested(item)}
    label = max((len(_heading(name)) for name in plain), default=0)
    lines = [
        words.fit(
            f"{_heading(name):<{label}}{_GAP}{value(name, item, zone)}", _columns_of_terminal()
        )
        for name, item in plain.items()
    ]
    blocks = ["\n".join(lines)] if lines else []
    blocks += [_block(name, item, zone) for name, item in record.items() if name not in plain]
    return "\n\n".join(blocks)


def value(name: str, item: object, zone: ZoneInfo) -> str:
    """A value in the unit that its name tells."""
    if item is None or item == "":
        return "–"
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, int | float):
        return _number(name, item, zone)
    if isinstance(item, list):
        return ", ".join(value(name, each, zone) for each in item) or "–"
    return words.one_line(item if isinstance(item, str) else words.as_json(item))


def _number(name: str, number: float, zone: ZoneInfo) -> str:
    if (name == "at" or name.endswith("_at")) and number > 1e11:
        return words.moment(int(number), zone)
    if name.endswith("_usd"):
        return words.dollars(number)
    if name == "seconds" or name.endswith("_s"):
        return words.duration(number)
    return str(number)


def _columns(rows: Sequence[Json], first: Sequence[str]) -> list[str]:
    filled = {name: None for row in rows for name, item in row.items() if item not in (None, "")}
    if first:
        return [name for name in first if name in filled]
    return list(filled)


def _heading(name: str) -> str:
    for unit in ("_usd", "_s", "_at"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def _fitted(widths: list[int]) -> list[int]:
    """Take cells from the widest column until the row fits."""
    room = _columns_of_terminal() - len(_GAP) * (len(widths) - 1)
    widths = [min(each, room) for each in widths]
    while sum(widths) > room and max(widths) > _NARROWEST:
        widest = widths.index(max(widths))
        widths[widest] -= 1
    return widths


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(_padded(cells, widths)).rstrip()


def _padded(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for cell, cells_wide in zip(cells, widths, strict=True):
        text = words.fit(cell, cells_wide)
        yield text + " " * (cells_wide - words.width(text))


def _is_nested(item: object) -> bool:
    if isinstance(item, list):
        return any(isinstance(each, dict) for each in item)
    return isinstance(item, dict)


def _block(name: str, item: object, zone: ZoneInfo) -> str:
    if isinstance(item, list):
        inner = table([each for each in item if isinstance(each, dict)], zone)
    else:
        inner = fields(item, zone) if isinstance(item, dict) else str(item)
    indented = "\n".join(f"{_GAP}{line}".rstrip() for line in (inner or "none").splitlines())
    return f"{_heading(name)}\n{indented}"


def _columns_of_terminal() -> int:
    return shutil.get_terminal_size().columns
