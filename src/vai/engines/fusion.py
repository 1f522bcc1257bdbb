"""Stage 1's order, from what its two searches found: the one place where vectors and words are joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Vector
from vai.engines.vectors import Similar
from vai.types import Stage1

RANK_CONSTANT = 60
"""Of reciprocal rank fusion, as in its paper (Cormack, Clarke & Büttcher 2009)."""


@dataclass(frozen=True, slots=True)
class Worded:
    """Rows, int64 [n], with the BM25 scores, float32 [n], above 0: best first, equal ones by row."""

    rows: NDArray[np.int64]
    scores: Vector

    @property
    def greatest(self) -> float:
        """The query's greatest score; 1 if there is none."""
        return float(self.scores[0]) if self.scores.size else 1.0


@dataclass(frozen=True, slots=True)
class Scored:
    """A row with all that stage 1 has to say of it; see `vai.types.Candidate`."""

    row: int
    score: float
    similarity: float
    vector_rank: int | None
    words_rank: int | None
    words_score: float | None


def by_vector(similar: Similar, limit: int) -> list[Scored]:
    """In the order of similarity."""
    pairs = zip(similar.rows[:limit].tolist(), similar.similarities[:limit].tolist(), strict=True)
    return [Scored(row, value, value, rank, None, None) for rank, (row, value) in enumerate(pairs, start=1)]


def by_words(worded: Worded, limit: int, similarities: Callable[[NDArray[np.int64]], Vector]) -> list[Scored]:
    """In the order of BM25; the score is BM25 as a share of the query's greatest."""
    rows = worded.rows[:limit]
    triples = zip(rows.tolist(), worded.scores[:limit].tolist(), similarities(rows).tolist(), strict=True)
    return [
        Scored(row, words / worded.greatest, similarity, None, rank, words)
        for rank, (row, words, similarity) in enumerate(triples, start=1)
    ]


def by_both(
    similar: Similar,
    worded: Worded,
    stage1: Stage1,
    limit: int,
    *,
    similarities: Callable[[NDArray[np.int64]], Vector],
    words_scores: Callable[[NDArray[np.int64]], Vector],
) -> list[Scored]:
    """What either search found, in one order.

    By scores: similarity + words_weight · BM25 / (the query's greatest BM25), a convex combination but for its
    scale (Bruch, Gai & Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval").
    By ranks: Σ 1 / (60 + rank) over the searches that found the row (Cormack, Clarke & Büttcher 2009, "Reciprocal
    Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods"), times 61/2, so that what is first in
    both has 1.

    Args:
        similarities, words_scores: of rows that the other search found: float32 [n] for int64 [n].
    """
    vector_ranks = _ranks(similar.rows)
    words_ranks = _ranks(worded.rows)
    known = dict(zip(similar.rows.tolist(), similar.similarities.tolist(), strict=True))
    unknown = np.array([row for row in words_ranks if row not in known], dtype=np.int64)
    known |= zip(unknown.tolist(), similarities(unknown).tolist(), strict=True)
    words = dict(zip(known, words_scores(np.array([*known], dtype=np.int64)).tolist(), strict=True))
    scored = []
    for row in known:
        vector_rank, words_rank = vector_ranks.get(row), words_ranks.get(row)
        if stage1.fusion == "ranks":
            score = (RANK_CONSTANT + 1) / 2 * (_reciprocal(vector_rank) + _reciprocal(words_rank))
        else:
            score = known[row] + stage1.words_weight * words[row] / worded.greatest
        scored.append(Scored(row, score, known[row], vector_rank, words_rank, words[row]))
    return sorted(scored, key=lambda found: (-found.score, found.row))[:limit]


def _ranks(rows: NDArray[np.int64]) -> Mapping[int, int]:
    return {row: rank for rank, row in enumerate(rows.tolist(), start=1)}


def _reciprocal(rank: int | None) -> float:
    return 0.0 if rank is None else 1 / (RANK_CONSTANT + rank)
