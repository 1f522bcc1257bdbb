"""The file of a score cache in use: opened when it is first needed, by any number of threads and processes."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vai.errors import StoreBusy, StoreCorrupt, StoreFailure
from vai.scores.database import (
    connect,
    content_of,
    failures_named,
    make_tables,
    prepare,
    set_aside,
    transaction,
    try_to_write,
)

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]
Identity = tuple[int, int]

TURN_PATIENCE = 0.5
"""Seconds to wait for other threads, which are done sooner unless the disk hangs."""


@dataclass(slots=True)
class _Held:
    """A connection with the process that may use it, the file that it is of, and whether it sees changes."""

    pid: int
    connection: sqlite3.Connection | None = None
    identity: Identity | None = None
    lasting: bool = True

    def close(self) -> None:
        """Let go of the file, unless it is another process's."""
        if self.connection is not None and self.pid == os.getpid():
            self.connection.close()
            self.connection = None


_left_to_parents: list[_Held] = []
"""What a forked process has inherited. To close it, even by forgetting it, could take the parent's locks away."""


class ScoresFile:
    """Reads and writes the tables, one transaction at a time.

    A file that was found damaged is set aside by the next one who writes, and begun anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._held = _Held(os.getpid())
        self._finalizer = weakref.finalize(self, self._held.close)
        self._damaged: Identity | None = None

    def read(self, work: Work[Result], *, patience: float) -> Result | None:
        """What `work` makes of the tables in one read transaction; None where there are none of this version.

        Raises:
            StoreBusy: others kept it from reading for `patience` seconds.
            StoreFailure: it cannot be read; the class says why.
        """
        with self._turn():
            connection = self._opened(create=False)
            if connection is None:
                return None
            with transaction(connection, writing=False, patience=patience):
                return work(connection) if content_of(connection, self.path) == "scores" else None

    def write(self, work: Work[Result], *, patience: float) -> Result:
        """What `work` makes of the tables in one write transaction; tables are made where there are none.

        Raises:
            StoreBusy: others kept it from writing for `patience` seconds.
            StoreFailure: it cannot be written; the class says why.
        """
        try:
            return self._write(work, patience)
        except StoreCorrupt:
            return self._write(work, patience)  # on a new file

    def _write(self, work: Work[Result], patience: float) -> Result:
        with self._turn():
            connection = self._opened(create=True)
            assert connection is not None
            prepare(connection)
            with transaction(connection, writing=True, patience=patience):
                if content_of(connection, self.path) != "scores":
                    make_tables(connection)
                return work(connection)

    def probe(self, *, patience: float) -> None:
        """Look whether a file that is there could be written to. Raises as `write` does."""
        with self._turn():
            connection = self._opened(create=False)
            if connection is not None:
                content_of(connection, self.path)
                try_to_write(connection, patience=patience)

    def shorten(self) -> None:
        """Move the log into the file, and cut both to what they hold; nothing happens while others read."""
        with self._turn():
            connection = self._opened(create=False)
            if connection is not None:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            self._held.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One thread at a time; after a failure the connection is made anew."""
        if self._held.pid != os.getpid():
            self._leave_to_parent()
        if not self._lock.acquire(timeout=TURN_PATIENCE):
            raise StoreBusy(
                f"`{self.path}` is in use by another thread", hint="try again when it has finished"
            )
        try:
            with failures_named(self.path):
                yield
            if not self._held.lasting:
                self._held.close()
        except StoreFailure as failure:
            if isinstance(failure, StoreCorrupt):
                self._damaged = _identity(self.path)
            self._held.close()
            raise
        finally:
            self._lock.release()

    def _leave_to_parent(self) -> None:
        """Begin anew in a forked process, where a thread that held the lock does not exist."""
        _left_to_parents.append(self._held)
        self._finalizer.detach()
        self._lock = threading.Lock()
        self._held = _Held(os.getpid())
        self._finalizer = weakref.finalize(self, self._held.close)

    def _opened(self, *, create: bool) -> sqlite3.Connection | None:
        """The connection to the file that has the name now; None if there is none, and none is to be made."""
        held, identity = self._held, _identity(self.path)
        if identity != held.identity:
            held.close()
        if create and identity is not None and identity == self._damaged:
            held.close()
            set_aside(self.path)
            identity = None
        if held.connection is None and (create or identity is not None):
            held.connection, held.lasting = connect(self.path, create=create)
            held.identity = _identity(self.path)
        return held.connection


def _identity(path: Path) -> Identity | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino
