"""The one place where an engine's similarities become an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vai.arrays import Vector


def best_rows(similarities: Vector, limit: int) -> NDArray[np.int64]:
    """Positions of the `limit` greatest values of float32 [n], greatest first, equal ones by position.

    Values of −∞ are never returned.
    """
    near = rows_near_best(similarities, limit, within=0.0)
    order = np.lexsort((near, -similarities[near]))
    best: NDArray[np.int64] = near[order][:limit]
    return best


def rows_near_best(similarities: Vector, limit: int, *, within: float) -> NDArray[np.int64]:
    """Positions, in order, of the values at most `within` below the least of the `limit` greatest.

    Values of −∞ are never returned.
    """
    allowed = np.flatnonzero(similarities > -np.inf)
    if allowed.size > limit:
        threshold = np.partition(similarities[allowed], allowed.size - limit)[allowed.size - limit]
        allowed = allowed[similarities[allowed] >= threshold - within]
    return allowed
