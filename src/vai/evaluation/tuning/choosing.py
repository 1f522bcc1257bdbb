"""Choosing among configurations, and what a choice is worth on questions that it was not made on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Doubles
from vai.evaluation.measures.costs import Cost
from vai.evaluation.measures.intervals import Interval, interval
from vai.evaluation.replaying.bench import Configuration

FOLDS = 5
FEWEST_IN_FOLD = 2
SEED = 20261124
SAME_SHARE = 1.1
SAME_MS = 10.0
"""Latencies that differ by less than a tenth, or by less than anybody notices, count as the same; so do prices."""
ROUNDING = 1e-12
CROSS_FITTING = 1.25
"""How much wider than the bootstrap's an interval of cross-fitted differences has to be (benchmarks/tuning.py)."""

Questions = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Contest:
    """Configurations with all that a choice between them depends on; arrays are [configurations], the first in force.

    Args:
        values: the metric, float64 [configurations, questions].
        p95_ms: float64, infinite where not known.
        usd_per_1k: float64.
        allowed: bool, whether it is within the budgets.
        reads: int32, how many candidates a reranker reads; 0 without one.
        changes: float64 [configurations, 2], how many settings are other than in force, and by how much.
    """

    values: Doubles
    p95_ms: Doubles
    usd_per_1k: Doubles
    allowed: Mask
    reads: NDArray[np.int32]
    changes: Doubles

    @classmethod
    def of(
        cls,
        configurations: Sequence[Configuration],
        values: Doubles,
        costs: Sequence[Cost],
        *,
        budget_ms: float | None = None,
        max_usd_per_1k: float | None = None,
    ) -> Self:
        """Of configurations with their values and costs, the one in force first."""
        p95 = np.array([np.inf if cost.p95_ms is None else cost.p95_ms for cost in costs])
        usd = np.array([cost.usd_per_1k or 0.0 for cost in costs])
        within_time = p95 <= (np.inf if budget_ms is None else budget_ms)
        if budget_ms is not None:
            within_time &= np.isfinite(p95)
        return cls(
            values=values,
            p95_ms=p95,
            usd_per_1k=usd,
            allowed=within_time & (usd <= (np.inf if max_usd_per_1k is None else max_usd_per_1k)),
            reads=np.array([item.limit if item.reranker else 0 for item in configurations], dtype=np.int32),
            changes=np.array([_changes(item, configurations[0]) for item in configurations]),
        )

    @property
    def reranks(self) -> Mask:
        """Which configurations have a reranker."""
        return self.reads > 0

    @property
    def all_questions(self) -> Questions:
        """The numbers of all questions."""
        return np.arange(self.values.shape[1])


def _changes(configuration: Configuration, in_force: Configuration) -> tuple[float, float]:
    mine, other = configuration.to_dict(), in_force.to_dict()
    weights = abs(configuration.stage1.words_weight - in_force.stage1.words_weight)
    return sum(mine[name] != other[name] for name in mine), weights + abs(
        configuration.blend - in_force.blend
    )


Chooser = Callable[[Contest, Mask, Questions], int]
"""Chooses a configuration among some, for some questions."""


# ── one choice ──


def choose(contest: Contest, among: Mask, questions: Questions) -> int:
    """The cheapest configuration that is not clearly worse than the best, on these questions.

    Not clearly worse is a mean within one standard error, of the paired difference, of the best mean: the one-standard-
    error rule (Breiman, Friedman, Olshen & Stone 1984, "Classification and Regression Trees", section 3.4.3). Of these
    the cheapest by latency, then by price, then the one that reads the fewest candidates, then the one that changes
    least in what is in force, then the best.

    Args:
        among: bool [configurations], at least one.
    """
    candidates, means = _not_clearly_worse(contest, among, questions)
    for costs, bound in _thriftily(contest):
        left = costs[candidates] <= bound(costs[candidates].min())
        candidates, means = candidates[left], means[left]
    return _that_changes_least(contest, candidates, means)


def steadiest(contest: Contest, among: Mask, questions: Questions) -> int:
    """Of those that are not clearly worse than the best, as for `choose`, the one nearest to what is in force.

    The best of hundreds owes much to chance, and the more so the more there are.
    """
    candidates, means = _not_clearly_worse(contest, among, questions)
    return _that_changes_least(contest, candidates, means)


def _not_clearly_worse(contest: Contest, among: Mask, questions: Questions) -> tuple[Questions, Doubles]:
    """The numbers of those within one standard error of the best, and their means."""
    candidates = np.flatnonzero(among)
    values = contest.values[candidates][:, questions]
    means = values.mean(axis=1)
    worse = values[means.argmax()] - values
    errors = worse.std(axis=1, ddof=1) / np.sqrt(len(questions))
    left = worse.mean(axis=1) <= errors + ROUNDING
    return candidates[left], means[left]


def _that_changes_least(contest: Contest, candidates: Questions, means: Doubles) -> int:
    by_count, by_size = contest.changes[candidates].T
    return int(candidates[np.lexsort((-means, by_size, by_count))[0]])


def _thriftily(contest: Contest) -> Iterator[tuple[Doubles | NDArray[np.int32], Callable[[float], float]]]:
    """What is to be low, in this order, each with what counts as the same as the lowest."""
    yield contest.p95_ms, same_latency
    yield contest.usd_per_1k, lambda usd: SAME_SHARE * usd
    yield contest.reads, lambda candidates: candidates


def same_latency(ms: float) -> float:
    """Up to where a latency counts as the same."""
    return max(SAME_SHARE * ms, ms + SAME_MS)


def is_cheaper(contest: Contest, one: int, other: int) -> bool:
    """Whether a configuration takes clearly less than another in one way, and in none clearly more."""
    pairs = [(costs[one], costs[other], bound) for costs, bound in _thriftily(contest)]
    less = any(bound(mine) < theirs for mine, theirs, bound in pairs)
    more = any(bound(theirs) < mine for mine, theirs, bound in pairs)
    return less and not more


# ── the whole decision ──


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided on some questions.

    Args:
        chosen: the number of the configuration.
        reranks: whether the decision is to rerank.
        with_reranker, without: the best of each kind; None where there is none.
        rerank_gain: float64 [questions], the first less the second, each question by choices made on others.
    """

    chosen: int
    reranks: bool
    with_reranker: int | None
    without: int | None
    rerank_gain: Doubles | None


def decide(contest: Contest, questions: Questions) -> Choice:
    """The best with a reranker or the best without, whichever these questions speak for.

    The one with a reranker only if its gain is certain on questions that neither was chosen on. What is in force stays
    unless what was chosen is better for certain, on such questions too, or cheaper and not clearly worse: by less than
    one standard error, as within `choose`. So nobody is told to give up what is most likely better.

    Raises:
        ValueError: nothing is allowed.
    """
    arms = [contest.allowed & contest.reranks, contest.allowed & ~contest.reranks]
    if not (arms[0] | arms[1]).any():
        raise ValueError("no configuration is allowed")
    with_reranker, without = (choose(contest, arm, questions) if arm.any() else None for arm in arms)
    gain = None
    if with_reranker is not None and without is not None:
        # Not by `choose`: thrift may take more from the one than from the other.
        gain = cross_fitted(contest, arms[0], questions, by=steadiest) - cross_fitted(
            contest, arms[1], questions, by=steadiest
        )
    reranks = without is None if gain is None else cross_fitted_interval(gain).low > 0.0
    chosen, arm = (with_reranker, arms[0]) if reranks else (without, arms[1])
    assert chosen is not None, "that arm has something"
    values = cross_fitted(contest, arm, questions)
    if arm[0] and not is_cheaper(contest, chosen, 0):
        better = cross_fitted_interval(values - contest.values[0, questions]).low > 0.0
        chosen = chosen if better else 0
    if contest.allowed[0] and is_clearly_worse(values - contest.values[0, questions]):
        chosen, reranks = 0, bool(contest.reranks[0])
    return Choice(chosen, reranks, with_reranker, without, gain)


def is_clearly_worse(differences: Doubles) -> bool:
    """Whether paired differences are below 0 by more than one standard error of their mean."""
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return bool(differences.mean() < -error - ROUNDING)


def cross_fitted(contest: Contest, among: Mask, questions: Questions, *, by: Chooser = choose) -> Doubles:
    """The metric of each question by what the questions of other folds choose; float64 [questions]."""
    values = np.empty(len(questions))
    for fold in folds(len(questions)):
        chosen = by(contest, among, questions[~fold])
        values[fold] = contest.values[chosen, questions[fold]]
    return values


def cross_fitted_interval(differences: Doubles) -> Interval:
    """The mean of differences between cross-fitted values, float64 [questions], with its 95 % interval.

    What the folds choose hangs together, because they share most of their questions, and resampling questions does not
    see that (Bates, Hastie & Tibshirani 2023, "Cross-validation: What Does It Estimate and How Well Does It Do It?").
    So the bootstrap's interval is made wider, by what simulations call for.
    """
    plain = interval(differences)
    return Interval(
        plain.mean,
        plain.mean - CROSS_FITTING * (plain.mean - plain.low),
        plain.mean + CROSS_FITTING * (plain.high - plain.mean),
    )


def held_out(contest: Contest) -> Doubles:
    """The metric of each question where everything was decided on the other folds; float64 [questions].

    So it is the worth of the whole procedure, with its decision for or against a reranker and with its keeping what is
    in force, and not of the one configuration that all questions together choose (nested cross-validation; Varma &
    Simon 2006, "Bias in error estimation when using cross-validation for model selection").
    """
    questions = contest.all_questions
    values = np.empty(len(questions))
    for fold in folds(len(questions)):
        chosen = decide(contest, questions[~fold]).chosen
        values[fold] = contest.values[chosen, questions[fold]]
    return values


def folds(count: int) -> list[Mask]:
    """Which of so many questions are in each fold, bool [count]; always the same ones, fewer folds of few questions.

    Raises:
        ValueError: there are too few to divide.
    """
    if count < 2 * FEWEST_IN_FOLD:
        raise ValueError(f"{count} questions cannot be divided")
    number = min(FOLDS, count // FEWEST_IN_FOLD)
    fold_of = np.random.default_rng(SEED).permutation(count) % number
    return [fold_of == fold for fold in range(number)]


# ── how much can be seen ──


def questions_needed(differences: Doubles) -> int | None:
    """How many questions it would take to see a gain of this size, four times out of five; None where there is none.

    n = ((z(.975) + z(.8)) · s / d)², for paired differences with mean d and standard deviation s (Cohen 1988,
    "Statistical Power Analysis for the Behavioral Sciences", by the normal approximation). Rounded up to two digits.
    """
    mean = float(differences.mean())
    if mean <= ROUNDING:
        return None
    needed = ((1.96 + 0.84) * float(differences.std(ddof=1)) / mean) ** 2
    digits: int = 10 ** max(0, len(str(int(needed))) - 2)
    return math.ceil(needed / digits) * digits
