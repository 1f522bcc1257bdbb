"""One curve for many collections: how it is fitted, and how far it is off on a collection it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from measuring.beir import Judged
from measuring.judging import Seen
from measuring.metrics import Gain, resampled_means
from vai.calibration import BINS, equal_mass_bins, fit, probabilities
from vai.evaluation.calibrating.gathering import JudgedPairs
from vai.types import Calibration

Fit = Callable[[Sequence[JudgedPairs]], Calibration]
"""From the pairs of some collections to a curve; each collection weighs the same."""

STEPS = 100
SMALLEST_STEP = 1e-10
LARGEST_STEP = 2.0


def judged_pairs(candidates: Mapping[str, Sequence[Seen]], judged: Judged) -> JudgedPairs:
    """The candidates of every query, the best chunk of each document, with what was judged of them."""
    rows: list[tuple[float, bool, int, bool]] = []
    for number, (query, seen) in enumerate(candidates.items()):
        grades, best = judged.grades[query], dict[str, float]()
        for one in seen:
            best[one.document] = max(one.logit, best.get(one.document, one.logit))
        rows += [
            (logit, grades.get(document, 0) > 0, number, document in grades)
            for document, logit in best.items()
        ]
    logits, relevant, numbers, known = zip(*rows, strict=True)
    return JudgedPairs(
        logits=np.array(logits, dtype=np.float32),
        relevant=np.array(relevant, dtype=bool),
        query=np.array(numbers, dtype=np.intp),
        judged=np.array(known, dtype=bool),
    )


# ── two ways to fit one curve to many collections ──


def pooled(sets: Sequence[JudgedPairs]) -> Calibration:
    """As if all pairs were of one collection."""
    logits, relevant, weights = _joined(sets)
    slope, intercept = fit(logits, relevant, weights)
    return Calibration(slope, intercept, 0.0)


def shared_slope(sets: Sequence[JudgedPairs]) -> Calibration:
    """One slope for all, an intercept for each collection, and the median of those.

    Collections differ in how much is judged relevant at the same logit. Pooled, these differences flatten the slope
    that each of them has by itself (a regression with an intercept for each group, as in Gelman & Hill 2007, "Data
    Analysis Using Regression and Multilevel/Hierarchical Models"). The median intercept is that of a middling
    collection, and one that is unlike all others does not move it.
    """
    logits, relevant, weights = _joined(sets)
    centre, spread = float(logits.mean()), float(logits.std())
    owner = np.repeat(np.arange(len(sets)), [len(pairs) for pairs in sets])
    design = np.column_stack([(logits - centre) / spread, np.eye(len(sets))[owner]])
    at = np.zeros(design.shape[1])
    for _ in range(STEPS):
        predicted = 1.0 / (1.0 + np.exp(-(design @ at)))
        gradient = design.T @ (weights * (predicted - relevant))
        hessian = (design * (weights * predicted * (1.0 - predicted))[:, None]).T @ design
        step = np.linalg.solve(hessian + 1e-12 * np.eye(len(at)), gradient)
        at -= np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        if np.abs(step).max() < SMALLEST_STEP:
            break
    slope = float(at[0]) / spread
    return Calibration(slope, float(np.median(at[1:])) - slope * centre, 0.0)


def _joined(
    sets: Sequence[JudgedPairs],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Logits, relevance and weights of all; each set's weights have a sum of 1."""
    return (
        np.concatenate([pairs.logits for pairs in sets]).astype(np.float64),
        np.concatenate([pairs.relevant for pairs in sets]).astype(np.float64),
        np.concatenate([pairs.weights / pairs.weights.sum() for pairs in sets]),
    )


# ── how far a curve is off ──


def left_out(sets: Sequence[JudgedPairs], fitted: Fit) -> list[Calibration]:
    """For each collection the curve that was fitted without it."""
    return [fitted([*sets[:number], *sets[number + 1 :]]) for number in range(len(sets))]


def error_of(curves: Sequence[Calibration], sets: Sequence[JudgedPairs]) -> Gain:
    """The expected calibration error of each curve on its collection, in the mean, with its 95 % interval.

    Queries are drawn with replacement, each collection's by themselves (percentile bootstrap); bins stay as they
    are.
    """
    each = [_offsets(curve, pairs) for curve, pairs in zip(curves, sets, strict=True)]
    errors = np.mean([np.abs(resampled_means(offsets)).sum(axis=1) for offsets in each], axis=0)
    low, high = np.percentile(errors, [2.5, 97.5])
    mean = np.mean([np.abs(offsets.mean(axis=0)).sum() for offsets in each])
    return Gain(float(mean), float(low), float(high))


def _offsets(curve: Calibration, pairs: JudgedPairs) -> NDArray[np.float64]:
    """float64 [queries, bins]: what was said less what was found, summed over a query's pairs."""
    said = probabilities(pairs.logits, curve)
    bins = equal_mass_bins(said, pairs.weights)
    offsets = np.zeros((int(pairs.query.max()) + 1, BINS))
    np.add.at(offsets, (pairs.query, bins), pairs.weights * (said - pairs.relevant))
    return offsets
