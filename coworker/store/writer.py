"""One thread that owns the only write connection and commits in groups.

Every waiter learns the outcome of its own commit. It knows nothing of the tables it writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from coworker.errors import CoworkerError, DiskFull

Result = TypeVar("Result")
Transaction = Callable[[sqlite3.Connection], Any]
_FATAL = ("SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOTADB")
_BATCH = 256
"""More would only lengthen one commit; at 256 the fsync is already shared to nothing."""


class StoreClosed(CoworkerError):
    """The store was closed; nothing was written."""


class StoreBroken(CoworkerError):
    """The disk failed in a commit: only a restart can tell what was written."""


class _Waiter:
    __slots__ = ("future", "is_alone", "loop", "transaction")

    def __init__(self, transaction: Transaction, is_alone: bool) -> None:
        self.transaction = transaction
        self.is_alone = is_alone
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()


_Outcome = tuple[_Waiter, Any, BaseException | None]


class Writer:
    """Group commit. `on_fatal` is called in the thread when the outcome on disk is unknown."""

    def __init__(self, path: Path, on_fatal: Callable[[BaseException], None]) -> None:
        self._db = connect(path)
        self._on_fatal = on_fatal
        self._queue: queue.SimpleQueue[_Waiter | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._ended: CoworkerError | None = None
        self._thread = threading.Thread(target=self._run, name="db-writer", daemon=True)
        self._thread.start()

    async def write(self, transaction: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run it inside a transaction and return once that is on disk.

        The transaction must be re-runnable. Cancelling the waiter does not take the write back.
        Raises DiskFull, StoreClosed, StoreBroken, or what the transaction itself raised.
        """
        return await self._wait(_Waiter(transaction, is_alone=False))  # type: ignore[no-any-return]

    async def alone(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do what cannot be done inside a transaction, such as VACUUM; everybody else waits.

        Raises as `write` does.
        """
        return await self._wait(_Waiter(work, is_alone=True))  # type: ignore[no-any-return]

    async def _wait(self, waiter: _Waiter) -> Any:
        with self._gate:  # nothing can be queued behind the stop mark
            if self._ended:
                raise self._ended
            self._queue.put(waiter)
        try:
            return await waiter.future
        except sqlite3.OperationalError as error:
            if _name(error) == "SQLITE_FULL":
                raise DiskFull(
                    "The disk that holds the state directory is full, so nothing was written. "
                    "Free some space and try again."
                ) from None
            raise

    def close(self, timeout_s: float = 10) -> bool:
        """Commit all that is queued, then stop. Call it in a thread, before the loop closes."""
        with self._gate:
            if not self._ended:
                self._ended = StoreClosed("The store is closed.")
                self._queue.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with closing(self._db):
            self._serve()

    def _serve(self) -> None:
        stopping = False
        while not stopping:
            batch, stopping = self._collect()
            if not batch:
                break
            try:
                outcomes = self._commit_or_split([each for each in batch if not each.is_alone])
                outcomes += [self._do_alone(each) for each in batch if each.is_alone]
            except BaseException as error:  # noqa: BLE001 - nobody may go on: the outcome is unknown
                self._break(batch, error)
                return
            _tell(outcomes)

    def _collect(self) -> tuple[list[_Waiter], bool]:
        first = self._queue.get()
        if first is None:
            return [], True
        batch = [first]
        while len(batch) < _BATCH:
            try:
                waiter = self._queue.get_nowait()
            except queue.Empty:
                break
            if waiter is None:
                return batch, True
            batch.append(waiter)
        return batch, False

    def _do_alone(self, waiter: _Waiter) -> _Outcome:
        try:
            return waiter, waiter.transaction(self._db), None
        except Exception as error:
            if isinstance(error, sqlite3.Error) and _name(error).startswith(_FATAL):
                raise
            return waiter, None, error

    def _commit_or_split(self, batch: list[_Waiter]) -> list[_Outcome]:
        """Commit together; if that fails, one by one, so that only the guilty one fails."""
        try:
            return self._commit(batch) if batch else []
        except sqlite3.Error as error:
            self._roll_back(error)
            if len(batch) == 1:
                return [(batch[0], None, error)]
        return [outcome for waiter in batch for outcome in self._commit_or_split([waiter])]

    def _commit(self, batch: list[_Waiter]) -> list[_Outcome]:
        self._db.execute("BEGIN IMMEDIATE")
        outcomes = [self._step(waiter) for waiter in batch]
        self._db.execute("COMMIT")
        return outcomes

    def _step(self, waiter: _Waiter) -> _Outcome:
        self._db.execute("SAVEPOINT step")
        try:
            outcome: _Outcome = (waiter, waiter.transaction(self._db), None)
        except Exception as error:
            if (
                not self._db.in_transaction
            ):  # full or broken disk: SQLite rolled back the whole batch
                raise
            self._db.execute("ROLLBACK TO step")
            outcome = (waiter, None, error)
        self._db.execute("RELEASE step")
        return outcome

    def _roll_back(self, error: sqlite3.Error) -> None:
        if self._db.in_transaction:  # a failed COMMIT leaves the transaction open
            self._db.execute("ROLLBACK")
        if _name(error).startswith(_FATAL):
            raise error

    def _break(self, batch: list[_Waiter], error: BaseException) -> None:
        broken = StoreBroken(
            f"The database cannot be written any more ({error}). Restart coworker."
        )
        with self._gate:
            self._ended = broken
            self._queue.put(None)
        while (waiter := self._queue.get()) is not None:
            batch.append(waiter)
        _tell([(waiter, None, broken) for waiter in batch])
        self._on_fatal(error)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in WAL mode with full durability; transactions are the caller's."""
    mode = "ro" if read_only else "rwc"
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        db.execute("PRAGMA busy_timeout=5000")
        if not read_only:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "") or ""


def _tell(outcomes: list[_Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].loop, []).append(outcome)
    for loop, group in by_loop.items():
        with contextlib.suppress(RuntimeError):  # a closed loop: the commit stands, nobody listens
            loop.call_soon_threadsafe(_resolve, group)  # one wake-up per loop and batch


def _resolve(outcomes: list[_Outcome]) -> None:
    for waiter, result, error in outcomes:
        if waiter.future.done():
            continue
        if error is None:
            waiter.future.set_result(result)
        else:
            waiter.future.set_exception(error)
