"""Whether what a collection has on disk is whole: everything is read and compared."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from vai.engines.rowfiles import BLOCK
from vai.engines.searching import Rows


def faults(connection: sqlite3.Connection, rows: Rows) -> Iterator[str]:
    """One sentence for each fault found, the index apart."""
    for (fault,) in connection.execute("PRAGMA integrity_check"):
        if fault != "ok":
            yield f"SQLite: {fault}"
    (orphans,) = connection.execute("SELECT count(*) FROM pragma_foreign_key_check").fetchone()
    if orphans:
        yield f"{orphans:,} chunks or documents belong to nothing"
    yield from _of_rows(connection, rows)
    yield from _of_words(connection, rows)


def _of_rows(connection: sqlite3.Connection, rows: Rows) -> Iterator[str]:
    count = len(rows.vectors)
    stored = connection.execute("SELECT vector, document FROM chunks ORDER BY vector")
    chunks = np.fromiter(chain.from_iterable(stored), dtype=np.int64).reshape(-1, 2)
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
    end = 0
    for first, last in connection.execute("SELECT first, last FROM word_segments ORDER BY first"):
        unknown[first:last] = False
        if first < end:
            yield f"the words of {end - first:,} chunks are counted twice"
        end = last
    if missing := rows.live.among(np.flatnonzero(unknown)).size:
        yield f"the words of {missing:,} chunks are not known"
