"""Pareto fronts: what nothing else beats both in quality and in what it takes."""

from __future__ import annotations

import numpy as np

from vai.arrays import Doubles


def pareto_front(quality: Doubles, costs: Doubles, tie: Doubles) -> list[int]:
    """The numbers of those than which none is better at the same cost or less, cheapest first.

    Args:
        quality: float64 [n], higher is better.
        costs: float64 [n]; what is not finite is left out.
        tie: float64 [n]; of those that are equal in both, the one where it is lowest.
    """
    front: list[int] = []
    best = -np.inf
    for index in np.lexsort((tie, -quality, costs)).tolist():
        if quality[index] > best and np.isfinite(costs[index]):
            front.append(index)
            best = quality[index]
    return front
