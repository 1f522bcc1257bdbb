"""Ways to join what both stages say of a candidate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measuring.beir import Judged
from measuring.judging import DEPTH, Seen, best_chunk_counts
from measuring.metrics import Values, ndcg
from vai.calibration import probabilities
from vai.types import Calibration

Scores = NDArray[np.float64]
"""float64 [queries, candidates], in stage 1's order."""
Weights = tuple[float, ...]

ABSENT = -1e9
LEAST_SPREAD = 1e-9


@dataclass(frozen=True, slots=True)
class Queries:
    """The candidates of one set's queries, cut at one depth.

    Args:
        present: which cells hold a candidate: a query may have fewer than others.
        words: BM25; `best_words` [queries, 1] is the greatest of the query, which fusion divides by.
        documents: for each query the candidates' documents.
    """

    judged: Judged
    present: NDArray[np.bool_]
    logit: Scores
    similarity: Scores
    words: Scores
    stage1: Scores
    documents: tuple[tuple[str, ...], ...]

    @property
    def best_words(self) -> Scores:
        """Of the candidates, which with fused scores is nearly always that of all chunks."""
        greatest: Scores = self.words.max(axis=1, keepdims=True)
        return np.where(greatest > 0, greatest, 1.0)

    @property
    def rank(self) -> Scores:
        """Stage 1's ranks, from 1."""
        return np.broadcast_to(np.arange(1.0, self.logit.shape[1] + 1), self.logit.shape)

    @property
    def gains(self) -> Scores:
        """The grade of each candidate's document."""
        found = np.zeros(self.logit.shape)
        for row, (query, documents) in enumerate(zip(self.judged.queries, self.documents, strict=True)):
            found[row, : len(documents)] = [self.judged.grades[query].get(name, 0) for name in documents]
        return found

    def ndcg(self, scores: Scores) -> Values:
        """nDCG@10 of each query in the order of these scores; equal ones stay in stage 1's order."""
        orders = np.argsort(-np.where(self.present, scores, ABSENT), axis=1, kind="stable").tolist()
        return np.array(
            [
                ndcg(
                    best_chunk_counts(documents[index] for index in order if index < len(documents)),
                    self.judged.grades[query],
                    DEPTH,
                )
                for query, documents, order in zip(self.judged.queries, self.documents, orders, strict=True)
            ]
        )


def cut(candidates: dict[str, list[Seen]], judged: Judged, depth: int) -> Queries:
    """The first `depth` candidates of each query."""
    rows = [candidates[query][:depth] for query in judged.queries]
    shape = (len(rows), depth)

    def filled(of: Callable[[Seen], float]) -> Scores:
        values = np.zeros(shape)
        for number, row in enumerate(rows):
            values[number, : len(row)] = [of(seen) for seen in row]
        return values

    return Queries(
        judged=judged,
        present=filled(lambda _: 1.0) > 0,
        logit=filled(lambda seen: seen.logit),
        similarity=filled(lambda seen: seen.similarity),
        words=filled(lambda seen: seen.words_score),
        stage1=filled(lambda seen: seen.stage1_score),
        documents=tuple(tuple(seen.document for seen in row) for row in rows),
    )


def without_own(candidates: Sequence[Seen], words_weight: float) -> list[Seen]:
    """Candidates in the order that fused scores would give if the query's own document were not stored.

    Where queries are documents, that one has the greatest BM25 score by far, and all others' shares of it are small:
    it would take from words most of what they count.
    """
    greatest = max((seen.words_score for seen in candidates), default=0.0) or 1.0
    rescored = [
        replace(seen, stage1_score=seen.similarity + words_weight * seen.words_score / greatest)
        for seen in candidates
    ]
    ordered = sorted(rescored, key=lambda seen: (-seen.stage1_score, seen.stage1_rank))
    return [replace(seen, stage1_rank=rank) for rank, seen in enumerate(ordered, start=1)]


# ── formulas ──


@dataclass(frozen=True, slots=True)
class Formula:
    """A way to join the witnesses, with the weights that are tried; `features` where they are fitted instead."""

    name: str
    scores: Callable[[Queries, Weights], Scores]
    grid: tuple[Weights, ...] = ((),)
    features: Callable[[Queries], Scores] | None = None


WEIGHTS = (0.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 50.0, 60.0, 80.0)
"""How many logits a stage 1 score, or a similarity, of 1 is worth."""
WORDS_WEIGHTS = (0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0)
SHARES = (0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)


def formulas(curve: Calibration) -> tuple[Formula, ...]:
    """All that are compared; the curve is the reranker's calibration."""

    def convex(part: Callable[[Queries, Scores], Scores]) -> Callable[[Queries, Weights], Scores]:
        return lambda queries, weights: (
            (1 - weights[0]) * part(queries, queries.logit) + weights[0] * part(queries, queries.stage1)
        )

    return (
        Formula("logit + w·stage1", lambda q, w: q.logit + w[0] * q.stage1, _grid(WEIGHTS)),
        Formula(
            "logit + w·similarity + v·BM25/greatest",
            lambda q, w: q.logit + w[0] * q.similarity + w[1] * q.words / q.best_words,
            _grid(WEIGHTS, WORDS_WEIGHTS),
        ),
        Formula(
            "logit + w·similarity + v·BM25",
            lambda q, w: q.logit + w[0] * q.similarity + w[1] * q.words,
            _grid(WEIGHTS, (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5)),
        ),
        Formula(
            "logit + w·similarity + v·log(1 + BM25)",
            lambda q, w: q.logit + w[0] * q.similarity + w[1] * np.log1p(q.words),
            _grid(WEIGHTS, (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)),
        ),
        Formula(
            "logit + w·similarity + v·BM25/√greatest",
            lambda q, w: q.logit + w[0] * q.similarity + w[1] * q.words / np.sqrt(q.best_words),
            _grid(WEIGHTS, (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)),
        ),
        Formula(
            "relevance + w·stage1",
            lambda q, w: probabilities(q.logit, curve) + w[0] * q.stage1,
            _grid((0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)),
        ),
        Formula("z-scores of logit and stage1", convex(standardised), _grid(SHARES)),
        Formula("least 0, greatest 1 of each", convex(stretched), _grid(SHARES)),
        Formula(
            "logit/√spread + w·stage1",
            lambda q, w: q.logit / np.sqrt(spread(q, q.logit)) + w[0] * q.stage1,
            _grid((5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0)),
        ),
        Formula(
            "reciprocal ranks, share w, constant v",
            lambda q, w: (1 - w[0]) / (w[1] + ranks(q, q.logit)) + w[0] / (w[1] + q.rank),
            _grid(SHARES, (0.0, 3.0, 10.0, 60.0)),
        ),
        Formula(
            "logit + w·stage1 − v·log(rank)",
            lambda q, w: q.logit + w[0] * q.stage1 - w[1] * np.log(q.rank),
            _grid(WEIGHTS, (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)),
        ),
        Formula(
            "fitted: pairwise logistic regression of the three",
            lambda q, w: three(q) @ np.array(w),
            features=three,
        ),
    )


def _grid(*axes: Sequence[float]) -> tuple[Weights, ...]:
    return tuple(product(*axes))


def three(queries: Queries) -> Scores:
    """float64 [queries, candidates, 3]: logit, similarity and BM25 as a share of the greatest."""
    return np.stack([queries.logit, queries.similarity, queries.words / queries.best_words], axis=-1)


def spread(queries: Queries, values: Scores) -> Scores:
    """float64 [queries, 1]: the standard deviation among each query's candidates."""
    deviations: Scores = _among_present(queries, values).std(axis=1, keepdims=True).filled(0.0)
    return np.maximum(deviations, LEAST_SPREAD)


def standardised(queries: Queries, values: Scores) -> Scores:
    """Less their mean, divided by their spread among each query's candidates (Montague & Aslam 2001)."""
    means: Scores = _among_present(queries, values).mean(axis=1, keepdims=True).filled(0.0)
    return (values - means) / spread(queries, values)


def stretched(queries: Queries, values: Scores) -> Scores:
    """The least of each query's candidates becomes 0, the greatest 1 (Lee 1997)."""
    present = _among_present(queries, values)
    least: Scores = present.min(axis=1, keepdims=True).filled(0.0)
    greatest: Scores = present.max(axis=1, keepdims=True).filled(0.0)
    return (values - least) / np.maximum(greatest - least, LEAST_SPREAD)


def ranks(queries: Queries, values: Scores) -> Scores:
    """Ranks from 1, the greatest value first."""
    order = np.argsort(-np.where(queries.present, values, ABSENT), axis=1, kind="stable")
    places: Scores = np.argsort(order, axis=1, kind="stable").astype(np.float64)
    return places + 1.0


def _among_present(queries: Queries, values: Scores) -> Any:
    """Masked where there is no candidate; numpy does not say what its type is."""
    return np.ma.array(values, mask=~queries.present)
