"""What the configurations that users choose between make of some questions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from vai.collection import Collection
from vai.evaluation.data.matching import Unit
from vai.evaluation.judging.judging import Contenders
from vai.evaluation.replaying.bench import Progress
from vai.types import Hit

ALL_THE_TIME = 3_600_000
"""Milliseconds for one query: whatever budget the settings have, every candidate is to be read."""

Order = Callable[[Hit], tuple[float, int]]
"""What a configuration sorts candidates by; equal ones stay in stage 1's order."""


def candidate_rankings(
    collection: Collection,
    questions: Sequence[str],
    *,
    unit: Unit,
    limit: int | None = None,
    rerank: bool | None = None,
    rerank_model: str | None = None,
    progress: Progress | None = None,
) -> Contenders:
    """The orders of the same candidates: by similarity, by words, by stage 1, by stage 2 and by both.

    Raises as `Collection.query_many`.
    """
    rankings: dict[str, list[list[str]]] = {}
    passages: list[dict[str, Hit]] = []
    warnings: dict[str, None] = {}
    responses = collection.query_many(
        questions,
        limit=limit,
        rerank=rerank,
        rerank_model=rerank_model,
        budget_ms=ALL_THE_TIME,
        explain=True,
    )
    for done, response in enumerate(responses, start=1):
        hits = [*response.hits, *(response.dropped or ())]
        for name, order in _orders(response.stages.rerank is not None, response.settings.stage1).items():
            rankings.setdefault(name, []).append(_units(sorted(hits, key=order), unit))
        passages.append(_best(hits, unit))
        warnings.update(dict.fromkeys(response.warnings))
        if progress is not None:
            progress("asking the questions", done, len(questions))
    return Contenders(rankings, passages, tuple(warnings))


def _orders(reranked: bool, stage1: str) -> Mapping[str, Order]:
    orders: dict[str, Order] = {
        "stage1": lambda hit: (0.0, hit.stage1_rank),
        "vector": lambda hit: (-hit.similarity, hit.stage1_rank),
    }
    if stage1 != "vector":
        orders["words"] = lambda hit: (-(hit.words_score or 0.0), hit.stage1_rank)
    if reranked:
        orders["reranked"] = lambda hit: (
            math.inf if hit.relevance is None else -hit.relevance,
            hit.stage1_rank,
        )
        orders["blended"] = lambda hit: (float(hit.rank), hit.stage1_rank)
    return orders


def _units(hits: Iterable[Hit], unit: Unit) -> list[str]:
    """Ids of what is judged, in the order of their best chunks."""
    return list(dict.fromkeys(hit.id if unit == "chunk" else hit.document_id for hit in hits))


def _best(hits: Sequence[Hit], unit: Unit) -> dict[str, Hit]:
    """For each id of what is judged, the chunk that stands for it: the one that is last thrown out."""
    return {(hit.id if unit == "chunk" else hit.document_id): hit for hit in reversed(hits)}
