"""Bringing a collection that an earlier version wrote to this one's format, in one transaction.

Format 1 had no fields to filter by, no words, no owners of vectors and no index.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from vai.engines.analysis import ANALYSIS_VERSION
from vai.engines.database import FORMAT, NeedsMigrationError, create_tables, read_meta
from vai.engines.fields import FIELDS_SCHEMA, FieldsWriter
from vai.engines.layout import generation_of, owners_name
from vai.engines.reader import CHUNK, numbered_chunk
from vai.engines.rowfiles import OWNER_ROWS, RowAppender, sync_folder
from vai.engines.words import WORDS_SCHEMA, WordsWriter

GROUP = 1_000
"""Chunks dealt with at a time."""


def migrate(database: sqlite3.Connection, folder: Path) -> None:
    """Do what is needed; nothing if the collection is of this format.

    Raises:
        StoreTooNew: it is of a later one.
    """
    try:
        read_meta(database)
    except NeedsMigrationError:
        _bring_up_to_date(database, folder)


def _bring_up_to_date(database: sqlite3.Connection, folder: Path) -> None:
    found = dict(database.execute("SELECT key, value FROM meta"))
    database.execute("BEGIN IMMEDIATE")
    try:
        if int(found["format"]) == 1:
            create_tables(database, FIELDS_SCHEMA + WORDS_SCHEMA)
            _store_fields(database)
            _write_owners(
                database, folder / owners_name(generation_of(str(found["vectors"]))), int(found["rows"])
            )
            _set_meta(database, index="")
        else:
            WordsWriter(database).clear()
        _store_words(database, int(found["rows"]))
        _set_meta(database, format=FORMAT, analysis=ANALYSIS_VERSION, changes=int(found["changes"]) + 1)
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _set_meta(database: sqlite3.Connection, **values: str | int) -> None:
    database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def _store_fields(database: sqlite3.Connection) -> None:
    writer = FieldsWriter(database)
    writer.put_all()
    writer.flush()


def _write_owners(database: sqlite3.Connection, path: Path, rows: int) -> None:
    owners = np.zeros((rows, 1), dtype=np.uint32)
    for row, document in database.execute("SELECT vector, document FROM chunks"):
        owners[row] = document
    appender = RowAppender(path, 0, OWNER_ROWS)
    try:
        appender.append(owners)
        appender.sync()
    finally:
        appender.close()
    sync_folder(path.parent)


def _store_words(database: sqlite3.Connection, rows: int) -> None:
    """Analyse the text of every chunk; rows that belong to none have no words."""
    writer = WordsWriter(database)
    for first in range(0, rows, GROUP):
        passages = [""] * min(GROUP, rows - first)
        stored = database.execute(
            f"{CHUNK} WHERE chunks.vector >= ? AND chunks.vector < ?", (first, first + GROUP)
        )
        for row, chunk in (numbered_chunk(*found) for found in stored):
            passages[row - first] = chunk.passage
        writer.add(first, passages)
        writer.flush()
