"""One file that holds what cannot be had again, made beside a running daemon; and the way back.

It knows which files matter and in which order they are consistent, not what is in them.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

import msgspec

from coworker.errors import ConfigError, CoworkerError, DiskFull, NotFound, UsageError
from coworker.store import database
from coworker.store.schema import VERSION
from coworker.store.writer import connect

_MANIFEST = "manifest.json"
_RESTORING = ".restoring"
_PASSING = ("coworker.lock", "coworker.sock", _RESTORING)
_NAMES_HOME = ("about.json", "dotgit", "git/objects/info/alternates")
"""The files of a workspace that name the state directory."""
_BROKEN = (tarfile.TarError, EOFError, zlib.error, msgspec.MsgspecError, KeyError)


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself. `at` is ISO 8601, UTC."""

    schema: int
    at: str
    state_dir: str


def dated(folder: Path, now: datetime) -> Path:
    """The name of a backup in a folder of backups; names sort by age."""
    return folder / f"coworker-{now:%Y%m%dT%H%M%SZ}.tar.gz"


def prune(folder: Path, keep: int) -> list[Path]:
    """Remove all but the newest of a folder's dated backups; returns the removed."""
    old = sorted(folder.glob("coworker-*T*Z.tar.gz"), reverse=True)[keep:]
    for path in old:
        path.unlink()
    return old


def write(state_dir: Path, target: Path, now: datetime) -> None:
    """Make the backup, readable for this user alone; an older file is replaced at once or not.

    Raises NotFound, DiskFull, ConfigError for a damaged database, CoworkerError for a bad place.
    """
    if not (state_dir / database.FILE).is_file():
        raise NotFound(
            f"{state_dir} holds no database, so there is nothing to back up. "
            "Name the right directory with --state-dir."
        )
    with (
        _in_words(target.parent),
        tempfile.TemporaryDirectory(prefix=".coworker-backup-", dir=target.parent) as scratch,
    ):
        made = Path(scratch, "backup")
        made.touch(mode=0o600)
        with made.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as tar:
                _fill(tar, state_dir, Path(scratch), now)
            file.flush()
            os.fsync(file.fileno())
        made.replace(target)


def restore(archive: Path, state_dir: Path, now: datetime, *, force: bool) -> Path | None:
    """Put a verified backup in place; returns the folder that now holds what was there before.

    Raises TryLater when somebody owns the directory, UsageError when something is in it or the
    file is no backup, ConfigError when a newer coworker wrote it, NotFound and DiskFull.
    """
    if not archive.is_file():
        raise NotFound(f"There is no file {archive}. Name the backup to restore.")
    held = database.lock(state_dir)
    try:
        with _in_words(state_dir):
            return _restore(archive, state_dir, f"before-restore-{now:%Y%m%dT%H%M%SZ}", force)
    finally:
        shutil.rmtree(state_dir / _RESTORING, ignore_errors=True)
        database.unlock(held)


def _fill(tar: tarfile.TarFile, state_dir: Path, scratch: Path, now: datetime) -> None:
    """Databases first: an effect without its receipt is what recovery is made for. Branches next,
    and last the mirrors' objects, on which those may rest."""
    manifest = Manifest(VERSION, now.isoformat(), str(state_dir))
    _add_bytes(tar, _MANIFEST, msgspec.json.encode(manifest))
    for file in (state_dir / database.FILE, *sorted(state_dir.glob("repos/*.db"))):
        copy = scratch / file.name
        _copy(file, copy)
        tar.add(copy, str(file.relative_to(state_dir)))
        copy.unlink()
    for folder in sorted(state_dir.glob("workspaces/[!.]*")):
        _add(tar, state_dir, [folder / "about.json", folder / "dotgit", *_git(folder / "git")])
    for mirror in sorted(state_dir.glob("mirrors/[!.]*")):
        _add(tar, state_dir, _git(mirror))


def _git(folder: Path) -> Iterator[Path]:
    """References before objects, so that no reference is without its commit. No index: it belongs
    to the files, which are checked out again."""
    for top in sorted(folder.glob("*"), key=lambda path: path.name == "objects"):
        if top.name != "index":
            yield top
            yield from sorted(top.rglob("*"))


def _add(tar: tarfile.TarFile, state_dir: Path, paths: Iterator[Path] | list[Path]) -> None:
    for path in paths:
        if path.suffix != ".lock" and not path.is_symlink():
            with suppress(FileNotFoundError):  # it was only passing
                tar.add(path, str(path.relative_to(state_dir)), recursive=False)


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size, about.mode = len(data), 0o600
    tar.addfile(about, io.BytesIO(data))


def _copy(file: Path, copy: Path) -> None:
    """A consistent copy in one file, whoever writes meanwhile; nobody waits for it."""
    with closing(connect(file, read_only=True)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
        _check(target, file)


def _check(db: sqlite3.Connection, file: Path) -> None:
    found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise ConfigError(f"{file} is damaged ({found}). Use an older backup of it.")


def _restore(archive: Path, state_dir: Path, beside: str, force: bool) -> Path | None:
    old = [path for path in sorted(state_dir.iterdir()) if not _is_passing(path)]
    if old and not force:
        raise UsageError(
            f"{state_dir} is not empty, so nothing was changed. --force puts what is there into "
            f"{state_dir / beside}; --state-dir names another directory."
        )
    fresh = state_dir / _RESTORING
    shutil.rmtree(fresh, ignore_errors=True)
    _unpack(archive, fresh, state_dir)
    kept = state_dir / beside if old else None
    if kept:
        kept.mkdir(mode=0o700)
        for path in old:
            path.rename(kept / path.name)
    for path in fresh.iterdir():
        path.rename(state_dir / path.name)
    return kept


def _is_passing(path: Path) -> bool:
    return path.name in _PASSING or path.name.startswith(("coworker.log", "before-restore-"))


def _unpack(archive: Path, fresh: Path, state_dir: Path) -> None:
    """Unpack beside, and verify before anything is touched."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(fresh, filter="data")
        file = fresh / _MANIFEST
        manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
        file.unlink()
    except (*_BROKEN, FileNotFoundError) as error:
        raise UsageError(
            f"{archive} is not a coworker backup, or it is damaged ({error}). Nothing was changed."
        ) from None
    if manifest.schema > VERSION:
        raise ConfigError(
            f"{archive} was written by a newer coworker (schema {manifest.schema}; known: "
            f"{VERSION}). Nothing was changed. Upgrade coworker first."
        )
    for db in (fresh / database.FILE, *fresh.glob("repos/*.db")):
        with closing(sqlite3.connect(db)) as copy:
            _check(copy, Path(archive, db.name))
    _move_home(fresh, manifest.state_dir, str(state_dir))


def _move_home(fresh: Path, old: str, new: str) -> None:
    """Workspaces name their mirror by its whole path, which may be another one now."""
    for folder in fresh.glob("workspaces/*"):
        for file in (folder / name for name in _NAMES_HOME):
            if file.is_file():
                file.write_bytes(file.read_bytes().replace(f"{old}/".encode(), f"{new}/".encode()))


@contextmanager
def _in_words(place: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL" or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"The disk that holds {place} is full. Free some space.") from None
        if isinstance(error, OSError):
            raise CoworkerError(
                f"{error.filename or place} cannot be used: {error.strerror or error}. "
                "Name a place that you may write to."
            ) from None
        raise ConfigError(
            f"A database cannot be read ({error}). Restore an older backup, with --force."
        ) from None
