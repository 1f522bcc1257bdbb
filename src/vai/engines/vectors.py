"""Vectors in a file: float32 rows one after another, addressed by row number, only ever appended to.

A row becomes visible when the database that counts the rows says so. What lies behind the last counted row is left
over from a write that never was committed, and is overwritten by the next.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix, Vector
from vai.engines.ranking import best_rows, rows_near_best
from vai.errors import StoreCorrupt

BLOCK = 65_536
"""Rows compared, or copied, at a time: 100 MB of 384-wide vectors."""


def map_vectors(path: Path, rows: int, dimension: int) -> Matrix:
    """The first `rows` vectors of a file, float32 [rows, dimension], mapped into memory.

    Raises:
        FileNotFoundError: the file is not there.
        StoreCorrupt: it is shorter than that.
    """
    _require_rows(path, rows, dimension)
    if rows == 0:
        return np.empty((0, dimension), dtype=np.float32)
    return np.memmap(path, dtype=np.float32, mode="r", shape=(rows, dimension))


def _require_rows(path: Path, rows: int, dimension: int) -> None:
    size = path.stat().st_size
    if size < rows * dimension * 4:
        raise StoreCorrupt(
            f"`{path}` holds {size // (dimension * 4):,} vectors where {rows:,} were stored",
            hint=f"delete the folder `{path.parent}` and ingest again",
        )


def most_similar(
    vectors: Matrix, query: Vector, limit: int, *, without: NDArray[np.int64]
) -> tuple[list[int], Vector]:
    """The `limit` rows with the greatest dot product with the query, and these: best first, equal ones by row.

    A product of matrix and vector rounds a row's value by where the row stands, so that equal vectors differ in
    their last bits. It therefore only picks those within its error bound, d · 2⁻²⁴ for vectors of unit length
    (Higham 2002, "Accuracy and Stability of Numerical Algorithms", 3.1), which are then compared one by one.
    """
    rough = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        np.dot(vectors[start : start + BLOCK], query, out=rough[start : start + BLOCK])
    rough[without] = -np.inf
    bound = len(query) * 2.0**-24
    rows = rows_near_best(rough, limit, within=4 * bound)  # either value is off by the bound, at both ends
    values = np.array([np.dot(vectors[row], query) for row in rows], dtype=np.float32)
    order = best_rows(values, limit)
    return rows[order].tolist(), values[order]


class VectorAppender:
    """Appends rows behind the first `rows` of a file, which is made if there are none yet.

    Raises:
        FileNotFoundError: the file is not there.
        StoreCorrupt: it is shorter than that.
    """

    def __init__(self, path: Path, rows: int, dimension: int) -> None:
        self._dimension = dimension
        if rows:
            _require_rows(path, rows, dimension)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        self._file.seek(rows * dimension * 4)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def append(self, vectors: Matrix) -> None:
        """Write float32 [n, dimension] behind what is there."""
        if vectors.shape[1:] != (self._dimension,):
            raise ValueError(
                f"vectors of {self._dimension} numbers belong here, not of shape {vectors.shape}"
            )
        remaining = memoryview(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
        while remaining:
            remaining = remaining[self._file.write(remaining) :]

    def sync(self) -> None:
        """Return when what was appended would survive a loss of power."""
        os.fsync(self._file.fileno())
