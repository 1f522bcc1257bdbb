"""Whether a difference between two runs may be chance: a paired randomisation test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vai.arrays import Doubles

SEED = 20070813
SAMPLES = 100_000
ALL_SIGNS_OF = 16
"""Differences of which every combination of signs is tried: fewer than are drawn otherwise."""
FEWEST = 6
"""With fewer questions no difference has a p below 0.05: that five point the same way has one of 2 × 0.5⁵ = 0.06."""
TIE = 1e-9
"""Sums as close as that are equal, and differ only in how their terms were added up."""


def randomisation_test(columns: Sequence[Doubles]) -> list[float]:
    """How probable as large a mean difference is if the two runs are equally good: p of each column.

    The two-sided paired randomisation test (Smucker, Allan & Carterette 2007, "A Comparison of Statistical
    Significance Tests for Information Retrieval Evaluation"): were the runs equally good, each question's difference
    could as well have the other sign, so signs are drawn at random and it is counted how often the mean is as large.
    Where few questions differ, every combination of signs is tried, and p is exact. The draws are always the same.

    Args:
        columns: paired differences, float64 [questions].
    """
    return [_p(column[column != 0.0]) for column in columns]


def _p(differences: Doubles) -> float:
    if not differences.size:
        return 1.0
    exactly = differences.size <= ALL_SIGNS_OF
    sums = _all_signs(differences.size) @ differences if exactly else _sums_of_drawn(differences)
    least = abs(differences.sum()) - TIE * np.abs(differences).sum()
    as_large = int((np.abs(sums) >= least).sum())
    return as_large / sums.size if exactly else (as_large + 1) / (sums.size + 1)


def _all_signs(count: int) -> Doubles:
    """Every combination of signs, ±1, float64 [2 ** count, count]."""
    bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    return bits.astype(np.float64) * 2 - 1


def _sums_of_drawn(differences: Doubles) -> Doubles:
    """The sums of the differences under `SAMPLES` combinations of signs; those of eight are looked up at a time."""
    random = np.random.default_rng(SEED)
    eights = np.pad(differences, (0, -differences.size % 8)).reshape(-1, 8)
    sums = np.zeros(SAMPLES)
    for under_all_signs in (_all_signs(8) @ eights.T).T:
        sums += under_all_signs[random.integers(0, 256, SAMPLES, dtype=np.uint8)]
    return sums
