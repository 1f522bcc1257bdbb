"""Comparing a query with stored vectors, exactly: the numbers never depend on how a vector was come upon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix, Vector
from vai.engines.ranking import best_rows, rows_near_best
from vai.engines.rowfiles import BLOCK

PICKED = 256
"""Rows picked at a time: few enough to stay in the processor's cache until they are compared."""


@dataclass(frozen=True, slots=True)
class Similar:
    """Rows, int64 [n], with their similarities to the query, float32 [n]: best first, equal ones by row."""

    rows: NDArray[np.int64]
    similarities: Vector


def most_similar(
    vectors: Matrix, query: Vector, limit: int, *, allowed: NDArray[np.bool_] | None = None
) -> Similar:
    """The `limit` rows with the greatest dot product with the query; of those `allowed`, bool [n], if given."""
    rough = _rough(vectors, query)
    if allowed is not None:
        rough[~allowed] = -np.inf
    return _compared_one_by_one(vectors, query, np.arange(len(vectors)), rough, limit)


def most_similar_among(
    vectors: Matrix,
    query: Vector,
    limit: int,
    rows: NDArray[np.int64],
    *,
    tail_from: int | None = None,
    allowed: NDArray[np.bool_] | None = None,
) -> Similar:
    """The `limit` of these rows, each given once, that are most similar to the query.

    Args:
        tail_from: all rows from this one on are compared too, if `allowed`, bool [n]; none of them is in `rows`.
    """
    rows = np.sort(rows)
    rough = np.empty(rows.size, dtype=np.float32)
    with _whatever_the_flags_say():
        for start in range(0, rows.size, PICKED):
            np.dot(vectors[rows[start : start + PICKED]], query, out=rough[start : start + PICKED])
    if tail_from is not None and tail_from < len(vectors):
        rows = np.concatenate([rows, np.arange(tail_from, len(vectors))])
        rough = np.concatenate([rough, _rough(vectors[tail_from:], query)])
        if allowed is not None:
            rough[~allowed[rows]] = -np.inf
    return _compared_one_by_one(vectors, query, rows, rough, limit)


def similarities_of(vectors: Matrix, query: Vector, rows: NDArray[np.int64]) -> Vector:
    """The dot products of these rows with the query, each as if it were the only one: float32 [n]."""
    return np.array([np.dot(vectors[row], query) for row in rows], dtype=np.float32)


def _rough(vectors: Matrix, query: Vector) -> Vector:
    """The dot product of every row with the query, but for how it is rounded."""
    rough = np.empty(len(vectors), dtype=np.float32)
    with _whatever_the_flags_say():
        for start in range(0, len(vectors), BLOCK):
            np.dot(vectors[start : start + BLOCK], query, out=rough[start : start + BLOCK])
    return rough


def _whatever_the_flags_say() -> np.errstate:
    """No warning of invalid values: BLAS raises that flag now and then where all of them are right.

    https://github.com/numpy/numpy/issues/24067. A product that is no number is never among the best.
    """
    return np.errstate(invalid="ignore")


def _compared_one_by_one(
    vectors: Matrix, query: Vector, rows: NDArray[np.int64], rough: Vector, limit: int
) -> Similar:
    """The best of `rows`, ascending, whose dot products are about `rough`.

    A product of matrix and vector rounds a row's value by where the row stands, so that equal vectors differ in
    their last bits. It therefore only picks those within its error bound, d · 2⁻²⁴ for vectors of unit length
    (Higham 2002, "Accuracy and Stability of Numerical Algorithms", 3.1), which are then compared one by one.
    """
    bound = len(query) * 2.0**-24
    near = rows[
        rows_near_best(rough, limit, within=4 * bound)
    ]  # either value is off by the bound, at both ends
    values = similarities_of(vectors, query, near)
    order = best_rows(values, limit)
    return Similar(near[order], values[order])
