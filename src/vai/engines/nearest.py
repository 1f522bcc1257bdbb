"""The most similar rows of a collection: by its index and the rows beside it, or by comparing every vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Matrix, Vector
from vai.engines.vectors import Similar, most_similar, most_similar_among

if TYPE_CHECKING:
    from vai.engines.index import AnnIndex

EXACT_UNDER_FILTER = 20_000
"""Rows that a filter leaves up to which comparing all of them is faster than searching the index deeper."""
DEPTH_COST = 30
"""Searching the index deeper by one costs as much as comparing this many vectors."""
WORTH_PICKING = 2
"""Comparing a row picked from many costs at most as much as comparing this many one after another."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The rows that may be found: those of live chunks, and if there is a filter only those that it lets through.

    `mask` is bool [rows], None where every row may be found.
    """

    mask: NDArray[np.bool_] | None
    count: int
    filtered: bool

    def rows(self) -> NDArray[np.int64]:
        """Their numbers, ascending."""
        return np.arange(self.count) if self.mask is None else np.flatnonzero(self.mask)

    def among(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of `rows` that may be found."""
        return rows if self.mask is None else rows[self.mask[rows]]

    def within(self, scores: Vector) -> Vector:
        """The scores, float32 [rows], with 0 for rows that may not be found."""
        return scores if self.mask is None else scores * self.mask

    def after(self, watermark: int) -> int:
        """How many of them come from that row on."""
        if self.mask is None:
            return self.count - watermark
        return int(np.count_nonzero(self.mask[watermark:]))


@dataclass(frozen=True, slots=True)
class Nearest:
    """What was found, and how.

    Args:
        depth: how deep the index was searched, None if it was not.
        deepened: whether `limit` made it go deeper than was asked, or compare every vector for that.
    """

    similar: Similar
    depth: int | None
    deepened: bool


def nearest(
    vectors: Matrix,
    query: Vector,
    *,
    index: AnnIndex | None,
    allowed: Allowed,
    count: int,
    limit: int,
    depth: int,
) -> Nearest:
    """The `count` rows most similar to the query, of those allowed; at least `limit` if there are as many.

    Args:
        index: covers the rows before its watermark; None compares every vector.
        depth: how deep the index is searched; deeper, if what is found has to pass a filter and too little does.
            Where comparing every vector costs less than that, it is done instead.
    """
    asked, tried = depth, False
    index = worthwhile(index, allowed)
    if index is not None:
        needed = min(limit, allowed.count)
        if allowed.filtered:  # as deep as it takes if what passes is spread evenly, and half as much again
            depth = max(depth, 3 * limit * index.covered // (2 * max(1, allowed.count)))
        while depth * DEPTH_COST <= index.covered:
            found = allowed.among(index.search(query, depth))
            similar = most_similar_among(
                vectors, query, count, found, tail_from=index.watermark, allowed=allowed.mask
            )
            if similar.rows.size >= needed:
                return Nearest(similar, depth, depth > asked)
            tried = True
            if depth >= index.covered:  # not everything in a graph can be reached
                break
            depth *= 2
    if allowed.filtered and allowed.count * WORTH_PICKING <= len(vectors):
        similar = most_similar_among(vectors, query, count, allowed.rows())
    else:
        similar = most_similar(vectors, query, count, allowed=allowed.mask)
    return Nearest(similar, None, tried or depth > asked)


def worthwhile(index: AnnIndex | None, allowed: Allowed) -> AnnIndex | None:
    """The index, unless a filter leaves so few rows that comparing all of them is always faster."""
    return None if allowed.filtered and allowed.count <= EXACT_UNDER_FILTER else index
