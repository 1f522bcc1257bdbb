"""The file of the score cache: SQLite tables, how it is opened and made anew, and what its failures are called."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from vai.errors import StoreBusy, StoreCorrupt, StoreFailure, StoreFull, StoreReadOnly, StoreTooNew

SCORES_FILE = "scores.db"
"""Its name in the folder of a store; it can be deleted while nobody uses it."""

APPLICATION = 0x76616973
"""`vais`, by which SQLite's header tells this file from others."""

FORMAT = 1

TABLES = (
    """CREATE TABLE models (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL, revision TEXT NOT NULL,
        UNIQUE (name, revision)
    )""",
    """CREATE TABLE queries (
        number INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,  -- of model and query
        model INTEGER NOT NULL REFERENCES models,
        kind TEXT NOT NULL,  -- logits or relevance
        query_seen REAL NOT NULL,
        tokens INTEGER NOT NULL, passages INTEGER NOT NULL,  -- that were read for it in all
        used INTEGER NOT NULL  -- the day of last use, counted from 1970
    )""",
    "CREATE INDEX queries_by_use ON queries (used)",
    """CREATE TABLE scores (
        query INTEGER NOT NULL REFERENCES queries,
        passage BLOB NOT NULL,  -- digest
        reading BLOB NOT NULL,  -- see vai.scores.rows
        PRIMARY KEY (query, passage)
    ) WITHOUT ROWID""",
)

_LOG_BYTES = 4 << 20
"""What the `-wal` is cut back to once no reader needs it any more."""

_STEPS = 64
"""Room is made in steps of a 64th of the bound, so that it is rarely made."""

_MOST_AT_ONCE = 1_000
"""Queries that are forgotten, and pages that are given back, by one write, so that none takes long; where the
bound has been lowered by much, it takes several writes to get there."""

_NO_RIGHT = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_RIGHTS = "look who may write there"
_IN_USE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}

Content = Literal["scores", "nothing", "older"]
"""What a file holds: scores, no tables at all, or scores as an earlier version wrote them."""


def connect(path: Path, *, create: bool) -> tuple[sqlite3.Connection, bool]:
    """A connection, and whether it sees what others write from now on.

    SQLite needs to write its `-shm` file to read a database in WAL mode. Where it may not, the file has to be
    taken for one that never changes, which is true until the user who may write does.
    """
    try:
        return _connected(path, "mode=rwc" if create else "mode=rw"), True
    except sqlite3.OperationalError as error:
        if _code(error) not in _NO_RIGHT or _has_pending_changes(path):
            raise
        return _connected(path, "immutable=1"), False


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}",
        uri=True,
        isolation_level=None,
        timeout=0.05,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _has_pending_changes(path: Path) -> bool:
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


@contextmanager
def transaction(connection: sqlite3.Connection, *, writing: bool, patience: float) -> Iterator[None]:
    """All of it or nothing; waits at most `patience` seconds for others who write."""
    connection.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
    connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a failing disk may have ended it
            connection.execute("ROLLBACK")
        raise


def try_to_write(connection: sqlite3.Connection, *, patience: float) -> None:
    """Write what is there already, and take it back: it fails where anything else would."""
    connection.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version}")
    finally:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def content_of(connection: sqlite3.Connection, path: Path) -> Content:
    """What the file holds.

    Raises:
        StoreCorrupt: something else.
        StoreTooNew: it was written by a later version.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, version) == (APPLICATION, FORMAT):
        _check_tables(connection, path)
        return "scores"
    if application == APPLICATION and version > FORMAT:
        raise StoreTooNew(
            f"`{path}` has format {version}, and this version of vai knows those up to {FORMAT}",
            hint="install a newer vai, or delete the file",
        )
    if application == APPLICATION:
        return "older"
    if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
        return "nothing"
    raise StoreCorrupt(f"`{path}` holds no scores, but other tables")


def _check_tables(connection: sqlite3.Connection, path: Path) -> None:
    """SQLite believes what a file says of its tables; one damaged there would be read as something else."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    if {sql for (sql,) in found} != set(TABLES):
        raise StoreCorrupt(f"`{path}` is damaged in what it says of its tables")


def prepare(connection: sqlite3.Connection) -> None:
    """Set what can only be set before there are tables; nothing happens where there are some."""
    if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        # Where the file system cannot do that, the mode stays the one in which readers wait for writers.
        connection.execute("PRAGMA journal_mode = WAL")


def make_tables(connection: sqlite3.Connection) -> None:
    """Make the tables anew, in the transaction that the connection is in."""
    for kind, name in connection.execute(
        "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
    ).fetchall():
        quoted = name.replace('"', '""')
        connection.execute(f'DROP {kind} "{quoted}"')
    for statement in TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def set_aside(path: Path) -> None:
    """Rename a damaged file, in place of the one that was damaged before it.

    Its log goes first: SQLite would play it into whatever next has the name.
    """
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.replace(set_aside_path(path))


def set_aside_path(path: Path) -> Path:
    """What a damaged file is called."""
    return path.with_name(f"{path.name}.damaged")


# ── room ──


def make_room(connection: sqlite3.Connection, most_bytes: int) -> None:
    """Forget the queries used least recently, until what is kept is well below the bound; rarely does anything."""
    page_bytes, pages, free = _pages(connection)
    most = most_bytes // page_bytes
    if pages - free <= most:
        return
    oldest = connection.execute("SELECT number FROM queries ORDER BY used, number").fetchmany(_MOST_AT_ONCE)
    for number in oldest:
        connection.execute("DELETE FROM scores WHERE query = ?", number)
        connection.execute("DELETE FROM queries WHERE number = ?", number)
        _, pages, free = _pages(connection)
        if pages - free <= most - most // _STEPS:
            break
    give_back(connection, min(pages - most, _MOST_AT_ONCE))


def give_back(connection: sqlite3.Connection, pages: int) -> None:
    """Shorten the file by so many pages, as far as they are free."""
    _, _, free = _pages(connection)
    for _ in range(min(pages, free)):
        # one at a time, because `sqlite3` stops a statement at its first row, and this has one for each page
        connection.execute("PRAGMA incremental_vacuum(1)")


def _pages(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Bytes of a page, pages, and free ones among them."""
    pragmas = (f"PRAGMA {name}" for name in ("page_size", "page_count", "freelist_count"))
    page_bytes, pages, free = (connection.execute(pragma).fetchone()[0] for pragma in pragmas)
    return page_bytes, pages, free


# ── failures ──


@contextmanager
def failures_named(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise into errors of the store."""
    try:
        yield
    except sqlite3.ProgrammingError:  # a mistake in the program
        raise
    except sqlite3.Error as error:
        raise _named(error, path) from error
    except UnicodeDecodeError as error:  # by SQLite's message, which quotes what is damaged
        raise StoreCorrupt(f"`{path}` is damaged, its description of the tables among the rest") from error
    except PermissionError as error:
        raise StoreReadOnly(f"`{path}` cannot be written to", hint=_RIGHTS) from error
    except OSError as error:
        raise StoreFailure(f"`{path}` cannot be used: {error.strerror or error}") from error


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _named(error: sqlite3.Error, path: Path) -> StoreFailure:
    code = _code(error)
    if code in _IN_USE:
        return StoreBusy(f"`{path}` is in use by another process", hint="try again when it has finished")
    if code == sqlite3.SQLITE_READONLY:
        return StoreReadOnly(f"`{path}` cannot be written to", hint=_RIGHTS)
    if code in _NO_RIGHT:
        return StoreReadOnly(f"`{path}` cannot be opened, or not be made", hint=_RIGHTS)
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"no room is left for `{path}`", hint="make room on the disk")
    if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM}:
        return StoreFailure(f"`{path}` cannot be read or written ({error})")
    return StoreCorrupt(f"`{path}` is damaged ({error})")
