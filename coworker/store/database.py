"""Opening the database: the lock that makes one owner, the version, and the migrations.

It knows nothing of what the tables mean.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
from pathlib import Path

from coworker.errors import ConfigError, CoworkerError, DiskFull, TryLater
from coworker.store.schema import MIGRATIONS, VERSION
from coworker.store.writer import connect

FILE = "coworker.db"
_LOCK = "coworker.lock"
_ROOM_BYTES = 1_000_000
"""With less, SQLite cannot even make its own files and calls that an I/O error."""
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged file raises: SQLite quotes it in its errors, whether it is text or not."""


def prepare(state_dir: Path) -> Path:
    """Make the state directory and bring the database to this version; returns the file.

    Raises ConfigError for a directory or file that cannot be used, DiskFull when there is no room.
    """
    file = state_dir / FILE
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        _migrate(file)
    except OSError as error:
        raise _refused(state_dir, error) from None
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _explain(file, error) from None
    return file


def lock(state_dir: Path) -> int:
    """Become the one owner of the state directory; the returned descriptor holds the lock.

    Raises TryLater that names the process which owns it.
    """
    path = state_dir / _LOCK
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _take(descriptor, state_dir)
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        raise _refused(state_dir, error) from None
    return descriptor


def unlock(descriptor: int) -> None:
    """Give the state directory up."""
    os.close(descriptor)


def _take(descriptor: int, state_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 100).decode(errors="replace").strip() or "another process"
        raise TryLater(
            f"{state_dir} is in use by {owner}: one process owns it at a time. "
            "Stop that one, or use another directory with --state-dir."
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()}".encode())


def _migrate(file: Path) -> None:
    db = connect(file)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise ConfigError(
                f"{file} was written by a newer coworker (schema {version}; known: {VERSION}) "
                "and stays as it is. Upgrade coworker, or name another --state-dir."
            )
        if 0 < version < VERSION:
            _rehearse(db, file, version)
        _apply(db, version)
        file.chmod(0o600)
    finally:
        db.close()


def _rehearse(db: sqlite3.Connection, file: Path, version: int) -> None:
    """Migrate a copy first; the untouched copy stays as the way back."""
    backup = file.with_name(f"{FILE}.before-v{VERSION}")
    backup.unlink(missing_ok=True)
    db.execute("VACUUM INTO ?", (str(backup),))
    trial = file.with_name(f"{FILE}.trial")
    shutil.copyfile(backup, trial)
    copy = sqlite3.connect(trial, isolation_level=None)
    try:
        _apply(copy, version)
        if copy.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise ConfigError(
                f"{file}: the upgrade to schema {VERSION} failed on a copy; nothing was changed. "
                "Report this and go on with the version you had."
            )
    finally:
        copy.close()
        trial.unlink(missing_ok=True)


def _apply(db: sqlite3.Connection, version: int) -> None:
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")


def _refused(state_dir: Path, error: OSError) -> CoworkerError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(state_dir)
    return _unusable(state_dir, error.strerror or str(error))


def _full(state_dir: Path) -> DiskFull:
    return DiskFull(
        f"The disk that holds {state_dir} is full, so nothing was taken. "
        "Free some space and try again."
    )


def _unusable(state_dir: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"The state directory {state_dir} cannot be used: {reason}. "
        "Make it writable, or name another one with --state-dir."
    )


def _explain(file: Path, error: sqlite3.Error | UnicodeDecodeError) -> CoworkerError:
    name = getattr(error, "sqlite_errorname", "") or ""
    is_full = shutil.disk_usage(file.parent).free < _ROOM_BYTES
    if name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and is_full):
        return _full(file.parent)
    if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT") or isinstance(error, UnicodeDecodeError):
        return ConfigError(
            f"{file} is damaged or not a coworker database ({error}). "
            "Move it away to start afresh, or put a backup in its place."
        )
    return _unusable(file.parent, str(error))
