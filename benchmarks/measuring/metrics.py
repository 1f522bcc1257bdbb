"""Textbook metrics of a ranking, and how sure their differences are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
SEED = 20261124
_BLOCK = 500

Values = NDArray[np.float64]
"""float64 [n], one value for each query."""


@dataclass(frozen=True, slots=True)
class Gain:
    """A mean difference with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


def ndcg(ranking: Sequence[str], grades: Mapping[str, int], depth: int) -> float:
    """Normalised discounted cumulated gain of the first `depth` documents, 0–1.

    Järvelin & Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", with the grade as the gain and
    the discount log2(rank + 1), as trec_eval computes it. Documents that were not judged gain nothing; the ideal
    ranking is that of all judged documents.
    """
    best = discounted(sorted(grades.values(), reverse=True)[:depth])
    return discounted([grades.get(document, 0) for document in ranking[:depth]]) / best if best else 0.0


def discounted(gains: Sequence[int]) -> float:
    """Discounted cumulated gain of grades in the order of their ranks."""
    return math.fsum(max(gain, 0) / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def recall(ranking: Sequence[str], grades: Mapping[str, int], depth: int) -> float:
    """The share of the relevant documents (grade above 0) that are among the first `depth`."""
    relevant = {document for document, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranking[:depth])) / len(relevant) if relevant else 0.0


def resampled_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means float64 [`RESAMPLES`, …] of values [queries, …], queries drawn with replacement (bootstrap).

    Efron & Tibshirani 1993, "An Introduction to the Bootstrap"; of differences between two orders of the same
    queries it is the paired one.
    """
    random = np.random.default_rng(SEED)
    count = len(values)
    blocks = [
        values[random.integers(0, count, size=(_BLOCK, count))].mean(axis=1)
        for _ in range(RESAMPLES // _BLOCK)
    ]
    means: NDArray[np.float64] = np.concatenate(blocks)
    return means


def gain(differences: Sequence[Values]) -> Gain:
    """The mean over sets of the mean over queries, each set's queries resampled by themselves.

    Args:
        differences: for each set, float64 [queries]; one set gives the plain paired bootstrap.
    """
    means = np.mean([resampled_means(values) for values in differences], axis=0)
    low, high = np.percentile(means, [2.5, 97.5])
    return Gain(float(np.mean([values.mean() for values in differences])), float(low), float(high))
