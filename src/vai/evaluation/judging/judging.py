"""Which passages to show to somebody who judges, and what the answers change: pure functions of rankings.

After Carterette, Allan & Sitaraman 2006, "Minimal Test Collections for Retrieval Evaluation": a judgement is worth as
much as it can change the difference between two rankings' metrics. What both rank alike, or neither ranks high, tells
nothing about which is better, however relevant it is.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from vai.types import Hit

DEPTH = 10
"""Places that count: those of nDCG@10."""


@dataclass(frozen=True, slots=True)
class Contenders:
    """What several configurations make of the same questions.

    Args:
        rankings: for each configuration, and each question, the ids of its documents or chunks, best first.
        passages: for each question, by those ids, the best chunk that any of them found.
        warnings: what the user should know of how they came to be.
    """

    rankings: Mapping[str, Sequence[Sequence[str]]]
    passages: Sequence[Mapping[str, Hit]]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, by its number, and what is to be judged for it; `weight` says how much that can tell."""

    question: int
    unit: str
    weight: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How a configuration does by what is judged: means over the questions of which something relevant is known.

    `ndcg` is None where there is no such question; `judged` is the share of its first places that is judged, over
    all questions.
    """

    ndcg: float | None
    judged: float


def discount(place: int | None, depth: int = DEPTH) -> float:
    """What a relevant passage at a place (from 0) adds to DCG: 1 / log2(place + 2); nothing beyond the depth."""
    return 0.0 if place is None or place >= depth else 1.0 / math.log2(place + 2)


def weights(rankings: Sequence[Sequence[str]], depth: int = DEPTH) -> dict[str, float]:
    """For all that stands in one question's rankings, how much its judgement can change their differences in DCG.

    That is |discount in the one − discount in the other|, summed over all pairs of rankings. DCG is a sum, so what
    one judgement can change does not depend on the others.
    """
    places = [{unit: place for place, unit in enumerate(ranking[:depth])} for ranking in rankings]
    units = dict.fromkeys(unit for ranking in rankings for unit in ranking[:depth])
    return {
        unit: sum(
            abs(discount(one.get(unit), depth) - discount(other.get(unit), depth))
            for one, other in combinations(places, 2)
        )
        for unit in units
    }


def most_disputed(
    rankings: Sequence[Sequence[Sequence[str]]],
    judged: Sequence[Mapping[str, int]],
    *,
    count: int,
    depth: int = DEPTH,
) -> list[Pair]:
    """The pairs whose judgement tells most, at most `count`, none of them judged; a question's stand together.

    Every further pair of the same question counts for less (a half, a third …): questions differ from each other more
    than passages do, so that a mean over many of them is the surer one. Equal weights go by the order of the
    questions, then of the ids: the same rankings always give the same pairs.

    Args:
        rankings: of each configuration, for each question, ids best first.
        judged: for each question, what is judged already.
    """
    waiting = [
        _by_weight(number, [ranking[number] for ranking in rankings], known, depth)
        for number, known in enumerate(judged)
    ]
    heap = [(-pairs[0].weight, number, 0) for number, pairs in enumerate(waiting) if pairs]
    heapq.heapify(heap)
    chosen: dict[int, list[Pair]] = {}
    for _ in range(count):
        if not heap:
            break
        _, number, place = heapq.heappop(heap)
        chosen.setdefault(number, []).append(waiting[number][place])
        if place + 1 < len(waiting[number]):
            heapq.heappush(heap, (-waiting[number][place + 1].weight / (place + 2), number, place + 1))
    return [pair for pairs in chosen.values() for pair in pairs]


def _by_weight(
    number: int, rankings: Sequence[Sequence[str]], known: Mapping[str, int], depth: int
) -> list[Pair]:
    found = weights(rankings, depth)
    pairs = [Pair(number, unit, weight) for unit, weight in found.items() if weight > 0 and unit not in known]
    return sorted(pairs, key=lambda pair: (-pair.weight, pair.unit))


def standings(contenders: Contenders, grades: Sequence[Mapping[str, int]]) -> dict[str, Standing]:
    """How each configuration does by the grades of each question's units."""
    return {
        name: _standing([ranking[:DEPTH] for ranking in rankings], grades)
        for name, rankings in contenders.rankings.items()
    }


def _standing(rankings: Sequence[Sequence[str]], grades: Sequence[Mapping[str, int]]) -> Standing:
    import numpy as np

    from vai.evaluation.measures.metrics import Judgements, Metric, Ranked

    shape = len(rankings), DEPTH
    found, ranks, judged = np.zeros(shape, np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.bool_)
    for row, (ranking, known) in enumerate(zip(rankings, grades, strict=True)):
        for column, unit in enumerate(ranking):
            found[row, column] = known.get(unit, 0)
            ranks[row, column] = column + 1
            judged[row, column] = unit in known
    ranked, ideal = Ranked(found, ranks, judged), Judgements.of(grades)
    answered = ideal.relevant > 0
    values = Metric("ndcg", DEPTH).values(ranked, ideal)[answered]
    share = Metric("judged", DEPTH).values(ranked, ideal)
    return Standing(
        ndcg=round(float(values.mean()), 4) if answered.any() else None,
        judged=round(float(share.mean()), 4) if len(share) else 0.0,
    )
