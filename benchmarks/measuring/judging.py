"""Queries through both stages, and what judged documents say of every order.

One pass at blend 0 gives each candidate's logit and stage 1 score, from which the order of any blend follows without
another call of a model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from measuring.beir import Judged
from measuring.metrics import Values, ndcg, recall
from vai import Collection, Hit, QueryResponse

DEPTH = 10
RECALL_DEPTHS = (20, 100)
CHUNKS_PER_DOCUMENT = 5
"""How many more chunks than documents stage 1 is asked for, so that a list of documents becomes long enough."""
OWN_CHUNKS = 10
"""Candidates taken beyond the limit where the query's own document is to be ignored."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A candidate with what every witness says of it: see `vai.types.Candidate`; the logit is stage 2's."""

    chunk: str
    document: str
    stage1_rank: int
    stage1_score: float
    similarity: float
    words_score: float
    logit: float

    @classmethod
    def of(cls, hit: Hit, logit: float) -> Self:
        """A hit with what stage 2 made of it."""
        return cls(
            chunk=hit.id,
            document=hit.document_id,
            stage1_rank=hit.stage1_rank,
            stage1_score=hit.stage1_score,
            similarity=hit.similarity,
            words_score=hit.words_score or 0.0,
            logit=logit,
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What both stages said of each query, by id: documents of stage 1 alone, and candidates of stage 2."""

    documents: dict[str, list[str]]
    candidates: dict[str, list[Seen]]


@dataclass(frozen=True, slots=True)
class Mixing:
    """How much stage 1 counts: the blend, and what a stage 1 score of 1 is worth in logits."""

    blend: float
    scale: float

    def order(self, candidates: Iterable[Seen]) -> list[Seen]:
        """Candidates best first, as `vai.query` orders them."""
        return sorted(candidates, key=lambda seen: (-self._score(seen), seen.stage1_rank, seen.chunk))

    def _score(self, seen: Seen) -> float:
        return (1 - self.blend) * seen.logit + self.blend * self.scale * seen.stage1_score


def run_queries(collection: Collection, judged: Judged, limit: int, *, ignore_own: bool) -> Run:
    """Every query twice: a deep look at stage 1 alone, and both stages at blend 0.

    Args:
        limit: candidates that stage 2 reads.
        ignore_own: leave out the document that has the query's own id, before candidates are counted.
    """
    ids, texts = list(judged.queries), list(judged.queries.values())
    deep = max(RECALL_DEPTHS) * CHUNKS_PER_DOCUMENT
    alone = collection.query_many(texts, limit=deep, top_k=deep, rerank=False)
    documents = {
        query: best_chunk_counts(
            hit.document_id for hit in response.hits if not ignore_own or hit.document_id != query
        )
        for query, response in zip(ids, alone, strict=True)
    }
    return Run(documents, read_candidates(collection, judged, limit, ignore_own=ignore_own))


def read_candidates(
    collection: Collection, judged: Judged, limit: int, *, ignore_own: bool
) -> dict[str, list[Seen]]:
    """The candidates of each query in stage 1's order, read by stage 2. Arguments as for `run_queries`."""
    asked = candidates_asked(limit, ignore_own=ignore_own)
    responses = collection.query_many(
        list(judged.queries.values()), limit=asked, rerank=True, blend=0.0, explain=True
    )
    return {
        query: [seen for seen in _candidates(response) if not ignore_own or seen.document != query][:limit]
        for query, response in zip(judged.queries, responses, strict=True)
    }


def candidates_asked(limit: int, *, ignore_own: bool) -> int:
    """How many candidates to ask for, so that `limit` are left without the query's own document."""
    return limit + OWN_CHUNKS if ignore_own else limit


def ndcg_values(rankings: dict[str, list[str]], judged: Judged) -> Values:
    """nDCG@10 of each query."""
    return np.array([ndcg(ranking, judged.grades[query], DEPTH) for query, ranking in rankings.items()])


def recall_values(rankings: dict[str, list[str]], judged: Judged, depth: int) -> Values:
    """Recall of each query."""
    return np.array([recall(ranking, judged.grades[query], depth) for query, ranking in rankings.items()])


def best_chunk_counts(documents: Iterable[str]) -> list[str]:
    """Documents in the order of their best chunks."""
    return list(dict.fromkeys(documents))


def _candidates(response: QueryResponse) -> list[Seen]:
    """The candidates in stage 1's order."""
    hits = sorted(_all_hits(response), key=lambda hit: hit.stage1_rank)
    return [Seen.of(hit, hit.score) for hit in hits if hit.score is not None]


def _all_hits(response: QueryResponse) -> tuple[Hit, ...]:
    return (*response.hits, *(response.dropped or ()))
