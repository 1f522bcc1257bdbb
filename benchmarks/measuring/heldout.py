"""How good a formula is on sets that its weights were not chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from measuring.blending import Formula, Queries, Scores, Weights
from measuring.metrics import Values

NEWTON_STEPS = 25


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A formula, judged: `values[depth][set]` with weights that were chosen on the other sets."""

    formula: Formula
    values: dict[int, list[Values]]
    chosen: list[Weights]
    best: Weights
    """Chosen on all sets."""


def held_out(formula: Formula, sets: dict[int, list[Queries]]) -> HeldOut:
    """Leave each set out in turn.

    Args:
        sets: for each depth the same sets; weights are chosen by the mean over depths.
    """
    choice = _Grid(formula, sets) if formula.features is None else _Regression(formula, sets)
    count = len(next(iter(sets.values())))
    chosen = [
        choice.weights([other for other in range(count) if other != left_out]) for left_out in range(count)
    ]
    values = {
        depth: [
            queries.ndcg(formula.scores(queries, weights))
            for queries, weights in zip(cuts, chosen, strict=True)
        ]
        for depth, cuts in sets.items()
    }
    return HeldOut(formula, values, chosen, choice.weights(range(count)))


class _Grid:
    """The weights with the greatest mean nDCG@10 over sets and depths."""

    def __init__(self, formula: Formula, sets: dict[int, list[Queries]]) -> None:
        self._grid = formula.grid
        self._means = np.array(
            [
                [
                    [queries.ndcg(formula.scores(queries, weights)).mean() for queries in cuts]
                    for cuts in sets.values()
                ]
                for weights in formula.grid
            ]
        ).mean(axis=1)

    def weights(self, numbers: Sequence[int]) -> Weights:
        return self._grid[int(self._means[:, list(numbers)].mean(axis=1).argmax())]


class _Regression:
    """Logistic regression of pairs, one relevant and one not, of one query (RankNet, Burges et al. 2005).

    Every set weighs the same, and every query of a set. The loss is convex: Newton's method finds its least value.
    """

    def __init__(self, formula: Formula, sets: dict[int, list[Queries]]) -> None:
        assert formula.features is not None
        self._pairs = [
            [pairs_of(queries, formula.features(queries)) for queries in of_depths]
            for of_depths in zip(*sets.values(), strict=True)
        ]

    def weights(self, numbers: Sequence[int]) -> Weights:
        chosen = [pairs for number in numbers for pairs in self._pairs[number]]
        differences = np.concatenate([difference for difference, _ in chosen])
        importance = np.concatenate([shares for _, shares in chosen])
        found = np.zeros(differences.shape[1])
        for _ in range(NEWTON_STEPS):
            wrong = 1.0 / (1.0 + np.exp(differences @ found))
            gradient = differences.T @ (importance * wrong)
            curvature = (differences * (importance * wrong * (1 - wrong))[:, None]).T @ differences
            found += np.linalg.solve(curvature, gradient)
        return tuple(found.tolist())


def pairs_of(queries: Queries, features: Scores) -> tuple[Scores, Values]:
    """Differences float64 [pairs, features], relevant less irrelevant, and what each counts: 1 for the whole set."""
    differences, counts = [], []
    for row, (present, gains) in enumerate(zip(queries.present, queries.gains, strict=True)):
        relevant, others = features[row][present & (gains > 0)], features[row][present & (gains <= 0)]
        pairs = (relevant[:, None] - others[None]).reshape(-1, features.shape[-1])
        if len(pairs):
            differences.append(pairs)
            counts.append(np.full(len(pairs), 1.0 / len(pairs)))
    return np.concatenate(differences), np.concatenate(counts) / len(counts)
