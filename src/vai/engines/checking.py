"""Whether what a collection has on disk is whole: everything is read and compared."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vai.engines.index import IndexDamagedError, IndexFile, verify
from vai.engines.rowfiles import BLOCK
from vai.engines.searching import Rows


def faults(connection: sqlite3.Connection, folder: Path, rows: Rows, index: str) -> Iterator[str]:
    """One sentence for each fault found; `index` is what the collection says of its index."""
    for (fault,) in connection.execute("PRAGMA integrity_check"):
        if fault != "ok":
            yield f"SQLite: {fault}"
    (orphans,) = connection.execute("SELECT count(*) FROM pragma_foreign_key_check").fetchone()
    if orphans:
        yield f"{orphans:,} chunks or documents belong to nothing"
    yield from _of_rows(connection, rows)
    yield from _of_words(connection, rows)
    if index:
        try:
            verify(folder, IndexFile.from_json(json.loads(index)))
        except IndexDamagedError as damage:
            yield f"{damage}: `vai index` builds a new one"


def _of_rows(connection: sqlite3.Connection, rows: Rows) -> Iterator[str]:
    count = len(rows.vectors)
    stored = connection.execute("SELECT vector, document FROM chunks ORDER BY vector").fetchall()
    chunks = np.array(stored, dtype=np.int64).reshape(-1, 2)
    live, documents = chunks[:, 0], chunks[:, 1]
    accounted = np.union1d(live, rows.dead)
    if accounted.size != live.size + rows.dead.size or not np.array_equal(accounted, np.arange(count)):
        yield f"the vectors' {count:,} rows are not those that chunks and deletions account for"
        there = (live >= 0) & (live < count)
        live, documents = live[there], documents[there]
    if misled := int(np.count_nonzero(rows.owners[live] != documents)):
        yield f"{misled:,} vectors are taken for those of another document"
    if crooked := sum(_crooked(rows, live[start : start + BLOCK]) for start in range(0, live.size, BLOCK)):
        yield f"{crooked:,} vectors are not of unit length"


def _crooked(rows: Rows, numbers: NDArray[np.int64]) -> int:
    lengths = np.linalg.norm(rows.vectors[numbers], axis=1)
    return int((~(np.abs(lengths - 1.0) < 1e-3)).sum())


def _of_words(connection: sqlite3.Connection, rows: Rows) -> Iterator[str]:
    unknown = np.ones(len(rows.vectors), dtype=np.bool_)
    for first, last in connection.execute("SELECT first, last FROM word_segments"):
        unknown[first:last] = False
    if missing := rows.live.among(np.flatnonzero(unknown)).size:
        yield f"the words of {missing:,} chunks are not known"
