"""From a reranker's values to relevance: a probability that means the same from query to query.

A calibration is a logistic curve over the logits (Platt 1999, "Probabilistic Outputs for Support Vector Machines"),
fitted on passages of which it is known whether they are relevant.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vai.arrays import Vector
from vai.types import Calibration, Reading

AS_IT_IS = Calibration(slope=1.0, intercept=0.0, error=1.0)
"""The logistic curve itself, for models of which nothing was measured."""

SURE = 1e-6
"""Relevance is taken to lie this far from 0 and 1 at least, where it is turned back into a logit."""

BINS = 15
"""Of equal mass, over which a calibration error is taken."""

MOST_STEPS = 100
SMALLEST_STEP = 1e-10
"""Newton's method takes at most so many steps, and halves one down to this share of it."""

Doubles = NDArray[np.float64]


class NotCalibratable(Exception):
    """No rising curve fits: the model's values say nothing of relevance here. The message says why."""


def relevance_of(reading: Reading, calibration: Calibration | None) -> Vector:
    """Relevance float32 [n] in 0–1, NaN where unread: logits through the calibration, or through a plain sigmoid.

    What a model gives as relevance is passed on as it is, unless there is a calibration for its logits.
    """
    if reading.logits is None and calibration is None:
        return reading.values
    return probabilities(logits_of(reading), calibration or AS_IT_IS).astype(np.float32)


def logits_of(reading: Reading) -> Vector:
    """The model's logits float32 [n]; those that belong to its relevance, where it gives that instead."""
    return reading.values if reading.relevance is None else logits_from(reading.relevance)


def logits_from(relevance: ArrayLike) -> Vector:
    """The logits float32 [n] that a plain sigmoid turns into these shares; NaN where they are NaN."""
    share = np.clip(np.asarray(relevance, dtype=np.float64), SURE, 1.0 - SURE)
    logits: Vector = np.log(share / (1.0 - share)).astype(np.float32)
    return logits


def probabilities(logits: ArrayLike, curve: Calibration) -> Doubles:
    """P(relevant) float64 [n] of these logits; NaN where they are NaN."""
    return _sigmoid(curve.slope * np.asarray(logits, dtype=np.float64) + curve.intercept)


def _sigmoid(values: Doubles) -> Doubles:
    """1 / (1 + exp(−x)), by whichever exponential does not overflow."""
    small = np.exp(-np.abs(values))
    shares: Doubles = np.where(values >= 0, 1.0, small) / (1.0 + small)
    return shares


# ── fitting ──


def fit(logits: ArrayLike, relevant: ArrayLike, weights: ArrayLike | None = None) -> tuple[float, float]:
    """Slope and intercept of the curve that makes what was judged most likely.

    Targets are smoothed as Platt does, by one more passage of either kind, so that data which a threshold splits
    perfectly does not give an endless slope. The minimum is found by Newton's method with halved steps (Lin, Lin
    and Weng 2007, "A note on Platt's probabilistic outputs for support vector machines").

    Args:
        logits: finite, [n].
        relevant: whether each passage is, [n].
        weights: how much each counts, [n]; all the same by default. Only their ratios matter.

    Raises:
        NotCalibratable: all passages are of one kind, all logits are the same or one is not finite, or the slope
            does not come out positive.
        ValueError: the weights are none.
    """
    values = np.asarray(logits, dtype=np.float64)
    positive = np.asarray(relevant, dtype=bool)
    mass = _masses(weights, len(values))
    if not np.isfinite(values).all():
        raise NotCalibratable("it gives some passages no finite score")
    if positive.all() or not positive.any():
        raise NotCalibratable(
            f"all {len(positive):,} passages are {'' if positive.any() else 'not '}relevant"
        )
    centre, spread = float(values.mean()), float(values.std())
    if spread == 0.0:
        raise NotCalibratable("it gives every passage the same score")
    slope, intercept = _fitted((values - centre) / spread, _targets(positive, mass), mass)
    if slope <= 0.0:
        raise NotCalibratable("its scores do not rise with relevance")
    return slope / spread, intercept - slope * centre / spread


def _masses(weights: ArrayLike | None, count: int) -> Doubles:
    """Weights with a mean of 1.

    Raises:
        ValueError: one is negative or not finite, or all are 0.
    """
    given = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    if count and not ((given >= 0).all() and 0 < given.sum() < math.inf):
        raise ValueError("weights have to be finite, none negative, and not all 0")
    mass: Doubles = given * (count / given.sum())
    return mass


def _targets(positive: NDArray[np.bool_], mass: Doubles) -> Doubles:
    """(N₊ + 1) / (N₊ + 2) for relevant passages, 1 / (N₋ + 2) for the others."""
    relevant = float(mass[positive].sum())
    others = float(mass.sum()) - relevant
    targets: Doubles = np.where(positive, (relevant + 1.0) / (relevant + 2.0), 1.0 / (others + 2.0))
    return targets


def _fitted(values: Doubles, targets: Doubles, mass: Doubles) -> tuple[float, float]:
    """Slope and intercept of least cross-entropy, for values of mean 0 and deviation 1."""
    share = float((mass * targets).sum() / mass.sum())
    at = np.array([0.0, math.log(share / (1.0 - share))])
    design = np.stack([values, np.ones_like(values)], axis=1)
    loss = _cross_entropy(design @ at, targets, mass)
    for _ in range(MOST_STEPS):
        predicted = _sigmoid(design @ at)
        gradient = design.T @ (mass * (predicted - targets))
        hessian = (design * (mass * predicted * (1.0 - predicted))[:, None]).T @ design
        step = np.linalg.solve(hessian + 1e-12 * np.eye(2), gradient)
        size = 1.0
        while (better := _cross_entropy(design @ (at - size * step), targets, mass)) >= loss:
            size /= 2.0
            if size < SMALLEST_STEP:
                return float(at[0]), float(at[1])
        at, loss = at - size * step, better
    return float(at[0]), float(at[1])


def _cross_entropy(exponents: Doubles, targets: Doubles, mass: Doubles) -> float:
    """−Σ t·log p + (1 − t)·log(1 − p), written so that nothing overflows."""
    return float((mass * (np.logaddexp(0.0, exponents) - targets * exponents)).sum())


# ── how far a curve is off ──


def equal_mass_bins(said: ArrayLike, weights: ArrayLike | None = None, bins: int = BINS) -> NDArray[np.intp]:
    """The bin, from 0, that each probability falls into [n], so that each holds about the same weight.

    Equal probabilities fall into one bin, whatever their order.
    """
    said = np.asarray(said, dtype=np.float64)
    mass = _masses(weights, len(said))
    _, place = np.unique(said, return_inverse=True)
    each = np.bincount(place, weights=mass)
    middle = (np.cumsum(each) - each / 2.0) / each.sum()
    numbers: NDArray[np.intp] = np.minimum((middle * bins).astype(np.intp), bins - 1)[place]
    return numbers


def calibration_error(
    said: ArrayLike, relevant: ArrayLike, weights: ArrayLike | None = None, bins: int = BINS
) -> float:
    """The expected calibration error, 0–1: how far what was said is from what was found, in the mean over bins.

    Naeini, Cooper & Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", with bins of
    equal mass (Nixon et al. 2019, "Measuring Calibration in Deep Learning").
    """
    said = np.asarray(said, dtype=np.float64)
    mass = _masses(weights, len(said))
    off = mass * (said - np.asarray(relevant, dtype=np.float64))
    return float(np.abs(np.bincount(equal_mass_bins(said, mass, bins), weights=off)).sum() / mass.sum())


def brier_score(said: ArrayLike, relevant: ArrayLike, weights: ArrayLike | None = None) -> float:
    """The mean square of what was said less what was found, 0–1 (Brier 1950)."""
    said = np.asarray(said, dtype=np.float64)
    off = (said - np.asarray(relevant, dtype=np.float64)) ** 2
    return float(np.average(off, weights=_masses(weights, len(said))))
