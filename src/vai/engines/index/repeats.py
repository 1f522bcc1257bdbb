"""Rows whose numbers equal those of an earlier row: the graph holds one of them, a table beside it the others.

Links of a node are chosen so that they lead away from each other; between equal nodes no choice can do that, and so
some hundred of them keep all their links to themselves: other nodes are then found by no search at all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix
from vai.engines.index.numbers import bytes_per_vector, quantised
from vai.types import Precision

Repeats = NDArray[np.int64]
"""int64 [n, 2]: a row in the graph, and one that equals it; ascending."""

REPEAT_BYTES = 16
_BLOCK = 2_048


def repeats_among(rows: NDArray[np.int64], vectors: Matrix, precision: Precision) -> Repeats:
    """Which of the rows, int64 [n], equal an earlier one of them in the numbers that the index compares."""
    prints = _fingerprints(rows, vectors, precision)
    _, first, group = np.unique(prints, return_index=True, return_inverse=True)
    same_as = rows[first[group.reshape(-1)]]
    repeated = same_as != rows
    return in_order(np.column_stack([same_as[repeated], rows[repeated]]))


def in_order(repeats: Repeats) -> Repeats:
    """Ascending."""
    return repeats[np.lexsort((repeats[:, 1], repeats[:, 0]))]


def with_repeats(found: NDArray[np.int64], repeats: Repeats, limit: int) -> NDArray[np.int64]:
    """The rows found, each followed by those that equal it, until there are `limit`."""
    first = np.searchsorted(repeats[:, 0], found, side="left")
    behind = np.searchsorted(repeats[:, 0], found, side="right")
    if not np.any(first < behind):
        return found[:limit]
    rows: list[int] = []
    for row, start, end in zip(found.tolist(), first.tolist(), behind.tolist(), strict=True):
        rows += [row, *repeats[start : min(end, start + limit), 1].tolist()]
        if len(rows) >= limit:
            break
    return np.array(rows[:limit], dtype=np.int64)


def _fingerprints(rows: NDArray[np.int64], vectors: Matrix, precision: Precision) -> NDArray[np.uint64]:
    """A number for each row, equal where the index's numbers are: their bytes, weighted at random, modulo 2⁶⁴.

    That unequal rows have the same is improbable enough, 2⁻⁵⁶ for two of them.
    """
    prints = np.empty(rows.size, dtype=np.uint64)
    width = bytes_per_vector(vectors.shape[1], precision)
    weights = np.random.default_rng(0).integers(2**64 - 1, size=width, dtype=np.uint64)
    for start in range(0, rows.size, _BLOCK):
        block = rows[start : start + _BLOCK]
        numbers = quantised(vectors[block], precision).view(np.uint8)
        prints[start : start + block.size] = numbers.astype(np.uint64) @ weights
    return prints
