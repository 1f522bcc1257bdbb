"""The SQLite side of a collection: its tables, how it is opened, and what its failures are called."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vai.engines.analysis import ANALYSIS_VERSION
from vai.errors import StoreBusy, StoreCorrupt, StoreFailure, StoreFull, StoreReadOnly, StoreTooNew, VaiError

FORMAT = 2
"""Version of what is on disk: one written by a later version is refused, an older one is migrated."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, read_ns INTEGER NOT NULL,
    content TEXT NOT NULL,
    recipe TEXT NOT NULL  -- '' until the source has been read to its end
);
CREATE TABLE documents (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    source INTEGER NOT NULL REFERENCES sources,
    title TEXT NOT NULL,
    digest TEXT NOT NULL,
    metadata TEXT NOT NULL  -- JSON
);
CREATE INDEX documents_of_source ON documents (source);
CREATE TABLE chunks (
    vector INTEGER PRIMARY KEY,  -- row in the vector file
    document INTEGER NOT NULL REFERENCES documents,
    ordinal INTEGER NOT NULL,
    text TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,  -- offsets in the document, in characters
    start_line INTEGER, end_line INTEGER, page INTEGER,
    heading TEXT NOT NULL,  -- JSON
    tokens INTEGER NOT NULL
);
CREATE UNIQUE INDEX chunks_of_document ON chunks (document, ordinal);
CREATE TABLE dead (
    vector INTEGER PRIMARY KEY  -- row in the vector file that belongs to no chunk any more
);
"""

_JOURNAL_BYTES = 64 << 20
"""What the `-wal` is cut back to after a large commit, once no reader needs it any more."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_RIGHT_IN_SQLITE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}

Action = Literal["read", "written to"]


class NeedsMigrationError(Exception):
    """What is on disk was written by an earlier version, and has to be brought to this one's format."""


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection that writes; transactions are begun and ended by its user."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> tuple[sqlite3.Connection, bool]:
    """A connection that reads, and whether it takes the file for one that never changes.

    SQLite needs to write its `-shm` file to read a database in WAL mode. Where it may not, it has to be told that
    the file never changes; that is so as long as no `-wal` lies beside it.
    """
    try:
        return _reader(path, "mode=ro"), False
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NO_RIGHT_IN_SQLITE:
            raise
        if has_pending_changes(path):
            raise StoreFailure(
                f"`{path.parent}` holds changes that cannot be read without the right to write there",
                hint="run `vai ingest` once as a user who has that right",
            ) from error
        return _reader(path, "immutable=1"), True


def has_pending_changes(path: Path) -> bool:
    """Whether commits lie beside a database that have not been moved into it."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _reader(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def create_database(path: Path, meta: dict[str, str | int]) -> None:
    """Make an empty database, whole or not at all."""
    from vai.engines.fields import FIELDS_SCHEMA
    from vai.engines.words import WORDS_SCHEMA

    connection = connect_writer(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        create_tables(connection, SCHEMA + FIELDS_SCHEMA + WORDS_SCHEMA)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", {**meta, "format": FORMAT}.items())
        connection.execute("COMMIT")
    finally:
        connection.close()


def create_tables(connection: sqlite3.Connection, schema: str) -> None:
    """Carry out the statements of a schema, in the transaction that the connection is in."""
    for statement in schema.split(";\n"):
        connection.execute(statement)


def read_meta(connection: sqlite3.Connection) -> dict[str, str | int]:
    """Everything in `meta`.

    Raises:
        StoreTooNew: it was written by a later version.
        NeedsMigrationError: it was written by an earlier one.
    """
    meta: dict[str, str | int] = dict(connection.execute("SELECT key, value FROM meta"))
    versions = {"format": int(meta["format"]), "analysis": int(meta.get("analysis", 0))}
    known = {"format": FORMAT, "analysis": ANALYSIS_VERSION}
    for name, version in versions.items():
        if version > known[name]:
            raise StoreTooNew(
                f"the store has {name} {version}, and this version of vai knows those up to {known[name]}",
                hint="install a newer vai, or name another store with `--store`",
            )
    if versions != known:
        raise NeedsMigrationError
    return meta


def column(
    connection: sqlite3.Connection, select: str, parameters: tuple[int, ...] = ()
) -> NDArray[np.int64]:
    """The integers that a statement selects, int64 [n]; there may be too many for a list of them."""
    return np.fromiter((number for (number,) in connection.execute(select, parameters)), dtype=np.int64)


@contextmanager
def failures_named(place: Path, action: Action = "written to") -> Iterator[None]:
    """Turn what SQLite and the file system raise into errors that say what, where and what to do."""
    try:
        yield
    except sqlite3.ProgrammingError:  # a mistake in the program, not a failure of what is stored
        raise
    except sqlite3.Error as error:
        raise _named(error, place, action) from error
    except UnicodeDecodeError as error:  # what SQLite says of damage can hold the damaged bytes
        raise _damaged(place, f"`{place}` is damaged ({error})") from error
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_room(place) from error
        if error.errno in _NO_RIGHT:
            raise _no_right(place, action) from error
        if error.errno == errno.ENOENT:
            raise _damaged(place, f"`{error.filename}` is gone") from error
        raise StoreFailure(f"`{place}` cannot be used: {error.strerror or error}") from error


@contextmanager
def contents_understood(place: Path) -> Iterator[None]:
    """Turn what goes wrong in making sense of what was stored into an error that says so."""
    try:
        yield
    except UnicodeEncodeError:  # what was asked for is no text in Unicode, as everything stored is
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise _damaged(place, f"`{place}` is damaged ({type(error).__name__}: {error})") from error


def _named(error: sqlite3.Error, place: Path, action: Action) -> VaiError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return _no_room(place)
    if code in _NO_RIGHT_IN_SQLITE:
        return _no_right(place, action)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy(f"`{place}` is in use by another process", hint="try again when it has finished")
    if code == sqlite3.SQLITE_IOERR:
        return StoreFailure(
            f"`{place}` cannot be read or written ({error})",
            hint="look for a full or failing disk, then run it again",
        )
    return _damaged(place, f"`{place}` is damaged ({error})")


def _damaged(place: Path, message: str) -> StoreCorrupt:
    return StoreCorrupt(message, hint=f"delete the folder `{place}` and ingest again to build it anew")


def _no_room(place: Path) -> StoreFull:
    return StoreFull(
        f"no room is left on the disk that holds `{place}`",
        hint="what was stored so far is safe; make room and run the same command again to finish",
    )


def _no_right(place: Path, action: Action) -> StoreFailure:
    if action == "read":
        return StoreFailure(
            f"`{place}` cannot be read", hint="look who may read it, or name another store with `--store DIR`"
        )
    return StoreReadOnly(
        f"`{place}` cannot be written to", hint="name a store that can be written to with `--store DIR`"
    )
