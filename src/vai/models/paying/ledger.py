"""What was spent on paid models: one small SQLite file that all runs of a user share.

    spending      a row for each day (UTC) and model, so that years of use stay a few hundred kilobytes
    reservations  what requests under way may cost at most; gone when they are settled, or their process has died

Money is counted in whole nano-dollars, of which a token of the cheapest model costs 20: sums of them are exact.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vai.disk import NO_ROOM, reason_of
from vai.errors import StoreBusy, StoreCorrupt, StoreFailure, StoreFull, StoreReadOnly, StoreTooNew
from vai.models.paying.spending import TooLittleError

if TYPE_CHECKING:
    import sqlite3

RESERVED_S = 1_200.0
"""A reservation as old as this is taken for forgotten: no request takes so long, however often it is tried."""

BUSY_S = 10.0
"""How long to wait for another process; each of them is done in some milliseconds."""

FORMAT = 1
_APPLICATION = 0x76616924
"""Marks the file as a ledger of vai, for SQLite's `application_id`."""

_SCHEMA = (
    """CREATE TABLE spending (
        day TEXT NOT NULL, model TEXT NOT NULL,
        requests INTEGER NOT NULL, tokens INTEGER NOT NULL, nanodollars INTEGER NOT NULL,
        PRIMARY KEY (day, model)
    ) WITHOUT ROWID""",
    """CREATE TABLE reservations (
        number INTEGER PRIMARY KEY,
        day TEXT NOT NULL, nanodollars INTEGER NOT NULL,
        made REAL NOT NULL,  -- Unix time in seconds
        machine TEXT NOT NULL, process INTEGER NOT NULL
    )""",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)

_SPENT = """INSERT INTO spending VALUES (?, ?, 1, ?, ?) ON CONFLICT (day, model) DO UPDATE SET
    requests = requests + 1, tokens = tokens + excluded.tokens, nanodollars = nanodollars + excluded.nanodollars"""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one request; it will be spent on the day it was set aside, whenever the answer comes."""

    number: int
    day: str


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent on a model on a day (`2026-11-03`), or in a month (`2026-11`)."""

    period: str
    model: str
    requests: int
    tokens: int
    nanodollars: int


class Ledger:
    """The file, which is made with the first entry. Any number of threads and processes may use it at once.

    Args:
        path: of the file.
        clock: tells the time (Unix, in seconds).
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock

    def reserve(self, amount: int, *, most: int | None = None) -> Reservation:
        """Set aside what a request may cost.

        Args:
            most: what may be spent in a calendar month in all; None for no bound.

        Raises:
            TooLittleError: that much is not left of it.
            StoreFailure: the file cannot be written to, or is no ledger.
        """
        now = self._clock()
        day = _day(now)
        with self._writing() as database:
            _release_forgotten(database, now)
            if most is not None:
                spent, reserved = _sum(database, "spending", day[:7]), _sum(database, "reservations", day[:7])
                if spent + reserved + amount > most:
                    raise TooLittleError(amount, most=most, spent=spent, reserved=reserved, month=day[:7])
            made = database.execute(
                "INSERT INTO reservations (day, nanodollars, made, machine, process) VALUES (?, ?, ?, ?, ?)",
                (day, amount, now, _machine(), os.getpid()),
            )
            return Reservation(made.lastrowid or 0, day)

    def settle(self, reservation: Reservation, model: str, tokens: int, amount: int) -> None:
        """Record what a request did cost, and give back the rest; what cost nothing is not recorded.

        Raises:
            StoreFailure: the file cannot be written to.
        """
        with self._writing() as database:
            database.execute("DELETE FROM reservations WHERE number = ?", (reservation.number,))
            if tokens or amount:
                database.execute(_SPENT, (reservation.day, model, tokens, amount))

    def months(self) -> list[Spent]:
        """What was spent in each month, by model, the oldest first. Raises `StoreFailure` as `days` does."""
        return self._spent("substr(day, 1, 7)", "")

    def days(self, month: str) -> list[Spent]:
        """What was spent on each day of a month (`2026-11`), by model, the oldest first.

        Raises:
            StoreFailure: the file cannot be read, or is no ledger.
        """
        return self._spent("day", month)

    def this_month(self) -> str:
        """The calendar month that it is (UTC)."""
        return _day(self._clock())[:7]

    def _spent(self, period: str, month: str) -> list[Spent]:
        with self._reading() as database:
            if database is None:
                return []
            rows = database.execute(
                f"SELECT {period}, model, sum(requests), sum(tokens), sum(nanodollars) FROM spending"
                " WHERE substr(day, 1, ?) = ? GROUP BY 1, 2 ORDER BY 1, 2",
                (len(month), month),
            )
            return [Spent(*row) for row in rows]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; it is forgotten if it is left by an exception."""
        import sqlite3

        with _failures_named(self.path, "written to"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)) as database:
                database.execute("BEGIN IMMEDIATE")
                if not _is_ledger(database, self.path):
                    for statement in _SCHEMA:
                        database.execute(statement)
                yield database
                database.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection that changes nothing; None where nothing was ever spent."""
        import sqlite3

        with _failures_named(self.path, "read"):
            if not self.path.exists():
                yield None
                return
            # Not `ro`, which could not undo what a process that was killed has begun.
            address = f"{self.path.absolute().as_uri()}?mode=rw"
            with closing(sqlite3.connect(address, uri=True, timeout=BUSY_S)) as database:
                yield database if _is_ledger(database, self.path) else None


def _is_ledger(database: sqlite3.Connection, path: Path) -> bool:
    """Whether the ledger's tables are there; False for a file that is still empty.

    Raises:
        StoreCorrupt: it is another program's database.
        StoreTooNew: it was written by a later version.
    """
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            return False
        raise StoreCorrupt(
            f"`{path}`, which should record what is spent, is the database of another program",
            hint="name another file with VAI_LEDGER",
        )
    if version > FORMAT:
        raise StoreTooNew(
            f"`{path}`, which records what is spent, has format {version}, and this version of vai knows {FORMAT}",
            hint="install a newer vai, or name another file with VAI_LEDGER",
        )
    return True


def _sum(database: sqlite3.Connection, table: str, month: str) -> int:
    found = database.execute(
        f"SELECT coalesce(sum(nanodollars), 0) FROM {table} WHERE substr(day, 1, 7) = ?", (month,)
    )
    return int(found.fetchone()[0])


def _day(now: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(now, UTC).date().isoformat()


# ── whose reservations ──


def _release_forgotten(database: sqlite3.Connection, now: float) -> None:
    """Remove the reservations of processes that have died, as far as that can be told, and those that are old."""
    database.execute("DELETE FROM reservations WHERE abs(? - made) > ?", (now, RESERVED_S))
    rows = database.execute("SELECT DISTINCT process FROM reservations WHERE machine = ?", (_machine(),))
    for (process,) in rows.fetchall():
        if not _is_alive(process):
            database.execute(
                "DELETE FROM reservations WHERE machine = ? AND process = ?", (_machine(), process)
            )


def _machine() -> str:
    """Where a process number means something: the machine and, in a container, the container."""
    namespace = "0"
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    import socket

    return f"{socket.gethostname()}/{namespace}"


def _is_alive(process: int) -> bool:
    """Whether there is such a process; taken for granted on Windows, where asking by signal would end it."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there, and another user's
        return True
    return True


# ── what can go wrong ──


@contextmanager
def _failures_named(path: Path, action: str) -> Iterator[None]:
    """Turn what SQLite and the file system raise into errors that say what, where and what to do."""
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        raise _named(error, path, action) from error
    except OSError as error:
        if error.errno in NO_ROOM:
            raise _no_room(path) from error
        raise _no_right(path, action, reason_of(error)) from error


def _named(error: sqlite3.Error, path: Path, action: str) -> StoreFailure:
    import sqlite3

    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return _no_room(path)
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return _no_right(path, action, str(error))
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy(
            f"`{path}`, which records what is spent, is in use by another process", hint="try again"
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreFailure(
            f"`{path}`, which records what is spent, cannot be read or written ({error})",
            hint="look for a full or failing disk, then run it again",
        )
    return StoreCorrupt(
        f"`{path}`, which records what is spent, is damaged ({error})",
        hint="move it away to begin a new one, which knows nothing of what was spent so far",
    )


def _no_room(path: Path) -> StoreFull:
    return StoreFull(f"no room is left on the disk to record in `{path}` what is spent", hint="make room")


def _no_right(path: Path, action: str, reason: str) -> StoreFailure:
    message = f"`{path}`, which records what is spent, cannot be {action} ({reason})"
    hint = "name another file with VAI_LEDGER"
    return StoreReadOnly(message, hint=hint) if action == "written to" else StoreFailure(message, hint=hint)
