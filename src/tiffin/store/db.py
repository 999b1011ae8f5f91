"""The one SQLite database: a thread that owns the connection, transactions that are functions, group commit.

The event loop never calls SQLite: it queues a function and awaits its result. The thread takes all that is queued, runs
each function in a savepoint of one transaction, commits once (WAL, synchronous=FULL: one fsync) and only then answers.
A function that raises undoes only itself. Functions may run twice (after a full disk was relieved), so they touch
nothing but the connection. What the tables mean is in schema.py and the modules that use them.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tiffin.errors import SystemFailure
from tiffin.store import schema

T = TypeVar("T")
BATCH_LIMIT = 256


@dataclass(slots=True, eq=False)
class _Job:
    function: Callable[[sqlite3.Connection], Any]
    done: Future[Any] = field(default_factory=Future)
    result: Any = None
    error: BaseException | None = None


class Database:
    """`on_full` is called, in the thread, when the disk is full; it returns whether it made room (the ballast)."""

    def __init__(self, path: str, *, on_full: Callable[[], bool] | None = None) -> None:
        self._path = path
        self._on_full = on_full
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="tiffin-db", daemon=True)
        self._thread.start()
        opened.result()

    async def write(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` in a transaction and return its result once that is on the disk."""
        return await asyncio.wrap_future(self._submit(function))

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` for its result; it sees every write queued before."""
        return await asyncio.wrap_future(self._submit(function))

    def write_now(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """`write` for start-up and workers' threads: blocks, so never on the event loop."""
        return self._submit(function).result()

    def close(self) -> None:
        """Finish what is queued, then close. Safe to repeat."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join()

    def _submit(self, function: Callable[[sqlite3.Connection], T]) -> Future[T]:
        if self._closed:
            raise SystemFailure("the database is closed")
        job = _Job(function)
        self._jobs.put(job)
        return job.done

    def _run(self, opened: Future[None]) -> None:
        try:
            connection = _open(self._path)
        except BaseException as error:
            opened.set_exception(error)
            return
        opened.set_result(None)
        with contextlib.closing(connection):
            more = True
            while more:
                jobs, more = self._next_batch()
                if jobs:
                    self._commit(connection, jobs)

    def _next_batch(self) -> tuple[list[_Job], bool]:
        """What is queued now (waits for the first one), and whether to go on after it."""
        first = self._jobs.get()
        if first is None:
            return [], False
        jobs = [first]
        while len(jobs) < BATCH_LIMIT:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, False
            jobs.append(job)
        return jobs, True

    def _commit(self, connection: sqlite3.Connection, jobs: list[_Job]) -> None:
        try:
            try:
                _transact(connection, jobs)
            except sqlite3.OperationalError as error:
                if not _is_full(error) or self._on_full is None or not self._on_full():
                    raise
                _transact(connection, jobs)
        except BaseException as error:
            for job in jobs:
                job.error = error
        for job in jobs:
            if not job.done.set_running_or_notify_cancel():
                continue  # whoever asked has gone; the write stands
            if job.error is not None:
                job.done.set_exception(job.error)
            else:
                job.done.set_result(job.result)


def _open(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=True, timeout=5)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        schema.migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _transact(connection: sqlite3.Connection, jobs: list[_Job]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for job in jobs:
            _run_in_savepoint(connection, job)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run_in_savepoint(connection: sqlite3.Connection, job: _Job) -> None:
    connection.execute("SAVEPOINT job")
    try:
        job.error, job.result = None, job.function(connection)
    except BaseException as error:
        if not connection.in_transaction or (isinstance(error, sqlite3.OperationalError) and _is_full(error)):
            raise
        job.error = error
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def _is_full(error: sqlite3.OperationalError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
