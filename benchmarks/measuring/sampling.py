"""Figures that are measured several times, and two of them measured side by side."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Measure = Callable[[int], float]
"""What one round measured; the argument is the round's number, from 0."""


@dataclass(frozen=True, slots=True)
class Samples:
    """One figure, measured once per round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure to quote."""
        return statistics.median(self.values)

    def spread(self, digits: int) -> str:
        """`median (min–max)`, or the one value there is."""
        if len(self.values) == 1:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({min(self.values):,.{digits}f}–{max(self.values):,.{digits}f})"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a median should come to: `bound` is its greatest value, or its least where more is better."""

    bound: float
    more_is_better: bool = False

    def is_met(self, value: float) -> bool:
        """Whether the value is on the right side of the bound."""
        return value >= self.bound if self.more_is_better else value < self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.more_is_better else '<'} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure of ours beside a reference, measured in the same rounds.

    Args:
        reference_name: what the reference is, "" if there is none.
        goal: of our figure.
        ratio_goal: of ours divided by the reference.
    """

    name: str
    unit: str
    ours: Samples
    reference_name: str = ""
    reference: Samples | None = None
    goal: Goal | None = None
    ratio_goal: Goal | None = None

    @property
    def ratio(self) -> Samples | None:
        """Ours divided by the reference, round by round, so that a machine that slows down cancels out."""
        if self.reference is None:
            return None
        pairs = zip(self.ours.values, self.reference.values, strict=True)
        return Samples(tuple(ours / reference for ours, reference in pairs))

    @property
    def verdicts(self) -> list[tuple[Goal, bool]]:
        """Each goal, and whether it was met."""
        found = [(self.goal, self.goal.is_met(self.ours.median))] if self.goal else []
        if self.ratio_goal and self.ratio:
            found.append((self.ratio_goal, self.ratio_goal.is_met(self.ratio.median)))
        return found


@dataclass(frozen=True, slots=True)
class Percentiles:
    """How long one stage took over many queries, in ms."""

    name: str
    p50: float
    p95: float
    queries: int


def alternate(rounds: int, ours: Measure, reference: Measure, *, warm_up: bool) -> tuple[Samples, Samples]:
    """A B A B …; with `warm_up`, one round of each before that does not count."""
    if warm_up:
        ours(0)
        reference(0)
    pairs = [(ours(number), reference(number)) for number in range(rounds)]
    return Samples(tuple(pair[0] for pair in pairs)), Samples(tuple(pair[1] for pair in pairs))


def percentiles(name: str, values: Sequence[float]) -> Percentiles:
    """The middle and the slow end of some times in ms."""
    import numpy as np

    p50, p95 = np.percentile(np.array(values), [50, 95])
    return Percentiles(name, float(p50), float(p95), len(values))
