"""How sure a mean over questions is: bootstrap intervals, of many columns of values at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Doubles

RESAMPLES = 10_000
SEED = 20261124
CONFIDENCE = 95.0
_CELLS = 1_000_000
"""Numbers of a block of resamples, so that memory does not grow with the questions."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether it is on one side of 0."""
        return self.low > 0.0 or self.high < 0.0


def intervals(columns: Sequence[Doubles]) -> list[Interval]:
    """The mean of each column, float64 [questions], and where 95 % of the means of resampled questions lie.

    The percentile bootstrap (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", ch. 13): questions are drawn
    with replacement, the same ones for every column. Of differences between two runs over the same questions it is the
    paired one. The draws are always the same.

    Raises:
        ValueError: there are no questions.
    """
    if not columns:
        return []
    values = np.stack(columns, axis=1)
    if not len(values):
        raise ValueError("no questions")
    means = np.concatenate([drawn @ values for drawn in _draws(len(values))])
    tail = (100.0 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100.0 - tail], axis=0)
    triples = zip(values.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)
    return [Interval(*triple) for triple in triples]


def interval(values: Doubles) -> Interval:
    """That of one column; see `intervals`."""
    return intervals([values])[0]


def _draws(count: int) -> Iterator[Doubles]:
    """Blocks [resamples, questions]: how often each question was drawn, as a share of all."""
    random = np.random.default_rng(SEED)
    at_once = max(1, min(RESAMPLES, _CELLS // count))
    for start in range(0, RESAMPLES, at_once):
        rows = min(at_once, RESAMPLES - start)
        drawn: NDArray[np.intp] = random.integers(0, count, size=(rows, count))
        flat = drawn + np.arange(rows)[:, None] * count
        yield np.bincount(flat.ravel(), minlength=rows * count).reshape(rows, count) / count
