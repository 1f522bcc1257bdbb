"""Stage 1's order, from what its two searches found: the one place where vectors and words are joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vai.arrays import Doubles, Vector
from vai.engines.vectors import Similar
from vai.types import Candidate, Chunk, PoolScores, Stage1

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

    def candidate(self, chunk: Chunk, rank: int) -> Candidate:
        """The row's chunk, as stage 1 returns it at a rank."""
        return Candidate(
            chunk=chunk,
            similarity=self.similarity,
            stage1_rank=rank,
            stage1_score=self.score,
            vector_rank=self.vector_rank,
            words_rank=self.words_rank,
            words_score=self.words_score,
        )


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
    """What either search found, in the order of `joined_scores`; equal ones by row.

    Args:
        similarities, words_scores: of rows that the other search found: float32 [n] for int64 [n].
    """
    words_only = worded.rows[~_is_in(worded.rows, similar.rows)]
    rows = np.concatenate([similar.rows, words_only])
    cosines = np.concatenate([similar.similarities, similarities(words_only)]).astype(np.float64)
    words = words_scores(rows).astype(np.float64)
    vector_ranks = _ranks_of(rows, similar.rows)
    words_ranks = _ranks_of(rows, worded.rows)
    scores = joined_scores(stage1, cosines, words, worded.greatest, vector_ranks, words_ranks)
    best = np.lexsort((rows, -scores))[:limit]
    columns = (values[best].tolist() for values in (rows, scores, cosines, vector_ranks, words_ranks, words))
    return [
        Scored(row, score, cosine, vector_rank or None, words_rank or None, bm25)
        for row, score, cosine, vector_rank, words_rank, bm25 in zip(*columns, strict=True)
    ]


def joined_scores(
    stage1: Stage1,
    cosines: Doubles,
    words: Doubles,
    greatest: float | Doubles,
    vector_ranks: NDArray[np.integer],
    words_ranks: NDArray[np.integer],
) -> Doubles:
    """Stage 1's score of what either search of a hybrid one found, float64 of the shape of the arguments.

    By scores: similarity + words_weight · BM25 / (the query's greatest BM25), a convex combination but for its
    scale (Bruch, Gai & Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval").
    By ranks: Σ 1 / (60 + rank) over the searches that found the row (Cormack, Clarke & Büttcher 2009, "Reciprocal
    Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods"), times 61/2, so that what is first in
    both has 1.

    Args:
        greatest: the query's greatest BM25.
        vector_ranks, words_ranks: from 1; 0 where that search did not find it.
    """
    if stage1.fusion == "ranks":
        return (RANK_CONSTANT + 1) / 2 * (_reciprocals(vector_ranks) + _reciprocals(words_ranks))
    return cosines + stage1.words_weight * words / greatest


def pooled(
    similar: Similar,
    worded: Worded,
    *,
    similarities: Callable[[NDArray[np.int64]], Vector],
    words_scores: Callable[[NDArray[np.int64]], Vector],
) -> tuple[NDArray[np.int64], PoolScores]:
    """What either search found, in no order but that of the rows: the rows, ascending, and what is known of them.

    Arguments as for `by_both`.
    """
    words_only = worded.rows[~_is_in(worded.rows, similar.rows)]
    rows = np.concatenate([similar.rows, words_only])
    cosines = np.concatenate([similar.similarities, similarities(words_only)])
    order = np.argsort(rows)
    rows = rows[order]
    scores = PoolScores(
        similarities=cosines[order],
        words_scores=words_scores(rows),
        vector_ranks=_ranks_of(rows, similar.rows).astype(np.int32),
        words_ranks=_ranks_of(rows, worded.rows).astype(np.int32),
    )
    return rows, scores


def _is_in(rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of `rows` is among the others."""
    return _ranks_of(rows, others) > 0


def _ranks_of(rows: NDArray[np.int64], ranked: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of `rows` its place in `ranked`, from 1; 0 if it is not there."""
    if not ranked.size:
        return np.zeros(rows.size, dtype=np.int64)
    order = np.argsort(ranked)
    places = np.minimum(np.searchsorted(ranked, rows, sorter=order), ranked.size - 1)
    found = order[places]
    return np.where(ranked[found] == rows, found + 1, 0)


def _reciprocals(ranks: NDArray[np.integer]) -> Doubles:
    """1 / (60 + rank), and 0 where there is none."""
    return np.where(ranks > 0, 1.0 / (RANK_CONSTANT + ranks), 0.0)
