"""Metrics of rankings, of all questions at once.

They equal those of the field's standard tool, trec_eval: a grade is the gain, a grade above 0 is relevant, what nobody
has judged is not, and a question of which nothing relevant is known counts as 0.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Doubles, Ranks
from vai.errors import InvalidSettings

Grades = NDArray[np.int32]

DEEPEST_CUTOFF = 10_000


@dataclass(frozen=True, slots=True)
class Judgements:
    """What is known to be relevant, of all questions.

    Args:
        ideal: int32 [questions, r], the grades above 0 of each question, greatest first, then 0.
    """

    ideal: Grades

    @classmethod
    def of(cls, grades: Sequence[Mapping[str, int]]) -> Self:
        """From the grades of each question's documents, or chunks."""
        rows = [sorted((grade for grade in given.values() if grade > 0), reverse=True) for given in grades]
        ideal = np.zeros((len(rows), max(map(len, rows), default=0)), dtype=np.int32)
        for number, row in enumerate(rows):
            ideal[number, : len(row)] = row
        return cls(ideal)

    @property
    def relevant(self) -> Doubles:
        """How many are relevant to each question, float64 [questions]."""
        counts: Doubles = np.count_nonzero(self.ideal, axis=1).astype(np.float64)
        return counts

    def part(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Judgements:
        """Those of some of the questions."""
        return Judgements(self.ideal[chosen])


@dataclass(frozen=True, slots=True)
class Ranked:
    """What stands in the rankings of all questions; all arrays are [questions, places], in any order of places.

    Args:
        grades: int32, 0 or below for what is not relevant, or not judged.
        ranks: int32 from 1; 0 for a place that does not count, such as a further chunk of a document.
        judged: whether somebody has judged what stands there.
    """

    grades: Grades
    ranks: Ranks
    judged: NDArray[np.bool_]

    def part(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Ranked:
        """The rankings of some of the questions."""
        return Ranked(self.grades[chosen], self.ranks[chosen], self.judged[chosen])


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and how many of the first results it looks at; None for all."""

    kind: str
    cutoff: int | None = None

    def __str__(self) -> str:
        return self.kind if self.cutoff is None else f"{self.kind}@{self.cutoff}"

    @classmethod
    def parse(cls, name: str) -> Self:
        """The metric of that name, as in `ndcg@10`, `mrr@10`, `recall@50`, `map`, `precision@5`.

        Raises:
            InvalidSettings: there is none.
        """
        match = re.fullmatch(r"([a-z]+)(?:@([0-9]{1,9}))?", name.strip().lower())
        if match is None or match[1] not in _KINDS:
            nearest = difflib.get_close_matches(name.lower().partition("@")[0], _KINDS, n=1)
            raise InvalidSettings(
                f"there is no metric `{name:.40}`",
                hint=f"did you mean `{nearest[0]}@10`?"
                if nearest
                else f"there are {', '.join(_KINDS)}, as in ndcg@10",
            )
        kind, cutoff = match[1], None if match[2] is None else int(match[2])
        if cutoff is None and kind in _NEED_CUTOFF:
            raise InvalidSettings(f"the metric `{kind}` needs a cut-off, as in `{kind}@10`")
        if cutoff is not None and not 1 <= cutoff <= DEEPEST_CUTOFF:
            raise InvalidSettings(f"the cut-off of `{name}` must be from 1 to {DEEPEST_CUTOFF:,}")
        return cls(kind, cutoff)

    def values(self, ranked: Ranked, judgements: Judgements) -> Doubles:
        """The metric of each question, float64 [questions]."""
        return _KINDS[self.kind](self.cutoff, ranked, judgements)


def _within(ranked: Ranked, cutoff: int | None) -> NDArray[np.bool_]:
    """The places that count and are not behind the cut-off."""
    inside = ranked.ranks > 0
    return inside if cutoff is None else inside & (ranked.ranks <= cutoff)


def _share(part: Doubles, whole: Doubles) -> Doubles:
    """What part is of the whole, and 0 where there is no whole."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def ideal_gain(ideal: Grades, cutoff: int | None) -> Doubles:
    """The discounted gain of grades in the best order there is, float64 [questions]."""
    best = ideal[:, :cutoff]
    return _total(best / np.log2(np.arange(best.shape[1]) + 2.0))


def _total(values: Doubles) -> Doubles:
    """The sum over places, one after the other: what stands far down, or nothing, never changes how it is rounded.

    A ranking cut off elsewhere has the same value to the last bit, and a difference of two such is 0.
    """
    if not values.shape[1]:
        return np.zeros(len(values))
    totals: Doubles = np.cumsum(values, axis=1)[:, -1]
    return totals


def _ndcg(cutoff: int | None, ranked: Ranked, judgements: Judgements) -> Doubles:
    """Σ grade / log2(rank + 1), divided by what the ideal order has.

    Järvelin & Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", with the discount and the linear
    gain of trec_eval.
    """
    counts = _within(ranked, cutoff) & (ranked.grades > 0)
    gains = np.where(counts, ranked.grades / np.log2(np.maximum(ranked.ranks, 1) + 1.0), 0.0)
    return _share(_total(gains), ideal_gain(judgements.ideal, cutoff))


def _mrr(cutoff: int | None, ranked: Ranked, judgements: Judgements) -> Doubles:
    """1 / the rank of the first that is relevant; 0 if none is."""
    hits = _within(ranked, cutoff) & (ranked.grades > 0)
    first: Doubles = np.where(hits, 1.0 / np.maximum(ranked.ranks, 1), 0.0).max(axis=1, initial=0.0)
    return first


def _recall(cutoff: int | None, ranked: Ranked, judgements: Judgements) -> Doubles:
    """The share of what is relevant that is there."""
    hits = _within(ranked, cutoff) & (ranked.grades > 0)
    return _share(hits.sum(axis=1).astype(np.float64), judgements.relevant)


def _precision(cutoff: int | None, ranked: Ranked, judgements: Judgements) -> Doubles:
    """The relevant among the first `cutoff`, as a share of `cutoff`, however few there are."""
    hits = _within(ranked, cutoff) & (ranked.grades > 0)
    shares: Doubles = hits.sum(axis=1) / float(cutoff or 1)
    return shares


def _map(cutoff: int | None, ranked: Ranked, judgements: Judgements) -> Doubles:
    """The mean, over all that is relevant, of the precision at its rank; 0 for what is not there."""
    hits = _within(ranked, cutoff) & (ranked.grades > 0)
    ranks = np.sort(np.where(hits, ranked.ranks, np.iinfo(np.int32).max), axis=1)
    found = np.arange(1, ranks.shape[1] + 1) <= hits.sum(axis=1, keepdims=True)
    precisions = np.where(found, np.arange(1, ranks.shape[1] + 1) / ranks, 0.0)
    return _share(_total(precisions), judgements.relevant)


def _judged(cutoff: int | None, ranked: Ranked, judgements: Judgements) -> Doubles:
    """The share of what is there that somebody has judged; 0 if nothing is there."""
    inside = _within(ranked, cutoff)
    return _share(
        (inside & ranked.judged).sum(axis=1).astype(np.float64), inside.sum(axis=1).astype(np.float64)
    )


_KINDS: dict[str, Callable[[int | None, Ranked, Judgements], Doubles]] = {
    "ndcg": _ndcg,
    "mrr": _mrr,
    "recall": _recall,
    "map": _map,
    "precision": _precision,
    "judged": _judged,
}
_NEED_CUTOFF = frozenset({"precision"})
